/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One flow through a daemon of which one call may fail meanwhile, and a look at the daemon
 * afterwards. A process for fault_campaign.py, which started the daemon, and reads what we say.
 *
 *     fault_flow learn DIR                       clips and their references, kept in DIR
 *     fault_flow FLOW DIR PAGE DAEMON            FLOW with the page armed; then what `check` does
 *     fault_flow check DIR                       a job is OK, and nothing else is left
 *     fault_flow list
 *
 * Prints how the flow's jobs ended, or what it was refused with. Exits 1, with a line that begins
 * BAD, when something has no end or a wrong one, or something is left of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bench/process.h"
#include "tests/fault_jobs.h"
#include "tests/fault_page.h"

#define CREDITS   16
#define GROUP_MS  30000
#define SETTLE_MS 3 /* what follows an end: closes, a session's parting */
#define ALARM_S   120

struct race fault_race;
static struct fault_page *page;
static pid_t the_daemon;

_Noreturn void race_fail(const struct race *race, const char *format, ...)
{
    va_list arguments;

    (void)race;
    printf("BAD ");
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    (void)fflush(stdout);
    _exit(1);
}

static void arm(bool on)
{
    if (page != NULL) {
        atomic_store_explicit(&page->armed, on, memory_order_relaxed);
    }
}

static void part(struct fault_jobs *jobs)
{
    rmx_close(&jobs->client);
    (void)poll(NULL, 0, SETTLE_MS);
    arm(false);
}

/* --- flows ------------------------------------------------------------------------------------ */

static void flow_connect(void)
{
    struct fault_jobs jobs = { 0 };
    struct rmx_counter counters[8];
    uint64_t rtt_ns;

    arm(true);
    if (fault_jobs_open(&jobs) && !fault_jobs_refused(rmx_ping(jobs.client, &rtt_ns)) &&
        !fault_jobs_refused(rmx_stats(jobs.client, counters, 8))) {
        fault_ends[RMX_OK]++;
    }
    part(&jobs);
}

static void run_kinds(const enum race_kind *kinds, size_t count)
{
    struct fault_jobs jobs = { 0 };

    if (!fault_jobs_open(&jobs)) {
        race_fail(&fault_race, "no connection before anything failed");
    }
    for (size_t i = 0; i < count; i++) {
        (void)fault_jobs_add(&jobs, kinds[i], 0);
    }
    arm(true);
    fault_jobs_submit(&jobs);
    fault_jobs_wait(&jobs);
    part(&jobs);
}

static void flow_file(void)
{
    run_kinds((const enum race_kind[]){ RACE_FILE }, 1);
}

static void flow_pipe(void)
{
    run_kinds((const enum race_kind[]){ RACE_PIPE, RACE_TO_PIPE }, 2);
}

static void flow_ring(void)
{
    run_kinds((const enum race_kind[]){ RACE_RING }, 1);
}

static void flow_probe(void)
{
    run_kinds((const enum race_kind[]){ RACE_PROBE, RACE_NOOP }, 2);
}

/* An MP4 through pipes both ways, its index at its end: spooled, remuxed, delivered. */
static void add_spooled(
    struct fault_jobs *jobs, const struct race_clip *clip, const struct race_reference *reference)
{
    struct race_job *job = fault_jobs_add(jobs, RACE_TO_PIPE, 3);
    int both[2];

    if (pipe2(both, O_CLOEXEC) < 0 || fcntl(both[1], F_SETFL, O_NONBLOCK) < 0) {
        race_fail(&fault_race, "no pipe");
    }
    (void)close(job->job.input);
    job->clip = clip;
    job->fed_most = clip->size;
    job->job.input = both[0];
    job->feed = both[1];
    job->job.flags |= RMX_SPOOL;
    job->reference = reference;
}

