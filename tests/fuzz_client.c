/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The library against a daemon that says whatever it likes, once the session is open. The input is
 * what it says, a list of messages:
 *
 *   what the client does meanwhile 1 byte | { bytes 2 | descriptors 1 | message }...
 *
 * then it hangs up. Whatever comes: the library returns, each job that was sent has one result, and
 * no other job has any.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clients/ringmux.h"
#include "ipc/sock.h"
#include "ipc/wire.h"
#include "ring/base.h"
#include "tests/fake_daemon.h"
#include "tests/fuzz_drive.h"

#define JOBS        4u
#define HEAD_BYTES  3u
#define FDS_MAX     3u
#define CREDITS     8u
#define RESULTS_MAX 16

enum { /* what the client does meanwhile, by bit */
    OPENS_GROUP = 1,
    ASKS_STATS = 2,
    PINGS = 4,
    CANCELS = 8,
    LOOKS_FOR_EVENTS = 16,
};

struct words {
    const uint8_t *data;
    size_t size;
};

static void say(const struct fake_daemon *daemon, const uint8_t *message, size_t bytes, size_t fds)
{
    static uint8_t copy[UINT16_MAX];
    const struct iovec part = { .iov_base = copy, .iov_len = bytes };
    int sent[FDS_MAX] = { daemon->arena.fd, daemon->step_fd, daemon->passed_fd };

    memcpy(copy, message, bytes);
    (void)rmx_sock_send(daemon->fd, &part, 1, sent, (int)(fds % (FDS_MAX + 1)), MSG_DONTWAIT);
}

static void talk(struct fake_daemon *daemon)
{
    const struct words *words = daemon->user;
    const uint8_t *data = words->data;

    fake_daemon_welcome(daemon, CREDITS);
    fake_daemon_pause(daemon); /* until the jobs are sent: they have names then */
    for (size_t at = 0; words->size - at >= HEAD_BYTES;) {
        size_t bytes = data[at] | (size_t)data[at + 1] << 8;
        size_t fds = data[at + 2];

        at += HEAD_BYTES;
        bytes = bytes < words->size - at ? bytes : words->size - at;
        if (bytes > 0) {
            say(daemon, data + at, bytes, fds);
        }
        at += bytes;
    }
}

/* Returns how many were sent. */
static size_t submit(struct rmx_client *client, uint8_t deeds, uint64_t ids[JOBS])
{
    struct rmx_job jobs[JOBS];
    uint32_t group = 0;

    if (deeds & OPENS_GROUP) {
        (void)rmx_group_open(client, NULL, &group);
    }
    for (size_t i = 0; i < JOBS; i++) {
        jobs[i] = (struct rmx_job)RMX_JOB_INIT;
        jobs[i].kind = RMX_NOOP;
        jobs[i].group = group;
    }
    int took = rmx_submit(client, jobs, JOBS, ids);
    return took > 0 ? (size_t)took : 0;
}

static void do_more(struct rmx_client *client, uint8_t deeds, const uint64_t ids[JOBS])
{
    struct rmx_counter counters[4];
    struct rmx_event events[4];
    uint64_t rtt_ns;

    if (deeds & CANCELS) {
        (void)rmx_cancel(client, ids[0]);
    }
    if (deeds & PINGS) {
        (void)rmx_ping(client, &rtt_ns);
    }
    if (deeds & ASKS_STATS) {
        (void)rmx_stats(client, counters, 4);
    }
    if (deeds & LOOKS_FOR_EVENTS) {
        (void)rmx_events(client, events, 4, 0);
    }
}

static void collect(struct rmx_client *client, const uint64_t ids[JOBS], size_t count)
{
    struct rmx_result results[RESULTS_MAX];
    bool ended[JOBS] = { false };
    size_t left = count;
    int got;

    while ((got = rmx_wait(client, results, RESULTS_MAX, -1)) > 0) {
        for (int i = 0; i < got; i++) {
            size_t n = 0;

            while (n < count && ids[n] != results[i].id) {
                n++;
            }
            rmx_assert(n < count && !ended[n]);
            ended[n] = true;
            left--;
        }
    }
    rmx_assert(got == -ECONNRESET || got == -EPROTO || got == -EMFILE);
    rmx_assert(left == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct words words = { data + 1, size - 1 };
    static struct fake_daemon daemon;
    struct rmx_client *client = NULL;
    uint64_t ids[JOBS] = { 0 };

    if (size == 0) {
        return 0;
    }
    fake_daemon_start_with(&daemon, talk, &words);
    rmx_assert(rmx_open(&client, daemon.path) == 0);
    size_t count = submit(client, data[0], ids);
    fake_daemon_go_on(&daemon);
    do_more(client, data[0], ids);
    collect(client, ids, count);
    rmx_close(&client);
    fake_daemon_stop(&daemon);
    return 0;
}

/* --- the seeds -------------------------------------------------------------------------------- */

static size_t put(uint8_t *data, size_t at, const void *message, size_t bytes, uint8_t fds)
{
    data[at] = (uint8_t)bytes;
    data[at + 1] = (uint8_t)(bytes >> 8);
    data[at + 2] = fds;
    memcpy(data + at + HEAD_BYTES, message, bytes);
    return at + HEAD_BYTES + bytes;
}

static size_t put_done(uint8_t *data, size_t at, uint64_t job, uint32_t status)
{
    struct {
        struct rmx_msg_head head;
        struct rmx_done_item item;
    } done = { .head = { .type = RMX_MSG_DONE, .bytes = sizeof(done), .count = 1 } };

    done.item.credits = 1;
    done.item.result.job = job;
    done.item.result.status = status;
    return put(data, at, &done, sizeof(done), 0);
}

/* Answers as a daemon might give them, in another order each. */
size_t fuzz_seed(unsigned n, uint8_t *data)
{
    const struct rmx_msg_credit credit = {
        .head = { .type = RMX_MSG_CREDIT, .bytes = sizeof(credit) }, .credits = 3
    };
    const struct rmx_msg_goodbye goodbye = {
        .head = { .type = RMX_MSG_GOODBYE, .bytes = sizeof(goodbye) }, .status = 20
    };
    size_t at = 1;

    data[0] = (uint8_t)(n % 32);
    for (uint64_t job = 1; job <= n % (JOBS + 1); job++) {
        at = put_done(data, at, job, n % 16);
    }
    at = put(data, at, &credit, sizeof(credit), 0);
    return n & 8 ? put(data, at, &goodbye, sizeof(goodbye), 0) : at;
}
