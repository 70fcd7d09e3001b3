/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Follows an MP4 in fragments. Worker process, a job's fiber. Does no I/O.
 */
#include "engine/worker/fragments.h"

#include <string.h>

#include <libavutil/common.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mathematics.h>
#include <libavutil/mem.h>

#include "engine/worker/box.h"
#include "engine/worker/recap.h"

#define SAMPLES          4096
#define SAMPLE_BYTES     16 /* at least, on the whole: those that take less may be made up */
#define HEADER_MAX       (1u << 20)
#define MOOF_MAX         (1u << 20)
#define MOOF_SAMPLES_MAX (MOOF_MAX / 4) /* as many as can say of themselves one thing each */

#define FOURCC(text) AV_RB32(text)

#define HAS_SAMPLE                                                                                 \
    (RMX_BOX_TRUN_DURATIONS | RMX_BOX_TRUN_SIZES | RMX_BOX_TRUN_FLAGS | RMX_BOX_TRUN_SHIFTS)

unsigned rmx_fragments_samples = SAMPLES;

void rmx_fragments_fini(struct rmx_fragments *fragments)
{
    av_freep(&fragments->header.at);
    av_freep(&fragments->moof.at);
}

/* --- what the boxes say ---------------------------------------------------------------------- */

/* A box's content, read from the front. Past its end all is 0, and torn. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool torn;
};

static uint32_t read_32(struct reader *reader)
{
    if (reader->end - reader->at < 4) {
        reader->torn = true;
        return 0;
    }
    reader->at += 4;
    return AV_RB32(reader->at - 4);
}

static uint64_t read_64(struct reader *reader)
{
    uint64_t high = read_32(reader);

    return high << 32 | read_32(reader);
}

/* Moves to the content of the next box within. False at the end, or where there is none. */
static bool next_box(struct reader *within, struct reader *box, uint32_t *type)
{
    uint64_t bytes = (uint64_t)(within->end - within->at);
    struct rmx_box head;

    if (bytes == 0) {
        return false;
    }
    if (rmx_box_read(&head, within->at, bytes, 0, bytes) < 0) {
        within->torn = true;
        return false;
    }
    *box = (struct reader){ .at = within->at + head.head_bytes, .end = within->at + head.end };
    *type = head.type;
    within->at += head.end;
    return true;
}

static struct rmx_fragments_track *find(struct rmx_fragments *fragments, uint32_t id)
{
    for (unsigned slot = 0; slot < fragments->count; slot++) {
        if (fragments->tracks[slot].id == id) {
            return &fragments->tracks[slot];
        }
    }
    return NULL;
}

static void read_trex(struct rmx_fragments *fragments, struct reader *box)
{
    struct rmx_fragments_track track = { 0 };

    (void)read_32(box); /* version */
    track.id = read_32(box);
    track.description = read_32(box);
    track.lasts = read_32(box);
    track.bytes = read_32(box);
    if (box->torn || find(fragments, track.id) || fragments->count == RMX_FRAGMENTS_TRACKS_MAX) {
        fragments->lost = true;
        return;
    }
    fragments->tracks[fragments->count++] = track;
}

static void read_mvex(struct rmx_fragments *fragments, struct reader *mvex)
{
    struct reader box;
    uint32_t type;

    while (!fragments->lost && next_box(mvex, &box, &type)) {
        if (type == FOURCC("trex")) {
            read_trex(fragments, &box);
        }
    }
}

static bool has_id(struct reader *trak)
{
    struct reader box;
    uint32_t type;

    while (next_box(trak, &box, &type)) {
        if (type == FOURCC("tkhd")) {
            bool is_long = read_32(&box) >> 24 == 1;

            (void)(is_long ? read_64(&box) : read_32(&box)); /* made */
            (void)(is_long ? read_64(&box) : read_32(&box)); /* changed */
            return read_32(&box) <= INT32_MAX && !box.torn;
        }
    }
    return false;
}

