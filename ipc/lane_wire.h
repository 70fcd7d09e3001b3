/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the daemon, the zygote and the workers say to each other, and how a worker's arena is laid
 * out. The daemon distrusts a worker as it distrusts a client (it runs foreign parsers on foreign
 * bytes): what it reads here is read once, checked, then used. Each worker has an arena of its own,
 * so a subverted worker cannot touch another worker's jobs.
 *
 *   daemon --FORK(ctl socket)--> zygote --fork--> worker (a spare: sandboxed, no arena yet)
 *   worker --READY--> daemon          on the ctl socket
 *   daemon --ADOPT(arena, bells)--> worker: it maps the arena and takes jobs from its mail
 *   daemon --SHARE(a client's arena, bells)--> worker: jobs with rings in it may follow
 *   daemon --UNSHARE--> worker: no job of that channel is left
 *   zygote --FORKED(pidfd)--> daemon, --EXITED(wait status)--> daemon
 *
 * All messages are SOCK_SEQPACKET, one fixed struct each.
 */
#ifndef RMX_IPC_LANE_WIRE_H
#define RMX_IPC_LANE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "ipc/job.h"
#include "ring/layout.h"

#define RMX_LANE_WIRE_VERSION   6u
#define RMX_WORKER_FLOWS_MAX    2048u /* jobs one worker may hold at once */
#define RMX_WORKER_CHANNELS_MAX 256u  /* channels of clients one worker may hold at once */
#define RMX_WORKER_PARTIES      2048u /* clients who share a worker's core evenly */
#define RMX_WORKER_MAIL_SLOTS   16384u
#define RMX_WORKER_FDS          16u /* a worker's own, and room to receive a channel's */
#define RMX_CHANNEL_FDS         2u  /* of each of its channels: the bells */
#define RMX_LAST_WORDS_BYTES    256u

enum rmx_lane_msg_type {
    RMX_LANE_FORK = 1,    /* daemon -> zygote, 1 descriptor: the new worker's ctl socket */
    RMX_LANE_FORKED = 2,  /* zygote -> daemon, 1 descriptor: a pidfd (none when error != 0) */
    RMX_LANE_EXITED = 3,  /* zygote -> daemon */
    RMX_LANE_READY = 4,   /* worker -> daemon, once it is locked down */
    RMX_LANE_ADOPT = 5,   /* daemon -> worker, 3 descriptors: arena, its bell, the lane's bell */
    RMX_LANE_SHARE = 6,   /* daemon -> worker, 3 descriptors: a channel's arena, the eventfd its
                             client writes, the eventfd its client sleeps on */
    RMX_LANE_UNSHARE = 7, /* daemon -> worker: the channel is over; answered by NOTE_UNSHARED */
};

/* What stands around the workers of a zygote besides seccomp, where the machine permits. */
#define RMX_LANE_WALLS(X)                                                                          \
    X(USER, 0, "user namespace")                                                                   \
    X(NETWORK, 1, "network namespace")                                                             \
    X(MOUNT, 2, "mount namespace with an empty root")                                              \
    X(IPC, 3, "ipc namespace")                                                                     \
    X(UTS, 4, "uts namespace")                                                                     \
    X(PID, 5, "pid namespace")                                                                     \
    X(IDENTITY, 6, "a user other than root")                                                       \
    X(LANDLOCK, 7, "landlock")

enum rmx_lane_wall {
#define RMX_LANE_WALL_BIT(name, bit, text) RMX_LANE_WALL_##name = 1u << (bit),
    RMX_LANE_WALLS(RMX_LANE_WALL_BIT)
#undef RMX_LANE_WALL_BIT
};

struct rmx_lane_msg {
    uint32_t type;        /* enum rmx_lane_msg_type */
    uint32_t version;     /* RMX_LANE_WIRE_VERSION */
    uint32_t ticket;      /* FORK, FORKED, EXITED: the daemon's name for this worker process;
                             SHARE, UNSHARE: the channel's place, below RMX_WORKER_CHANNELS_MAX */
    int32_t error;        /* FORKED: -errno of a fork that failed; else 0 */
    int32_t pid;          /* FORKED, EXITED: as the daemon calls it */
    int32_t wait_status;  /* EXITED: as waitpid(2) gives it */
    uint64_t arena_bytes; /* FORK: of all arenas it may get, to allow for; ADOPT, SHARE: of this */
    uint32_t flows;       /* FORK, ADOPT: entries of that arena's flow table */
    uint32_t lacks;       /* FORKED: what this machine did not permit, bits of enum rmx_lane_wall */
    uint64_t memory_max_bytes; /* FORK: RLIMIT_AS beyond arena and fibers; 0 = none */
    uint64_t spin_ns;          /* ADOPT: how long to poll before sleeping */
    int32_t lacks_error;       /* FORKED: -errno of the first of them; else 0 */
    uint32_t prefault;         /* 0 = pages come as they are used. Else, FORK: code and heap are
                                * mapped at once; ADOPT: the arena, and the stacks of so many jobs
                                */
};
_Static_assert(sizeof(struct rmx_lane_msg) == 64, "wire format");

/* Notes in a worker's two mailboxes (ring/mail.h). `flow` is an index into the flow table. A ring's
 * ask word is taken before its note is sent, so each flow has at most 2 wake notes under way in
 * each direction, plus RUN and CANCEL: a mailbox never overflows between honest peers. */
enum rmx_note_kind {
    RMX_NOTE_RUN = 1,    /* lane -> worker: flow_shm[flow] holds a job */
    RMX_NOTE_CANCEL = 2, /* lane -> worker: flow_shm[flow].stop was set */
    RMX_NOTE_INPUT = 3,  /* lane -> worker: chunks came; worker -> lane: room or a seek came */
    RMX_NOTE_OUTPUT = 4, /* lane -> worker: room came; worker -> lane: chunks came */
    RMX_NOTE_DONE = 5,   /* worker -> lane: flow_shm[flow].result holds; its last word on the job */
    RMX_NOTE_CTL = 6,    /* lane -> worker: a message (SHARE, UNSHARE) waits on the ctl socket, as
                            do those of all CTL notes before; flow is 0 */
    RMX_NOTE_UNSHARED = 7, /* worker -> lane: channel `flow` is unmapped, its place may be reused */
};
_Static_assert(RMX_WORKER_MAIL_SLOTS >= RMX_WORKER_FLOWS_MAX * 4 + RMX_WORKER_CHANNELS_MAX * 2,
    "mail could overflow");

enum rmx_flow_port {
    RMX_PORT_SEEKABLE_IN = 1u << 0,  /* who feeds can go back */
    RMX_PORT_SEEKABLE_OUT = 1u << 1, /* who drains takes chunks by offset */
    RMX_PORT_SPOOLED_OUT = 1u << 2,  /* the output is a spool: a DELIVER pass follows, which puts
                                        the index in front where the job wants that */
    RMX_PORT_CHANNEL_IN = 1u << 3,   /* the input ring lies in the channel's arena */
    RMX_PORT_CHANNEL_OUT = 1u << 4,  /* the output ring does */
};

/* Likewise, of the inputs and outputs after the first. */
#define RMX_PORT_SEEKABLE_INPUT(i)  ((i) == 0 ? RMX_PORT_SEEKABLE_IN : 1u << (8 + (i)))
#define RMX_PORT_SEEKABLE_OUTPUT(i) ((i) == 0 ? RMX_PORT_SEEKABLE_OUT : 1u << (16 + (i)))

/* What a worker is to do with a flow. A job that needs spools takes up to three passes, one RUN
 * each, whose results the lane puts together. */
enum rmx_flow_stage {
    RMX_STAGE_JOB = 0,   /* the job itself */
    RMX_STAGE_SPOOL = 1, /* copy the input to the output if the job would have to go back in it (an
                            MP4 whose index follows its samples); else end OK, bytes_in 0, and leave
                            the input ring as it is: the JOB pass begins with it */
    RMX_STAGE_DELIVER = 2, /* copy the input, a finished file, to the output, forward only */
};

/* What a job waits for, in its worker. */
enum rmx_flow_wait {
    RMX_WAIT_NOTHING = 0,
    RMX_WAIT_INPUT = 1,
    RMX_WAIT_OUTPUT = 2,
};

/* One job as lane and worker share it. The lane writes all of it before RMX_NOTE_RUN; then only
 * `stop` (lane), the waits and `result` (worker) change, until RMX_NOTE_DONE. The lane reads the
 * waits when the job has ended, however it did; they are a claim of the worker's, never more than
 * the time it had the job. */
struct rmx_flow_shm {
    struct rmx_job_spec spec;
    uint64_t input_bytes; /* size of a regular input; UINT64_MAX = unknown */
    uint64_t input_at;    /* where the input's chunk ring starts in the arena */
    uint64_t output_at;   /* where the output's chunk ring starts */
    uint32_t input_slots;
    uint32_t input_chunk_bytes;
    uint32_t output_slots;
    uint32_t output_chunk_bytes;
    uint32_t port;                   /* enum rmx_flow_port */
    _Atomic uint32_t stop;           /* lane writes: 0, or the enum rmx_status to end with, soon */
    uint32_t stage;                  /* enum rmx_flow_stage */
    uint32_t channel;                /* with PORT_CHANNEL_*: its place, as SHARE said */
    uint32_t party;                  /* whose job it is: below RMX_WORKER_PARTIES */
    _Atomic uint32_t waits_for;      /* enum rmx_flow_wait */
    _Atomic uint64_t waits_since_ns; /* CLOCK_MONOTONIC, unless it waits for nothing */
    _Atomic uint64_t waited_ns[3];   /* by what for: before the present wait */
    uint64_t more_bytes[RMX_JOB_INPUTS_MAX - 1]; /* sizes of the inputs after the first */
    struct rmx_job_result result;
    uint64_t memory_max_bytes; /* of the worker's heap, for this job; 0 = no limit */
    uint64_t cpu_max_ns;       /* 0 = no limit, and cpu_ns is not counted */
    _Atomic uint64_t cpu_ns;   /* used so far: the worker's word */
    uint8_t zero[4096 - 3736 - 304 - 24];
};
_Static_assert(offsetof(struct rmx_flow_shm, result) == 3736, "layout is wire format");
_Static_assert(sizeof(struct rmx_flow_shm) == 4096, "one page each");

/* Written by the worker as it goes, read by the daemon after the worker died. */
struct rmx_last_words_shm {
    _Atomic uint32_t flow;   /* the flow on the core; UINT32_MAX = none */
    _Atomic uint32_t stage;  /* free for the worker: what it was doing */
    _Atomic uint64_t jobs;   /* jobs this process has ended */
    _Atomic uint32_t signal; /* set by the handler of a fatal signal or a failed assert */
    _Atomic uint32_t moves;  /* times a job gave chunks back or offered some, modulo 2^32: those of
                                a job whose rings are its client's send the lane no note */
    _Atomic uint32_t unknown_calls;  /* system calls the sandbox answered with ENOSYS */
    _Atomic uint32_t unknown_call;   /* the last one's number */
    char text[RMX_LAST_WORDS_BYTES]; /* NUL-terminated by the reader, not by trust */
};

/* A worker's arena, from its start. Ring pairs follow the flow table; the lane alone decides where
 * and says so in each flow_shm. */
struct rmx_worker_shm {
    _Alignas(RMX_LINE) struct rmx_bell_shm worker_bell; /* the worker sleeps on it */
    _Alignas(RMX_LINE) struct rmx_bell_shm lane_bell;   /* the lane sleeps on it */
    _Alignas(RMX_LINE) struct rmx_last_words_shm last_words;
    _Alignas(RMX_LINE) _Atomic uint64_t busy_ns; /* time it had jobs on its core: worker writes */
    _Atomic uint32_t ready; /* jobs that want its core, the one that has it too: worker writes */
    _Atomic uint64_t memory_peak_bytes; /* most that its jobs had at once: worker writes */
    _Alignas(4096) unsigned char to_worker[RMX_RING_BYTES(RMX_WORKER_MAIL_SLOTS, 16)];
    _Alignas(4096) unsigned char to_lane[RMX_RING_BYTES(RMX_WORKER_MAIL_SLOTS, 16)];
    _Alignas(4096) struct rmx_flow_shm flows[];
};

#endif
