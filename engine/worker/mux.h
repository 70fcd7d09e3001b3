/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Opens, feeds and finishes the output. Worker process, a job's fiber. Writes to the job's output
 * and to nothing else.
 */
#ifndef RMX_ENGINE_WORKER_MUX_H
#define RMX_ENGINE_WORKER_MUX_H

#include <stdbool.h>
#include <stdint.h>

#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>

#include "engine/worker/cuts.h"
#include "engine/worker/fragmenter.h"
#include "engine/worker/intake.h"
#include "engine/worker/outlet.h"
#include "engine/worker/pace.h"
#include "engine/worker/spill.h"
#include "engine/worker/streams.h"
#include "engine/worker/subtitle.h"
#include "engine/worker/words.h"
#include "ipc/edit.h"
#include "ipc/job.h"
#include "ipc/status.h"

/* One output stream. */
struct rmx_mux_track {
    AVStream *stream;
    AVRational from;               /* the unit of its input stream, the first if it is joined */
    struct rmx_subtitle *subtitle; /* what it is converted by, else NULL */
    AVBSFContext *edit;            /* what the job asks for, else NULL */
    AVBSFContext *filter;          /* where the muxer would not insert one itself, else NULL */
    int64_t last_dts;              /* given to the muxer */
    int64_t last_samples;          /* timing.h's; only the first track of an input stream has it */
    int64_t lasted;                /* all its packets together */
    unsigned input;                /* of inputs that are joined, 0 */
    unsigned source;               /* the input stream */
    bool started;                  /* a key frame was seen: everything from there on is written */
    bool ended; /* what came last was past the end of the range, or its input ended */
};

struct rmx_mux {
    AVIOContext *io;
    AVFormatContext *context;
    struct rmx_mux_track *tracks;
    unsigned count;
    struct rmx_edit_whole whole; /* what the job edits */
    int64_t end_us;              /* where another track ended and all are to; in corrected dts */
    bool header_written;
    bool finished;
    bool needs_bytes; /* and never end over one that is empty */
    bool needs_pts;   /* this muxer would abort the process over a packet without one */
    uint64_t packets; /* given to the muxer */
    bool live;
    struct rmx_pace pace;
    struct rmx_cuts cuts;
    struct rmx_spill spill;            /* live */
    bool plain;                        /* the fragmenter serves */
    struct rmx_fragmenter *fragmenter; /* writes instead of the context, once it has its header */
};

/* Makes the context of this output, for which no input need be known; writes nothing. spec is that
 * output's (ipc/several.h). Returns OK, or NEEDS_SEEKABLE_OUTPUT, BAD_OPTION, UNSUPPORTED,
 * OVER_LIMIT with the reason in words. What is half made, fini frees. */
enum rmx_status rmx_mux_open(struct rmx_mux *mux, const struct rmx_outlet *outlet, unsigned output,
    const struct rmx_job_spec *spec, struct rmx_words *words);

/* Its streams, as chosen, with the job's edits of them. Returns as rmx_mux_open(). */
enum rmx_status rmx_mux_add_streams(struct rmx_mux *mux, const struct rmx_streams_pool *pool,
    const struct rmx_streams *streams, const struct rmx_job_spec *spec, struct rmx_words *words);

/* Tags and chapters, with the job's edits. tagged, chaptered: the inputs that have them, or NULL.
 * Likewise. */
enum rmx_status rmx_mux_add_tags(struct rmx_mux *mux, const struct rmx_intake *tagged,
    const struct rmx_intake *chaptered, const struct rmx_job_spec *spec, struct rmx_words *words);

/* The container's header. All below return 0 or AVERROR. */
int rmx_mux_write_header(struct rmx_mux *mux);

/* Gives one packet of this input, corrected and predicted, to every track of its stream. Leaves the
 * packet empty. */
int rmx_mux_write(struct rmx_mux *mux, const struct rmx_intake *intake, AVPacket *packet);

/* Is the packet at dts_us of this input so far past the end of its range that no other one is to be
 * expected before it? */
bool rmx_mux_is_past_end(
    const struct rmx_mux *mux, const struct rmx_intake *intake, int64_t dts_us);

/* This input has no more packets. */
void rmx_mux_end_input(struct rmx_mux *mux, unsigned input);

/* But one that is joined to it has. */
void rmx_mux_resume_input(struct rmx_mux *mux, unsigned input);

/* The track that is furthest behind and has an input to read from; *dts_us is where it is,
 * INT64_MIN before its first packet. NULL: there is none. */
const struct rmx_mux_track *rmx_mux_find_last(const struct rmx_mux *mux, int64_t *dts_us);

/* Live: writes the packets that need wait no longer. Until the first call all wait. */
int rmx_mux_release(struct rmx_mux *mux);

/* Live: when that has more to write though no packet came, by av_gettime_relative(). 0 = never. */
int64_t rmx_mux_due_us(const struct rmx_mux *mux);

int rmx_mux_finish(struct rmx_mux *mux);

/* Takes the half-made and the empty. */
void rmx_mux_fini(struct rmx_mux *mux);

#endif
