/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What operators see and end: the jobs of all sessions in all lanes, and who may be one.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/raw_talk.h"

#define NOBODY   65534
#define SESSIONS 4
#define EACH     40 /* jobs of a session: together more than a page of an answer */
#define SHOWN    (SESSIONS * EACH)

static struct harness harness;
static struct rmx_client *watcher; /* for the counters */
static int operator_sock = -1;
static int clients[SESSIONS];
static int feeds[SESSIONS][EACH]; /* the pipes that the jobs wait for */
static struct rmx_jobs_item items[SHOWN + 1];

static void set_up(void)
{
    static const char *const settings[] = { "--workers=2", "--lanes=2", "--sessions-max=5",
        "--socket-mode=0666", NULL };

    (void)signal(SIGPIPE, SIG_IGN);
    harness_start(&harness, settings);
    watcher = harness_client(&harness);
    operator_sock = raw_operator(&harness);
}

static void tear_down(void)
{
    close(operator_sock);
    harness_counter_becomes(watcher, "jobs_in_flight", 0);
    harness_counter_becomes(watcher, "fds_open", 0);
    harness_counter_becomes(watcher, "groups_open", 0);
    rmx_close(&watcher);
    harness_stop(&harness);
}

TestSuite(e2e_operator, .init = set_up, .fini = tear_down, .timeout = 180);

/* Jobs 1 to EACH of each client wait for their pipes; the second half of them are in a group. */
static void submit_all(void)
{
    int output = harness_output(&harness, "output");

    for (int i = 0; i < SESSIONS; i++) {
        raw_sock = clients[i] = raw_session(&harness);
        raw_open_group(7, RMX_GROUP_COLLECT_ALL, 0, 0);
        for (int job = 0; job < EACH; job++) {
            struct rmx_job_spec spec =
                raw_remux((uint64_t)job + 1, job < EACH / 2 ? 0 : 7, "matroska");
            int ends[2];
            int fds[2];

            cr_assert_eq(pipe(ends), 0);
            fds[0] = ends[0];
            fds[1] = output;
            spec.class_ = RMX_CLASS_CRITICAL;
            raw_submit(&spec, fds, 2);
            close(ends[0]);
            feeds[i][job] = ends[1];
        }
    }
    close(output);
    harness_counter_becomes(watcher, "jobs_in_flight", SHOWN);
}

static void close_all(void)
{
    for (int i = 0; i < SESSIONS; i++) {
        for (int job = 0; job < EACH; job++) {
            close(feeds[i][job]);
        }
        close(clients[i]);
    }
}

/* So many of client i's jobs end now, by the operator's word. */
static void expect_ends(int i, int count)
{
    raw_sock = clients[i];
    for (int n = 0; n < count; n++) {
        struct rmx_job_result result = raw_hear_job();

        cr_assert_eq(result.status, RMX_STATUS_CANCELLED);
        cr_assert_str_eq(result.text, "cancelled by the operator");
    }
}

/* --- what they see --------------------------------------------------------------------------- */

Test(e2e_operator, sees_every_job_of_everybody_once)
{
    uint64_t sum = 0;

    cr_assert_eq(raw_jobs(operator_sock, items, SHOWN), 0);
    submit_all();
    cr_assert_eq(raw_jobs(operator_sock, items, SHOWN), SHOWN);
    for (int i = 0; i < SHOWN; i++) {
        const struct rmx_jobs_item *item = &items[i];

        cr_assert_neq(item->session, 0);
        cr_assert_eq(item->pid, getpid());
        cr_assert_eq(item->uid, getuid());
        cr_assert_eq(item->state, RMX_JOB_WAITING);
        cr_assert_eq(item->class_, RMX_CLASS_CRITICAL);
        cr_assert_eq(item->left_ns, UINT64_MAX);
        cr_assert_str_eq(item->format, "matroska");
        cr_assert_str_eq(item->group, item->job > EACH / 2 ? RAW_GROUP_NAME : "");
        sum += item->job;
        for (int other = 0; other < i; other++) {
            cr_assert(items[other].session != item->session || items[other].job != item->job);
        }
    }
    cr_assert_eq(sum, SESSIONS * EACH * (EACH + 1) / 2);
    close_all();
}

Test(e2e_operator, asks_again_and_again_while_jobs_come_and_go)
{
    submit_all();
    for (int i = 0; i < EACH; i++) {
        close(feeds[i % SESSIONS][i]);
        feeds[i % SESSIONS][i] = -1;
        cr_assert_leq(raw_jobs(operator_sock, items, SHOWN), SHOWN);
    }
    harness_counter_becomes(watcher, "jobs_in_flight", SHOWN - EACH);
    cr_assert_eq(raw_jobs(operator_sock, items, SHOWN), SHOWN - EACH);
    close_all();
}

/* --- what they end --------------------------------------------------------------------------- */