static void flow_spool(void)
{
    struct fault_jobs jobs = { 0 };
    struct race_clip clip = { 0 };
    struct race_reference made;

    if (!fault_jobs_open(&jobs)) {
        race_fail(&fault_race, "no connection before anything failed");
    }
    (void)snprintf(clip.path, sizeof(clip.path), "%s/late.mp4", fault_race.dir);
    clip.bytes = rmx_process_slurp(clip.path, &clip.size);
    add_spooled(&jobs, &clip, NULL);
    fault_jobs_submit(&jobs);
    fault_jobs_wait(&jobs);
    if (fault_ends[RMX_OK]-- != 1) { /* it shows what is to come out */
        race_fail(&fault_race, "a spooled job is not OK before anything failed");
    }
    made = jobs.made;
    add_spooled(&jobs, &clip, &made);
    arm(true);
    fault_jobs_submit(&jobs);
    fault_jobs_wait(&jobs);
    part(&jobs);
    free(clip.bytes);
}

static void flow_group(void)
{
    struct fault_jobs jobs = { 0 };
    struct rmx_group_options options = RMX_GROUP_OPTIONS_INIT;
    struct rmx_group_result result;
    uint32_t name = 0;
    int got;

    if (!fault_jobs_open(&jobs)) {
        race_fail(&fault_race, "no connection before anything failed");
    }
    options.jobs_max = 2;
    for (size_t i = 0; i < 4; i++) {
        (void)fault_jobs_add(&jobs, i % 2 == 0 ? RACE_FILE : RACE_PIPE, i);
    }
    arm(true);
    if (!fault_jobs_refused(rmx_group_open(jobs.client, &options, &name))) {
        for (size_t i = 0; i < 4; i++) {
            jobs.job[i].job.group = name;
        }
        fault_jobs_submit(&jobs);
        fault_jobs_wait(&jobs);
        (void)fault_jobs_refused(rmx_group_close(jobs.client, name));
        got = rmx_group_wait(jobs.client, name, &result, GROUP_MS);
        if (!fault_jobs_refused(got) && got != 1) {
            race_fail(&fault_race, "the group has no end");
        }
    }
    part(&jobs);
}

static void flow_cancel(void)
{
    struct fault_jobs jobs = { 0 };

    if (!fault_jobs_open(&jobs)) {
        race_fail(&fault_race, "no connection before anything failed");
    }
    for (size_t i = 0; i < FAULT_JOBS_MAX; i++) {
        struct race_job *job = fault_jobs_add(&jobs, i % 2 == 0 ? RACE_STALL : RACE_FILE, i % 4);

        job->fed_most = i % 2 == 0 ? job->clip->size / 2 : job->clip->size;
    }
    arm(true);
    fault_jobs_submit(&jobs);
    for (size_t i = 0; i < jobs.count; i++) {
        if (fault_jobs_going(&jobs.job[i])) {
            race_job_move(&jobs.job[i], jobs.client);
            (void)fault_jobs_refused(rmx_cancel(jobs.client, jobs.job[i].id));
        }
    }
    fault_jobs_wait(&jobs);
    part(&jobs);
}

/* Workers die under a job that waits for more of its input. */
static void flow_death(void)
{
    struct fault_jobs jobs = { 0 };
    struct race_job *job;

    if (!fault_jobs_open(&jobs)) {
        race_fail(&fault_race, "no connection before anything failed");
    }
    job = fault_jobs_add(&jobs, RACE_STALL, 0);
    job->fed_most = job->clip->size / 2;
    (void)fault_jobs_add(&jobs, RACE_FILE, 0);
    arm(true);
    fault_jobs_submit(&jobs);
    if (fault_jobs_going(job)) {
        race_job_move(job, jobs.client);
    }
    (void)poll(NULL, 0, SETTLE_MS);
    race_victim_kill_workers(the_daemon);
    fault_jobs_wait(&jobs);
    (void)poll(NULL, 0, 20 * SETTLE_MS); /* the next job is for those that live */
    part(&jobs);
}

static void flow_reload(void)
{
    struct fault_jobs jobs = { 0 };

    if (!fault_jobs_open(&jobs)) {
        race_fail(&fault_race, "no connection before anything failed");
    }
    arm(true);
    (void)kill(the_daemon, SIGHUP);
    (void)poll(NULL, 0, 4 * SETTLE_MS);
    (void)fault_jobs_add(&jobs, RACE_FILE, 0);
    fault_jobs_submit(&jobs);
    fault_jobs_wait(&jobs);
    part(&jobs);
}

