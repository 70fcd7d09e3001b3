/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Many paced live streams at once through one daemon: MPEG-TS in, a fragment of MP4 per keyframe
 * out, all the same media, each a picture's write behind the one before. One thread writes and
 * reads them all. For benchmarks: a failure ends the program.
 */
#ifndef RMX_BENCH_HERD_H
#define RMX_BENCH_HERD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/histogram.h"
#include "clients/ringmux.h"

#define RMX_HERD_FRAGMENTS_MAX 512
#define RMX_HERD_CLIENTS_MAX   9
#define RMX_HERD_CLIENT_JOBS   500u /* and a client may have no more */

/* The media, and what comes out of it: known from one job that was given it write by write. */
struct rmx_herd_plan {
    const unsigned char *clip;
    const uint64_t *write_end; /* where each write ends: with a picture */
    size_t writes;
    size_t fragments;
    struct {
        uint64_t end;   /* in the output */
        size_t trigger; /* the write that brought it out */
    } fragment[RMX_HERD_FRAGMENTS_MAX];
};

struct rmx_herd_job;

struct rmx_herd {
    const struct rmx_herd_plan *plan;
    struct rmx_client *client[RMX_HERD_CLIENTS_MAX];
    size_t clients;
    struct rmx_herd_job *job;
    size_t jobs;
    uint64_t frame_ns; /* between two writes to one job */
    uint64_t turns;    /* writes done or missed, of all jobs together */
    /* measured since rmx_herd_open(), or since they were last zeroed */
    struct rmx_histogram latency_ns; /* trigger's write begun -> fragment's last byte here */
    struct rmx_histogram late_ns;    /* of this program's own writes, behind their time */
    uint64_t missed;                 /* writes for which there was no room in time */
};

/* Finds the fragments of plan->clip, with a job of its own. */
void rmx_herd_learn(struct rmx_herd_plan *plan, const char *socket);

/* Connects, and submits `jobs` jobs. */
void rmx_herd_open(
    struct rmx_herd *herd, const struct rmx_herd_plan *plan, const char *socket, size_t jobs);

/* From now on nothing is written to the first job, or nothing is read from the last. */
void rmx_herd_stall(struct rmx_herd *herd, bool producer, bool consumer);

/* Goes on with all of them for so long. Returns false when the media is at its end. */
bool rmx_herd_run(struct rmx_herd *herd, uint64_t ns);

/* How many fragments came, of those whose trigger was written long enough ago. */
void rmx_herd_count(const struct rmx_herd *herd, uint64_t *due, uint64_t *came);

/* Cancels all and disconnects. */
void rmx_herd_close(struct rmx_herd *herd);

#endif
