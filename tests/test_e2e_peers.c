/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Clients of several users beside one another: who is let in, how much one user's clients may have
 * together, and that an honest one does not notice an attack of another's. Only root can be several
 * users: everybody else skips.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/raw_talk.h"

#define ALICE 40001
#define BOB   40002
#define CREW  40100 /* a group */
#define OTHER 40200

#define SETTINGS_MAX 8
#define CROWD        200
#define JOBS         10

static struct harness harness;
static struct rmx_client *root; /* looks at the counters */

static void start_at(const char *const *settings)
{
    const char *all[SETTINGS_MAX + 4] = { "--workers=1", "--socket-mode=0666" };

    for (int i = 0; settings[i] != NULL; i++) {
        cr_assert_lt(i, SETTINGS_MAX);
        all[i + 2] = settings[i];
    }
    harness_start_at(&harness, all);
    cr_assert_eq(chmod(harness.dir, 0755), 0);
    root = harness_client(&harness);
}

static void start(const char *const *settings)
{
    harness_make_place(&harness);
    start_at(settings);
}

#define START(...) start((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static void set_up(void)
{
    if (geteuid() != 0) {
        cr_skip_test("only root can be several users");
    }
}

static void tear_down(void)
{
    if (root == NULL) { /* the test was about the end */
        harness_stop(&harness);
        return;
    }
    harness_counter_becomes(root, "jobs_in_flight", 0);
    harness_counter_becomes(root, "sessions_open", 1);
    harness_counter_becomes(root, "channels_open", 0);
    harness_counter_becomes(root, "fds_open", 0);
    rmx_close(&root);
    harness_stop(&harness);
}

TestSuite(e2e_peers, .init = set_up, .fini = tear_down, .timeout = 180);

/* Who we are when we connect is who we are for the daemon. */
static void become(uid_t uid, gid_t gid, gid_t group)
{
    cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(setgroups(1, &group), 0);
    cr_assert_eq(setegid(gid), 0);
    cr_assert_eq(seteuid(uid), 0);
}

static int open_in(uid_t uid, gid_t gid, gid_t group, struct rmx_client **client)
{
    int error;

    *client = NULL;
    become(uid, gid, group);
    error = rmx_open(client, harness.socket);
    become(0, 0, 0);
    return error;
}

static int open_as(uid_t uid, struct rmx_client **client)
{
    return open_in(uid, OTHER, OTHER, client);
}

static int greet_as(uid_t uid, gid_t group, uint64_t features, struct rmx_msg_welcome *welcome)
{
    int sock;

    become(uid, OTHER, group);
    sock = raw_greet(&harness, features, welcome);
    become(0, 0, 0);
    return sock;
}

static int connect_as(uid_t uid)
{
    int sock;

    become(uid, OTHER, OTHER);
    sock = rmx_sock_connect(harness.socket);
    become(0, 0, 0);
    cr_assert_geq(sock, 0);
    return sock;
}

/* How many lines of the log have this text. */
static unsigned count_lines(const char *text)
{
    FILE *file = fopen(harness.log, "re");
    char line[4096];
    unsigned count = 0;

    cr_assert_not_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        count += strstr(line, text) != NULL;
    }
    (void)fclose(file);
    return count;
}

/* The log comes after what it is about. */
static void await_line(const char *text)
{
    for (int i = 0; i < 2000 && count_lines(text) == 0; i++) {
        (void)poll(NULL, 0, 5);
    }
    cr_assert_eq(count_lines(text), 1);
}

/* An honest client's day: connects, has a job done, goes; so many times. */
static void work_as(uid_t uid, int times)
{
    for (int i = 0; i < times; i++) {
        struct rmx_client *client;

        cr_assert_eq(open_as(uid, &client), 0);
        (void)harness_remux(&harness, client, harness_media("small.mp4"), "mpegts");
        rmx_close(&client);
    }
}

/* --- who may talk ----------------------------------------------------------------------------- */

Test(e2e_peers, only_users_and_groups_that_are_named_may_connect)
{
    struct rmx_client *client;

    START("--allow-uids=40001", "--allow-gids=40100");
    work_as(ALICE, 1);
    cr_assert_eq(open_as(BOB, &client), -EACCES);
    cr_assert_eq(harness_counter(root, "connections_refused"), 1);
    await_line("client_refused");
    await_line("\"uid\":40002,\"gid\":40200,");
    cr_assert_eq(open_in(BOB, CREW, OTHER, &client), 0);
    rmx_close(&client);
    cr_assert_eq(open_in(BOB, OTHER, CREW, &client), 0);
    rmx_close(&client);
}

