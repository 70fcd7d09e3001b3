/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A daemon that has too much: it refuses background jobs first and critical ones last, says when to
 * try again, narrows windows and gives them back; and each submit has one end.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/raw_client.h"

#define CREDITS 64u
#define JOBS    512u
#define SECOND  1000000000ull

static struct harness harness;
static struct rmx_client *watch;
static int stuck[JOBS]; /* pipes with one byte in them: who reads one waits for more */
static uint32_t stuck_count;
static uint32_t window;         /* credits in our hands */
static uint32_t given_alone;    /* of those, by CREDIT messages */
static uint32_t ends[JOBS];     /* by job: how many it had */
static uint32_t statuses[JOBS]; /* likewise, of the last */
static struct rmx_job_result last;
static uint64_t jobs; /* submitted so far: their names */

static void start(const char *const *settings)
{
    harness_start(&harness, settings);
    watch = harness_client(&harness);
    raw_sock = raw_session(&harness);
    window = CREDITS;
    given_alone = 0;
    jobs = 0;
}

static void stop(void)
{
    harness_counter_becomes(watch, "jobs_in_flight", 0);
    harness_counter_becomes(watch, "fds_open", 0);
    for (uint64_t job = 1; job <= jobs; job++) {
        cr_assert_eq(ends[job], 1, "job %llu has %u ends", (unsigned long long)job, ends[job]);
    }
    close(raw_sock);
    rmx_close(&watch);
    harness_stop(&harness);
}

/* Two jobs run; a queue of 4 is too much. */
static void set_up(void)
{
    static const char *const settings[] = { "--workers=1", "--flows-small=1", "--flows-bulk=1",
        "--overload-queue=4", "--overload-cpu=0", "--overload-rings=0", "--credits=64", NULL };

    start(settings);
}

TestSuite(e2e_overload, .timeout = 180);

/* A job that comes to a worker and back. */
static uint64_t submit_noop(enum rmx_job_class class_)
{
    struct rmx_job_spec spec = { .job = ++jobs, .kind = RMX_JOB_NOOP, .class_ = (uint16_t)class_ };

    cr_assert(jobs < JOBS && window > 0);
    window--;
    raw_submit(&spec, NULL, 0);
    return jobs;
}

/* A critical job that keeps its pair until let_go(), or waits for one. */
static void submit_stuck(uint32_t count)
{
    struct rmx_job_spec spec = {
        .kind = RMX_JOB_REMUX,
        .class_ = RMX_CLASS_CRITICAL,
        .inputs = 1,
        .outputs = 1,
    };
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void)rmx_job_set_name(&spec.format, "mpegts");
    for (uint32_t i = 0; i < count; i++) {
        int pipe_ends[2];

        cr_assert_eq(pipe2(pipe_ends, O_CLOEXEC), 0);
        cr_assert_eq(write(pipe_ends[1], "G", 1), 1);
        spec.job = ++jobs;
        cr_assert(jobs < JOBS && window > 0);
        window--;
        raw_submit(&spec, (const int[]){ pipe_ends[0], null }, 2);
        close(pipe_ends[0]);
        stuck[stuck_count++] = pipe_ends[1];
    }
    close(null);
}

/* Takes one message: ends, or credits. */
static void hear(void)
{
    static _Alignas(8) unsigned char message[RMX_WIRE_BYTES_MAX];
    const struct rmx_msg_done *done = (const struct rmx_msg_done *)message;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

    cr_assert_gt(raw_receive(raw_sock, message, sizeof(message), &fds), 0);
    if (done->head.type == RMX_MSG_CREDIT) {
        given_alone += ((const struct rmx_msg_credit *)message)->credits;
        window += ((const struct rmx_msg_credit *)message)->credits;
        return;
    }
    cr_assert_eq(done->head.type, RMX_MSG_DONE);
    for (uint32_t i = 0; i < done->head.count; i++) {
        last = done->items[i].result;
        window += done->items[i].credits;
        cr_assert(last.job > 0 && last.job <= jobs);
        ends[last.job]++;
        statuses[last.job] = last.status;
    }
}

