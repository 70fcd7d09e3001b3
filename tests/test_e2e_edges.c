/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's states, edge by edge: in each place a job can be, each reason it can end for. Each has
 * one end, the right one, and nothing of it is left. The daemon is one that writes down which ways
 * its jobs go: in the end every edge that engine/flow.h draws was taken.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/edge_book.h"
#include "tests/raw_talk.h"

#define MS       UINT64_C(1000000)
#define LATE_MS  400u /* until the deadline: time enough to come to any place */
#define SUBJECT  1u   /* the job that is to end */
#define SIBLING  2u   /* works in its stead */
#define CULPRIT  3u   /* fails */
#define GROUP    7u
#define BLOCKERS 2

enum place { WAITING, IN_GROUP, QUEUED, RUNNING, DRAINING, PLACES };
enum reason { CANCEL, DEADLINE, LEAVING, OPERATOR, GROUP_CANCEL, FAILURE, DEATH, REASONS };

static const char *const place_names[PLACES] = { "waiting", "in group", "queued", "running",
    "draining" };
static const char *const reason_names[REASONS] = { "cancel", "deadline", "leaving", "operator",
    "group cancel", "failure", "death" };

static struct harness harness;
static struct rmx_client *watcher;
static int operator_sock;
static struct edge_book *book;
static int pipes[2 * (BLOCKERS + 2)]; /* ends that we hold during a story */
static size_t pipes_count;
static int drained; /* where a draining job's output can be read */

