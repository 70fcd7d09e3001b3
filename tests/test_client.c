/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a client and its daemon go through together: jobs, credits, cancelling, progress, and the
 * ways a daemon can die or lie. The daemon is a fake one, so that it can.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "clients/ringmux.h"
#include "ring/base.h"
#include "tests/fake_daemon.h"

static struct fake_daemon fake;
static struct rmx_client *client;
static struct rmx_result results[8];

static void open_with(void (*script)(struct fake_daemon *daemon))
{
    fake_daemon_start(&fake, script);
    cr_assert_eq(rmx_open(&client, fake.path), 0);
}

static void close_all(void)
{
    rmx_close(&client);
    fake_daemon_stop(&fake);
}

static struct rmx_job noop(void *user)
{
    struct rmx_job job = RMX_JOB_INIT;

    job.kind = RMX_NOOP;
    job.user = user;
    return job;
}

static uint64_t submit_noop(void *user)
{
    struct rmx_job job = noop(user);
    uint64_t id = 0;

    cr_assert_eq(rmx_submit(client, &job, 1, &id), 1);
    cr_assert_neq(id, 0);
    return id;
}

/* --- jobs and credits --------------------------------------------------------------------- */

static void ends_two_in_reverse(struct fake_daemon *daemon)
{
    uint64_t jobs[2];

    fake_daemon_welcome(daemon, 2);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(fake_daemon_hear(daemon, RMX_MSG_SUBMIT), 1);
        jobs[i] = fake_daemon_spec(daemon, 0).job;
    }
    fake_daemon_done(daemon, jobs[1], RMX_BAD_MEDIA, 1);
    fake_daemon_done(daemon, jobs[0], RMX_OK, 0);
    fake_daemon_hear_end(daemon);
}

Test(client, results_come_in_the_order_jobs_end)
{
    int first = 1;
    int second = 2;

    open_with(ends_two_in_reverse);
    uint64_t first_id = submit_noop(&first);
    uint64_t second_id = submit_noop(&second);

    cr_assert_eq(rmx_wait(client, results, 1, -1), 1);
    cr_assert_eq(results[0].id, second_id);
    cr_assert_eq(results[0].user, &second);
    cr_assert_eq(results[0].status, RMX_BAD_MEDIA);
    cr_assert_eq(results[0].bytes_in, 7);
    cr_assert_str_eq(results[0].text, "said");
    cr_assert_eq(rmx_wait(client, results, 1, 10000), 1);
    cr_assert_eq(results[0].id, first_id);
    cr_assert_eq(results[0].user, &first);
    close_all();
}

static void gives_credit_later(struct fake_daemon *daemon)
{
    const struct rmx_msg_credit credit = {
        .head = { .type = RMX_MSG_CREDIT, .bytes = sizeof(credit) },
        .credits = 1,
    };

    fake_daemon_welcome(daemon, 0);
    fake_daemon_pause(daemon);
    fake_daemon_say(daemon, &credit, sizeof(credit));
    fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
    fake_daemon_hear_end(daemon);
}

Test(client, without_credit_it_waits_for_one)
{
    struct rmx_job job = noop(NULL);
    uint64_t id = 77;

    open_with(gives_credit_later);
    struct pollfd watched = { .fd = rmx_fd(client), .events = POLLIN };
    cr_assert_eq(rmx_submit(client, &job, 1, &id), -EAGAIN);
    cr_assert_eq(id, 77);
    fake_daemon_go_on(&fake);
    cr_assert_eq(poll(&watched, 1, 10000), 1);
    cr_assert_eq(rmx_wait(client, results, 8, 0), 0);
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), 1);
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), -EAGAIN, "it is spent");
    cr_assert_eq(rmx_submit(client, &job, 0, NULL), 0);
    close_all();
}

#define MANY 40

static void takes_many(struct fake_daemon *daemon)
{
    uint32_t heard = 0;

    fake_daemon_welcome(daemon, MANY);
    while (heard < MANY) {
        uint32_t count = fake_daemon_hear(daemon, RMX_MSG_SUBMIT);

        cr_assert_eq(daemon->fds.count, (int)count * 2);
        for (uint32_t i = 0; i < count; i++) {
            char text[2] = "";
            struct rmx_job_spec spec = fake_daemon_spec(daemon, i);

            cr_assert_str_eq(spec.format, "mpegts");
            cr_assert_eq(pread(daemon->fds.fds[2 * i], text, 1, 0), 1);
            cr_assert_eq(text[0], (char)heard, "each job has its own input");
            heard++;
        }
    }
    fake_daemon_hear_end(daemon);
}

