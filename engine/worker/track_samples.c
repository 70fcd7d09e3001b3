/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A plain track's samples. Worker process, a job's fiber. See track_samples.h.
 */
#include "engine/worker/track_samples.h"

#include <errno.h>

#include <libavutil/common.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mathematics.h>
#include <libavutil/mem.h>

#define BYTES_MAX    0x3fffffffu /* of a sample: libavformat's limit */
#define LASTS_MAX    0x7fffffffu
#define SHIFT_MAX    ((1u << 28) - 1)
#define REORDER_ROOM 17 /* libavformat's */

static uint32_t word(
    const struct rmx_movie_table *table, uint32_t entry, unsigned words, unsigned n)
{
    return AV_RB32(table->at + 4 * ((size_t)entry * words + n));
}

/* --- the tables, one after the other --------------------------------------------------------- */

static int place_samples(struct rmx_samples *samples, const struct rmx_movie_track *track)
{
    const struct rmx_movie_table *runs = &track->runs;
    uint32_t run = 0;
    uint32_t made = 0;

    if (word(runs, 0, 3, 0) != 1) {
        return -ENOTSUP;
    }
    for (uint32_t chunk = 0; chunk < track->chunks.count; chunk++) {
        uint64_t at = track->wide_chunks ? AV_RB64(track->chunks.at + (size_t)8 * chunk)
                                         : word(&track->chunks, chunk, 1, 0);

        run += run + 1 < runs->count && word(runs, run + 1, 3, 0) == chunk + 1;
        uint32_t count = word(runs, run, 3, 1);

        if (count == 0 || count > samples->count - made || word(runs, run, 3, 2) != 1 ||
            at > INT64_MAX / 2) {
            return -ENOTSUP;
        }
        for (uint32_t end = made + count; made < end; made++) {
            uint32_t bytes =
                track->size_of_all > 0 ? track->size_of_all : word(&track->sizes, made, 1, 0);

            if (bytes == 0 || bytes > BYTES_MAX) {
                return -ENOTSUP;
            }
            samples->all[made] = (struct rmx_sample){ .at = at, .bytes = bytes };
            samples->bytes += bytes;
            at += bytes;
            samples->end = FFMAX(samples->end, at);
        }
    }
    return made == samples->count && run + 1 == runs->count ? 0 : -ENOTSUP;
}

static int time_samples(struct rmx_samples *samples, const struct rmx_movie_track *track)
{
    const struct rmx_movie_table *table = &track->durations;
    uint32_t least = track->video ? 1 : 2; /* sound of one unit each is not compressed */
    uint32_t made = 0;

    for (uint32_t entry = 0; entry < table->count; entry++) {
        uint32_t count = word(table, entry, 2, 0);
        uint32_t lasts = word(table, entry, 2, 1);

        if (count == 0 || count > samples->count - made || lasts > LASTS_MAX || lasts < least) {
            return -ENOTSUP;
        }
        for (uint32_t end = made + count; made < end; made++) {
            samples->all[made].dts = samples->listed;
            samples->listed += lasts;
        }
    }
    bool steady = table->count == 1 || (table->count == 2 && word(table, 1, 2, 0) == 1);

    samples->steady = steady ? word(table, 0, 2, 1) : 0;
    return made == samples->count ? 0 : -ENOTSUP;
}

static int shift_samples(struct rmx_samples *samples, const struct rmx_movie_track *track)
{
    const struct rmx_movie_table *table = &track->shifts;
    uint32_t made = 0;

    for (uint32_t entry = 0; entry < table->count; entry++) {
        uint32_t count = word(table, entry, 2, 0);
        uint32_t shift = word(table, entry, 2, 1);

        if (count == 0 || count > samples->count - made || shift > SHIFT_MAX) {
            return -ENOTSUP;
        }
        for (uint32_t end = made + count; made < end; made++) {
            samples->all[made].shift = shift;
        }
    }
    return made == samples->count || table->count == 0 ? 0 : -ENOTSUP;
}

/* How far is a picture's pts from where it would come in order of decoding? As libavformat counts
 * it: in a window of the last ones, sorted as they come. */
static uint32_t reorder_of(const struct rmx_samples *samples)
{
    int64_t window[REORDER_ROOM];
    uint32_t most = 0;

    for (unsigned i = 0; i < REORDER_ROOM; i++) {
        window[i] = INT64_MIN;
    }
    for (uint32_t i = 0; i < samples->count; i++) {
        int64_t pts = samples->all[i].dts + samples->all[i].shift;
        unsigned at = REORDER_ROOM - 1;

        for (unsigned k = 0; k + 1 < REORDER_ROOM; k++) { /* the least leaves */
            window[k] = window[k + 1];
        }
        while (at > 0 && pts < window[at - 1]) {
            window[at] = window[at - 1];
            at--;
        }
        window[at] = pts;
        most = FFMAX(most, REORDER_ROOM - 1 - at);
    }
    return most;
}

/* --- the edit -------------------------------------------------------------------------------- */

/* libavformat begins with the last key frame at or before the edit. It has to be the first sample:
 * one that is left out is for libavformat to leave out. */
