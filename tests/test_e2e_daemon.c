/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The daemon's own life: how it ends, who takes over, what stopped workers and clients that leave
 * or do not read mean to the others.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/sock.h"
#include "tests/harness.h"

static struct harness harness;
static struct rmx_client *client;

static void start(const char *const *settings)
{
    harness_start(&harness, settings);
    client = harness_client(&harness);
}

static void stop(void)
{
    rmx_close(&client);
    harness_stop(&harness);
}

TestSuite(e2e_daemon, .timeout = 180);

/* The nice value of the daemon's thread with this name. */
static int nice_of_thread(const char *name)
{
    char path[64];
    char comm[32] = "";
    const struct dirent *task;
    int value = INT_MAX;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)harness.daemon);
    DIR *tasks = opendir(path);
    cr_assert_not_null(tasks);
    while ((task = readdir(tasks)) != NULL) {
        (void)snprintf(
            path, sizeof(path), "/proc/%d/task/%.20s/comm", (int)harness.daemon, task->d_name);
        FILE *file = fopen(path, "re");
        if (file != NULL && fgets(comm, sizeof(comm), file) != NULL &&
            strncmp(comm, name, strlen(name)) == 0) {
            value = getpriority(PRIO_PROCESS, (id_t)strtoul(task->d_name, NULL, 10));
        }
        if (file != NULL) {
            (void)fclose(file);
        }
    }
    (void)closedir(tasks);
    return value;
}

static bool may_go_first_by(int steps)
{
    pid_t child = fork();
    int status = -1;

    if (child == 0) {
        _exit(setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) - steps) < 0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    return status == 0;
}

/* Who may not go before others stays where the daemon is. */
Test(e2e_daemon, lanes_go_before_workers)
{
    static const char *const settings[] = { "--workers=1", "--lane-nice=3", "--worker-nice=4",
        NULL };
    int own = getpriority(PRIO_PROCESS, 0);
    pid_t worker;

    start(settings);
    cr_assert_eq(harness_workers(&harness, &worker, 1), 1);
    (void)harness_remux(&harness, client, harness_media("small.mp4"), "fmp4");
    cr_assert_eq(getpriority(PRIO_PROCESS, (id_t)worker), own + 4);
    cr_assert_eq(nice_of_thread("ringmux-lane"), own - (may_go_first_by(3) ? 3 : 0));
    cr_assert_eq(getpriority(PRIO_PROCESS, (id_t)harness.daemon), own);
    stop();
}

/* Until the daemon says something: while no job ends, that it drains. */
static void await_word(void)
{
    struct pollfd word = { .fd = rmx_fd(client), .events = POLLIN };

    cr_assert_eq(poll(&word, 1, 30000), 1);
}

/* A job that a worker who stands still was told of, all the same. */
static uint64_t submit_for_stopped(void)
{
    uint64_t id = harness_submit(&harness, client, harness_media("small.mp4"), "fmp4");

    for (int i = 0; i < 3000 && harness_counter(client, "bytes_in") == 0; i++) {
        (void)poll(NULL, 0, 10);
    }
    (void)poll(NULL, 0, 50);
    return id;
}

/* A job whose input never says anything. Returns the end to close. */
static int submit_silent(struct rmx_client *of, uint64_t *id)
{
    struct rmx_job job = RMX_JOB_INIT;
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    job.input = ends[0];
    job.output = harness_output(&harness, "silent");
    job.format = "mpegts";
    cr_assert_eq(rmx_submit(of, &job, 1, id), 1);
    close(ends[0]);
    close(job.output);
    return ends[1];
}

/* Ends the daemon with a signal and waits for it, as harness_stop() does later for its directory.
 */
static int end_daemon(int signal_number)
{
    int status = -1;

    (void)kill(harness.daemon, signal_number);
    cr_assert_eq(waitpid(harness.daemon, &status, 0), harness.daemon);
    harness.daemon = -1;
    return status;
}

Test(e2e_daemon, several_lanes_serve_and_count_together)
{
    static const char *const settings[] = { "--lanes=2", "--flows-small=8", "--flows-bulk=2",
        NULL };
    uint64_t hash;

    start(settings);
    hash = harness_remux(&harness, client, harness_media("small.mp4"), "mpegts");
    for (int i = 0; i < 8; i++) {
        struct rmx_client *other = harness_client(&harness);

        cr_assert_eq(harness_remux(&harness, other, harness_media("small.mp4"), "mpegts"), hash);
        rmx_close(&other);
    }
    cr_assert_eq(harness_counter(client, "jobs_ended_OK"), 9);
    stop();
}

