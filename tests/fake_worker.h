/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The other end of a client's channels, for tests: a fake daemon's script that takes channels, jobs
 * and cancels as they come, and a worker whose every move is the test's own.
 */
#ifndef RMX_TESTS_FAKE_WORKER_H
#define RMX_TESTS_FAKE_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipc/job.h"
#include "ipc/lane_wire.h"
#include "ring/bell.h"
#include "ring/chunk.h"
#include "ring/mail.h"
#include "tests/fake_daemon.h"

#define FAKE_WORKER_CHANNELS 72
#define FAKE_WORKER_JOBS     512

struct fake_channel {
    struct rmx_region region;
    struct rmx_bell worker_bell; /* its descriptors are ours */
    struct rmx_bell client_bell;
    struct rmx_mail to_worker;
    struct rmx_mail to_client;
};

struct fake_job {
    struct rmx_job_spec spec;
    struct fake_channel *channel;
    struct rmx_chunk_ring in;
    struct rmx_chunk_ring out;
    uint64_t at; /* of the output, for fake_worker_put() */
};

struct fake_worker {
    struct fake_daemon daemon;
    uint32_t credits;
    uint32_t refusals; /* so many CHANNELs are answered `refusal` first */
    uint32_t refusal;
    bool mute;       /* CHANNELs are not answered */
    bool slow;       /* the first is answered between fake_daemon_go_on() and fake_daemon_wait() */
    uint32_t losses; /* so many channels are lost as soon as they are open */
    uint32_t channels;
    _Atomic uint32_t asked; /* CHANNELs heard */
    _Atomic uint32_t cancels;
    uint32_t group_status; /* how groups end, */
    uint64_t group_first;  /* and by which job */
    uint32_t count;        /* jobs heard; each lets fake_worker_job() return once */
    uint32_t handed;       /* by fake_worker_job() */
    struct fake_channel channel[FAKE_WORKER_CHANNELS];
    struct fake_job jobs[FAKE_WORKER_JOBS];
};

/* Listens at worker->daemon.path and serves one client until it hangs up. Set what shall not be 0
 * (credits 0 means 64) before. */
void fake_worker_start(struct fake_worker *worker);

/* The same, where `last` listened until now. */
void fake_worker_succeed(struct fake_worker *worker, struct fake_worker *last);
void fake_worker_stop(struct fake_worker *worker);

/* The next job submitted. */
struct fake_job *fake_worker_job(struct fake_worker *worker);

/* Takes the next chunk of a job's input, waiting at most 10 s. Returns its payload. */
const unsigned char *fake_worker_take(struct fake_job *job, struct rmx_chunk *chunk);
void fake_worker_give_back(struct fake_job *job); /* the chunk taken */

/* Is there a chunk of input now? */
bool fake_worker_has(struct fake_job *job);

/* Puts a chunk into the output, which must have room; rings if asked. */
void fake_worker_put(struct fake_job *job, const void *bytes, size_t size, uint16_t flags);
void fake_worker_put_at(
    struct fake_job *job, uint64_t offset, const void *bytes, size_t size, uint16_t flags);

/* Is there room for one? */
bool fake_worker_room(struct fake_job *job);

/* Says something into the client's mail, and rings. */
void fake_worker_tell(struct fake_job *job, uint32_t kind);

/* Sleeps for the client's mail, at most 10 s, and empties it. */
void fake_worker_sleep(struct fake_channel *channel);

/* The job's end. */
void fake_worker_done(struct fake_worker *worker, const struct fake_job *job, uint32_t status);
void fake_worker_lose(struct fake_worker *worker, uint32_t channel);

#endif