static void write_settings(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    cr_assert_not_null(file);
    cr_assert_gt(fprintf(file, "%s\n", text), 0);
    cr_assert_eq(fclose(file), 0);
}

Test(e2e_peers, a_new_list_counts_for_those_that_come_later)
{
    struct rmx_client *alice;
    struct rmx_client *client;
    char path[128];
    char option[160];

    harness_make_place(&harness);
    (void)snprintf(path, sizeof(path), "%s/settings", harness.dir);
    (void)snprintf(option, sizeof(option), "--config=%s", path);
    write_settings(path, "allow_uids = 40001");
    start_at((const char *const[]){ option, NULL });
    cr_assert_eq(open_as(ALICE, &alice), 0);
    write_settings(path, "allow_uids = 40002, nobody-is-called-so");
    cr_assert_eq(kill(harness.daemon, SIGHUP), 0);
    await_line("reload_refused");
    cr_assert_eq(open_as(BOB, &client), -EACCES);
    write_settings(path, "allow_uids = 40002");
    cr_assert_eq(kill(harness.daemon, SIGHUP), 0);
    harness_counter_becomes(root, "reloads", 1);
    work_as(BOB, 1);
    cr_assert_eq(open_as(ALICE, &client), -EACCES);
    (void)harness_remux(&harness, alice, harness_media("small.mp4"), "mpegts");
    rmx_close(&alice);
}

Test(e2e_peers, operators_are_of_the_groups_that_are_named)
{
    static const struct rmx_msg_head handover = {
        .type = RMX_MSG_HANDOVER,
        .bytes = sizeof(handover),
    };
    struct rmx_msg_handover_reply reply;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    struct rmx_msg_welcome welcome;
    struct rmx_jobs_item items[2];
    int sock;

    START("--operator-gids=40100");
    close(greet_as(ALICE, OTHER, RMX_FEATURE_OPERATOR, &welcome));
    cr_assert_eq(welcome.features, 0);
    sock = greet_as(ALICE, CREW, RMX_FEATURE_OPERATOR, &welcome);
    cr_assert_eq(welcome.features, RMX_FEATURE_OPERATOR);
    cr_assert_eq(raw_jobs(sock, items, 2), 0);
    /* who looks after jobs is not who runs the daemon */
    cr_assert_eq(rmx_sock_say(sock, &handover, sizeof(handover), 0), 0);
    cr_assert_eq(raw_receive(sock, &reply, sizeof(reply), &fds), (int)sizeof(reply));
    cr_assert_eq(reply.status, RMX_STATUS_DENIED);
    cr_assert_eq(fds.count, 0);
    close(sock);
}

Test(e2e_peers, operators_of_a_group_reach_a_daemon_that_drains)
{
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_jobs_item items[2];
    struct rmx_msg_goodbye goodbye;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    struct rmx_msg_welcome welcome;
    struct stat st;
    int sock;

    START("--operator-gids=40100", "--socket-group=40100", "--socket-mode=0660");
    cr_assert_eq(stat(harness.socket, &st), 0);
    cr_assert_eq(st.st_gid, CREW);
    become(ALICE, OTHER, OTHER);
    cr_assert_eq(rmx_sock_connect(harness.socket), -EACCES);
    become(0, 0, 0);
    job.input = RMX_RING; /* which stays empty */
    job.output = RMX_RING;
    job.format = "mpegts";
    cr_assert_eq(rmx_submit(root, &job, 1, NULL), 1);
    harness_counter_becomes(root, "jobs_in_flight", 1);
    cr_assert_eq(kill(harness.daemon, SIGTERM), 0);
    (void)stpcpy(harness.socket + strlen(harness.socket), RMX_SOCK_DRAINING);
    while (stat(harness.socket, &st) < 0) {
        (void)poll(NULL, 0, 5);
    }
    sock = greet_as(ALICE, CREW, RMX_FEATURE_OPERATOR, &welcome);
    cr_assert_eq(welcome.features, RMX_FEATURE_OPERATOR);
    cr_assert_eq(raw_receive(sock, &goodbye, sizeof(goodbye), &fds), (int)sizeof(goodbye));
    cr_assert_eq(goodbye.status, RMX_STATUS_DRAINING);
    cr_assert_eq(raw_jobs(sock, items, 2), 1);
    close(sock);
    rmx_close(&root);
}