Test(e2e_daemon, as_many_sessions_as_jobs_can_all_connect)
{
    static const char *const settings[] = { "--sessions-max=4", "--jobs-max=4", "--credits=1",
        "--workers=1", "--flows-small=4", "--flows-bulk=1", NULL };
    struct rmx_client *others[3];

    start(settings);
    for (int i = 0; i < 3; i++) {
        others[i] = harness_client(&harness);
        (void)harness_remux(&harness, others[i], harness_media("small.mp4"), "fmp4");
    }
    for (int i = 0; i < 3; i++) {
        rmx_close(&others[i]);
    }
    stop();
}

Test(e2e_daemon, jobs_left_with_a_stopped_worker_keep_their_rows_from_the_next_client)
{
    static const char *const settings[] = { "--sessions-max=4", "--jobs-max=16", "--credits=8",
        "--workers=1", "--flows-small=8", "--flows-bulk=1", "--stop-grace=2s", NULL };
    struct rmx_client *leaver;
    struct rmx_client *next;
    pid_t worker;

    start(settings);
    leaver = harness_client(&harness);
    cr_assert_eq(harness_workers(&harness, &worker, 1), 1);
    (void)kill(worker, SIGSTOP);
    for (int i = 0; i < 3; i++) {
        (void)harness_submit(&harness, leaver, harness_media("small.mp4"), "fmp4");
    }
    harness_counter_becomes(client, "jobs_in_flight", 3);
    rmx_close(&leaver);
    next = harness_client(&harness);
    for (int i = 0; i < 8; i++) {
        struct rmx_job noop = RMX_JOB_INIT;

        noop.kind = RMX_NOOP;
        if (rmx_submit(next, &noop, 1, NULL) < 0) {
            break;
        }
    }
    (void)kill(worker, SIGCONT);
    harness_counter_becomes(client, "jobs_in_flight", 0);
    (void)harness_remux(&harness, client, harness_media("small.mp4"), "fmp4");
    rmx_close(&next);
    stop();
}

Test(e2e_daemon, worker_that_does_not_stop_a_job_loses_its_process)
{
    static const char *const settings[] = { "--workers=1", "--flows-small=8", "--flows-bulk=1",
        "--stop-grace=100ms", NULL };
    struct rmx_result result;
    pid_t worker;

    start(settings);
    cr_assert_eq(harness_workers(&harness, &worker, 1), 1);
    (void)kill(worker, SIGSTOP);
    uint64_t id = submit_for_stopped();
    cr_assert_eq(rmx_cancel(client, id), 0);
    result = harness_wait(client);

    cr_assert_eq(result.status, RMX_CANCELLED, "%s", rmx_end_name(result.status));
    (void)harness_remux(&harness, client, harness_media("small.mp4"), "fmp4");
    cr_assert_not(harness_lives(worker));
    stop();
}

Test(e2e_daemon, worker_that_got_no_cpu_time_to_stop_a_job_keeps_its_process)
{
    static const char *const settings[] = { "--workers=1", "--flows-small=8", "--flows-bulk=1",
        "--stop-grace=100ms", NULL };
    pid_t worker;

    start(settings);
    cr_assert_eq(harness_workers(&harness, &worker, 1), 1);
    (void)kill(worker, SIGSTOP);
    uint64_t id = submit_for_stopped();
    cr_assert_eq(rmx_cancel(client, id), 0);
    (void)poll(NULL, 0, 300); /* three times what it may compute */
    (void)kill(worker, SIGCONT);
    cr_assert_eq(harness_wait(client).status, RMX_CANCELLED);
    (void)harness_remux(&harness, client, harness_media("small.mp4"), "fmp4");
    cr_assert(harness_lives(worker));
    stop();
}

Test(e2e_daemon, deadline_that_passes_in_a_worker_ends_the_job_alone)
{
    static const char *const settings[] = { "--workers=1", NULL };
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_result result;
    pid_t worker;

    start(settings);
    cr_assert_eq(harness_workers(&harness, &worker, 1), 1);
    job.input = RMX_RING; /* which stays empty */
    job.output = RMX_RING;
    job.format = "mpegts";
    for (int i = 0; i < 8; i++) {
        job.deadline_ns = rmx_deadline_in(20000000);
        cr_assert_eq(rmx_submit(client, &job, 1, NULL), 1);
        result = harness_wait(client);
        cr_assert_eq(result.status, RMX_DEADLINE, "%s", rmx_end_name(result.status));
        (void)rmx_drop(client, result.id);
    }
    (void)harness_remux(&harness, client, harness_media("small.mp4"), "fmp4");
    cr_assert(harness_lives(worker));
    cr_assert_eq(harness_counter(client, "worker_deaths"), 0);
    stop();
}

