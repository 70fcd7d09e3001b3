/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Example: push a live MPEG-TS as it comes, receive fragmented MP4 as soon as it is made, and do
 * other things meanwhile: one epoll loop, one thread. What is read here lands in memory that a
 * worker reads, and what it makes is written from memory that it wrote.
 *
 *     cc live_push.c $(pkg-config --cflags --libs ringmux) -o live_push
 *     camera | ./live_push | player
 */
#include <errno.h>
#include <ringmux.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS 8

struct push {
    struct rmx_client *client;
    uint64_t id;
    int epoll;
    int may_read; /* standard input has something, without a word of epoll's */
    int is_over;  /* the job's output was read to its end */
};

static int start(struct push *push)
{
    struct rmx_job job = RMX_JOB_INIT;

    job.input = RMX_RING;
    job.output = RMX_RING;
    job.input_format = "mpegts"; /* known, so nothing has to be recognised */
    job.format = "fmp4";
    job.flags = RMX_LIVE;
    job.fragment_us = 500 * 1000;
    int count = rmx_submit(push->client, &job, 1, &push->id);
    return count < 0 ? count : 0;
}

/* Standard input speaks once, and is heard again when there is room in the ring. */
static int listen_to_input(struct push *push, int operation)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.fd = STDIN_FILENO };
    int err = epoll_ctl(push->epoll, operation, STDIN_FILENO, &event) < 0 ? -errno : 0;

    push->may_read = err == -EPERM; /* a regular file, for which nobody need wait */
    return push->may_read ? 0 : err;
}

/* From standard input straight into the ring. */
static int push_input(struct push *push)
{
    void *room;
    size_t bytes;
    int err = rmx_reserve(push->client, push->id, &room, &bytes, 0);

    if (err < 0) {
        return err;
    }
    ssize_t got = read(STDIN_FILENO, room, bytes);
    if (got == 0) {
        return rmx_finish(push->client, push->id, 0);
    }
    if (got > 0) {
        err = rmx_commit(push->client, push->id, (size_t)got);
    } else if (errno != EAGAIN && errno != EINTR) {
        return rmx_abort(push->client, push->id, -errno, 0);
    }
    return err < 0 ? err : listen_to_input(push, EPOLL_CTL_MOD);
}

/* From the ring straight to standard output. A reader who is slow slows the job, not the daemon. */
static void pull_output(struct push *push)
{
    struct rmx_piece piece;
    int got;

    while ((got = rmx_peek(push->client, push->id, &piece, 0)) == 1) {
        if (fwrite(piece.bytes, 1, piece.size, stdout) != piece.size) {
            perror("standard output");
            rmx_drop(push->client, push->id); /* and the job is cancelled */
            break;
        }
        rmx_release(push->client, push->id);
    }
    push->is_over = got != -EAGAIN; /* RMX_CAN_READ follows -EAGAIN */
}

/* All that the client has to say, after which its descriptor tells of what is new. */
static int heed_client(struct push *push)
{
    struct rmx_event events[EVENTS];
    int count;
    int err = 0;

    do {
        count = rmx_events(push->client, events, EVENTS, 0);
        for (int i = 0; i < count; i++) { /* with many jobs: events[i].user says whose it is */
            if ((events[i].kinds & (RMX_CAN_READ | RMX_HAS_ENDED)) != 0) {
                pull_output(push);
            }
            if ((events[i].kinds & RMX_CAN_WRITE) != 0) {
                err = listen_to_input(push, EPOLL_CTL_MOD);
            }
        }
    } while (count == EVENTS);
    return count < 0 ? count : err;
}

static int run(struct push *push)
{
    struct epoll_event client = { .events = EPOLLIN, .data.fd = rmx_fd(push->client) };
    struct epoll_event event;
    int err = listen_to_input(push, EPOLL_CTL_ADD);

    if (err < 0 || epoll_ctl(push->epoll, EPOLL_CTL_ADD, client.data.fd, &client) < 0) {
        return err < 0 ? err : -errno;
    }
    pull_output(push); /* there is none yet: asks to be told */
    while ((err = heed_client(push)) >= 0 && !push->is_over) {
        int count = epoll_wait(push->epoll, &event, 1, push->may_read ? 0 : -1);

        if (push->may_read || (count == 1 && event.data.fd == STDIN_FILENO)) {
            push->may_read = 0;
            err = push_input(push);
        }
        if (err < 0 && err != -EAGAIN && err != -EPIPE) { /* told of room; of the job's end */
            break;
        }
    }
    return err;
}

/* Returns 0 when the job has come to an end, however it went. */
static int remux(struct push *push, struct rmx_result *result)
{
    int err = start(push);

    if (err < 0) {
        return err;
    }
    err = run(push);
    if (err < 0) {
        return err;
    }
    err = rmx_wait(push->client, result, 1, -1);
    return err < 0 ? err : 0;
}

static int complain(const char *what, int err)
{
    errno = -err;
    perror(what);
    return 1;
}

int main(void)
{
    struct push push = { .epoll = epoll_create1(EPOLL_CLOEXEC) };
    struct rmx_result result = { 0 };
    int err = rmx_open(&push.client, NULL);

    if (err == -ENOENT || err == -ECONNREFUSED) {
        err = rmx_open_private(&push.client, NULL);
    }
    if (err < 0) {
        return complain("ringmuxd", err);
    }
    signal(SIGPIPE, SIG_IGN); /* a reader who goes away is an error of fwrite() */
    setvbuf(stdout, NULL, _IONBF, 0);
    err = remux(&push, &result);
    rmx_close(&push.client);
    close(push.epoll);
    if (err < 0) {
        return complain("live_push", err);
    }
    fprintf(stderr, "live_push: %s %s\n", rmx_end_name(result.status), result.text);
    return rmx_end_exit(result.status);
}
