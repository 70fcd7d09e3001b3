/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The muxer's end of a live job: what a packet makes comes out with that packet, or when its
 * fragment is full, and not when the next packet shows that it could have. Worker process, a job's
 * fiber.
 */
#ifndef RMX_ENGINE_WORKER_SPILL_H
#define RMX_ENGINE_WORKER_SPILL_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#include "engine/worker/cuts.h"
#include "engine/worker/pace.h"
#include "engine/worker/weave.h"
#include "ipc/job.h"

struct rmx_spill {
    AVFormatContext *context; /* the muxer's */
    struct rmx_pace *pace;    /* its times */
    struct rmx_cuts *cuts;    /* and its parts */
    AVPacket *packet;         /* being written */
    struct rmx_weave weave;
    bool each;        /* what the muxer gathers comes out after each packet */
    bool header_due;  /* the muxer holds it back: see foreword.h */
    bool *said;       /* by track: a packet was written that describes it, while that was so */
    bool keeps_sound; /* it keeps each sound packet until another packet comes */
    int64_t cut_us;   /* or so long is a fragment; 0 = the muxer cuts at keyframes */
    int64_t begun_us; /* the fragment's first dts */
};

/* Before the job's own options, which win. */
void rmx_spill_set_options(AVFormatContext *context);

/* context has its options and its streams; it, pace and cuts outlive the spill. Returns 0 or
 * AVERROR(ENOMEM). */
int rmx_spill_begin(struct rmx_spill *spill, AVFormatContext *context, struct rmx_pace *pace,
    struct rmx_cuts *cuts, const struct rmx_job_spec *spec);

/* In place of av_interleaved_write_frame(). Until the first release nothing is written. */
int rmx_spill_put(struct rmx_spill *spill, AVPacket *packet);

/* Writes the packets that need not wait any longer, or all. Returns 0 or AVERROR. */
int rmx_spill_release(struct rmx_spill *spill, bool all);

/* Accepts one that was zeroed. */
void rmx_spill_fini(struct rmx_spill *spill);

#endif
