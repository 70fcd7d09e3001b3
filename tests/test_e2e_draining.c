/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A daemon that drains: who still comes to it, where, and that nobody who does keeps it from its
 * end.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/deploy_case.h"
#include "tests/raw_talk.h"

static const char *const settings[] = { "--replace", "--lanes=2", "--workers=2",
    "--log-level=debug", NULL };
static struct harness place;
static struct harness beside; /* what operators come to */

static void set_up(void)
{
    deploy_make_place(&place);
    beside = place;
    (void)snprintf(beside.socket, sizeof(beside.socket), "%s/socket" RMX_SOCK_DRAINING, place.dir);
}

static void tear_down(void)
{
    cr_assert_eq(access(place.socket, F_OK), -1);
    cr_assert_eq(access(beside.socket, F_OK), -1);
    deploy_remove_place(&place);
}

TestSuite(e2e_draining, .init = set_up, .fini = tear_down, .timeout = 180);

/* A client whose job waits for its first byte. */
static struct rmx_client *start_stalled(void)
{
    struct rmx_client *client = harness_client(&place);
    struct rmx_job job = RMX_JOB_INIT;

    job.input = RMX_RING;
    job.output = RMX_RING;
    job.format = "mpegts";
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), 1);
    harness_counter_becomes(client, "jobs_in_flight", 1);
    return client;
}

static void start(struct harness *daemon, struct rmx_client **client)
{
    deploy_spawn(&place, daemon, settings, NULL);
    deploy_await(daemon, "ready", 1, "");
    *client = start_stalled();
}

static void drain(const struct harness *daemon)
{
    (void)kill(daemon->daemon, SIGTERM);
    deploy_await(daemon, "draining", 2, ""); /* both lanes */
}

/* It is found by the name of the socket where it no longer listens. */
static struct rmx_client *operate(const struct harness *daemon)
{
    struct rmx_client *boss = NULL;

    cr_assert_eq(rmx_open_operator(&boss, place.socket), 0);
    cr_assert_eq(rmx_daemon_pid(boss), (uint32_t)daemon->daemon);
    return boss;
}

static void cancel_all(struct rmx_client *boss, uint64_t jobs)
{
    struct rmx_job_match match = { .all = 1 };
    uint64_t count = 0;

    cr_assert_eq(rmx_cancel_jobs(boss, &match, &count), 0);
    cr_assert_eq(count, jobs);
}

static void assert_cancelled(struct rmx_client **client)
{
    struct rmx_result result = harness_wait(*client);

    cr_assert_eq(result.status, RMX_CANCELLED);
    cr_assert_str_eq(result.text, "cancelled by the operator");
    rmx_close(client);
}

Test(e2e_draining, operator_sees_and_ends_what_is_left)
{
    struct harness daemon;
    struct rmx_client *client;
    struct rmx_client *boss;
    struct rmx_job_info jobs[2];
    struct stat file;

    start(&daemon, &client);
    drain(&daemon);
    boss = operate(&daemon);
    cr_assert_eq(stat(beside.socket, &file), 0);
    cr_assert_eq(file.st_mode & 0777, 0600);
    cr_assert_eq(harness_counter(boss, "draining"), 1);
    cr_assert_eq(harness_counter(boss, "jobs_in_flight"), 1);
    cr_assert_eq(rmx_state(boss), RMX_STATE_DRAINING);
    cr_assert_eq(rmx_jobs(boss, jobs, 2), 1);
    cr_assert_eq(jobs[0].pid, getpid());
    cancel_all(boss, 1);
    assert_cancelled(&client);
    rmx_close(&boss);
    cr_assert_eq(deploy_exit(&daemon), 0);
}

Test(e2e_draining, nobody_else_comes_nor_delays_the_end)
{
    struct rmx_msg_welcome answer;
    struct rmx_msg_goodbye goodbye;
    struct harness daemon;
    struct rmx_client *client;
    struct rmx_client *boss;
    uint64_t ended_ns;
    int silent;
    int refused;

    start(&daemon, &client);
    drain(&daemon);
    cr_assert_eq(rmx_open(&boss, place.socket), -ENOENT);
    cr_assert_eq(rmx_open(&boss, beside.socket), -ESHUTDOWN);
    refused = raw_greet(&beside, 0, &answer);
    memcpy(&goodbye, &answer, sizeof(goodbye));
    cr_assert_eq(goodbye.head.type, RMX_MSG_GOODBYE);
    cr_assert_eq(goodbye.status, RMX_STATUS_DRAINING);
    close(refused);
    boss = operate(&daemon); /* and stays */
    silent = rmx_sock_connect(beside.socket);
    cr_assert_geq(silent, 0);
    (void)poll(NULL, 0, 50); /* so that it is let in */
    ended_ns = harness_now_ns();
    rmx_close(&client);
    cr_assert_eq(deploy_exit(&daemon), 0);
    cr_assert_lt(harness_now_ns() - ended_ns, 4000000000); /* it may take 5 s to say hello */
    cr_assert_eq(rmx_state(boss), RMX_STATE_LOST);
    rmx_close(&boss);
    close(silent);
}

/* The first was handed nothing, the second has the socket from it; and a stale file is no
 * hindrance. */