static enum rmx_status end_of(uint64_t job)
{
    while (ends[job] == 0) {
        hear();
    }
    return statuses[job];
}

static void expect_busy(enum rmx_job_class class_)
{
    uint64_t job = submit_noop(class_);
    char text[RMX_JOB_TEXT_BYTES];

    cr_assert_eq(end_of(job), RMX_STATUS_BUSY);
    cr_assert(last.retry_after_ns >= SECOND / 100 && last.retry_after_ns <= 5 * SECOND);
    (void)snprintf(text, sizeof(text), "busy: try again in %llu ms",
        (unsigned long long)last.retry_after_ns / 1000000);
    cr_assert_str_eq(last.text, text);
}

static void become(uint32_t level, uint32_t queued)
{
    harness_counter_becomes(watch, "jobs_queued", queued);
    harness_counter_becomes(watch, "load_level", level);
}

/* What was stuck ends, and all that waited for it. */
static void let_go(void)
{
    while (stuck_count > 0) {
        close(stuck[--stuck_count]);
    }
    for (uint64_t job = 1; job <= jobs; job++) {
        (void)end_of(job);
    }
}

static uint32_t log_lines(const char *with)
{
    FILE *file = fopen(harness.log, "re");
    char line[2048];
    uint32_t count = 0;

    cr_assert_not_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        count += strstr(line, with) != NULL;
    }
    (void)fclose(file);
    return count;
}

Test(e2e_overload, background_is_refused_first_and_critical_last, .init = set_up, .fini = stop)
{
    submit_stuck(2);
    harness_counter_becomes(watch, "jobs_running", 2);
    cr_assert_eq(harness_counter(watch, "load_level"), 0);
    submit_stuck(4);
    become(1, 4);
    expect_busy(RMX_CLASS_BACKGROUND);
    (void)submit_noop(RMX_CLASS_NORMAL);
    submit_stuck(3);
    become(2, 8);
    expect_busy(RMX_CLASS_BACKGROUND);
    expect_busy(RMX_CLASS_NORMAL);
    (void)submit_noop(RMX_CLASS_CRITICAL);
    submit_stuck(7);
    become(3, 16);
    for (uint32_t class_ = 0; class_ < RMX_CLASSES; class_++) {
        expect_busy(class_);
    }
    cr_assert_eq(harness_counter(watch, "jobs_refused_busy"), 6);
    let_go();
    harness_counter_becomes(watch, "load_level", 0);
    cr_assert_eq(log_lines("\"load\""), 6, "three times up, three times down");
    cr_assert_eq(log_lines("\"job_ended\""), 0, "a refused job is no line of its own");
    cr_assert_eq(end_of(submit_noop(RMX_CLASS_BACKGROUND)), RMX_STATUS_OK);
}

Test(e2e_overload, window_narrows_and_comes_back, .init = set_up, .fini = stop)
{
    submit_stuck(6);
    become(1, 4);
    for (uint32_t i = 0; i < 60; i++) {
        expect_busy(RMX_CLASS_BACKGROUND);
    }
    cr_assert_eq(window + 6, CREDITS / 4, "a quarter stays");
    cr_assert_eq(harness_counter(watch, "credits_narrowed"), CREDITS - CREDITS / 4);
    let_go();
    while (window < CREDITS) {
        hear();
    }
    cr_assert_eq(window, CREDITS);
    cr_assert_gt(given_alone, 0);
    for (uint32_t i = 0; i < CREDITS; i++) {
        (void)submit_noop(RMX_CLASS_BACKGROUND);
    }
    cr_assert_eq(end_of(jobs), RMX_STATUS_OK);
    cr_assert_eq(harness_counter(watch, "credits_refused"), 0);
}

