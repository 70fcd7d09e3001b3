/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ceilings of the daemon: what a configuration may ask for at most, and the proof that the ceilings
 * fit each other and what ring/ and ipc/ can carry. Nothing is sized by them unless it must be: a
 * running daemon has what its configuration says. Holds no code.
 */
#ifndef RMX_ENGINE_LIMITS_H
#define RMX_ENGINE_LIMITS_H

#include <limits.h>
#include <sched.h>

#include "ipc/channel.h"
#include "ipc/lane_wire.h"
#include "ipc/wire.h"
#include "ring/chunk.h"
#include "ring/ring.h"

#define RMX_CPUS_MAX    1024u /* cpu numbers we can name: glibc's cpu_set_t */
#define RMX_LANES_MAX   16u   /* more NUMA nodes than that share lanes */
#define RMX_WORKERS_MAX 256u  /* worker processes that jobs share, of the whole daemon */

#define RMX_SESSIONS_MAX 1024u  /* connected clients */
#define RMX_JOBS_MAX     16384u /* entries of one lane's job table, queued and running */

#define RMX_TRIALS       1u  /* trial berths of a lane */
#define RMX_ISOLATED_MAX 16u /* isolated berths of a lane */

/* Ring pairs of an isolated berth, if a shared one has as many. */
#define RMX_ISOLATED_SMALL 8u
#define RMX_ISOLATED_BULK  2u

#define RMX_FLOW_RINGS      2u /* a flow has an input and an output ring */
#define RMX_JOB_DESCRIPTORS 2u /* a job has an input and an output descriptor, */
#define RMX_JOB_MORE        1u /* and all of a lane's together as many more as there can be jobs */
#define RMX_FLOW_SPOOLS     2u /* a running one may keep its input and its output in a file */

/* Descriptors besides the jobs': see rmx_config_budget(). */
#define RMX_SESSION_DESCRIPTORS 4u  /* socket, arena, bells of a channel it has not taken yet */
#define RMX_WORKER_DESCRIPTORS  5u  /* control socket, pidfd, arena, its bell, the lane's bell */
#define RMX_LANE_DESCRIPTORS    7u  /* io_uring, bell, timer; a new channel's arena and bells */
#define RMX_DAEMON_DESCRIPTORS  32u /* stdio, listener, signals, zygote, a message's worth */

#define RMX_RING_BYTES_MIN    8192u /* two of the smallest chunks */
#define RMX_RING_BYTES_MAX    (64u << 20)
#define RMX_READ_DEPTH_MAX    16u         /* reads in flight for one job */
#define RMX_WRITE_BYTES_MAX   (16u << 20) /* one coalesced write */
#define RMX_URING_ENTRIES     4096u       /* submission slots of a lane; what waits is queued */
#define RMX_URING_ENTRIES_MAX 32768u      /* the kernel's IORING_MAX_ENTRIES */

/* A credit is a promise of a job table entry: every session can be given one. */
_Static_assert(RMX_JOBS_MAX >= RMX_SESSIONS_MAX, "a session could be left without a credit");
_Static_assert(RMX_JOBS_MAX >= RMX_CREDITS_MAX, "one session could hold more than there is");

/* All jobs of one SUBMIT are admitted, or refused, as one. */
_Static_assert(RMX_CREDITS_MAX >= RMX_SUBMIT_JOBS_MAX, "a full SUBMIT could never be paid");
_Static_assert(RMX_SUBMIT_JOBS_MAX *RMX_JOB_DESCRIPTORS <= RMX_WIRE_FDS_MAX,
    "a full SUBMIT could not carry its descriptors");

/* A job table can keep every flow of one worker busy and still hold a queue. */
_Static_assert(RMX_JOBS_MAX > RMX_WORKER_FLOWS_MAX, "flows would idle");

/* Every lane has a worker, and every worker can have a cpu of its own. */
_Static_assert(RMX_WORKERS_MAX >= RMX_LANES_MAX, "a lane could be left without a worker");
_Static_assert(RMX_CPUS_MAX >= RMX_WORKERS_MAX, "workers could not be pinned");
_Static_assert(RMX_CPUS_MAX == CPU_SETSIZE, "cpu_set_t could not hold a plan");

/* Rings of every allowed geometry can be built; payload can be read with O_DIRECT. */
_Static_assert(RMX_RING_BYTES_MIN >= 2 * RMX_CHUNK_ALIGN, "no room for two chunks");
_Static_assert(RMX_RING_BYTES_MAX / RMX_CHUNK_ALIGN <= RMX_RING_SLOTS_MAX, "too many slots");
_Static_assert(RMX_CHUNK_BYTES_MIN <= RMX_CHUNK_ALIGN, "a ring would refuse our smallest chunk");
_Static_assert(RMX_CHUNK_BYTES_MAX * 2 <= RMX_RING_BYTES_MAX, "the largest chunks fit no ring");

/* One coalesced write is one writev(2), and its result fits an int. */
_Static_assert(RMX_WRITE_BYTES_MAX <= INT_MAX, "a write's result would not fit");

/* Every session can have its receive, and each worker its bell and its control socket, in one
 * submission: a turn of an idle lane that wakes up is one system call. */
_Static_assert(RMX_URING_ENTRIES >=
                   2 * RMX_SESSIONS_MAX + 3 * (RMX_WORKERS_MAX + RMX_TRIALS + RMX_ISOLATED_MAX),
    "a turn would need several submissions");
_Static_assert((RMX_URING_ENTRIES & (RMX_URING_ENTRIES - 1)) == 0, "not a power of two");
_Static_assert(RMX_URING_ENTRIES <= RMX_URING_ENTRIES_MAX, "the kernel would refuse the ring");

#endif
