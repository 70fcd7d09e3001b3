/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where an output is cut into parts (see cuts.h). Worker process, a job's fiber.
 */
#include "engine/worker/cuts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include <libavutil/bprint.h>
#include <libavutil/eval.h>
#include <libavutil/mathematics.h>
#include <libavutil/opt.h>

/* The value given last, or NULL. */
static const char *value_of(const struct rmx_job_spec *spec, const char *name)
{
    size_t length = strlen(name);
    const char *value = NULL;
    const char *pair;
    size_t cursor = 0;

    while (rmx_job_next_option(spec, &cursor, &pair)) {
        if (strncmp(pair, name, length) == 0 && pair[length] == '=') {
            value = pair + length + 1;
        }
    }
    return value;
}

/* --- at chapters ----------------------------------------------------------------------------- */

/* The starts of all chapters but what lies at the beginning or goes back. */
static void list_starts(const AVFormatContext *muxer, AVBPrint *times)
{
    int64_t last_us = 0;

    for (unsigned slot = 0; slot < muxer->nb_chapters; slot++) {
        const AVChapter *chapter = muxer->chapters[slot];
        int64_t us = av_rescale_q(chapter->start, chapter->time_base, AV_TIME_BASE_Q);

        if (us > last_us) {
            av_bprintf(times, "%s%" PRId64 "us", times->len > 0 ? "," : "", us);
            last_us = us;
        }
    }
}

int rmx_cuts_set(AVFormatContext *muxer, const struct rmx_job_spec *spec)
{
    const char *asked = value_of(spec, "segment_times");
    AVBPrint times;
    int err = 0;

    if (!asked || strcmp(asked, RMX_CUTS_AT_CHAPTERS) != 0) {
        return 0;
    }
    av_bprint_init(&times, 0, AV_BPRINT_SIZE_UNLIMITED);
    list_starts(muxer, &times);
    if (!av_bprint_is_complete(&times)) {
        err = AVERROR(ENOMEM);
    } else { /* one chapter, or none, is one part */
        err = av_opt_set(
            muxer->priv_data, "segment_times", times.len > 0 ? times.str : "8760:00:00", 0);
    }
    av_bprint_finalize(&times, NULL);
    return err;
}

/* --- by size --------------------------------------------------------------------------------- */

/* The muxer cuts before a key frame at or after time * (parts so far + 1) - delta, all in
 * microseconds. No file's times reach so far, either way. */
#define NEVER_US (INT64_MAX / 4)
#define SURE_US  INT64_C(100000000000000)

/* The number of the part it is at. */
static int64_t part_of(const struct rmx_cuts *cuts)
{
    int64_t part = 0;

    (void)av_opt_get_int(cuts->muxer->priv_data, "segment_start_number", 0, &part);
    return part;
}

static int tell(struct rmx_cuts *cuts, int64_t time_us, int64_t delta_us)
{
    void *muxer = cuts->muxer->priv_data;
    int err = av_opt_set_int(muxer, "segment_time", time_us, 0);

    return err < 0 ? err : av_opt_set_int(muxer, "segment_time_delta", delta_us, 0);
}

static int hold(struct rmx_cuts *cuts)
{
    cuts->due = -1;
    cuts->armed = false;
    cuts->part = part_of(cuts);
    return tell(cuts, NEVER_US / (cuts->part - cuts->first + 2), 0);
}

/* At the next key frame that comes out of libavformat's queue, and at none after it: more than one
 * may come out at a time. */
static int arm(struct rmx_cuts *cuts)
{
    int64_t parts = cuts->part - cuts->first + 1;
    int64_t time_us = FFMIN(2 * SURE_US, NEVER_US / (parts + 1));

    cuts->armed = true;
    return tell(cuts, time_us, time_us * parts + SURE_US);
}

/* As the muxer chooses it. */
static const AVStream *find_reference(const AVFormatContext *muxer)
{
    static const enum AVMediaType types[] = { AVMEDIA_TYPE_VIDEO, AVMEDIA_TYPE_AUDIO,
        AVMEDIA_TYPE_SUBTITLE, AVMEDIA_TYPE_DATA, AVMEDIA_TYPE_ATTACHMENT };

    for (size_t type = 0; type < sizeof(types) / sizeof(*types); type++) {
        for (unsigned slot = 0; slot < muxer->nb_streams; slot++) {
            const AVStream *stream = muxer->streams[slot];

            if (stream->codecpar->codec_type == types[type] &&
                !(stream->disposition & AV_DISPOSITION_ATTACHED_PIC)) {
                return stream;
            }
        }
    }
    return muxer->streams[0];
}

int rmx_cuts_begin(struct rmx_cuts *cuts, AVFormatContext *muxer, const struct rmx_job_spec *spec)
{
    const char *size = value_of(spec, RMX_CUTS_SIZE_OPTION);
    int64_t anywhere = 0;

    if (!size) {
        return 0;
    }
    if (muxer->nb_streams == 0 ||
        av_opt_get_int(muxer->priv_data, "break_non_keyframes", 0, &anywhere) < 0) {
        return AVERROR(EINVAL);
    }
    *cuts = (struct rmx_cuts){
        .muxer = muxer,
        .reference = find_reference(muxer),
        .size = (int64_t)av_strtod(size, NULL), /* as ipc/option.c let it in */
        .last_key = -1,
        .anywhere = anywhere != 0,
    };
    cuts->first = part_of(cuts);
    return hold(cuts);
}

/* Is the part large enough for the next one to begin with this packet of the reference? */
static void decide(struct rmx_cuts *cuts)
{
    if (cuts->due < 0 && cuts->bytes >= cuts->size && cuts->packets > 0) {
        cuts->due = cuts->packets;
        cuts->after = cuts->last_key;
        cuts->bytes = 0;
    }
}

/* What libavformat's queue has let go of since. */
static int look(struct rmx_cuts *cuts)
{
    if (cuts->due < 0) {
        return 0;
    }
    if (part_of(cuts) != cuts->part) {
        return hold(cuts);
    }
    if (cuts->reference->nb_frames > cuts->due) { /* with others at once, before we could tell */
        cuts->bytes = cuts->size;
        return hold(cuts);
    }
    return cuts->armed || cuts->reference->nb_frames <= cuts->after ? 0 : arm(cuts);
}

int rmx_cuts_note(struct rmx_cuts *cuts, const AVPacket *packet)
{
    bool reference;
    int err;

    if (!cuts->muxer) {
        return 0;
    }
    reference = packet->stream_index == cuts->reference->index;
    err = look(cuts);
    if (err >= 0 && reference && ((packet->flags & AV_PKT_FLAG_KEY) || cuts->anywhere)) {
        decide(cuts);
        err = look(cuts);
        cuts->last_key = cuts->packets;
    }
    cuts->bytes += packet->size;
    cuts->packets += reference;
    return err;
}
