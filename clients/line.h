/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A line to a daemon: the socket, the conversation on it, and what was heard. Runs in the client
 * process; once it has joined a client, under that one's lock. Never blocks but in
 * rmx_line_await(); believes the daemon no more than ipc/session.c and the tables here can check.
 *
 * A full socket or an empty window is -EAGAIN and needs no second thing to poll: each message ever
 * sent is answered, so the socket is readable again before long.
 */
#ifndef RMX_CLIENTS_LINE_H
#define RMX_CLIENTS_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clients/cohort.h"
#include "clients/conduit.h"
#include "clients/inflight.h"
#include "clients/ringmux.h"
#include "ipc/session.h"
#include "ring/region.h"

#define RMX_LINE_ANSWER_NS UINT64_C(10000000000) /* the daemon answers by then, or is stuck */

/* CHANNEL is asked one at a time. */
struct rmx_line_answer {
    bool due; /* CHANNEL is said, CHANNEL_OPENED not heard, even if nobody waits any more */
    uint64_t until_ns; /* due: till then the daemon may take its time */
    uint32_t channel;
    int outcome;  /* enum rmx_status; BUSY also if the channel is lost by now; -errno: no use */
    int wake_fd;  /* owned; -1 = the channel is among the others, or there is none */
    int heard_fd; /* likewise */
};

/* An operator asks one thing at a time: JOBS or CANCEL_JOBS. */
struct rmx_line_inquiry {
    bool busy;                 /* somebody asks, and waits */
    bool due;                  /* it is said, its answer not heard, even if nobody waits any more */
    struct rmx_job_info *jobs; /* JOBS: where the first `max` go, the asker's; its while it waits */
    size_t max;
    size_t count;  /* heard so far */
    uint64_t told; /* CANCEL_JOBS: the answer */
};

struct rmx_line {
    int fd;              /* owned; -1 = none, or it was lost and nobody polls it any more */
    int lost;            /* 0, or the -errno that every call returns from now on */
    uint32_t pins;       /* threads that wait for an answer on it */
    uint64_t features;   /* RMX_FEATURE_*: asked for */
    uint64_t patient_ns; /* HELLO is said: the WELCOME may take until then */

    /* Set when it joins a client; NULL before: nothing is in flight. */
    uint32_t number; /* among its lines */
    struct rmx_inflight *inflight;
    struct rmx_cohorts *cohorts;

    struct rmx_session session;
    struct rmx_region arena;
    const struct rmx_progress_shm *progress; /* in the arena; progress_slots of them */
    uint32_t progress_slots;
    uint32_t daemon_pid;
    uint64_t pings; /* sent, and the nonce of the last */
    uint64_t pongs;
    uint32_t stats_due; /* STATS sent and not answered */
    uint32_t stats_count;
    uint64_t stats[RMX_STATS_VALUES_MAX]; /* the last answer */
    uint64_t channel_bytes;               /* the most one may have */
    uint32_t workers;                     /* that channels can be spread over */
    struct rmx_conduit *offered;          /* owned: the last CHANNEL's, or of the next; or NULL */
    struct rmx_line_answer answer;        /* to the last CHANNEL */
    struct rmx_line_inquiry inquiry;
    uint32_t channel_lost; /* the last message heard said that this channel is; else 0 */
    _Alignas(uint64_t) unsigned char buffer[RMX_WIRE_BYTES_MAX]; /* one message, either way */
};

/* Takes a connected socket. Returns NULL when there is no memory, the socket then as it was. */
struct rmx_line *rmx_line_new(int *fd);

/* Closes everything; accepts NULL inside. */
void rmx_line_free(struct rmx_line **line);

/* Says HELLO with these features. Returns 0 or what the line was lost to. */
int rmx_line_greet(struct rmx_line *line, uint64_t features);

/* Waits for the WELCOME, until then at most. Returns 0, -ETIMEDOUT, -EINTR, -EPERM (a feature is
 * not for us), or what the line was lost to. */
int rmx_line_await(struct rmx_line *line, uint64_t until_ns);

/* May jobs be sent on it? Returns 0, -ESHUTDOWN (it drains), -EPERM (it is an operator's), or what
 * it was lost to. */
int rmx_line_takes_jobs(const struct rmx_line *line);

/* Sends one message without descriptors. Returns 0, -EAGAIN when the daemon does not read, or what
 * the line was lost to. */
int rmx_line_say(struct rmx_line *line, const void *message, size_t bytes);

/* Sends the SUBMIT in line->buffer, whose credits are spent. Returns 0 or -errno; the line stands
 * as it was until rmx_line_broke() is told. */
int rmx_line_submit(struct rmx_line *line, size_t bytes, const int *fds, size_t fd_count);

/* A send failed with err: if that means that the daemon is gone, hears its last words and loses the
 * line. Returns what the caller's call returns. */
int rmx_line_broke(struct rmx_line *line, int err);

/* Sends CHANNEL with line->offered, whose answer line->answer tells once it is not due. Returns as
 * rmx_line_say(). */
int rmx_line_offer(struct rmx_line *line);

/* Reads one message and takes note of what it says. Returns 0, -EAGAIN when there is none, or what
 * the line was lost to. */
int rmx_line_hear(struct rmx_line *line);

#endif
