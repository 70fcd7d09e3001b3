/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The line to the daemon (see line.h). Runs in the client process, under the client's lock.
 */
#include "clients/line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clients/clock.h"
#include "clients/result.h"
#include "ipc/sock.h"
#include "ring/base.h"

#define ARENA_BYTES_MAX (UINT64_C(1) << 40)

struct rmx_line *rmx_line_new(int *fd)
{
    struct rmx_line *line = calloc(1, sizeof(*line));

    if (line == NULL) {
        return NULL;
    }
    line->fd = rmx_take_fd(fd);
    line->arena = (struct rmx_region)RMX_REGION_INIT;
    line->answer.wake_fd = -1;
    line->answer.heard_fd = -1;
    rmx_session_init(&line->session, RMX_SESSION_CLIENT);
    return line;
}

void rmx_line_free(struct rmx_line **line)
{
    struct rmx_line *gone = *line;

    if (gone == NULL) {
        return;
    }
    rmx_base_close(&gone->fd);
    rmx_base_close(&gone->answer.wake_fd);
    rmx_base_close(&gone->answer.heard_fd);
    rmx_conduit_free(&gone->offered);
    rmx_region_fini(&gone->arena);
    free(gone);
    *line = NULL;
}

/* Nothing more will be said or heard: jobs in flight end here. The descriptor stays open, readable
 * and hung up, so that a thread that sleeps comes to look. */
static int lose_saying(struct rmx_line *line, int err, uint32_t status, const char *text)
{
    if (line->lost == 0) {
        line->lost = err;
        shutdown(line->fd, SHUT_RDWR);
        if (line->inflight != NULL) {
            rmx_inflight_end_all(line->inflight, line->number, status, text);
            rmx_cohort_lose(line->cohorts, line->number);
        }
    }
    return line->lost;
}

static int lose(struct rmx_line *line, int err)
{
    switch (err) {
    case -EPROTO:
        return lose_saying(line, err, RMX_PEER_CORRUPT, "the daemon broke the protocol");
    case -EMFILE:
        return lose_saying(line, err, RMX_DAEMON_LOST,
            "this process has no descriptor left for what the daemon sent: raise its limit "
            "('ulimit -n')");
    default:
        return lose_saying(line, err, RMX_DAEMON_LOST, "the connection to the daemon ended");
    }
}

static int refuse_lie(struct rmx_line *line)
{
    struct rmx_msg_goodbye goodbye = {
        .head = { .type = RMX_MSG_GOODBYE, .bytes = sizeof(goodbye) },
        .status = RMX_PEER_CORRUPT,
    };

    rmx_sock_say(line->fd, &goodbye, sizeof(goodbye), MSG_DONTWAIT); /* heard or not */
    return lose(line, -EPROTO);
}

static int take_done(struct rmx_line *line, uint32_t count)
{
    struct rmx_done_item item;

    for (uint32_t i = 0; i < count; i++) {
        memcpy(&item, line->buffer + sizeof(struct rmx_msg_done) + i * sizeof(item), sizeof(item));
        if (rmx_inflight_end(line->inflight, line->number, &item.result) < 0) {
            return refuse_lie(line);
        }
    }
    return 0;
}

static int take_group_done(struct rmx_line *line)
{
    struct rmx_msg_group_done done;

    memcpy(&done, line->buffer, sizeof(done));
    return rmx_cohort_done(line->cohorts, line->number, &done) < 0 ? refuse_lie(line) : 0;
}

/* That there was a question, the session has seen. */
static void take_jobs_reply(struct rmx_line *line, uint32_t count)
{
    struct rmx_line_inquiry *inquiry = &line->inquiry;
    struct rmx_msg_jobs_reply reply;
    struct rmx_jobs_item item;

    memcpy(&reply, line->buffer, sizeof(reply));
    for (uint32_t i = 0; i < count; i++) {
        if (inquiry->count < inquiry->max) {
            memcpy(&item, line->buffer + sizeof(reply) + i * sizeof(item), sizeof(item));
            rmx_result_describe(&inquiry->jobs[inquiry->count], &item);
        }
        inquiry->count++;
    }
    inquiry->due = reply.last == 0;
}

static void take_cancel_reply(struct rmx_line *line)
{
    struct rmx_msg_cancel_reply reply;

    memcpy(&reply, line->buffer, sizeof(reply));
    line->inquiry.due = false;
    line->inquiry.told = reply.jobs;
}

static int take_pong(struct rmx_line *line)
{
    struct rmx_msg_ping pong;

    memcpy(&pong, line->buffer, sizeof(pong));
    if (line->pongs == line->pings || pong.nonce != line->pongs + 1) {
        return refuse_lie(line);
    }
    line->pongs++;
    return 0;
}

static int take_stats(struct rmx_line *line, uint32_t count)
{
    if (line->stats_due == 0) {
        return refuse_lie(line);
    }
    memcpy(line->stats, line->buffer + sizeof(struct rmx_msg_stats_reply),
        count * sizeof(line->stats[0]));
    line->stats_count = count;
    line->stats_due--;
    return 0;
}

