/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a client and the daemon say to each other: one SOCK_SEQPACKET message is one struct below,
 * little endian, no padding, sizes fixed. ipc/session.c knows which may come when; ipc/wire.md
 * draws every message. No pointers, no C-only tricks: other languages read this file too.
 */
#ifndef RMX_IPC_WIRE_H
#define RMX_IPC_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "ipc/job.h"

#define RMX_WIRE_VERSION     6u     /* this header's; HELLO carries the range a client speaks */
#define RMX_WIRE_BYTES_MAX   32768u /* no message is longer */
#define RMX_WIRE_FDS_MAX     32u    /* no message carries more descriptors */
#define RMX_SUBMIT_JOBS_MAX  8u     /* jobs in one SUBMIT */
#define RMX_DONE_JOBS_MAX    16u    /* ends in one DONE */
#define RMX_CREDITS_MAX      1024u  /* a session never holds more */
#define RMX_STATS_VALUES_MAX 256u   /* counters in one STATS_REPLY */
#define RMX_CHANNELS_MAX     64u    /* a session never has more */
#define RMX_GROUPS_MAX       64u    /* groups a session may have open at once */
#define RMX_GROUP_NAME_BYTES 32     /* with its NUL */
#define RMX_GROUP_ENDS       32u /* counts in a GROUP_DONE: by status, of which there are fewer */
#define RMX_JOBS_ITEMS_MAX   64u /* jobs in one JOBS_REPLY */

/* Bits of HELLO's and WELCOME's features. An OPERATOR may look at, cancel and hand over what is not
 * its own, and may not submit; it is on only for root, the daemon's own user and operator_gids. */
#define RMX_FEATURE_OPERATOR (UINT64_C(1) << 0)
#define RMX_FEATURES_ALL     RMX_FEATURE_OPERATOR

enum rmx_msg_type {
    /* client -> daemon */
    RMX_MSG_HELLO = 1,  /* first; once */
    RMX_MSG_SUBMIT = 2, /* spends a credit for each job; carries the jobs' descriptors */
    RMX_MSG_CANCEL = 3, /* ends a job early; it still gets its DONE */
    RMX_MSG_PING = 4,   /* answered by PONG at once */
    RMX_MSG_STATS = 5,  /* answered by STATS_REPLY */
    /* daemon -> client */
    RMX_MSG_WELCOME = 6, /* answers HELLO; carries the session arena */
    RMX_MSG_DONE = 7,    /* how jobs ended; gives credits back */
    RMX_MSG_CREDIT = 8,  /* changes the window outside a DONE */
    RMX_MSG_PONG = 9,
    RMX_MSG_STATS_REPLY = 10,
    /* both */
    RMX_MSG_GOODBYE = 11, /* the sender will say no more (client), or takes no new jobs (daemon) */
    /* client -> daemon */
    RMX_MSG_CHANNEL = 12, /* asks for a channel; carries its arena (ipc/channel.h) */
    /* daemon -> client */
    RMX_MSG_CHANNEL_OPENED = 13, /* answers CHANNEL, in order; carries two bells if status is OK */
    RMX_MSG_CHANNEL_LOST = 14,   /* its worker died: no job can use it any more */
    /* client -> daemon */
    RMX_MSG_GROUP = 15,        /* opens a group; jobs that name it may follow */
    RMX_MSG_GROUP_CLOSE = 16,  /* no more jobs of it follow: GROUP_DONE comes after its last end */
    RMX_MSG_GROUP_CANCEL = 17, /* ends all its jobs early, and those that follow at once */
    /* daemon -> client */
    RMX_MSG_GROUP_DONE = 18, /* after the DONE of its last job; its name is free again */
    /* operator -> daemon */
    RMX_MSG_JOBS = 19,        /* answered by one or more JOBS_REPLY */
    RMX_MSG_CANCEL_JOBS = 20, /* ends jobs of anybody's early; answered by CANCEL_REPLY */
    RMX_MSG_HANDOVER = 21,    /* answered by HANDOVER_REPLY; with GOODBYE the daemon then drains */
    /* daemon -> operator */
    RMX_MSG_JOBS_REPLY = 22,
    RMX_MSG_CANCEL_REPLY = 23,
    RMX_MSG_HANDOVER_REPLY = 24, /* carries the listening socket if status is OK */
    RMX_MSG_TYPES = 25,
};

/*   0      2      4        8       12
 *   | type | zero | bytes  | count |     every message starts with these 12 bytes, then 4 zero */
struct rmx_msg_head {
    uint16_t type; /* enum rmx_msg_type */
    uint16_t zero0;
    uint32_t bytes; /* of the whole message, this head included; must equal what arrived */
    uint32_t count; /* items that follow, for messages that carry items; else 0 */
    uint32_t zero1;
};

struct rmx_msg_hello {
    struct rmx_msg_head head;
    uint32_t version_min;
    uint32_t version_max;
    uint64_t features; /* RMX_FEATURE_*: what it asks for */
    char name[32];     /* for the daemon's log; printable, NUL-terminated, may be empty */
};