/* The daemon is told to end with jobs under way; whoever started it waits for that. */
static void flow_drain(void)
{
    struct fault_jobs jobs = { 0 };
    struct race_job *job;

    if (!fault_jobs_open(&jobs)) {
        race_fail(&fault_race, "no connection before anything failed");
    }
    job = fault_jobs_add(&jobs, RACE_STALL, 0);
    job->fed_most = job->clip->size / 2;
    fault_jobs_submit(&jobs);
    race_job_move(job, jobs.client);
    (void)fault_jobs_add(&jobs, RACE_FILE, 0);
    arm(true);
    (void)kill(the_daemon, SIGTERM);
    fault_jobs_submit(&jobs);
    fault_jobs_wait(&jobs);
    rmx_close(&jobs.client);
}

static const struct {
    const char *name;
    void (*run)(void);
    bool stays; /* the daemon does, and can be looked at */
} flows[] = {
    { "connect", flow_connect, true },
    { "file", flow_file, true },
    { "pipe", flow_pipe, true },
    { "ring", flow_ring, true },
    { "probe", flow_probe, true },
    { "spool", flow_spool, true },
    { "group", flow_group, true },
    { "cancel", flow_cancel, true },
    { "death", flow_death, true },
    { "reload", flow_reload, true },
    { "drain", flow_drain, false },
};

/* --- before and after ------------------------------------------------------------------------- */

/* An MP4 whose index is at its end: what comes of a file into a file. */
static void make_late(void)
{
    static const char *const settings[] = { "--workers=1", NULL };
    pid_t daemon = race_daemon_start(&fault_race, settings);
    struct fault_jobs jobs = { 0 };
    struct race_job *job = fault_jobs_add(&jobs, RACE_FILE, 3);
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/late.mp4", fault_race.dir);
    jobs.client = race_daemon_connect(&fault_race);
    (void)close(job->output);
    (void)close(job->job.output);
    job->output = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    job->job.output = fcntl(job->output, F_DUPFD_CLOEXEC, 0);
    fault_jobs_submit(&jobs);
    fault_jobs_wait(&jobs);
    rmx_close(&jobs.client);
    (void)kill(daemon, SIGTERM);
    race_daemon_wait(&fault_race, daemon, 15);
}

static void learn(void)
{
    race_media_load(&fault_race);
    race_media_learn(&fault_race);
    make_late();
}

static void check(void)
{
    struct fault_jobs jobs = { 0 };
    unsigned before = fault_ends[RMX_OK];

    jobs.client = race_daemon_connect(&fault_race);
    (void)fault_jobs_add(&jobs, RACE_FILE, 0);
    fault_jobs_submit(&jobs);
    fault_jobs_wait(&jobs);
    if (fault_ends[RMX_OK] != before + 1) {
        fault_jobs_print();
        race_fail(&fault_race, "the job that followed is not OK");
    }
    fault_ends[RMX_OK] = before;
    rmx_close(&jobs.client);
    race_daemon_check_quiet(&fault_race, CREDITS);
}

static void map_page(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *base =
        fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (base == MAP_FAILED) {
        race_fail(&fault_race, "%s: %s", path, strerrordesc_np(errno));
    }
    (void)close(fd);
    page = base;
}

static int run_flow(const char *name)
{
    for (size_t i = 0; i < sizeof(flows) / sizeof(flows[0]); i++) {
        if (strcmp(flows[i].name, name) == 0) {
            flows[i].run();
            if (flows[i].stays) {
                check();
            }
            fault_jobs_print();
            return 0;
        }
    }
    return 2;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        for (size_t i = 0; i < sizeof(flows) / sizeof(flows[0]); i++) {
            puts(flows[i].name);
        }
        return argc == 2 ? 0 : 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)snprintf(fault_race.dir, sizeof(fault_race.dir), "%s", argv[2]);
    (void)snprintf(fault_race.socket, sizeof(fault_race.socket), "%s/socket", argv[2]);
    if (strcmp(argv[1], "learn") == 0) {
        learn();
        return 0;
    }
    (void)alarm(ALARM_S); /* whatever hangs: it ends */
    race_media_load(&fault_race);
    race_media_recall(&fault_race);
    if (strcmp(argv[1], "check") == 0) {
        check();
        return 0;
    }
    if (argc != 5) {
        return 2;
    }
    map_page(argv[3]);
    the_daemon = (pid_t)strtol(argv[4], NULL, 10);
    return run_flow(argv[1]);
}