/* Why the daemon does not let us in: the errors that only rmx_open() has. */
static int refusal(uint32_t status)
{
    switch (status) {
    case RMX_BUSY:
        return -EBUSY;
    case RMX_DRAINING:
        return -ESHUTDOWN;
    case RMX_UNSUPPORTED:
        return -EPROTONOSUPPORT;
    case RMX_DENIED:
        return -EACCES;
    default:
        return -ECONNRESET;
    }
}

static int take_goodbye(struct rmx_line *line)
{
    struct rmx_msg_goodbye goodbye;

    if (line->session.state != RMX_SESSION_CLOSED) {
        rmx_cohort_drain(line->cohorts, line->number); /* it is open, so it has some */
        return 0; /* DRAINING: the session lives while its jobs do */
    }
    memcpy(&goodbye, line->buffer, sizeof(goodbye));
    if (goodbye.status == RMX_PEER_CORRUPT) {
        return lose(line, -EPROTO);
    }
    if (line->arena.base == NULL) { /* we were not welcome */
        return lose(line, refusal(goodbye.status));
    }
    if (goodbye.status == RMX_BUSY) {
        return lose_saying(line, -ECONNRESET, RMX_DAEMON_LOST,
            "it has no descriptor ('ulimit -n') or no memory left to hear us: its log says which");
    }
    return lose(line, -ECONNRESET);
}

static int take_welcome(struct rmx_line *line, struct rmx_sock_fds *fds)
{
    struct rmx_msg_welcome welcome;
    rmx_autofd int arena = rmx_sock_fds_take(fds, 0);

    memcpy(&welcome, line->buffer, sizeof(welcome));
    if (welcome.arena_bytes == 0 || welcome.arena_bytes > ARENA_BYTES_MAX) {
        return refuse_lie(line);
    }
    int err = rmx_region_adopt(
        &line->arena, &arena, (size_t)welcome.arena_bytes, (size_t)welcome.arena_bytes);
    if (err == -EBADMSG) {
        return refuse_lie(line);
    }
    if (err < 0) {
        return lose(line, err);
    }
    line->progress = rmx_region_at(&line->arena, welcome.progress_at,
        (uint64_t)welcome.progress_slots * sizeof(struct rmx_progress_shm),
        _Alignof(struct rmx_progress_shm));
    line->progress_slots = line->progress != NULL ? welcome.progress_slots : 0;
    line->daemon_pid = welcome.daemon_pid;
    line->workers = welcome.workers;
    line->channel_bytes = welcome.channel_bytes;
    return 0;
}

static int take_channel_opened(struct rmx_line *line, struct rmx_sock_fds *fds)
{
    struct rmx_msg_channel_opened opened;
    struct rmx_line_answer *answer = &line->answer;

    memcpy(&opened, line->buffer, sizeof(opened));
    if (!answer->due) {
        return refuse_lie(line);
    }
    answer->due = false;
    answer->channel = opened.channel;
    answer->outcome = (int)opened.status;
    if (opened.channel != 0) {
        answer->wake_fd = rmx_sock_fds_take(fds, 0);
        answer->heard_fd = rmx_sock_fds_take(fds, 1);
    }
    return 0;
}

static void take_channel_lost(struct rmx_line *line)
{
    struct rmx_msg_channel_lost lost;

    memcpy(&lost, line->buffer, sizeof(lost));
    line->channel_lost = lost.channel;
    if (line->answer.channel == lost.channel) { /* who asked for it may not have looked yet */
        line->answer.outcome = RMX_BUSY;
    }
}

static int take_message(struct rmx_line *line, int type, struct rmx_sock_fds *fds)
{
    struct rmx_msg_head head;

    memcpy(&head, line->buffer, sizeof(head));
    switch (type) {
    case RMX_MSG_WELCOME:
        return take_welcome(line, fds);
    case RMX_MSG_DONE:
        return take_done(line, head.count);
    case RMX_MSG_GROUP_DONE:
        return take_group_done(line);
    case RMX_MSG_JOBS_REPLY:
        take_jobs_reply(line, head.count);
        return 0;
    case RMX_MSG_CANCEL_REPLY:
        take_cancel_reply(line);
        return 0;
    case RMX_MSG_PONG:
        return take_pong(line);
    case RMX_MSG_STATS_REPLY:
        return take_stats(line, head.count);
    case RMX_MSG_GOODBYE:
        return take_goodbye(line);
    case RMX_MSG_CHANNEL_OPENED:
        return take_channel_opened(line, fds);
    case RMX_MSG_CHANNEL_LOST:
        take_channel_lost(line);
        return 0;
    default:
        return 0; /* CREDIT: the session has counted it */
    }
}

/* A message could not be read. */
static int lose_unheard(struct rmx_line *line, int err)
{
    return err == -ECONNRESET || err == -EMFILE ? lose(line, err) : refuse_lie(line);
}

/* Receives one message. That a daemon ended with words of ours unread is told once, and before what
 * it said itself: jobs may have ended there. */