Test(e2e_operator, ends_one_job_of_one_session)
{
    struct rmx_msg_cancel_jobs match = { .job = 5 };

    submit_all();
    (void)raw_jobs(operator_sock, items, SHOWN);
    match.session = items[0].session;
    cr_assert_eq(raw_cancel_jobs(operator_sock, &match), 1);
    cr_assert_eq(raw_cancel_jobs(operator_sock, &match), 0, "it has ended");
    harness_counter_becomes(watcher, "jobs_in_flight", SHOWN - 1);
    cr_assert_eq(harness_counter(watcher, "operator_cancels"), 1);
    close_all();
}

Test(e2e_operator, ends_the_jobs_of_one_session)
{
    struct rmx_msg_cancel_jobs match = { .job = 0 };

    submit_all();
    (void)raw_jobs(operator_sock, items, SHOWN);
    match.session = items[SHOWN - 1].session;
    cr_assert_eq(raw_cancel_jobs(operator_sock, &match), EACH);
    harness_counter_becomes(watcher, "jobs_in_flight", SHOWN - EACH);
    close_all();
}

Test(e2e_operator, ends_the_groups_of_one_name)
{
    const struct rmx_msg_cancel_jobs other = { .group = "weekly" };
    const struct rmx_msg_cancel_jobs match = { .group = RAW_GROUP_NAME };

    submit_all();
    cr_assert_eq(raw_cancel_jobs(operator_sock, &other), 0);
    cr_assert_eq(raw_cancel_jobs(operator_sock, &match), SHOWN / 2);
    for (int i = 0; i < SESSIONS; i++) {
        expect_ends(i, EACH / 2);
        raw_say_group(RMX_MSG_GROUP_CLOSE, 7);
        cr_assert_eq(raw_hear_group(7).status, RMX_STATUS_CANCELLED);
    }
    close_all();
}

Test(e2e_operator, ends_all)
{
    const struct rmx_msg_cancel_jobs match = { .all = 1 };

    submit_all();
    cr_assert_eq(raw_cancel_jobs(operator_sock, &match), SHOWN);
    for (int i = 0; i < SESSIONS; i++) {
        expect_ends(i, EACH);
    }
    cr_assert_eq(raw_jobs(operator_sock, items, SHOWN), 0);
    close_all();
}

/* --- who they are ---------------------------------------------------------------------------- */

Test(e2e_operator, takes_no_session_s_place)
{
    struct rmx_client *others[4];
    int late;

    for (int i = 0; i < 4; i++) { /* with the watcher as many as a lane takes */
        others[i] = harness_client(&harness);
    }
    late = raw_operator(&harness);
    cr_assert_eq(raw_jobs(late, items, 1), 0);
    cr_assert_eq(harness_counter(watcher, "sessions_open"), 5);
    for (int i = 0; i < 4; i++) {
        rmx_close(&others[i]);
    }
    close(late);
}

Test(e2e_operator, that_leaves_before_its_answer_is_forgotten)
{
    const struct rmx_msg_head head = { .type = RMX_MSG_JOBS, .bytes = sizeof(head) };

    submit_all();
    for (int i = 0; i < 50; i++) {
        struct rmx_msg_welcome welcome;
        int sock = raw_greet(&harness, RMX_FEATURE_OPERATOR, &welcome);

        if (welcome.head.type == RMX_MSG_WELCOME) { /* else the last four are not quite gone */
            cr_assert_eq(rmx_sock_say(sock, &head, sizeof(head), 0), 0);
        }
        close(sock);
    }
    cr_assert_eq(raw_jobs(operator_sock, items, SHOWN), SHOWN);
    close_all();
}

Test(e2e_operator, has_no_jobs_of_its_own)
{
    struct rmx_job_spec spec = raw_noop(1, 0);

    raw_sock = operator_sock;
    raw_submit(&spec, NULL, 0);
    cr_assert_eq(raw_hear().type, RMX_MSG_GOODBYE);
    cr_assert_eq(raw_hear().type, 0);
}

Test(e2e_operator, is_not_anybody)
{
    pid_t child;
    int status = -1;

    if (geteuid() != 0) {
        return; /* nobody else can be had */
    }
    cr_assert_eq(chmod(harness.dir, 0755), 0);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct rmx_msg_welcome welcome;
        const struct rmx_msg_head head = { .type = RMX_MSG_JOBS, .bytes = sizeof(head) };

        if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0) {
            _exit(1);
        }
        raw_sock = raw_greet(&harness, RMX_FEATURE_OPERATOR, &welcome);
        if (welcome.features != 0 || welcome.credits == 0 ||
            rmx_sock_say(raw_sock, &head, sizeof(head), 0) != 0) {
            _exit(2);
        }
        _exit(raw_hear().type == RMX_MSG_GOODBYE ? 0 : 3);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "%#x", status);
}