static void read_moov(struct rmx_fragments *fragments, struct reader *moov)
{
    struct reader box;
    uint32_t type;
    bool nameless = false;

    while (!fragments->lost && next_box(moov, &box, &type)) {
        if (type == FOURCC("mvex")) {
            read_mvex(fragments, &box);
        }
        nameless = nameless || (type == FOURCC("trak") && !has_id(&box));
    }
    fragments->nameless = nameless && fragments->count > 0;
    fragments->lost |= moov->torn || fragments->count == 0;
}

/* --- fragments ------------------------------------------------------------------------------- */

/* A traf as it is read. */
struct run {
    struct rmx_fragments_track *track;
    uint32_t lasts; /* a sample that does not say it */
    uint32_t bytes; /* and has */
    int64_t base;   /* from where its data are counted */
    bool placed;    /* it says when it begins */
    int64_t at;     /* where its next sample does */
};

/* False where it cannot be followed. */
static bool read_tfhd(struct rmx_fragments *fragments, struct run *run, struct reader *box)
{
    uint32_t flags = read_32(box);
    struct rmx_fragments_track *track = find(fragments, read_32(box));

    if (!track) {
        return false;
    }
    run->track = track;
    run->at = track->end;
    run->base = flags & RMX_BOX_TFHD_FROM_MOOF ? fragments->moof_at : fragments->data_next;
    if (flags & RMX_BOX_TFHD_BASE) {
        run->base = (int64_t)read_64(box);
    }
    if ((flags & RMX_BOX_TFHD_DESCRIPTION) && read_32(box) != track->description) {
        return false;
    }
    run->lasts = flags & RMX_BOX_TFHD_DURATION ? read_32(box) : track->lasts;
    run->bytes = flags & RMX_BOX_TFHD_SIZE ? read_32(box) : track->bytes;
    return !box->torn;
}

static bool read_tfdt(struct run *run, struct reader *box)
{
    bool is_long = read_32(box) >> 24;

    run->at = (int64_t)(is_long ? read_64(box) : read_32(box));
    run->placed = true;
    return run->track && !box->torn;
}

/* Returns its bytes. */
static uint32_t read_sample(struct run *run, uint32_t flags, struct reader *box)
{
    struct rmx_fragments_track *track = run->track;
    uint32_t duration = flags & RMX_BOX_TRUN_DURATIONS ? read_32(box) : run->lasts;
    uint32_t bytes = flags & RMX_BOX_TRUN_SIZES ? read_32(box) : run->bytes;

    if (flags & RMX_BOX_TRUN_FLAGS) {
        (void)read_32(box);
    }
    if (flags & RMX_BOX_TRUN_SHIFTS) {
        int32_t shift = (int32_t)read_32(box);

        track->least = FFMIN(track->least, shift);
    }
    track->last = run->at;
    run->at = av_sat_add64(run->at, duration);
    return bytes;
}

/* Of samples that are all there, or say nothing of themselves: a few bytes may claim very many of
 * those. Returns their bytes. */
static uint64_t read_samples(struct run *run, uint32_t flags, uint32_t entries, struct reader *box)
{
    uint64_t bytes = 0;

    if (!(flags & HAS_SAMPLE)) {
        run->track->last = av_sat_add64(run->at, (int64_t)run->lasts * (entries - 1));
        run->at = av_sat_add64(run->track->last, run->lasts);
        return (uint64_t)run->bytes * entries;
    }
    for (uint32_t entry = 0; entry < entries; entry++) {
        bytes += read_sample(run, flags, box);
    }
    return bytes;
}