static int receive(struct rmx_line *line, struct rmx_sock_fds *fds)
{
    int bytes = rmx_sock_recv(line->fd, line->buffer, sizeof(line->buffer), fds, MSG_DONTWAIT);

    return bytes == -ECONNRESET
               ? rmx_sock_recv(line->fd, line->buffer, sizeof(line->buffer), fds, MSG_DONTWAIT)
               : bytes;
}

int rmx_line_hear(struct rmx_line *line)
{
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

    line->channel_lost = 0;
    if (line->lost != 0) {
        return line->lost;
    }
    int bytes = receive(line, &fds);
    if (bytes == -EAGAIN) {
        return -EAGAIN;
    }
    if (bytes <= 0) {
        return bytes == 0 ? lose(line, -ECONNRESET) : lose_unheard(line, bytes);
    }
    int type =
        rmx_session_receive(&line->session, line->buffer, (size_t)bytes, (uint32_t)fds.count);
    int err = type < 0 ? refuse_lie(line) : take_message(line, type, &fds);
    rmx_sock_fds_close(&fds);
    return err;
}

int rmx_line_broke(struct rmx_line *line, int err)
{
    if (err != -EPIPE && err != -ECONNRESET) {
        return err;
    }
    /* A daemon that is gone may have left words: ends of jobs, a GOODBYE. */
    while (rmx_line_hear(line) == 0) {
    }
    return lose(line, -ECONNRESET);
}

int rmx_line_say(struct rmx_line *line, const void *message, size_t bytes)
{
    if (line->lost != 0) {
        return line->lost;
    }
    int err = rmx_sock_say(line->fd, message, bytes, MSG_DONTWAIT);
    if (err < 0) {
        return rmx_line_broke(line, err);
    }
    rmx_session_sent(&line->session, message, bytes);
    return 0;
}

int rmx_line_submit(struct rmx_line *line, size_t bytes, const int *fds, size_t fd_count)
{
    struct iovec part = { .iov_base = line->buffer, .iov_len = bytes };
    int err = rmx_sock_send(line->fd, &part, 1, fds, (int)fd_count, MSG_DONTWAIT);

    if (err == 0) {
        rmx_session_sent(&line->session, line->buffer, bytes);
    }
    return err;
}

int rmx_line_offer(struct rmx_line *line)
{
    const struct rmx_region *arena = &line->offered->region;
    struct rmx_msg_channel channel = {
        .head = { .type = RMX_MSG_CHANNEL, .bytes = sizeof(channel) },
        .arena_bytes = arena->size,
    };
    struct iovec part = { .iov_base = &channel, .iov_len = sizeof(channel) };

    rmx_assert(!line->answer.due);
    int err = rmx_line_takes_jobs(line);
    if (err < 0) {
        return err;
    }
    err = rmx_sock_send(line->fd, &part, 1, &arena->fd, 1, MSG_DONTWAIT);
    if (err < 0) {
        return rmx_line_broke(line, err);
    }
    rmx_session_sent(&line->session, &channel, sizeof(channel));
    line->answer = (struct rmx_line_answer){
        .due = true,
        .until_ns = rmx_clock_in(RMX_LINE_ANSWER_NS),
        .wake_fd = -1,
        .heard_fd = -1,
    };
    return 0;
}

static bool is_open(const struct rmx_line *line)
{
    return (line->session.state & (RMX_SESSION_OPEN | RMX_SESSION_DRAINING)) != 0;
}

/* Our program's name for the daemon's log, as far as it is printable. */
static void set_name(char (*field)[sizeof(((struct rmx_msg_hello *)0)->name)])
{
    const char *name = program_invocation_short_name;

    for (size_t i = 0; i + 1 < sizeof(*field) && name[i] > 0x20 && name[i] < 0x7f; i++) {
        (*field)[i] = name[i];
    }
}

int rmx_line_greet(struct rmx_line *line, uint64_t features)
{
    struct rmx_msg_hello hello = {
        .head = { .type = RMX_MSG_HELLO, .bytes = sizeof(hello) },
        .version_min = RMX_WIRE_VERSION,
        .version_max = RMX_WIRE_VERSION,
        .features = features,
    };

    set_name(&hello.name);
    line->features = features;
    line->patient_ns = rmx_clock_in(RMX_LINE_ANSWER_NS);
    return rmx_line_say(line, &hello, sizeof(hello));
}

int rmx_line_await(struct rmx_line *line, uint64_t until_ns)
{
    until_ns = line->patient_ns < until_ns ? line->patient_ns : until_ns;
    while (!is_open(line)) {
        int err = rmx_line_hear(line);

        if (err == -EAGAIN) {
            int ready = rmx_clock_readable(line->fd, until_ns);

            if (ready <= 0) {
                return ready < 0 ? ready : -ETIMEDOUT;
            }
        } else if (err < 0) {
            return err;
        }
    }
    return line->session.features == line->features ? 0 : -EPERM;
}

int rmx_line_takes_jobs(const struct rmx_line *line)
{
    if (line->lost != 0) {
        return line->lost;
    }
    if ((line->session.features & RMX_FEATURE_OPERATOR) != 0) {
        return -EPERM;
    }
    return line->session.state == RMX_SESSION_OPEN ? 0 : -ESHUTDOWN;
}