struct rmx_msg_welcome {
    struct rmx_msg_head head;
    uint32_t version;     /* the one spoken from here on */
    uint32_t credits;     /* jobs that may be in flight now */
    uint64_t features;    /* those of HELLO's that are on */
    uint64_t arena_bytes; /* exact size of the descriptor that came along */
    uint32_t progress_at; /* byte offset of struct rmx_progress_shm[progress_slots] in the arena */
    uint32_t progress_slots;
    uint32_t daemon_pid;
    uint32_t workers;       /* that a session's channels can be spread over */
    uint64_t channel_bytes; /* the most that one of them may have */
};

/* followed by head.count specs, and for each spec its input, then its output, if a descriptor */
struct rmx_msg_submit {
    struct rmx_msg_head head;
    struct rmx_job_spec jobs[];
};

struct rmx_msg_cancel {
    struct rmx_msg_head head;
    uint64_t job; /* as in its spec; an unknown one is not an error: it may just have ended */
};

struct rmx_msg_ping { /* PONG has the same shape and returns the same nonce */
    struct rmx_msg_head head;
    uint64_t nonce;
};

struct rmx_done_item {
    uint32_t credits; /* 0, 1 or 2: how the end of this job moves the client's window */
    uint32_t zero;
    struct rmx_job_result result;
};

struct rmx_msg_done {
    struct rmx_msg_head head;
    struct rmx_done_item items[];
};

struct rmx_msg_credit {
    struct rmx_msg_head head;
    uint32_t credits; /* added to the client's window */
    uint32_t zero;
};

struct rmx_msg_stats_reply { /* head.count values in the order of ipc/stats.def */
    struct rmx_msg_head head;
    uint64_t values[];
};

struct rmx_msg_goodbye {
    struct rmx_msg_head head;
    uint32_t status; /* enum rmx_status: OK, DRAINING, PEER_CORRUPT, BUSY (no room to connect, or
                        no descriptor left for a message),
                        UNSUPPORTED (no common version) */
    uint32_t zero;
};

struct rmx_msg_channel {
    struct rmx_msg_head head;
    uint64_t arena_bytes; /* exact size of the descriptor that comes along */
};

/* With status OK two descriptors come along: the eventfd the client writes to wake the worker, and
 * an epoll descriptor that is readable when the worker has rung for the client. */
struct rmx_msg_channel_opened {
    struct rmx_msg_head head;
    uint32_t channel; /* its name in specs from now on; not 0, and not that of another channel the
                         session has or had. 0 unless status is OK */
    uint32_t status;  /* enum rmx_status: OK, BUSY (no worker has room, or none is there now),
                         OVER_LIMIT (too many channels, or too much memory), PEER_CORRUPT (the
                         descriptor is not an arena) */
};

struct rmx_msg_channel_lost {
    struct rmx_msg_head head;
    uint32_t channel;
    uint32_t zero;
};

enum rmx_group_flags {
    RMX_GROUP_COLLECT_ALL = 1u << 0, /* a job that fails leaves the others alone; default: the first
                                        that does cancels them */
    RMX_GROUP_FLAGS_ALL = (1u << 1) - 1,
};

/* A group of jobs with one end. Its deadline caps theirs. A job that finds jobs_max of its group
 * started waits in the queue. */
struct rmx_msg_group {
    struct rmx_msg_head head;
    uint32_t group;    /* the client's name for it: not 0, and not open */
    uint32_t flags;    /* enum rmx_group_flags */
    uint32_t jobs_max; /* at work at once; 0 = no limit */
    uint32_t zero;
    uint64_t deadline_ns;            /* absolute, CLOCK_MONOTONIC; 0 = none */
    char name[RMX_GROUP_NAME_BYTES]; /* for operators; printable, NUL-terminated, may be empty */
};

struct rmx_msg_group_name { /* GROUP_CLOSE, GROUP_CANCEL */
    struct rmx_msg_head head;
    uint32_t group; /* an unknown one is not an error: it may just have ended */
    uint32_t zero;
};

struct rmx_msg_group_done {
    struct rmx_msg_head head;
    uint32_t group;
    uint32_t status; /* enum rmx_status: of the first job that did not end OK; or OK. A group that
                        was cancelled as such, or was late, before one did: CANCELLED, DEADLINE */
    struct rmx_job_result first;    /* that job's; zeros if there is none */
    uint64_t ended[RMX_GROUP_ENDS]; /* by status: how many of its jobs ended so */
};

enum rmx_job_state {
    RMX_JOB_WAITING = 1, /* for the first byte of its input */
    RMX_JOB_QUEUED = 2,  /* for a worker, or for its group */
    RMX_JOB_RUNNING = 3,
    RMX_JOB_DRAINING = 4, /* what is in flight comes to an end */
};