Test(e2e_daemon, drain_finishes_what_runs_and_takes_nothing_new)
{
    struct rmx_result result;
    uint64_t id = 0;
    int feed;
    int status;

    start(NULL);
    feed = submit_silent(client, &id);
    harness_counter_becomes(client, "jobs_in_flight", 1);
    (void)kill(harness.daemon, SIGTERM);
    await_word();
    cr_assert_eq(waitpid(harness.daemon, &status, WNOHANG), 0, "a job runs still");
    cr_assert_eq(rmx_wait(client, &result, 1, 0), 0);
    struct rmx_job noop = RMX_JOB_INIT;
    noop.kind = RMX_NOOP;
    cr_assert_eq(rmx_submit(client, &noop, 1, NULL), -ESHUTDOWN);
    close(feed); /* an empty input: the job ends by itself */
    result = harness_wait(client);
    cr_assert_eq(result.id, id);
    cr_assert_eq(waitpid(harness.daemon, &status, 0), harness.daemon);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    harness.daemon = -1;
    stop();
}

Test(e2e_daemon, second_signal_ends_what_runs)
{
    struct rmx_result result;
    uint64_t id = 0;
    int feed;
    int status;

    start(NULL);
    feed = submit_silent(client, &id);
    harness_counter_becomes(client, "jobs_in_flight", 1);
    (void)kill(harness.daemon, SIGTERM);
    await_word();
    status = end_daemon(SIGTERM);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    result = harness_wait(client);
    cr_assert_eq(result.status, RMX_DAEMON_LOST, "%s", rmx_end_name(result.status));
    cr_assert_str_eq(result.text, "it was told to end");
    close(feed);
    stop();
}

Test(e2e_daemon, drain_timeout_ends_what_runs)
{
    static const char *const settings[] = { "--drain-timeout=100ms", NULL };
    uint64_t id = 0;
    int feed;
    int status;

    start(settings);
    feed = submit_silent(client, &id);
    harness_counter_becomes(client, "jobs_in_flight", 1);
    status = end_daemon(SIGTERM);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(feed);
    stop();
}

Test(e2e_daemon, client_that_does_not_read_does_not_keep_the_daemon)
{
    static const char *const settings[] = { "--drain-timeout=200ms", NULL };
    struct rmx_msg_hello hello = {
        .head = { .type = RMX_MSG_HELLO, .bytes = sizeof(hello) },
        .version_min = RMX_WIRE_VERSION,
        .version_max = RMX_WIRE_VERSION,
    };
    struct rmx_msg_ping ping = { .head = { .type = RMX_MSG_PING, .bytes = sizeof(ping) } };
    struct {
        struct rmx_msg_head head; /* struct rmx_msg_submit with one job */
        struct rmx_job_spec spec;
    } noop = {
        .head = { .type = RMX_MSG_SUBMIT, .bytes = sizeof(noop), .count = 1 },
        .spec = { .job = 1, .kind = RMX_JOB_NOOP, .class_ = RMX_CLASS_NORMAL },
    };
    int status;

    start(settings);
    int sock = rmx_sock_connect(harness.socket);
    cr_assert_eq(rmx_sock_say(sock, &hello, sizeof(hello), 0), 0);
    for (int i = 0; i < 20000; i++) { /* the answers fill our side */
        struct pollfd room = { .fd = sock, .events = POLLOUT };

        if (poll(&room, 1, 200) != 1 || rmx_sock_say(sock, &ping, sizeof(ping), MSG_DONTWAIT) < 0) {
            break;
        }
    }
    (void)rmx_sock_say(sock, &noop, sizeof(noop), MSG_DONTWAIT);
    (void)poll(NULL, 0, 100);
    status = end_daemon(SIGTERM);

    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(sock);
    stop();
}

