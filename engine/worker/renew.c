/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One demuxer after the other. Worker process, a job's fiber.
 */
#include "engine/worker/renew.h"

#include <errno.h>

#include "engine/worker/fence.h"
#include "engine/worker/words.h"

static unsigned count_streams(const AVFormatContext *first, uint32_t id)
{
    unsigned count = 0;

    for (unsigned slot = 0; slot < first->nb_streams; slot++) {
        count += first->streams[slot]->id == (int)id;
    }
    return count;
}

/* Samples in the header itself would be there again; and a track is to be one stream. */
static bool can_be_followed(const AVFormatContext *first, const struct rmx_fragments *fragments)
{
    for (unsigned slot = 0; slot < fragments->count; slot++) {
        if (count_streams(first, fragments->tracks[slot].id) != 1) {
            return false;
        }
    }
    for (unsigned slot = 0; slot < first->nb_streams; slot++) {
        const AVStream *stream = first->streams[slot];

        if (stream->nb_frames > 0 || (stream->disposition & AV_DISPOSITION_ATTACHED_PIC)) {
            return false;
        }
    }
    return true;
}

void rmx_renew_begin(struct rmx_renew *renew, AVFormatContext *first, struct rmx_tap *tap)
{
    *renew = (struct rmx_renew){ .first = first, .tap = tap };
    if (tap && tap->is_mp4 && !can_be_followed(first, &tap->fragments)) {
        tap->fragments.lost = true;
    }
}

void rmx_renew_fini(struct rmx_renew *renew)
{
    avformat_close_input(&renew->fresh);
}

static AVFormatContext *new_context(const AVFormatContext *first)
{
    AVFormatContext *context = avformat_alloc_context();

    if (!context) {
        return NULL;
    }
    context->pb = first->pb;
    context->opaque = first->opaque;
    context->flags = first->flags;
    if (rmx_fence_close(context) < 0) {
        avformat_free_context(context);
        return NULL;
    }
    return context;
}

/* The packets made up, which no parser is to see. */
static int skip_recap(AVFormatContext *fresh, unsigned tracks)
{
    AVPacket *packet = av_packet_alloc();
    int flags = fresh->flags;
    int err = packet ? 0 : AVERROR(ENOMEM);

    fresh->flags |= AVFMT_FLAG_NOPARSE;
    for (unsigned count = 0; count < tracks && err >= 0; count++) {
        err = av_read_frame(fresh, packet);
        if (err >= 0) {
            av_packet_unref(packet);
        }
    }
    fresh->flags = flags;
    av_packet_free(&packet);
    return err;
}

/* What was found out of the streams since the first one was opened. */
static int teach(AVFormatContext *fresh, const AVFormatContext *first)
{
    int err = fresh->nb_streams == first->nb_streams ? 0 : AVERROR_INVALIDDATA;

    for (unsigned slot = 0; slot < first->nb_streams && err >= 0; slot++) {
        AVStream *to = fresh->streams[slot];
        const AVStream *from = first->streams[slot];

        to->discard = from->discard;
        to->r_frame_rate = from->r_frame_rate;
        to->avg_frame_rate = from->avg_frame_rate;
        err = avcodec_parameters_copy(to->codecpar, from->codecpar);
    }
    return err;
}

static int open_next(struct rmx_renew *renew)
{
    unsigned tracks = 0;
    AVFormatContext *fresh = new_context(renew->first);

    if (!fresh || rmx_tap_resume(renew->tap, &tracks) < 0) {
        avformat_free_context(fresh);
        return AVERROR(ENOMEM);
    }
    int err = avformat_open_input(&fresh, "", renew->first->iformat, NULL);

    if (err >= 0) {
        err = skip_recap(fresh, tracks);
    }
    if (err >= 0) {
        err = teach(fresh, renew->first);
    }
    avformat_close_input(&renew->fresh);
    renew->fresh = fresh;
    return err;
}

int rmx_renew_read(struct rmx_renew *renew, AVPacket *packet)
{
    int err = av_read_frame(renew->fresh ? renew->fresh : renew->first, packet);

    while (err == AVERROR_EOF && renew->tap && rmx_tap_was_cut(renew->tap)) {
        err = open_next(renew);
        if (err >= 0) {
            err = av_read_frame(renew->fresh, packet);
        }
    }
    if (err == AVERROR(ENOMEM) && renew->tap && renew->tap->fragments.lost) {
        rmx_words_say(renew->first->opaque, "an MP4 whose header has samples, or whose fragments "
                                            "are very large, cannot be read for so long: use "
                                            "fragments after an empty header");
    }
    return err;
}
