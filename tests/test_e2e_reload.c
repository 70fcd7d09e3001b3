/* SPDX-License-Identifier: BSD-2-Clause
 *
 * SIGHUP, end to end: what a daemon that runs takes from its file, and what it tells of it.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ipc/sock.h"
#include "tests/deploy_case.h"

static struct harness harness;
static char file[128];

TestSuite(e2e_reload, .timeout = 180);

#define PATIENCE_NS 30000000000ull

static void write_file(const char *text)
{
    FILE *out = fopen(file, "we");

    cr_assert_not_null(out);
    cr_assert_geq(fputs(text, out), 0);
    cr_assert_eq(fclose(out), 0);
}

/* Two lanes, so that each has to hear of a reload: which it does when it next wakes. */
static void start(const char *text)
{
    struct harness place;
    char argument[160];
    const char *settings[] = { argument, "--lanes=2", "--workers=2", NULL };

    deploy_make_place(&place);
    (void)snprintf(file, sizeof(file), "%s/ringmuxd.conf", place.dir);
    (void)snprintf(argument, sizeof(argument), "--config=%s", file);
    write_file(text);
    deploy_spawn(&place, &harness, settings, NULL);
    deploy_await(&harness, "ready", 1, "");
}

/* The credits that somebody who comes now is given. */
static uint32_t credits(void)
{
    static const struct rmx_msg_hello hello = {
        .head = { .type = RMX_MSG_HELLO, .bytes = sizeof(hello) },
        .version_min = RMX_WIRE_VERSION,
        .version_max = RMX_WIRE_VERSION,
    };
    struct rmx_msg_welcome welcome;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    int sock = rmx_sock_connect(harness.socket);

    cr_assert_eq(rmx_sock_say(sock, &hello, sizeof(hello), 0), 0);
    cr_assert_eq(rmx_sock_recv(sock, &welcome, sizeof(welcome), &fds, 0), (int)sizeof(welcome));
    rmx_sock_fds_close(&fds);
    close(sock);
    return welcome.credits;
}

static void assert_credits(uint32_t wanted)
{
    uint64_t until = harness_now_ns() + PATIENCE_NS;
    int in_a_row = 0; /* either lane may answer */

    while (in_a_row < 16 && harness_now_ns() < until) {
        bool right = credits() == wanted;

        in_a_row = right ? in_a_row + 1 : 0;
        (void)poll(NULL, 0, right ? 0 : 1);
    }
    cr_assert_eq(in_a_row, 16);
}

Test(e2e_reload, reloadable_setting_counts_in_every_lane)
{
    struct rmx_client *client;

    start("credits = 8\n");
    assert_credits(8);
    write_file("credits = 3\n");
    (void)kill(harness.daemon, SIGHUP);
    deploy_await(&harness, "reloaded", 1, "credits=3");
    assert_credits(3);
    client = harness_client(&harness);
    cr_assert_eq(harness_counter(client, "reloads"), 1);
    rmx_close(&client);
    harness_stop(&harness);
}

static int lines_of_comers(void)
{
    int count = 0;

    for (const char *at = deploy_log(&harness); (at = strstr(at, "client_came")) != NULL; at++) {
        count++;
    }
    return count;
}

Test(e2e_reload, log_level_changes_at_once)
{
    struct rmx_client *client;
    uint64_t until;

    start("log_level = info\n");
    client = harness_client(&harness);
    deploy_await(&harness, "client_came", 1, "");
    write_file("log_level = error\n");
    (void)kill(harness.daemon, SIGHUP);
    deploy_await(&harness, "reloaded", 1, "log_level=error");
    harness_counter_becomes(client, "reloads", 1); /* it logs that before it takes the level */
    (void)credits();
    cr_assert_eq(lines_of_comers(), 1);
    write_file("log_level = info\n");
    (void)kill(harness.daemon, SIGHUP);
    until = harness_now_ns() + PATIENCE_NS;
    while (lines_of_comers() == 1 && harness_now_ns() < until) {
        (void)credits();
        (void)poll(NULL, 0, 2);
    }
    cr_assert_gt(lines_of_comers(), 1);
    rmx_close(&client);
    harness_stop(&harness);
}

Test(e2e_reload, bad_file_is_refused_whole_with_one_line)
{
    start("credits = 8\njobs_max = 100\n");
    write_file("credits = 3\ncolour = red\n");
    (void)kill(harness.daemon, SIGHUP);
    deploy_await(&harness, "reload_refused", 1, "ringmuxd.conf:2: unknown setting 'colour'");
    write_file("credits = 1000\njobs_max = 2000\n"); /* too many for the jobs_max that stays */
    (void)kill(harness.daemon, SIGHUP);
    deploy_await(&harness, "reload_refused", 2, "jobs_max=100 must be at least credits=1000");
    (void)unlink(file);
    (void)kill(harness.daemon, SIGHUP);
    deploy_await(&harness, "reload_refused", 3, "No such file");
    assert_credits(8);
    harness_stop(&harness);
}

Test(e2e_reload, what_needs_a_restart_is_named)
{
    start("credits = 8\n");
    write_file("credits = 8\nflows_bulk = 7\nsocket_mode = 0600\n");
    (void)kill(harness.daemon, SIGHUP);
    deploy_await(&harness, "reload_needs_restart", 1, "socket_mode, flows_bulk");
    harness_stop(&harness);
}

/* Values that lanes use all the time change under load; the sanitizers' builds watch. */
Test(e2e_reload, jobs_go_on_while_settings_change)
{
    struct rmx_client *client;
    uint64_t until;
    uint64_t hash;

    start("credits = 8\n");
    client = harness_client(&harness);
    hash = harness_remux(&harness, client, harness_media("small.mp4"), "mpegts");
    for (int i = 0; i < 40; i++) {
        char text[256];

        (void)snprintf(text, sizeof(text),
            "read_depth = %d\nwrite_coalesce_bytes = %dKiB\nspool_bytes = %dMiB\n"
            "silent_cpu = %ds\nstop_grace = %dms\ndrain_timeout = %ds\ncredits = %d\n",
            1 + i % 8, 4 << (i % 9), 1 + i, 1 + i, 20 + i, 10 + i, 1 + i);
        write_file(text);
        (void)kill(harness.daemon, SIGHUP);
        cr_assert_eq(harness_remux(&harness, client, harness_media("small.mp4"), "mpegts"), hash);
    }
    until = harness_now_ns() + PATIENCE_NS;
    while (harness_counter(client, "reloads") < 20) { /* signals merge on a busy machine */
        cr_assert_lt(harness_now_ns(), until);
        (void)kill(harness.daemon, SIGHUP);
        (void)poll(NULL, 0, 5);
    }
    cr_assert_null(strstr(deploy_log(&harness), "refused"));
    rmx_close(&client);
    harness_stop(&harness);
}