Test(client, a_large_batch_goes_in_several_messages)
{
    struct rmx_job jobs[MANY + 1];
    uint64_t ids[MANY + 1] = { 0 };

    open_with(takes_many);
    for (int i = 0; i <= MANY; i++) {
        char text = (char)i;

        rmx_job_init(&jobs[i]);
        jobs[i].format = "mpegts";
        jobs[i].input = memfd_create("in", MFD_CLOEXEC);
        jobs[i].output = memfd_create("out", MFD_CLOEXEC);
        cr_assert_eq(write(jobs[i].input, &text, 1), 1);
    }
    cr_assert_eq(rmx_submit(client, jobs, MANY + 1, ids), MANY, "as many as there are credits");
    for (int i = 1; i < MANY; i++) {
        cr_assert_neq(ids[i], ids[i - 1]);
    }
    cr_assert_eq(ids[MANY], 0);
    for (int i = 0; i <= MANY; i++) {
        cr_assert_eq(close(jobs[i].input), 0, "they stay the caller's");
        cr_assert_eq(close(jobs[i].output), 0);
    }
    close_all();
}

static void takes_two(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 2);
    cr_assert_eq(fake_daemon_hear(daemon, RMX_MSG_SUBMIT), 1);
    cr_assert_eq(fake_daemon_hear(daemon, RMX_MSG_SUBMIT), 1);
    fake_daemon_hear_end(daemon);
}

Test(client, a_job_that_makes_no_sense_costs_no_credit)
{
    struct rmx_job jobs[2] = { noop(NULL), noop(NULL) };
    const char *why = NULL;

    open_with(takes_two);
    jobs[1].kind = 99;
    cr_assert_eq(rmx_submit(client, jobs, 2, NULL), 1, "those before it are sent");
    cr_assert_eq(rmx_submit(client, jobs + 1, 1, NULL), -EINVAL);
    cr_assert_eq(rmx_check(&jobs[1], &why), RMX_BAD_JOB);
    cr_assert_not_null(why);
    cr_assert_eq(rmx_submit(client, jobs, 1, NULL), 1);
    close_all();
}

Test(client, a_closed_descriptor_costs_no_credit)
{
    struct rmx_job job = RMX_JOB_INIT;

    open_with(takes_two);
    job.format = "mp4";
    job.input = 0;
    job.output = 987;
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), -EBADF);
    submit_noop(NULL);
    submit_noop(NULL);
    close_all();
}

static void drains(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 5);
    fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
    fake_daemon_goodbye(daemon, RMX_DRAINING);
    fake_daemon_pause(daemon);
    fake_daemon_done(daemon, fake_daemon_spec(daemon, 0).job, RMX_OK, 0);
}

Test(client, a_draining_daemon_ends_its_jobs_and_takes_no_more)
{
    struct rmx_job job = noop(NULL);

    open_with(drains);
    uint64_t id = submit_noop(NULL);
    cr_assert_eq(rmx_wait(client, results, 1, 100), 0);
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), -ESHUTDOWN);
    fake_daemon_go_on(&fake);
    cr_assert_eq(rmx_wait(client, results, 1, 10000), 1);
    cr_assert_eq(results[0].id, id);
    cr_assert_eq(results[0].status, RMX_OK);
    cr_assert_eq(rmx_wait(client, results, 1, 10000), -ECONNRESET);
    close_all();
}

/* --- waiting ------------------------------------------------------------------------------ */

static void only_listens(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 1024);
    fake_daemon_pause(daemon);
}

static void ignore(int number)
{
    (void)number;
}