struct rmx_jobs_item {
    uint32_t session; /* the daemon's name for the client's session; never used again */
    int32_t pid;      /* the client's, as it was when it connected */
    uint32_t uid;     /* likewise */
    uint16_t state;   /* enum rmx_job_state */
    uint16_t class_;  /* enum rmx_job_class */
    uint64_t job;     /* the client's name for it */
    uint64_t age_ns;  /* since the submit was received */
    uint64_t left_ns; /* until its deadline; UINT64_MAX = it has none */
    uint64_t bytes_in;
    uint64_t bytes_out;
    char format[RMX_JOB_NAME_BYTES];
    char group[RMX_GROUP_NAME_BYTES];
    char traceparent[RMX_JOB_TRACE_BYTES];
};

struct rmx_msg_jobs_reply {
    struct rmx_msg_head head;
    uint32_t last; /* 1: no more follow; else 0 */
    uint32_t zero;
    struct rmx_jobs_item items[]; /* head.count of them; none only if `last` */
};

/* Which: all that match what is given. At least one field is. */
struct rmx_msg_cancel_jobs {
    struct rmx_msg_head head;
    uint64_t job;                     /* with session; 0 = any */
    uint32_t session;                 /* 0 = any */
    uint32_t all;                     /* 1: every job of everybody; the others are 0 then */
    char group[RMX_GROUP_NAME_BYTES]; /* "" = any */
};

struct rmx_msg_cancel_reply {
    struct rmx_msg_head head;
    uint64_t jobs; /* how many were told to end */
};

struct rmx_msg_handover_reply {
    struct rmx_msg_head head;
    uint32_t status; /* enum rmx_status: OK; BUSY: it is draining, or another has it already;
                        UNSUPPORTED: it listens nowhere */
    uint32_t held;   /* with OK, 1: a service manager has the socket too, so that nobody may shut it
                        down or remove its file; else 0 */
};

/* In the session arena, written by the daemon while a job runs, read by the client when it likes.
 * A slot belongs to a job while `job` says so; values only grow during one job. */
struct rmx_progress_shm {
    _Atomic uint64_t job;         /* the client's name of the job; 0 = free */
    _Atomic uint64_t bytes_in;    /* read from the input so far */
    _Atomic uint64_t bytes_out;   /* written to the output so far */
    _Atomic uint64_t bytes_total; /* the input's size; 0 = unknown */
};

_Static_assert(sizeof(struct rmx_msg_head) == 16, "wire format");
_Static_assert(sizeof(struct rmx_msg_hello) == 64, "wire format");
_Static_assert(sizeof(struct rmx_msg_welcome) == 64, "wire format");
_Static_assert(sizeof(struct rmx_msg_submit) == 16, "wire format");
_Static_assert(sizeof(struct rmx_msg_cancel) == 24, "wire format");
_Static_assert(sizeof(struct rmx_msg_ping) == 24, "wire format");
_Static_assert(sizeof(struct rmx_done_item) == 312, "wire format");
_Static_assert(sizeof(struct rmx_msg_credit) == 24, "wire format");
_Static_assert(sizeof(struct rmx_msg_goodbye) == 24, "wire format");
_Static_assert(sizeof(struct rmx_msg_channel) == 24, "wire format");
_Static_assert(sizeof(struct rmx_msg_channel_opened) == 24, "wire format");
_Static_assert(sizeof(struct rmx_msg_channel_lost) == 24, "wire format");
_Static_assert(sizeof(struct rmx_msg_group) == 72, "wire format");
_Static_assert(sizeof(struct rmx_msg_group_name) == 24, "wire format");
_Static_assert(sizeof(struct rmx_msg_group_done) == 584, "wire format");
_Static_assert(sizeof(struct rmx_jobs_item) == 176, "wire format");
_Static_assert(sizeof(struct rmx_msg_jobs_reply) == 24, "wire format");
_Static_assert(sizeof(struct rmx_msg_cancel_jobs) == 64, "wire format");
_Static_assert(sizeof(struct rmx_msg_cancel_reply) == 24, "wire format");
_Static_assert(sizeof(struct rmx_msg_handover_reply) == 24, "wire format");
_Static_assert(sizeof(struct rmx_progress_shm) == 32, "wire format");
_Static_assert(sizeof(struct rmx_msg_submit) + RMX_SUBMIT_JOBS_MAX * sizeof(struct rmx_job_spec) <=
                   RMX_WIRE_BYTES_MAX,
    "a full SUBMIT fits");
_Static_assert(
    sizeof(struct rmx_msg_jobs_reply) + RMX_JOBS_ITEMS_MAX * sizeof(struct rmx_jobs_item) <=
        RMX_WIRE_BYTES_MAX,
    "a full JOBS_REPLY fits");
_Static_assert(sizeof(struct rmx_msg_head) + RMX_DONE_JOBS_MAX * sizeof(struct rmx_done_item) <=
                   RMX_WIRE_BYTES_MAX,
    "a full DONE fits");

#endif