static bool read_trun(struct rmx_fragments *fragments, struct run *run, struct reader *box)
{
    uint32_t flags = read_32(box);
    uint32_t entries = read_32(box);
    int32_t offset = flags & RMX_BOX_TRUN_OFFSET ? (int32_t)read_32(box) : 0;
    uint64_t fields = (uint64_t)av_popcount(flags & HAS_SAMPLE);

    if (flags & RMX_BOX_TRUN_FIRST_FLAGS) {
        (void)read_32(box);
    }
    if (box->torn || !run->track || (fragments->indexed && !run->placed) ||
        entries > MOOF_SAMPLES_MAX - fragments->moof_samples ||
        entries * fields * 4 > (uint64_t)(box->end - box->at)) {
        return false;
    }
    if (entries > 0) {
        int64_t bytes = (int64_t)read_samples(run, flags, entries, box);

        run->track->end = run->at;
        run->track->begun = true;
        fragments->moof_samples += entries;
        fragments->data_next = av_sat_add64(av_sat_add64(run->base, offset), bytes);
        fragments->data_end = FFMAX(fragments->data_end, fragments->data_next);
    }
    return true;
}

static bool read_traf(struct rmx_fragments *fragments, struct reader *traf)
{
    struct run run = { 0 };
    struct reader box;
    uint32_t type;
    bool fine = true;

    while (fine && next_box(traf, &box, &type)) {
        if (type == FOURCC("tfhd")) {
            fine = !run.track && read_tfhd(fragments, &run, &box);
        } else if (type == FOURCC("tfdt")) {
            fine = read_tfdt(&run, &box);
        } else if (type == FOURCC("trun")) {
            fine = read_trun(fragments, &run, &box);
        }
    }
    return fine && !traf->torn;
}

static void read_moof(struct rmx_fragments *fragments)
{
    struct reader moof = {
        .at = fragments->moof.at,
        .end = fragments->moof.at + fragments->moof.count,
    };
    struct reader traf;
    uint32_t type;

    fragments->moof_samples = 0;
    fragments->data_next = fragments->moof_at;
    while (!fragments->lost && next_box(&moof, &traf, &type)) {
        fragments->lost = type == FOURCC("traf") && !read_traf(fragments, &traf);
    }
    fragments->lost |= moof.torn;
    fragments->samples = FFMIN(fragments->samples + fragments->moof_samples, UINT32_MAX / 2);
}

/* --- following ------------------------------------------------------------------------------- */

static void keep(struct rmx_fragments *fragments, struct rmx_fragments_bytes *kept,
    const uint8_t *bytes, size_t count)
{
    uint8_t *at = av_fast_realloc(kept->at, &kept->room, kept->count + count);

    if (!at) {
        fragments->lost = true;
        return;
    }
    kept->at = at;
    memcpy(at + kept->count, bytes, count);
    kept->count += count;
}

static void end_box(struct rmx_fragments *fragments)
{
    if (fragments->type == FOURCC("moov") && !fragments->headed) {
        struct reader moov = {
            .at = fragments->header.at + fragments->body_at,
            .end = fragments->header.at + fragments->header.count,
        };

        fragments->headed = true;
        read_moov(fragments, &moov);
    } else if (fragments->type == FOURCC("moof")) {
        read_moof(fragments);
    }
}

/* Of the header, what a demuxer cannot do without. */
static bool is_header(const struct rmx_fragments *fragments)
{
    return !fragments->headed &&
           (fragments->type == FOURCC("ftyp") || fragments->type == FOURCC("moov"));
}

static void begin_header(struct rmx_fragments *fragments)
{
    if (fragments->header.count + fragments->left > HEADER_MAX) {
        fragments->lost = true;
        return;
    }
    keep(fragments, &fragments->header, fragments->head, fragments->head_bytes);
    fragments->body_at = fragments->header.count;
}

static void begin_moof(struct rmx_fragments *fragments)
{
    fragments->moof.count = 0;
    fragments->moof_at = (int64_t)(fragments->at - fragments->head_bytes);
    fragments->lost |= fragments->left > MOOF_MAX;
}