Test(client, waiting_ends_in_time)
{
    const struct sigaction action = { .sa_handler = ignore };
    const struct itimerval soon = { .it_value.tv_usec = 50000 };

    open_with(only_listens);
    cr_assert_eq(rmx_wait(client, results, 8, 0), 0);
    cr_assert_eq(rmx_wait(client, results, 8, 20), 0);
    cr_assert_eq(rmx_wait(client, results, 0, 0), -EINVAL);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    cr_assert_eq(rmx_wait(client, results, 8, -1), -EINTR);
    fake_daemon_go_on(&fake);
    close_all();
}

#define PLACES 1024

static void ends_all_before_the_pong(struct fake_daemon *daemon)
{
    static uint64_t jobs[PLACES];
    struct rmx_msg_ping ping;

    fake_daemon_welcome(daemon, PLACES);
    for (int i = 0; i < PLACES; i++) {
        fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
        jobs[i] = fake_daemon_spec(daemon, 0).job;
    }
    fake_daemon_hear(daemon, RMX_MSG_PING);
    memcpy(&ping, daemon->message, sizeof(ping));
    for (int i = 0; i < PLACES; i++) {
        fake_daemon_done(daemon, jobs[i], RMX_OK, 1);
    }
    ping.head.type = RMX_MSG_PONG;
    fake_daemon_say(daemon, &ping, sizeof(ping));
    fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
    fake_daemon_hear_end(daemon);
}

Test(client, results_that_nobody_collects_stop_new_jobs)
{
    struct rmx_job job = noop(NULL);
    uint64_t rtt_ns = 0;
    int collected = 0;
    int err = -EAGAIN;

    open_with(ends_all_before_the_pong);
    for (int i = 0; i < PLACES; i++) {
        while (rmx_submit(client, &job, 1, NULL) == -EAGAIN) {
            poll(NULL, 0, 1); /* the fake daemon is not always quick to read */
        }
    }
    while (err == -EAGAIN) { /* likewise */
        err = rmx_ping(client, &rtt_ns);
        poll(NULL, 0, 1);
    }
    cr_assert_eq(err, 0);
    cr_assert_gt(rtt_ns, 0);
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), -EAGAIN, "credits are there, places are not");
    cr_assert_eq(rmx_wait(client, results, 1, 0), 1, "what came during the ping was kept");
    submit_noop(NULL);
    for (int count = 1; count > 0; collected += count) {
        count = rmx_wait(client, results, 8, 0);
        cr_assert_geq(count, 0);
    }
    cr_assert_eq(collected, PLACES - 1);
    close_all();
}

/* --- a daemon that dies ------------------------------------------------------------------- */

static void dies_with_two_of_three(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 4);
    for (int i = 0; i < 3; i++) {
        fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
    }
    fake_daemon_done(daemon, fake_daemon_spec(daemon, 0).job, RMX_OK, 1);
}

Test(client, a_dead_daemon_ends_every_job_then_the_session)
{
    struct rmx_job job = noop(NULL);
    uint64_t rtt_ns = 0;

    open_with(dies_with_two_of_three);
    uint64_t first = submit_noop(NULL);
    submit_noop(NULL);
    uint64_t third = submit_noop(NULL);
    fake_daemon_stop(&fake);

    struct pollfd watched = { .fd = rmx_fd(client), .events = POLLIN };
    cr_assert_eq(poll(&watched, 1, 0), 1);
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), -ECONNRESET, "and no SIGPIPE");
    cr_assert_eq(rmx_wait(client, results, 8, 0), 3);
    cr_assert_eq(results[0].id, third, "the words it left come first");
    cr_assert_eq(results[0].status, RMX_OK);
    cr_assert_eq(results[1].id, first);
    cr_assert_eq(results[1].status, RMX_DAEMON_LOST);
    cr_assert_eq(results[2].status, RMX_DAEMON_LOST);
    cr_assert_eq(rmx_wait(client, results, 8, -1), -ECONNRESET);
    cr_assert_eq(rmx_cancel(client, first), -ECONNRESET);
    cr_assert_eq(rmx_ping(client, &rtt_ns), -ECONNRESET);
    cr_assert_eq(rmx_stats(client, NULL, 0), -ECONNRESET);
    cr_assert_eq(poll(&watched, 1, 0), 1, "whoever polls comes to ask");
    rmx_close(&client);
}

/* --- cancel and progress ------------------------------------------------------------------ */

