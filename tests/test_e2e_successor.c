/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whose the socket and its file are when a hand-over goes wrong half-way: an old daemon that ends,
 * or parts with the next one, before it heard that the next one accepts; and a next one that ends
 * while the old one drains. The old daemon is a test's own where it has to misbehave.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "ipc/sock.h"
#include "ipc/status.h"
#include "tests/deploy_case.h"

static const char *const replacing[] = { "--replace", NULL };
static struct harness harness;

TestSuite(e2e_successor, .timeout = 180);

/* --- an old daemon --------------------------------------------------------------------------- */

static void hear(int sock)
{
    unsigned char message[RMX_WIRE_BYTES_MAX];
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

    (void)rmx_sock_recv(sock, message, sizeof(message), &fds, 0);
    rmx_sock_fds_close(&fds);
}

static void say(int sock, const void *message, size_t bytes, int fd)
{
    struct iovec part = { .iov_base = NULL, .iov_len = bytes };

    memcpy(&part.iov_base, &message, sizeof(message)); /* sendmsg(2) only reads it */
    (void)rmx_sock_send(sock, &part, 1, &fd, 1, 0);
}

/* Takes the next one that comes as far as the socket. What that says then finds nobody; `last` is
 * what it finds instead, if that is not OK. */
static void hand_over(int listen_fd, enum rmx_status last)
{
    static const struct rmx_msg_welcome welcome = {
        .head = { .type = RMX_MSG_WELCOME, .bytes = sizeof(welcome) },
        .version = RMX_WIRE_VERSION,
        .features = RMX_FEATURE_OPERATOR,
        .workers = 1,
        .channel_bytes = RMX_CHANNEL_BYTES_MIN,
    };
    static const struct rmx_msg_handover_reply reply = {
        .head = { .type = RMX_MSG_HANDOVER_REPLY, .bytes = sizeof(reply) },
        .status = RMX_STATUS_OK,
    };
    const struct rmx_msg_goodbye goodbye = {
        .head = { .type = RMX_MSG_GOODBYE, .bytes = sizeof(goodbye) },
        .status = last,
    };
    struct pollfd wait = { .fd = listen_fd, .events = POLLIN };
    struct ucred next;
    int sock;

    (void)poll(&wait, 1, 20000);
    sock = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    hear(sock);
    say(sock, &welcome, sizeof(welcome), STDERR_FILENO);
    hear(sock);
    (void)rmx_sock_peer(sock, &next);
    (void)kill(next.pid, SIGSTOP);
    (void)shutdown(sock, SHUT_RD);
    say(sock, &reply, sizeof(reply), listen_fd);
    if (last != RMX_STATUS_OK) {
        (void)rmx_sock_say(sock, &goodbye, sizeof(goodbye), 0);
    }
    close(sock);
    (void)kill(next.pid, SIGCONT);
}

static void end_after_the_reply(int listen_fd)
{
    hand_over(listen_fd, RMX_STATUS_OK);
}

static void drain_after_the_reply(int listen_fd)
{
    hand_over(listen_fd, RMX_STATUS_DRAINING);
}

/* As a daemon that has no memory for what it is to hear. */
static void part_and_serve_on(int listen_fd)
{
    hand_over(listen_fd, RMX_STATUS_BUSY);
    hand_over(listen_fd, RMX_STATUS_OK);
}

/* The next daemon takes over from one that does so, serves, and leaves nothing when it ends. */
static void succeed(void (*act)(int listen_fd))
{
    struct harness next;
    struct rmx_client *client;
    int listen_fd;
    pid_t pid;

    deploy_make_place(&harness);
    listen_fd = deploy_listen(&harness);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        act(listen_fd);
        _exit(0);
    }
    close(listen_fd);
    deploy_spawn(&harness, &next, replacing, NULL);
    deploy_await(&next, "ready", 1, "");
    deploy_await(&next, "took_over", 1, "has ended");
    (void)waitpid(pid, NULL, 0);
    client = harness_client(&next);
    (void)harness_remux(&next, client, harness_media("small.mp4"), "mpegts");
    rmx_close(&client);
    (void)kill(next.daemon, SIGTERM);
    cr_assert_eq(deploy_exit(&next), 0);
    cr_assert_lt(access(next.socket, F_OK), 0, "its file stays");
    deploy_remove_place(&harness);
}

Test(e2e_successor, socket_of_one_that_ends_before_it_hears_us_is_ours)
{
    succeed(end_after_the_reply);
}

Test(e2e_successor, socket_of_one_that_drains_and_does_not_hear_us_is_ours)
{
    succeed(drain_after_the_reply);
}

Test(e2e_successor, socket_of_one_that_parts_with_us_is_not_until_it_is_handed_over_again)
{
    succeed(part_and_serve_on);
}

/* --- a next one ------------------------------------------------------------------------------ */

/* Comes as an operator and is handed the socket. Returns the session. */
static int take_over(int *listen_fd)
{
    static const struct rmx_msg_hello hello = {
        .head = { .type = RMX_MSG_HELLO, .bytes = sizeof(hello) },
        .version_min = RMX_WIRE_VERSION,
        .version_max = RMX_WIRE_VERSION,
        .features = RMX_FEATURE_OPERATOR,
    };
    static const struct rmx_msg_head handover = {
        .type = RMX_MSG_HANDOVER,
        .bytes = sizeof(handover),
    };
    struct rmx_msg_handover_reply reply;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    int sock = rmx_sock_connect(harness.socket);

    cr_assert_geq(sock, 0);
    cr_assert_eq(rmx_sock_say(sock, &hello, sizeof(hello), 0), 0);
    hear(sock);
    cr_assert_eq(rmx_sock_say(sock, &handover, sizeof(handover), 0), 0);
    cr_assert_eq(rmx_sock_recv(sock, &reply, sizeof(reply), &fds, 0), (int)sizeof(reply));
    cr_assert_eq(reply.status, RMX_STATUS_OK);
    *listen_fd = rmx_sock_fds_take(&fds, 0);
    return sock;
}

Test(e2e_successor, next_one_that_ends_while_the_old_one_drains_leaves_no_file)
{
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_client *client;
    int listen_fd;
    int sock;

    harness_start(&harness, NULL);
    client = harness_client(&harness);
    job.input = RMX_RING; /* which stays empty */
    job.output = RMX_RING;
    job.format = "mpegts";
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), 1);
    sock = take_over(&listen_fd);
    (void)kill(harness.daemon, SIGTERM);
    deploy_await(&harness, "draining", 1, "");
    close(listen_fd);
    close(sock);
    deploy_await(&harness, "client_gone", 1, "");
    rmx_close(&client);
    cr_assert_eq(deploy_exit(&harness), 0);
    cr_assert_lt(access(harness.socket, F_OK), 0, "its file stays");
    deploy_remove_place(&harness);
}
