/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Puts the packets of several tracks into one order. Worker process, a job's fiber.
 */
#include "engine/worker/weave.h"

#include <errno.h>

#include <libavutil/avutil.h>
#include <libavutil/common.h>
#include <libavutil/mathematics.h>
#include <libavutil/mem.h>
#include <libavutil/time.h>

struct rmx_weave_strand {
    AVPacket *packet;
    int64_t dts_us;
    int64_t came_us; /* by the clock */
    struct rmx_weave_strand *next;
};

int rmx_weave_init(struct rmx_weave *weave, unsigned tracks, uint32_t limit_us)
{
    unsigned *waiting = av_calloc(tracks, sizeof(*waiting));

    if (!waiting) {
        return AVERROR(ENOMEM);
    }
    *weave = (struct rmx_weave){
        .waiting = waiting,
        .tracks = tracks,
        .absent = tracks,
        .newest_us = INT64_MIN,
        .limit_us = limit_us,
    };
    return 0;
}

static size_t weigh(const AVPacket *packet)
{
    size_t bytes = RMX_WEAVE_PACKET_BYTES + (size_t)packet->size;

    for (int slot = 0; slot < packet->side_data_elems; slot++) {
        bytes += packet->side_data[slot].size;
    }
    return bytes;
}

static void count_in(struct rmx_weave *weave, const struct rmx_weave_strand *strand)
{
    weave->absent -= weave->waiting[strand->packet->stream_index]++ == 0;
    weave->bytes += weigh(strand->packet);
    weave->newest_us = FFMAX(weave->newest_us, strand->dts_us);
}

static void count_out(struct rmx_weave *weave, const struct rmx_weave_strand *strand)
{
    weave->absent += --weave->waiting[strand->packet->stream_index] == 0;
    weave->bytes -= weigh(strand->packet);
}

int rmx_weave_put(struct rmx_weave *weave, AVPacket *packet, AVRational base)
{
    struct rmx_weave_strand *strand = av_mallocz(sizeof(*strand));
    struct rmx_weave_strand **link = &weave->first;

    if (!strand || !(strand->packet = av_packet_alloc())) {
        av_free(strand);
        return AVERROR(ENOMEM);
    }
    strand->dts_us = av_rescale_q_rnd(
        packet->dts, base, AV_TIME_BASE_Q, AV_ROUND_NEAR_INF | AV_ROUND_PASS_MINMAX);
    strand->came_us = av_gettime_relative();
    av_packet_move_ref(strand->packet, packet);
    if (weave->last && weave->last->dts_us <= strand->dts_us) { /* nearly always */
        link = &weave->last->next;
    }
    while (*link && (*link)->dts_us <= strand->dts_us) {
        link = &(*link)->next;
    }
    strand->next = *link;
    *link = strand;
    weave->last = strand->next ? weave->last : strand;
    count_in(weave, strand);
    return 0;
}

/* Has every track had its say, or time to have it? */
static bool is_due(const struct rmx_weave *weave, const struct rmx_weave_strand *strand)
{
    if (weave->bytes > RMX_WEAVE_BYTES_MAX) {
        return true;
    }
    return !weave->holding &&
           (weave->limit_us == 0 || weave->absent == 0 ||
               av_sat_sub64(weave->newest_us, strand->dts_us) >= weave->limit_us ||
               av_gettime_relative() - strand->came_us >= weave->limit_us);
}

int rmx_weave_take(struct rmx_weave *weave, AVPacket *packet, bool all)
{
    struct rmx_weave_strand *strand = weave->first;

    if (!strand || (!all && !is_due(weave, strand))) {
        return 0;
    }
    weave->first = strand->next;
    weave->last = weave->first ? weave->last : NULL;
    count_out(weave, strand);
    av_packet_move_ref(packet, strand->packet);
    av_packet_free(&strand->packet);
    av_free(strand);
    return 1;
}

int64_t rmx_weave_due_us(const struct rmx_weave *weave)
{
    return weave->first && !weave->holding ? weave->first->came_us + weave->limit_us : 0;
}

void rmx_weave_fini(struct rmx_weave *weave)
{
    while (weave->first) {
        struct rmx_weave_strand *next = weave->first->next;

        av_packet_free(&weave->first->packet);
        av_free(weave->first);
        weave->first = next;
    }
    av_freep(&weave->waiting);
}
