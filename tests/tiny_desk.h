/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A worker's desk on a thread of its own, with stages that the test writes: link with
 * --wrap=rmx_remux_run. The test is its lane and its clients. Every call fails the test itself when
 * something is wrong.
 */
#ifndef RMX_TESTS_TINY_DESK_H
#define RMX_TESTS_TINY_DESK_H

#include <pthread.h>
#include <stdint.h>

#include "engine/worker/outlet.h"
#include "ipc/lane_wire.h"
#include "ring/bell.h"
#include "ring/chunk.h"
#include "ring/mail.h"
#include "ring/region.h"
#include "tests/tiny_channel.h"

#define TINY_DESK_SLOTS       2u /* of every ring */
#define TINY_DESK_CHUNK_BYTES 512u
#define TINY_DESK_CHANNELS    2u

struct tiny_desk {
    struct rmx_region arena;
    struct rmx_worker_shm *shm;
    struct rmx_mail to_desk;
    struct rmx_mail from_desk;
    struct rmx_bell desk_bell;
    struct rmx_bell lane_bell;
    struct tiny_channel channels[TINY_DESK_CHANNELS];
    int ctl[2];
    pthread_t thread;
    uint64_t spin_ns; /* the desk's; 0 unless the test says before it opens */
    uint32_t done;    /* a bit for each flow */
    uint16_t class_;  /* enum rmx_job_class, of the jobs begun from now on */
};

/* Our ends of a job's rings. */
struct tiny_desk_job {
    uint32_t flow;
    struct rmx_chunk_ring in;
    struct rmx_chunk_ring out;
};

/* There is one in a process. */
extern struct tiny_desk tiny_desk;

/* What a job does: in place of the one that knows media. */
extern void (*tiny_desk_stage)(uint32_t flow, AVIOContext *input, const struct rmx_outlet *output);

/* All but the thread; every channel is shared. */
void tiny_desk_set_up(void);

/* What was posted until now it finds all at once. */
void tiny_desk_open(void);
void tiny_desk_close(void);

void tiny_desk_post(uint32_t kind, uint32_t flow);

/* Makes the channel at that place and hands it over; takes it back, and makes another. */
void tiny_desk_share(uint32_t place);
void tiny_desk_churn(uint32_t place);

/* port: which of the job's rings are in the channel at that place. */
struct tiny_desk_job tiny_desk_begin(uint32_t flow, uint32_t port, uint32_t place);

void tiny_desk_end_input(struct tiny_desk_job *job);

/* Waits for the lane's bell; takes the desk's notes. */
void tiny_desk_serve(int longest_ms);

/* All of the flows below that number, and well. */
void tiny_desk_finish(uint32_t flows);

/* Takes what is there. Returns how many bytes. */
uint64_t tiny_desk_drain(struct tiny_desk_job *job);

uint64_t tiny_desk_now_ns(void);

#endif
