/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One input of a job: its demuxer and all that goes with it, from its first byte to the question
 * whether its last one was there. Worker process, a job's fiber.
 */
#ifndef RMX_ENGINE_WORKER_INTAKE_H
#define RMX_ENGINE_WORKER_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#include "engine/worker/ahead.h"
#include "engine/worker/extent.h"
#include "engine/worker/split.h"
#include "engine/worker/tap.h"
#include "engine/worker/timing.h"
#include "engine/worker/words.h"
#include "ipc/edit.h"
#include "ipc/job.h"
#include "ipc/status.h"

struct rmx_intake {
    unsigned number;
    AVIOContext *io;
    AVFormatContext *demuxer;    /* NULL: closed, or not yet open */
    struct rmx_edit_whole whole; /* what the job says of this input */
    int64_t end_us;              /* of its range, in corrected dts; INT64_MAX = none */
    struct rmx_timing timing;    /* once its streams are chosen */
    struct rmx_ahead ahead;
    struct rmx_extent extent;
    struct rmx_tap tap; /* a live job's, or of an input that cannot seek */
    struct rmx_split split;
    int *as; /* joined to another: each stream's number there, -1 = none; NULL: its own */
    struct rmx_native *native; /* reads instead of the demuxer, or NULL */
    bool done;                 /* nothing more is to be read of it */
};

/* Opens it and goes to where its part begins. whole: nothing may be left out of the look at it, as
 * somebody besides one muxer wants to know. Returns as rmx_demux_open() and rmx_range_begin(). What
 * is half made, close frees. */
enum rmx_status rmx_intake_open(struct rmx_intake *intake, AVIOContext *io, unsigned number,
    const struct rmx_job_spec *spec, struct rmx_words *words);

/* When its streams are chosen. Returns 0 or AVERROR(ENOMEM). */
int rmx_intake_begin(struct rmx_intake *intake);

/* Returns 0 with a packet, or AVERROR. */
int rmx_intake_read(struct rmx_intake *intake, AVPacket *packet);

/* A packet that was read: is it one that somebody chose? Then it is corrected and predicted
 * (timing.h), else left empty. Returns 1, 0 or AVERROR(ENOMEM). */
int rmx_intake_correct(struct rmx_intake *intake, AVPacket *packet);

/* It was read to its end, or to where it made no sense any more, or has nothing to read: was that
 * its real end? status: what it seemed to be. finishable: there is an output to finish. Sets
 * *bytes_expected if it was not, and may have words about it. */
enum rmx_status rmx_intake_judge(struct rmx_intake *intake, const struct rmx_job_spec *spec,
    enum rmx_status status, bool finishable, struct rmx_words *words, uint64_t *bytes_expected);

/* Takes the half-made and the empty. */
void rmx_intake_close(struct rmx_intake *intake);

#endif