/* Its head is there. */
static void begin_box(struct rmx_fragments *fragments)
{
    struct rmx_box box;

    if (AV_RB32(fragments->head) == 0 ||
        rmx_box_read(&box, fragments->head, fragments->head_bytes, 0, INT64_MAX) < 0) {
        fragments->lost = true;
        return;
    }
    fragments->type = box.type;
    fragments->left = box.end - box.head_bytes;
    fragments->indexed |= box.type == FOURCC("sidx");
    fragments->lost |=
        !fragments->headed && (box.type == FOURCC("mdat") || box.type == FOURCC("moof"));
    if (is_header(fragments)) {
        begin_header(fragments);
    } else if (box.type == FOURCC("moof")) {
        begin_moof(fragments);
    }
    fragments->head_bytes = 0;
}

static unsigned head_missing(const struct rmx_fragments *fragments)
{
    if (fragments->head_bytes < RMX_BOX_HEAD_SHORT_BYTES) {
        return RMX_BOX_HEAD_SHORT_BYTES - fragments->head_bytes;
    }
    return rmx_box_is_long(fragments->head) ? RMX_BOX_HEAD_BYTES - fragments->head_bytes : 0;
}

static size_t note_head(struct rmx_fragments *fragments, const uint8_t *bytes, size_t count)
{
    size_t taken = FFMIN(head_missing(fragments), count);

    memcpy(fragments->head + fragments->head_bytes, bytes, taken);
    fragments->head_bytes += (unsigned)taken;
    fragments->at += taken;
    if (head_missing(fragments) == 0) {
        begin_box(fragments);
        if (fragments->left == 0 && !fragments->lost) {
            end_box(fragments);
        }
    }
    return taken;
}

static size_t note_body(struct rmx_fragments *fragments, const uint8_t *bytes, size_t count)
{
    size_t taken = (size_t)FFMIN(fragments->left, count);

    if (is_header(fragments)) {
        keep(fragments, &fragments->header, bytes, taken);
    } else if (fragments->type == FOURCC("moof")) {
        keep(fragments, &fragments->moof, bytes, taken);
    }
    fragments->left -= taken;
    fragments->at += taken;
    if (fragments->left == 0 && !fragments->lost) {
        end_box(fragments);
    }
    return taken;
}

void rmx_fragments_note(struct rmx_fragments *fragments, const uint8_t *bytes, size_t count)
{
    while (count > 0 && !fragments->lost) {
        size_t taken = fragments->left > 0 ? note_body(fragments, bytes, count)
                                           : note_head(fragments, bytes, count);

        bytes += taken;
        count -= taken;
    }
    if (fragments->lost) {
        rmx_fragments_fini(fragments);
    }
}

size_t rmx_fragments_room(const struct rmx_fragments *fragments)
{
    return fragments->left > 0 ? (size_t)fragments->left : head_missing(fragments);
}

/* --- where ----------------------------------------------------------------------------------- */

/* Samples can be claimed for nothing, and to open a demuxer costs: no more is read again than was
 * read. */
bool rmx_fragments_is_long(const struct rmx_fragments *fragments)
{
    return !fragments->lost && fragments->samples >= rmx_fragments_samples &&
           fragments->at - fragments->renewed_at >=
               rmx_recap_bytes(fragments) + (uint64_t)rmx_fragments_samples * SAMPLE_BYTES;
}

void rmx_fragments_renew(struct rmx_fragments *fragments)
{
    fragments->samples = 0;
    fragments->renewed_at = fragments->at;
}

bool rmx_fragments_is_between(const struct rmx_fragments *fragments)
{
    return fragments->left == 0 && fragments->head_bytes == 0 &&
           (int64_t)fragments->at >= fragments->data_end;
}

bool rmx_fragments_may_begin(const uint8_t *head)
{
    static const char types[][5] = { "moof", "styp", "sidx", "emsg", "prft" };

    for (size_t slot = 0; slot < FF_ARRAY_ELEMS(types); slot++) {
        if (AV_RB32(head + 4) == FOURCC(types[slot])) {
            return true;
        }
    }
    return false;
}
