/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A daemon that does what a test tells it to (see fake_daemon.h).
 */
#include "tests/fake_daemon.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clients/ringmux.h"
#include "ring/base.h"

#define ARENA_BYTES 65536
#define PATIENCE_MS 20000

static void signal_event(int fd)
{
    uint64_t one = 1;
    ssize_t bytes = write(fd, &one, sizeof(one));

    rmx_assert(bytes == (ssize_t)sizeof(one));
}

static void await_event(int fd)
{
    struct pollfd watched = { .fd = fd, .events = POLLIN };
    uint64_t count;

    rmx_assert(poll(&watched, 1, PATIENCE_MS) == 1);
    ssize_t bytes = read(fd, &count, sizeof(count));
    rmx_assert(bytes == (ssize_t)sizeof(count));
}

static void *run(void *argument)
{
    struct fake_daemon *daemon = argument;
    struct pollfd watched = { .fd = daemon->listener, .events = POLLIN };

    rmx_assert(poll(&watched, 1, PATIENCE_MS) == 1);
    daemon->fd = accept4(daemon->listener, NULL, NULL, SOCK_CLOEXEC);
    rmx_assert(daemon->fd >= 0);
    daemon->script(daemon);
    rmx_base_close(&daemon->fd);
    return NULL;
}

void fake_daemon_start(struct fake_daemon *daemon, void (*script)(struct fake_daemon *daemon))
{
    fake_daemon_start_with(daemon, script, NULL);
}

/* Runs it on a socket that listens at this path, and is its own then. */
static void begin(struct fake_daemon *daemon, const char *path, int listener,
    void (*script)(struct fake_daemon *daemon), void *user)
{
    memset(daemon, 0, sizeof(*daemon));
    daemon->fd = -1;
    daemon->script = script;
    daemon->user = user;
    snprintf(daemon->path, sizeof(daemon->path), "%s", path);
    daemon->listener = listener;
    rmx_assert(daemon->listener >= 0);
    daemon->step_fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    daemon->passed_fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    daemon->arena = (struct rmx_region)RMX_REGION_INIT;
    int err = rmx_region_create(&daemon->arena, "fake", ARENA_BYTES, 0);
    rmx_assert(err == 0);
    err = pthread_create(&daemon->thread, NULL, run, daemon);
    rmx_assert(err == 0);
}

void fake_daemon_start_with(
    struct fake_daemon *daemon, void (*script)(struct fake_daemon *daemon), void *user)
{
    static int count;
    char path[sizeof(daemon->path)];

    snprintf(path, sizeof(path), "@rmx-fake-%d-%d", getpid(), count++);
    fake_daemon_return(daemon, path, script, user);
}

void fake_daemon_return(struct fake_daemon *daemon, const char *path,
    void (*script)(struct fake_daemon *daemon), void *user)
{
    begin(daemon, path, rmx_sock_listen(path, 0600), script, user);
}

void fake_daemon_succeed(struct fake_daemon *daemon, struct fake_daemon *last,
    void (*script)(struct fake_daemon *daemon), void *user)
{
    begin(daemon, last->path, rmx_take_fd(&last->listener), script, user);
}

void fake_daemon_stop(struct fake_daemon *daemon)
{
    pthread_join(daemon->thread, NULL);
    rmx_sock_fds_close(&daemon->fds);
    rmx_region_fini(&daemon->arena);
    rmx_base_close(&daemon->listener);
    rmx_base_close(&daemon->step_fd);
    rmx_base_close(&daemon->passed_fd);
}

void fake_daemon_go_on(struct fake_daemon *daemon)
{
    signal_event(daemon->step_fd);
}

void fake_daemon_wait(struct fake_daemon *daemon)
{
    await_event(daemon->passed_fd);
}

void fake_daemon_pause(struct fake_daemon *daemon)
{
    await_event(daemon->step_fd);
}

void fake_daemon_arrived(struct fake_daemon *daemon)
{
    signal_event(daemon->passed_fd);
}

/* Returns the bytes of the next message, 0 at the end. */
static int receive(struct fake_daemon *daemon)
{
    struct pollfd watched = { .fd = daemon->fd, .events = POLLIN };

    rmx_sock_fds_close(&daemon->fds);
    rmx_assert(poll(&watched, 1, PATIENCE_MS) == 1);
    return rmx_sock_recv(
        daemon->fd, daemon->message, sizeof(daemon->message), &daemon->fds, MSG_DONTWAIT);
}

uint32_t fake_daemon_hear(struct fake_daemon *daemon, uint16_t type)
{
    struct rmx_msg_head head;
    int bytes = receive(daemon);

    rmx_assert(bytes >= (int)sizeof(head));
    memcpy(&head, daemon->message, sizeof(head));
    rmx_assert(head.type == type && head.bytes == (uint32_t)bytes);
    return head.count;
}