Test(e2e_overload, session_that_comes_and_goes_takes_no_credit_along, .init = set_up, .fini = stop)
{
    submit_stuck(6);
    become(1, 4);
    for (int i = 0; i < 100; i++) {
        int ours = raw_sock;
        struct rmx_job_spec spec = {
            .job = 1, .kind = RMX_JOB_NOOP, .class_ = RMX_CLASS_BACKGROUND
        };

        raw_sock = raw_session(&harness);
        raw_submit(&spec, NULL, 0);
        if (i % 2 == 0) {
            struct pollfd ready = { .fd = raw_sock, .events = POLLIN };

            cr_assert_eq(poll(&ready, 1, 10000), 1);
        }
        close(raw_sock);
        raw_sock = ours;
    }
    let_go();
    harness_counter_becomes(watch, "load_level", 0);
    harness_counter_becomes(watch, "sessions_open", 2);
    for (int i = 0; i < 13; i++) { /* 15 of 64 fit into 1024, as 62 other sessions may come */
        int fd = raw_session(&harness);

        cr_assert_geq(fd, 0);
        close(fd);
    }
}

/* It came when another had nearly all; that one leaves. */
Test(e2e_overload, session_that_was_granted_few_credits_gets_more_when_others_leave, .fini = stop)
{
    static const char *const settings[] = { "--workers=1", "--sessions-max=4", "--jobs-max=16",
        "--credits=12", "--overload-queue=0", "--overload-cpu=0", "--overload-rings=0", NULL };
    int others[2];

    start(settings);
    window = 2; /* 12 are the other's, and two may still come */
    rmx_close(&watch);
    while (window < 12) {
        hear();
    }
    cr_assert_eq(window, 12);
    watch = harness_client(&harness);
    for (int i = 0; i < 12; i++) {
        (void)submit_noop(RMX_CLASS_NORMAL);
    }
    for (uint64_t job = 1; job <= jobs; job++) {
        cr_assert_eq(end_of(job), RMX_STATUS_OK);
    }
    cr_assert_eq(window, 12);
    cr_assert_eq(harness_counter(watch, "credits_refused"), 0);
    for (int i = 0; i < 2; i++) { /* each that may still come has one */
        others[i] = raw_session(&harness);
    }
    for (int i = 0; i < 2; i++) {
        close(others[i]);
    }
}

/* Whoever wants a processor waits for a crowd of others. */
Test(e2e_overload, busy_workers_with_a_crowd_in_front_refuse_background_jobs, .fini = stop)
{
    static const char *const settings[] = { "--workers=1", "--flows-small=32", "--flows-bulk=2",
        "--overload-cpu=20", "--overload-rings=0", "--credits=64", NULL };
    uint64_t until_ns;

    start(settings);
    until_ns = harness_now_ns() + 20 * SECOND;
    for (uint32_t running = 0; harness_counter(watch, "load_level") == 0;) {
        cr_assert_lt(harness_now_ns(), until_ns, "never too much");
        for (; running < 20; running++) {
            (void)harness_submit(&harness, watch, harness_media("large.mp4"), "mpegts");
        }
        cr_assert_eq(harness_wait(watch).status, RMX_OK);
        running--;
    }
    cr_assert_eq(harness_counter(watch, "load_level"), 1);
    cr_assert_eq(end_of(submit_noop(RMX_CLASS_NORMAL)), RMX_STATUS_OK);
    harness_counter_becomes(watch, "load_level", 0);
    cr_assert_eq(end_of(submit_noop(RMX_CLASS_BACKGROUND)), RMX_STATUS_OK);
}

/* They want the cores that the lane works on, too. */
Test(e2e_overload, workers_give_way_to_the_lane, .fini = stop)
{
    static const char *const settings[] = { "--workers=2", "--worker-nice=3", NULL };
    pid_t workers[2];
    int daemon_nice;

    start(settings);
    daemon_nice = getpriority(PRIO_PROCESS, (id_t)harness.daemon);
    cr_assert_eq(harness_workers(&harness, workers, 2), 2);
    for (int i = 0; i < 2; i++) {
        int nice_of = getpriority(PRIO_PROCESS, (id_t)workers[i]);

        cr_assert_eq(nice_of, daemon_nice + 3 < 19 ? daemon_nice + 3 : 19);
    }
}