Test(e2e_draining, daemons_drain_one_after_the_other_at_one_place)
{
    struct harness first;
    struct harness second;
    struct rmx_client *clients[2];
    struct rmx_client *boss;

    close(deploy_listen(&beside));
    start(&first, &clients[0]);
    deploy_spawn(&place, &second, settings, NULL);
    deploy_await(&second, "ready", 1, "");
    deploy_await(&first, "draining", 2, "");
    boss = operate(&second);
    cr_assert_eq(harness_counter(boss, "draining"), 0);
    rmx_close(&boss);
    cr_assert_eq(rmx_open_operator(&boss, beside.socket), 0);
    cr_assert_eq(rmx_daemon_pid(boss), (uint32_t)first.daemon);
    cancel_all(boss, 1);
    rmx_close(&boss);
    assert_cancelled(&clients[0]);
    cr_assert_eq(deploy_exit(&first), 0);

    clients[1] = start_stalled();
    drain(&second);
    boss = operate(&second);
    cancel_all(boss, 1);
    assert_cancelled(&clients[1]);
    rmx_close(&boss);
    cr_assert_eq(deploy_exit(&second), 0);
}

Test(e2e_draining, two_at_once_share_no_socket)
{
    struct harness first;
    struct harness second;
    struct rmx_client *clients[2];
    struct rmx_client *boss;

    start(&first, &clients[0]);
    drain(&first);
    start(&second, &clients[1]);
    drain(&second);
    deploy_await(&second, "no_drain_socket", 1, beside.socket);
    boss = operate(&first);
    cancel_all(boss, 1);
    rmx_close(&boss);
    assert_cancelled(&clients[0]);
    cr_assert_eq(deploy_exit(&first), 0);
    cr_assert_eq(rmx_open_operator(&boss, place.socket), -ENOENT);
    rmx_close(&clients[1]);
    cr_assert_eq(deploy_exit(&second), 0);
}

Test(e2e_draining, operator_moves_on_to_the_next_daemon)
{
    struct harness first;
    struct harness second;
    struct rmx_client *client;
    struct rmx_client *boss;

    start(&first, &client);
    drain(&first);
    boss = operate(&first);
    deploy_spawn(&place, &second, settings, NULL);
    deploy_await(&second, "ready", 1, "");
    cr_assert_eq(rmx_state(boss), RMX_STATE_DRAINING);
    cr_assert_eq(rmx_reconnect(boss, 5000), 0);
    cr_assert_eq(rmx_daemon_pid(boss), (uint32_t)second.daemon);
    rmx_close(&boss);
    rmx_close(&client);
    cr_assert_eq(deploy_exit(&first), 0);
    (void)kill(second.daemon, SIGTERM);
    cr_assert_eq(deploy_exit(&second), 0);
}

Test(e2e_draining, a_second_signal_leaves_no_file)
{
    struct harness daemon;
    struct rmx_client *client;

    start(&daemon, &client);
    drain(&daemon);
    cr_assert_eq(access(beside.socket, F_OK), 0);
    (void)kill(daemon.daemon, SIGTERM);
    cr_assert_eq(deploy_exit(&daemon), 0);
    rmx_close(&client);
}

/* Who comes to the socket itself waits for the next daemon; this one is found beside it. */
Test(e2e_draining, inherited_socket_has_one_beside_it_too)
{
    static const char *const plain[] = { NULL };
    struct deploy_inherit inherit = DEPLOY_INHERIT_INIT;
    struct harness daemon;
    struct rmx_client *client;
    struct rmx_client *boss;

    inherit.socket = deploy_listen(&place);
    inherit.listen_fds = "1";
    deploy_spawn(&place, &daemon, plain, &inherit);
    deploy_await(&daemon, "ready", 1, "");
    client = start_stalled();
    (void)kill(daemon.daemon, SIGTERM);
    deploy_await(&daemon, "draining", 1, "");
    cr_assert_eq(rmx_open_operator(&boss, beside.socket), 0);
    cancel_all(boss, 1);
    rmx_close(&boss);
    assert_cancelled(&client);
    cr_assert_eq(deploy_exit(&daemon), 0);
    cr_assert_eq(unlink(place.socket), 0);
    close(inherit.socket);
}

/* Who was offered the socket, and went, has taken nothing: its file goes, though late. */
Test(e2e_draining, socket_that_was_offered_in_vain_goes_with_its_daemon)
{
    static const struct rmx_msg_head handover = {
        .type = RMX_MSG_HANDOVER,
        .bytes = sizeof(handover),
    };
    struct rmx_msg_handover_reply reply;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    struct rmx_client *client;
    struct harness daemon;
    int next;

    start(&daemon, &client);
    next = raw_operator(&place);
    cr_assert_eq(rmx_sock_say(next, &handover, sizeof(handover), 0), 0);
    cr_assert_eq(raw_receive(next, &reply, sizeof(reply), &fds), (int)sizeof(reply));
    cr_assert_eq(reply.status, RMX_STATUS_OK);
    rmx_sock_fds_close(&fds);
    drain(&daemon);
    cr_assert_eq(access(place.socket, F_OK), 0);
    close(next);
    rmx_close(&client);
    cr_assert_eq(deploy_exit(&daemon), 0);
}