/* --- how much one user may have --------------------------------------------------------------- */

Test(e2e_peers, sessions_of_one_user_leave_room_for_another)
{
    struct rmx_client *alice[3];
    struct rmx_client *bob;

    START("--sessions-max=4", "--sessions-per-uid=2");
    cr_assert_eq(open_as(ALICE, &alice[0]), 0);
    cr_assert_eq(open_as(ALICE, &alice[1]), 0);
    cr_assert_eq(open_as(ALICE, &alice[2]), -EBUSY);
    cr_assert_eq(open_as(BOB, &bob), 0);
    rmx_close(&bob);
    rmx_close(&alice[0]);
    harness_counter_becomes(root, "sessions_open", 2);
    cr_assert_eq(open_as(ALICE, &alice[0]), 0);
    rmx_close(&alice[0]);
    rmx_close(&alice[1]);
}

Test(e2e_peers, three_quarters_of_the_sessions_are_one_users_and_root_has_no_limit)
{
    struct rmx_client *clients[8];

    START("--sessions-max=8");
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(open_as(ALICE, &clients[i]), 0);
    }
    cr_assert_eq(open_as(ALICE, &clients[6]), -EBUSY);
    for (int i = 0; i < 6; i++) {
        rmx_close(&clients[i]);
    }
    harness_counter_becomes(root, "sessions_open", 1);
    for (int i = 0; i < 7; i++) {
        clients[i] = harness_client(&harness);
    }
    for (int i = 0; i < 7; i++) {
        rmx_close(&clients[i]);
    }
}

Test(e2e_peers, credits_of_one_user_have_a_limit)
{
    struct rmx_msg_welcome welcome;
    int socks[4];

    START("--credits=8", "--credits-per-uid=10", "--jobs-max=64", "--sessions-max=8");
    socks[0] = greet_as(ALICE, OTHER, 0, &welcome);
    cr_assert_eq(welcome.credits, 8);
    socks[1] = greet_as(ALICE, OTHER, 0, &welcome);
    cr_assert_eq(welcome.credits, 2);
    socks[2] = greet_as(ALICE, OTHER, 0, &welcome); /* not even one */
    cr_assert_eq(welcome.head.type, RMX_MSG_GOODBYE);
    socks[3] = greet_as(BOB, OTHER, 0, &welcome);
    cr_assert_eq(welcome.credits, 8);
    close(socks[0]); /* and what it had goes to the second */
    raw_sock = socks[1];
    struct rmx_msg_credit credit;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

    cr_assert_eq(raw_receive(raw_sock, &credit, sizeof(credit), &fds), (int)sizeof(credit));
    cr_assert_eq(credit.head.type, RMX_MSG_CREDIT);
    cr_assert_eq(credit.credits, 6);
    for (int i = 1; i < 4; i++) {
        close(socks[i]);
    }
}

Test(e2e_peers, channels_of_one_user_have_a_limit)
{
    struct rmx_msg_welcome welcome;
    struct rmx_region arena = RMX_REGION_INIT;

    START("--channel-bytes-per-uid=6MiB");
    cr_assert_eq(rmx_region_create(&arena, "test", RAW_ARENA_BYTES, 0), 0);
    int first = greet_as(ALICE, OTHER, 0, &welcome);
    raw_sock = first;
    cr_assert_eq(raw_answer_to(RAW_ARENA_BYTES, arena.fd), RMX_STATUS_OK);
    int second = greet_as(ALICE, OTHER, 0, &welcome);
    raw_sock = second;
    cr_assert_eq(raw_answer_to(RAW_ARENA_BYTES, arena.fd), RMX_STATUS_OVER_LIMIT);
    close(first);
    harness_counter_becomes(root, "channels_open", 0);
    cr_assert_eq(raw_answer_to(RAW_ARENA_BYTES, arena.fd), RMX_STATUS_OK);
    close(second);
    rmx_region_fini(&arena);
}