/* It says how a job ended, and dies with another unread. */
static void dies_with_one_unread(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 4);
    fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
    fake_daemon_done(daemon, fake_daemon_spec(daemon, 0).job, RMX_OK, 1);
    fake_daemon_pause(daemon);
}

Test(client, what_a_daemon_said_before_it_died_counts)
{
    for (int speaks = 0; speaks < 2; speaks++) {
        struct rmx_job job = noop(NULL);

        open_with(dies_with_one_unread);
        uint64_t ended = submit_noop(NULL);
        uint64_t lost = submit_noop(NULL);
        fake_daemon_go_on(&fake);
        fake_daemon_stop(&fake);
        if (speaks) { /* who sends hears of it in another way */
            cr_assert_eq(rmx_submit(client, &job, 1, NULL), -ECONNRESET);
        }
        cr_assert_eq(rmx_wait(client, results, 8, -1), 2);
        cr_assert_eq(results[0].id, ended);
        cr_assert_eq(results[0].status, RMX_OK);
        cr_assert_eq(results[1].id, lost);
        cr_assert_eq(results[1].status, RMX_DAEMON_LOST);
        rmx_close(&client);
    }
}

static void cancels(struct fake_daemon *daemon)
{
    struct rmx_msg_cancel cancel;

    fake_daemon_welcome(daemon, 1);
    fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
    uint64_t job = fake_daemon_spec(daemon, 0).job;
    fake_daemon_hear(daemon, RMX_MSG_CANCEL);
    memcpy(&cancel, daemon->message, sizeof(cancel));
    cr_assert_eq(cancel.job, job);
    fake_daemon_done(daemon, job, RMX_CANCELLED, 1);
    fake_daemon_hear_end(daemon);
}

Test(client, a_cancelled_job_still_has_its_result)
{
    open_with(cancels);
    uint64_t id = submit_noop(NULL);
    cr_assert_eq(rmx_cancel(client, id + 1), -ENOENT);
    cr_assert_eq(rmx_cancel(client, id), 0);
    cr_assert_eq(rmx_wait(client, results, 8, 10000), 1);
    cr_assert_eq(results[0].status, RMX_CANCELLED);
    cr_assert_eq(rmx_cancel(client, id), -ENOENT);
    close_all();
}

Test(client, a_daemon_that_does_not_read_never_blocks_the_caller)
{
    struct rmx_job job = noop(NULL);
    int err = 0;

    open_with(only_listens);
    uint64_t id = submit_noop(NULL);
    for (int i = 0; i < 100000 && err != -EAGAIN; i++) {
        err = rmx_cancel(client, id);
        cr_assert(err == 0 || err == -EAGAIN);
    }
    cr_assert_eq(err, -EAGAIN);
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), -EAGAIN);
    fake_daemon_go_on(&fake);
    close_all();
}

static void shows_progress(struct fake_daemon *daemon)
{
    struct rmx_progress_shm *slot = &fake_daemon_slots(daemon)[2];

    fake_daemon_welcome(daemon, 1);
    fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
    atomic_store(&slot->bytes_in, 10);
    atomic_store(&slot->bytes_out, 20);
    atomic_store(&slot->bytes_total, 30);
    fake_daemon_pause(daemon);
    atomic_store(&slot->job, fake_daemon_spec(daemon, 0).job);
    fake_daemon_arrived(daemon);
    fake_daemon_hear_end(daemon);
}

Test(client, progress_is_read_while_the_job_has_a_slot)
{
    struct rmx_progress_bytes progress = { .bytes_in = 1 };

    open_with(shows_progress);
    cr_assert_eq(rmx_progress(client, 0, &progress), -ENOENT, "0 is a free slot's, no job's");
    uint64_t id = submit_noop(NULL);
    cr_assert_eq(rmx_progress(client, id, &progress), -ENOENT);
    cr_assert_eq(progress.bytes_in, 1);
    fake_daemon_go_on(&fake);
    fake_daemon_wait(&fake);
    cr_assert_eq(rmx_progress(client, id, &progress), 0);
    cr_assert_eq(progress.bytes_in, 10);
    cr_assert_eq(progress.bytes_out, 20);
    cr_assert_eq(progress.bytes_total, 30);
    close_all();
}