uint16_t fake_daemon_hear_any(struct fake_daemon *daemon)
{
    struct rmx_msg_head head;

    if (receive(daemon) <= 0) {
        return 0;
    }
    memcpy(&head, daemon->message, sizeof(head));
    return head.type;
}

void fake_daemon_hear_end(struct fake_daemon *daemon)
{
    rmx_assert(receive(daemon) <= 0);
}

struct rmx_job_spec fake_daemon_spec(const struct fake_daemon *daemon, uint32_t i)
{
    struct rmx_job_spec spec;

    memcpy(&spec, daemon->message + sizeof(struct rmx_msg_submit) + i * sizeof(spec), sizeof(spec));
    return spec;
}

void fake_daemon_say(struct fake_daemon *daemon, const void *message, size_t bytes)
{
    int err = rmx_sock_say(daemon->fd, message, bytes, 0);

    rmx_assert(err == 0);
}

static void welcome_with(struct fake_daemon *daemon, uint32_t credits, uint64_t features)
{
    struct rmx_msg_welcome welcome = {
        .head = { .type = RMX_MSG_WELCOME, .bytes = sizeof(welcome) },
        .version = RMX_WIRE_VERSION,
        .credits = credits,
        .features = features,
        .arena_bytes = ARENA_BYTES,
        .progress_at = 4096,
        .progress_slots = FAKE_DAEMON_SLOTS,
        .daemon_pid = (uint32_t)getpid(),
        .workers = FAKE_DAEMON_WORKERS,
        .channel_bytes = FAKE_DAEMON_CHANNEL_BYTES,
    };
    struct iovec part = { .iov_base = &welcome, .iov_len = sizeof(welcome) };

    fake_daemon_hear(daemon, RMX_MSG_HELLO);
    int err = rmx_sock_send(daemon->fd, &part, 1, &daemon->arena.fd, 1, 0);
    rmx_assert(err == 0);
}

void fake_daemon_welcome(struct fake_daemon *daemon, uint32_t credits)
{
    welcome_with(daemon, credits, 0);
}

void fake_daemon_welcome_operator(struct fake_daemon *daemon)
{
    welcome_with(daemon, 0, RMX_FEATURE_OPERATOR);
}

static void say_done(
    struct fake_daemon *daemon, const struct rmx_job_result *result, uint32_t credits)
{
    struct {
        struct rmx_msg_head head;
        struct rmx_done_item item;
    } message = {
        .head = { .type = RMX_MSG_DONE, .bytes = sizeof(message), .count = 1 },
        .item = { .credits = credits, .result = *result },
    };

    fake_daemon_say(daemon, &message, sizeof(message));
}

void fake_daemon_done(struct fake_daemon *daemon, uint64_t job, uint32_t status, uint32_t credits)
{
    const struct rmx_job_result result = {
        .job = job,
        .status = status,
        .bytes_in = 7,
        .text = "said",
    };

    say_done(daemon, &result, credits);
}

void fake_daemon_refuse(struct fake_daemon *daemon, uint64_t job)
{
    const struct rmx_job_result result = { .job = job, .status = RMX_DRAINING };

    say_done(daemon, &result, 0);
}

void fake_daemon_goodbye(struct fake_daemon *daemon, uint32_t status)
{
    struct rmx_msg_goodbye goodbye = {
        .head = { .type = RMX_MSG_GOODBYE, .bytes = sizeof(goodbye) },
        .status = status,
    };

    fake_daemon_say(daemon, &goodbye, sizeof(goodbye));
}

void fake_daemon_group_done(
    struct fake_daemon *daemon, uint32_t group, uint32_t status, uint64_t first)
{
    struct rmx_msg_group_done done = {
        .head = { .type = RMX_MSG_GROUP_DONE, .bytes = sizeof(done) },
        .group = group,
        .status = status,
    };

    if (first != 0) {
        done.first = (struct rmx_job_result){ .job = first, .status = status, .text = "said" };
        done.ended[status] = 1;
    }
    fake_daemon_say(daemon, &done, sizeof(done));
}

struct rmx_msg_group fake_daemon_hear_group(struct fake_daemon *daemon)
{
    struct rmx_msg_group group;

    fake_daemon_hear(daemon, RMX_MSG_GROUP);
    memcpy(&group, daemon->message, sizeof(group));
    return group;
}

uint32_t fake_daemon_hear_name(struct fake_daemon *daemon, uint16_t type)
{
    struct rmx_msg_group_name name;

    fake_daemon_hear(daemon, type);
    memcpy(&name, daemon->message, sizeof(name));
    return name.group;
}

struct rmx_progress_shm *fake_daemon_slots(const struct fake_daemon *daemon)
{
    return rmx_region_at(
        &daemon->arena, 4096, FAKE_DAEMON_SLOTS * sizeof(struct rmx_progress_shm), 8);
}