static bool begins_with_first(
    const struct rmx_samples *samples, const struct rmx_movie_track *track, int64_t begin)
{
    if (track->keys.count > 0 && word(&track->keys, 0, 1, 0) != 1) {
        return false;
    }
    if (track->keys.count == 0) {
        return samples->count == 1 || samples->all[1].dts > begin;
    }
    uint32_t second = track->keys.count > 1 ? word(&track->keys, 1, 1, 0) : 0;

    return second == 0 ||
           (second > 1 && second <= samples->count && samples->all[second - 1].dts > begin);
}

/* libavformat leaves an edit after a key frame that reaches its end; with shifts, after another
 * one.
 */
static bool ends_with_last(
    const struct rmx_samples *samples, const struct rmx_movie_track *track, int64_t end)
{
    uint32_t key = 0;
    unsigned left = track->shifts.count > 0 ? 2 : 1;

    for (uint32_t i = 0; i + 1 < samples->count; i++) {
        const struct rmx_sample *sample = &samples->all[i];
        bool is_key = track->keys.count == 0 ||
                      (key < track->keys.count && word(&track->keys, key, 1, 0) == i + 1);

        key += is_key;
        left -= is_key && sample[1].dts + sample->shift >= end;
        if (left == 0) {
            return false;
        }
    }
    return true;
}

/* Every picture must be inside: then their times only move, so that the first is shown at zero. */
static int edit_pictures(struct rmx_samples *samples, const struct rmx_movie_track *track,
    int64_t begin, int64_t duration)
{
    int64_t least = INT64_MAX;

    if (!begins_with_first(samples, track, begin) ||
        !ends_with_last(samples, track, begin + duration)) {
        return -ENOTSUP;
    }
    for (uint32_t i = 0; i < samples->count; i++) {
        int64_t pts = samples->all[i].dts + samples->all[i].shift;

        if (pts < begin || pts >= begin + duration) {
            return -ENOTSUP;
        }
        least = FFMIN(least, pts);
    }
    for (uint32_t i = 0; i < samples->count; i++) {
        samples->all[i].dts -= least;
    }
    return 0;
}

/* Of sound, what comes before the edit is kept for the decoder's sake, up to a second of it, and
 * counts backwards from zero; what comes after its end is left out. */
static int edit_sound(struct rmx_samples *samples, const struct rmx_movie_track *track,
    int64_t begin, int64_t duration)
{
    int64_t end = begin + duration;
    uint32_t kept = 0;
    bool over = false;

    if (begin > track->units) {
        return -ENOTSUP;
    }
    while (kept < samples->count && !over) {
        struct rmx_sample *sample = &samples->all[kept++];
        int64_t next = kept < samples->count ? sample[1].dts : sample->dts + duration;
        bool across = sample->dts < begin && next > begin;

        sample->discard = !across && (sample->dts < begin || sample->dts >= end);
        over = next >= end;
    }
    samples->skip = (uint32_t)begin;
    samples->count = kept;
    for (uint32_t i = 0; i < kept; i++) {
        samples->all[i].dts -= begin;
    }
    return samples->all[kept - 1].dts >= 0 ? 0 : -ENOTSUP;
}

static int edit(struct rmx_samples *samples, const struct rmx_movie_track *track, uint32_t units)
{
    int64_t duration = av_rescale((int64_t)track->edit_duration, track->units, units);
    int error;

    if (duration <= 0 || duration > INT64_MAX / 4) {
        return -ENOTSUP;
    }
    error = track->video ? edit_pictures(samples, track, track->edit_time, duration)
                         : edit_sound(samples, track, track->edit_time, duration);
    samples->duration = FFMIN(samples->duration, duration);
    samples->start = 0;
    return error;
}

/* --- how long each lasts --------------------------------------------------------------------- */

static int measure(struct rmx_samples *samples)
{
    for (uint32_t i = 0; i < samples->count; i++) {
        int64_t next = i + 1 < samples->count ? samples->all[i + 1].dts : samples->duration;
        int64_t lasts = next - samples->all[i].dts;

        if (lasts <= 0 || lasts > UINT32_MAX) {
            return -ENOTSUP;
        }
        samples->all[i].lasts = (uint32_t)lasts;
    }
    return 0;
}

static int make(struct rmx_samples *samples, const struct rmx_movie_track *track, uint32_t units)
{
    int error = place_samples(samples, track);

    error = error < 0 ? error : time_samples(samples, track);
    error = error < 0 ? error : shift_samples(samples, track);
    if (error < 0) {
        return error;
    }
    samples->duration = FFMIN((int64_t)track->duration, samples->listed);
    samples->bit_rate = (int64_t)(samples->bytes * 8 * track->units / (uint64_t)samples->duration);
    samples->start = samples->all[0].dts + samples->all[0].shift;
    if (track->has_edit) {
        error = edit(samples, track, units);
    }
    if (track->shifts.count > 0) {
        samples->reorder = reorder_of(samples);
        return error;
    }
    return error < 0 ? error : measure(samples);
}

int rmx_track_samples_make(struct rmx_samples *samples, const struct rmx_movie_track *track,
    uint32_t units, uint64_t file_bytes)
{
    *samples = (struct rmx_samples){ .count = track->sizes.count, .frames = track->sizes.count };
    if (samples->count > file_bytes) {
        return -ENOTSUP;
    }
    samples->all = av_malloc_array(samples->count, sizeof(*samples->all));
    return samples->all == NULL ? -ENOMEM : make(samples, track, units);
}

void rmx_track_samples_fini(struct rmx_samples *samples)
{
    av_freep(&samples->all);
    samples->count = 0;
}