/* --- attacks ---------------------------------------------------------------------------------- */

Test(e2e_peers, connections_that_say_nothing_keep_nobody_out)
{
    int socks[CROWD];

    START("--sessions-max=8");
    for (int i = 0; i < CROWD; i++) {
        socks[i] = connect_as(ALICE);
    }
    work_as(BOB, JOBS);
    for (int i = 0; i < CROWD; i++) {
        close(socks[i]);
    }
    work_as(ALICE, 1);
}

Test(e2e_peers, who_connects_too_often_is_told_and_others_are_not)
{
    int refused = 0;

    START("--sessions-max=8", "--connections-per-uid=20");
    for (int i = 0; i < CROWD; i++) {
        struct rmx_client *client;
        int error = open_as(ALICE, &client);

        cr_assert(error == 0 || error == -EBUSY, "%d", error);
        refused += error != 0;
        rmx_close(&client);
        if (i % (CROWD / JOBS) == 0) {
            work_as(BOB, 1);
        }
    }
    cr_assert_gt(refused, 0);
    cr_assert_eq(harness_counter(root, "connections_refused"), (uint64_t)refused);
}

/* Each brings its line, but many do not bring as many. */
Test(e2e_peers, garbage_costs_its_sender_the_session_and_the_log_one_line)
{
    static const char garbage[] = "GET / HTTP/1.1";
    struct rmx_msg_goodbye goodbye;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

    START("--connections-per-uid=0");
    for (int i = 0; i < 3 * CROWD; i++) {
        int sock = connect_as(ALICE);

        (void)rmx_sock_say(sock, garbage, sizeof(garbage), 0);
        cr_assert_eq(raw_receive(sock, &goodbye, sizeof(goodbye), &fds), (int)sizeof(goodbye));
        cr_assert_eq(goodbye.status, RMX_STATUS_PEER_CORRUPT);
        close(sock);
        if (i == 0) {
            await_line("client_cut_off");
            await_line("\"uid\":40001");
        }
    }
    cr_assert_eq(harness_counter(root, "sessions_broken"), 3 * CROWD);
    cr_assert_lt(count_lines("client_cut_off"), 2 * CROWD);
    work_as(BOB, 1);
}

/* The daemon reads no more of it than it may say, and in the end every word. */
Test(e2e_peers, who_says_too_much_waits_and_loses_nothing)
{
    enum { WORDS = 3000 }; /* three seconds of them, said in far less */
    static const struct rmx_msg_cancel word = {
        .head = { .type = RMX_MSG_CANCEL, .bytes = sizeof(word) },
        .job = 1,
    };
    const struct rmx_msg_ping ping = {
        .head = { .type = RMX_MSG_PING, .bytes = sizeof(ping) },
        .nonce = 7,
    };
    struct rmx_msg_ping pong;
    struct rmx_msg_welcome welcome;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    int sock;

    START("--messages-per-session=1000");
    sock = greet_as(ALICE, OTHER, 0, &welcome);
    for (int i = 0; i < WORDS; i++) {
        cr_assert_eq(rmx_sock_say(sock, &word, sizeof(word), 0), 0);
    }
    cr_assert_eq(rmx_sock_say(sock, &ping, sizeof(ping), 0), 0);
    work_as(BOB, 1);
    cr_assert_eq(raw_receive(sock, &pong, sizeof(pong), &fds), (int)sizeof(pong));
    cr_assert_eq(pong.head.type, RMX_MSG_PONG);
    cr_assert_eq(pong.nonce, 7);
    cr_assert_gt(harness_counter(root, "sessions_rested"), 0);
    cr_assert_geq(harness_counter(root, "messages_in"), WORDS);
    close(sock);
}

Test(e2e_peers, who_goes_while_it_is_not_heard_is_gone)
{
    static const struct rmx_msg_cancel word = {
        .head = { .type = RMX_MSG_CANCEL, .bytes = sizeof(word) },
        .job = 1,
    };
    struct rmx_msg_welcome welcome;
    int sock;

    START("--messages-per-session=100");
    sock = greet_as(ALICE, OTHER, 0, &welcome);
    for (int i = 0; i < 150; i++) {
        cr_assert_eq(rmx_sock_say(sock, &word, sizeof(word), 0), 0);
    }
    close(sock); /* what it said before is heard first */
}