static void make_book(void)
{
    int fd = open(RMX_BUILD_DIR "/tests/edge_book", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    cr_assert_geq(fd, 0);
    cr_assert_eq(ftruncate(fd, sizeof(*book)), 0);
    book = mmap(NULL, sizeof(*book), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    cr_assert_neq(book, MAP_FAILED);
    close(fd);
    cr_assert_eq(setenv("RMX_EDGE_BOOK", RMX_BUILD_DIR "/tests/edge_book", 1), 0);
}

static void set_up(void)
{
    static const char worker[] = "--worker-program=" RMX_BUILD_DIR "/ringmux-worker";
    static const char *const settings[] = { "--workers=1", "--flows-small=1", "--flows-bulk=1",
        worker, NULL };

    (void)signal(SIGPIPE, SIG_IGN);
    make_book();
    harness_program = RMX_BUILD_DIR "/tests/edge_daemon";
    harness_start(&harness, settings);
    watcher = harness_client(&harness);
    operator_sock = raw_operator(&harness);
}

static void tear_down(void)
{
    close(operator_sock);
    rmx_close(&watcher);
    harness_stop(&harness);
}

TestSuite(e2e_edges, .init = set_up, .fini = tear_down, .timeout = 120);

/* --- how a job comes there ------------------------------------------------------------------- */

static int make_pipe(int mine)
{
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    pipes[pipes_count++] = ends[mine];
    return ends[1 - mine];
}

/* Submits it with an input and an output, which are closed. */
static void submit(const struct rmx_job_spec *spec, int input, int output)
{
    int fds[2] = { input, output };

    raw_submit(spec, fds, 2);
    close(input);
    close(output);
}

/* A job that starts, and then waits for more of its input. */
static void submit_stalled(uint64_t job, uint32_t group, uint64_t deadline_ns)
{
    struct rmx_job_spec spec = raw_remux(job, group, "mpegts");
    int input = make_pipe(1);

    spec.class_ = RMX_CLASS_CRITICAL;
    spec.deadline_ns = deadline_ns;
    cr_assert_eq(write(pipes[pipes_count - 1], "\x47", 1), 1);
    submit(&spec, input, harness_output(&harness, "stalled"));
}

/* One that has come to an end but for its output, which nobody reads. */
static void submit_draining(uint64_t deadline_ns)
{
    struct rmx_job_spec spec = raw_remux(SUBJECT, GROUP, "mpegts");
    int output = make_pipe(0);

    drained = pipes[pipes_count - 1];
    spec.deadline_ns = deadline_ns;
    submit(&spec, harness_input(harness_media("small.ts")), output);
}

/* One that waits for the first byte. */
static void submit_waiting(uint64_t deadline_ns)
{
    struct rmx_job_spec spec = raw_remux(SUBJECT, GROUP, "mpegts");
    int input = make_pipe(1);

    spec.deadline_ns = deadline_ns;
    submit(&spec, input, harness_output(&harness, "waiting"));
}

static void submit_noop(uint64_t deadline_ns)
{
    struct rmx_job_spec spec = raw_noop(SUBJECT, GROUP);

    spec.deadline_ns = deadline_ns;
    raw_submit(&spec, NULL, 0);
}

/* How many jobs are in this state; *session is that of the subject. */
static size_t count_in(uint16_t state, uint32_t *session)
{
    struct rmx_jobs_item items[8];
    size_t count = raw_jobs(operator_sock, items, 8);
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        found += items[i].state == state;
        if (items[i].job == SUBJECT && items[i].group[0] != 0) {
            *session = items[i].session;
        }
    }
    return found;
}

/* Returns the subject's session. */
static uint32_t await(uint16_t state, size_t wanted)
{
    uint64_t until_ns = harness_now_ns() + 10000 * MS;
    uint32_t session = 0;

    while (count_in(state, &session) != wanted) {
        cr_assert_lt(harness_now_ns(), until_ns, "no %zu in state %u", wanted, state);
        (void)poll(NULL, 0, 1);
    }
    return session;
}

/* Jobs of another session have all that a job could have. Returns that session. */
static int block(void)
{
    int subject_sock = raw_sock;
    int blocker = raw_session(&harness);

    raw_sock = blocker;
    for (uint64_t job = 0; job < BLOCKERS; job++) {
        submit_stalled(100 + job, 0, 0);
    }
    (void)await(RMX_JOB_RUNNING, BLOCKERS);
    raw_sock = subject_sock;
    return blocker;
}

/* Returns the subject's session, when it is there. */
static uint32_t bring_to(enum place place, uint64_t deadline_ns)
{
    raw_open_group(GROUP, 0, place == IN_GROUP ? 1 : 0, 0);
    switch (place) {
    case WAITING:
        submit_waiting(deadline_ns);
        return await(RMX_JOB_WAITING, 1);
    case IN_GROUP:
        submit_stalled(SIBLING, GROUP, 0);
        (void)await(RMX_JOB_RUNNING, 1);
        submit_noop(deadline_ns);
        return await(RMX_JOB_QUEUED, 1);
    case QUEUED:
        submit_noop(deadline_ns);
        return await(RMX_JOB_QUEUED, 1);
    case RUNNING:
        submit_stalled(SUBJECT, GROUP, deadline_ns);
        return await(RMX_JOB_RUNNING, 1);
    default:
        submit_draining(deadline_ns);
        return await(RMX_JOB_DRAINING, 1);
    }
}

/* --- why it ends ----------------------------------------------------------------------------- */

static void kill_worker(void)
{
    uint64_t deaths = harness_counter(watcher, "worker_deaths");
    pid_t worker;

    while (harness_workers(&harness, &worker, 1) != 1) {
        (void)poll(NULL, 0, 1);
    }
    cr_assert_eq(kill(worker, SIGKILL), 0);
    harness_counter_becomes(watcher, "worker_deaths", deaths + 1);
}

static void read_all(int fd)
{
    char bytes[65536];

    while (read(fd, bytes, sizeof(bytes)) > 0) {
    }
}

/* Gives the reason. Returns the status that the subject must end with. */
static uint32_t give(enum reason reason, enum place place, uint32_t session)
{
    const struct rmx_msg_cancel_jobs match = { .job = SUBJECT, .session = session };
    struct rmx_job_spec bad = raw_noop(CULPRIT, GROUP);

    switch (reason) {
    case CANCEL:
        raw_cancel(SUBJECT);
        raw_cancel(SUBJECT); /* as good as once */
        return RMX_STATUS_CANCELLED;
    case DEADLINE:
        return RMX_STATUS_DEADLINE;
    case OPERATOR:
        cr_assert_eq(raw_cancel_jobs(operator_sock, &match), 1);
        return RMX_STATUS_CANCELLED;
    case GROUP_CANCEL:
        raw_say_group(RMX_MSG_GROUP_CANCEL, GROUP);
        return RMX_STATUS_CANCELLED;
    case FAILURE:
        bad.outputs = 1;
        bad.output_port = RMX_JOB_RING;
        raw_submit(&bad, NULL, 0);
        return RMX_STATUS_CANCELLED;
    default:
        kill_worker();
        if (place == DRAINING) { /* it had been done: what is left to do is the lane's */
            read_all(drained);
            return RMX_STATUS_OK;
        }
        return RMX_STATUS_WORKER_LOST;
    }
}

/* All that is left is told to end. The subject has one end, and its group one after that. */
static void expect_one_end(uint32_t status)
{
    const struct rmx_msg_ping ping = {
        .head = { .type = RMX_MSG_PING, .bytes = sizeof(ping) },
    };
    struct raw_news news = raw_hear();
    int ends = 0;
    int groups = 0;

    raw_cancel(SIBLING);
    raw_say_group(RMX_MSG_GROUP_CLOSE, GROUP);
    for (; news.type != RMX_MSG_PONG; news = raw_hear()) {
        cr_assert(news.type == RMX_MSG_DONE || news.type == RMX_MSG_GROUP_DONE, "%u", news.type);
        if (news.type == RMX_MSG_GROUP_DONE) {
            groups++;
            cr_assert_eq(rmx_sock_say(raw_sock, &ping, sizeof(ping), 0), 0);
        } else if (news.job.job == SUBJECT) {
            cr_assert_eq(
                news.job.status, status, "%s: %s", rmx_status_name(news.job.status), news.job.text);
            ends++;
        }
        cr_assert(news.type == RMX_MSG_DONE || ends == 1, "the group's end is the last");
    }
    cr_assert_eq(ends, 1);
    cr_assert_eq(groups, 1);
}

static void clean_up(int blocker)
{
    if (blocker >= 0) {
        close(blocker);
    }
    close(raw_sock);
    while (pipes_count > 0) {
        close(pipes[--pipes_count]);
    }
    harness_counter_becomes(watcher, "jobs_in_flight", 0);
    harness_counter_becomes(watcher, "jobs_queued", 0);
    harness_counter_becomes(watcher, "groups_open", 0);
    harness_counter_becomes(watcher, "fds_open", 0);
    harness_counter_becomes(watcher, "pairs_small_used", 0);
    harness_counter_becomes(watcher, "pairs_bulk_used", 0);
    harness_counter_becomes(watcher, "sessions_open", 1);
}

static void tell_story(enum place place, enum reason reason)
{
    uint64_t deadline_ns = reason == DEADLINE ? harness_now_ns() + LATE_MS * MS : 0;
    int blocker = -1;
    uint32_t session;

    cr_log_info("%s, %s\n", place_names[place], reason_names[reason]);
    raw_sock = raw_session(&harness);
    blocker = place == QUEUED ? block() : -1;
    session = bring_to(place, deadline_ns);
    if (reason != LEAVING) {
        expect_one_end(give(reason, place, session));
    }
    clean_up(blocker);
}

/* --- the edges ------------------------------------------------------------------------------- */

static uint64_t taken(enum rmx_flow_state from, enum rmx_flow_state to)
{
    return atomic_load(&book->taken[from][to]);
}

/* A job that has given nothing away when its worker dies. */
static void tell_of_another_worker(void)
{
    static const char filling[4096];
    char bytes[sizeof(filling)];
    struct rmx_job_spec spec = raw_remux(SUBJECT, 0, "mpegts");
    int output = make_pipe(0);
    struct rmx_job_result result;

    raw_sock = raw_session(&harness);
    cr_assert_eq(fcntl(output, F_SETPIPE_SZ, (int)sizeof(filling)), (int)sizeof(filling));
    cr_assert_eq(write(output, filling, sizeof(filling)), (ssize_t)sizeof(filling));
    submit(&spec, harness_input(harness_media("large.mp4")), output);
    (void)await(RMX_JOB_RUNNING, 1);
    kill_worker();
    (void)await(RMX_JOB_RUNNING, 1);
    cr_assert_eq(read(pipes[0], bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
    read_all(pipes[0]);
    result = raw_hear_job();
    cr_assert_eq(result.status, RMX_STATUS_OK, "%s", result.text);
    clean_up(-1);
}

/* A spec that is none, and a job of more than one pass. */
/* The file, which a pipe holds, in one: it can be read once. */
static int poured(const char *path)
{
    static char bytes[1 << 18];
    int file = harness_input(path);
    ssize_t size = read(file, bytes, sizeof(bytes));
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    cr_assert_geq(fcntl(ends[1], F_SETPIPE_SZ, sizeof(bytes)), size);
    cr_assert_eq(write(ends[1], bytes, (size_t)size), size);
    close(ends[1]);
    close(file);
    return ends[0];
}

static void tell_the_others(void)
{
    struct rmx_job_spec bad = raw_noop(SUBJECT, 0);
    struct rmx_job_spec spooled = raw_remux(SUBJECT, 0, "mp4");
    struct rmx_job_result result;

    raw_sock = raw_session(&harness);
    bad.outputs = 1;
    bad.output_port = RMX_JOB_RING;
    raw_submit(&bad, NULL, 0);
    cr_assert_eq(raw_hear_job().status, RMX_STATUS_BAD_JOB);
    spooled.flags = RMX_JOB_SPOOL;
    submit(&spooled, poured(harness_media("small.ts")), make_pipe(0));
    read_all(pipes[0]);
    result = raw_hear_job();
    cr_assert_eq(result.status, RMX_STATUS_OK, "%s", result.text);
    clean_up(-1);
}

static bool is_drawn(enum rmx_flow_state from, enum rmx_flow_state to)
{
    static const bool drawn[RMX_FLOW_STATES][RMX_FLOW_STATES] = {
        [RMX_FLOW_FREE] = { [RMX_FLOW_ADMITTED] = true, [RMX_FLOW_ENDED] = true },
        [RMX_FLOW_ADMITTED] = { [RMX_FLOW_RUNNING] = true, [RMX_FLOW_ENDED] = true },
        [RMX_FLOW_RUNNING] = { [RMX_FLOW_DRAINING] = true },
        [RMX_FLOW_DRAINING] = { [RMX_FLOW_RUNNING] = true,
            [RMX_FLOW_ADMITTED] = true,
            [RMX_FLOW_ENDED] = true },
        [RMX_FLOW_ENDED] = { [RMX_FLOW_FREE] = true },
    };

    return drawn[from][to];
}

Test(e2e_edges, of_a_job_s_life_are_all_taken_and_each_end_is_one)
{
    for (enum place place = WAITING; place < PLACES; place++) {
        for (enum reason reason = CANCEL; reason < REASONS; reason++) {
            if (reason != DEATH || place >= RUNNING) {
                tell_story(place, reason);
            }
        }
    }
    tell_of_another_worker();
    tell_the_others();
    for (enum rmx_flow_state from = RMX_FLOW_FREE; from < RMX_FLOW_STATES; from++) {
        for (enum rmx_flow_state to = RMX_FLOW_FREE; to < RMX_FLOW_STATES; to++) {
            cr_assert_eq(taken(from, to) > 0, is_drawn(from, to), "%d -> %d", from, to);
        }
    }
}