Test(e2e_daemon, goodbye_is_answered_with_how_the_jobs_ended)
{
    struct rmx_msg_hello hello = {
        .head = { .type = RMX_MSG_HELLO, .bytes = sizeof(hello) },
        .version_min = RMX_WIRE_VERSION,
        .version_max = RMX_WIRE_VERSION,
    };
    struct {
        struct rmx_msg_head head; /* struct rmx_msg_submit with one job */
        struct rmx_job_spec spec;
    } noop = {
        .head = { .type = RMX_MSG_SUBMIT, .bytes = sizeof(noop), .count = 1 },
        .spec = { .job = 7, .kind = RMX_JOB_NOOP, .class_ = RMX_CLASS_NORMAL },
    };
    struct rmx_msg_goodbye goodbye = { .head = {
                                           .type = RMX_MSG_GOODBYE, .bytes = sizeof(goodbye) } };
    struct rmx_msg_welcome welcome;
    struct {
        struct rmx_msg_head head; /* struct rmx_msg_done with one item */
        struct rmx_done_item item;
    } done;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

    start(NULL);
    int sock = rmx_sock_connect(harness.socket);
    cr_assert_eq(rmx_sock_say(sock, &hello, sizeof(hello), 0), 0);
    cr_assert_gt(rmx_sock_recv(sock, &welcome, sizeof(welcome), &fds, 0), 0);
    rmx_sock_fds_close(&fds);
    cr_assert_eq(rmx_sock_say(sock, &noop, sizeof(noop), 0), 0);
    cr_assert_eq(rmx_sock_say(sock, &goodbye, sizeof(goodbye), 0), 0);

    cr_assert_eq(rmx_sock_recv(sock, &done, sizeof(done), &fds, 0), (int)sizeof(done));
    cr_assert_eq(done.head.type, RMX_MSG_DONE);
    cr_assert_eq(done.item.result.job, 7);
    cr_assert_eq(rmx_sock_recv(sock, &done, sizeof(done), &fds, 0), 0, "then it closes");
    close(sock);
    stop();
}

Test(e2e_daemon, successor_keeps_its_socket_when_the_old_one_ends)
{
    struct harness successor;
    struct stat before;
    struct stat after;
    uint64_t id = 0;
    int status;

    start(NULL);
    int feed = submit_silent(client, &id);
    harness_counter_becomes(client, "jobs_in_flight", 1);
    (void)kill(harness.daemon, SIGTERM);
    for (int i = 0; i < 6000 && access(harness.socket, F_OK) == 0; i++) {
        (void)poll(NULL, 0, 5);
    }
    cr_assert_eq(access(harness.socket, F_OK), -1, "who drains has no socket");
    successor = harness;
    harness_start_at(&successor, NULL);
    cr_assert_eq(stat(harness.socket, &before), 0);
    close(feed);
    cr_assert_eq(waitpid(harness.daemon, &status, 0), harness.daemon);
    cr_assert_eq(stat(harness.socket, &after), 0, "the successor's socket is gone");
    cr_assert_eq(after.st_ino, before.st_ino);
    rmx_close(&client);
    harness_stop(&successor);
}

Test(e2e_daemon, full_read_depth_works)
{
    static const char *const settings[] = { "--read-depth=16", "--ring-small-bytes=1MiB",
        "--workers=1", "--flows-small=4", "--flows-bulk=1", NULL };

    start(settings);
    (void)harness_remux(&harness, client, harness_media("small.mp4"), "mpegts");
    (void)harness_remux(&harness, client, harness_media("large.mp4"), "mpegts");
    stop();
}

Test(e2e_daemon, input_that_was_opened_for_appending_is_a_file_all_the_same)
{
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_result result;

    start(NULL);
    job.input = open(harness_media("small.mp4"), O_RDWR | O_APPEND | O_CLOEXEC);
    job.output = harness_output(&harness, "x");
    job.format = "mp4";
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), 1);
    result = harness_wait(client);
    cr_assert_eq(result.status, RMX_OK, "%s", result.text);
    close(job.input);
    close(job.output);
    stop();
}

Test(e2e_daemon, worker_program_that_never_serves_ends_the_daemon_with_a_reason)
{
    int pipe_ends[2];
    char text[4096] = "";
    int status = -1;
    pid_t pid;

    cr_assert_eq(pipe(pipe_ends), 0);
    pid = fork();
    if (pid == 0) {
        (void)dup2(pipe_ends[1], STDERR_FILENO);
        (void)execl(RMX_BUILD_DIR "/ringmuxd", "ringmuxd", "--socket=@ringmux-test-never",
            "--worker-program=/bin/true", "--log-level=error", (char *)NULL);
        _exit(127);
    }
    close(pipe_ends[1]);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_gt(read(pipe_ends[0], text, sizeof(text) - 1), 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1, "%#x: %s", status, text);
    cr_assert_not_null(strstr(text, "ringmux-worker ends before it can serve"), "%s", text);
    close(pipe_ends[0]);
}
