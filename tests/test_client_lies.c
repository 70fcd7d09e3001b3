/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A daemon that lies to its client: each lie ends the session with -EPROTO and the jobs in flight
 * with PEER_CORRUPT, and none of them harms the process. And what the daemon tells about itself.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "clients/ringmux.h"
#include "ipc/stats.h"
#include "tests/fake_daemon.h"

static struct fake_daemon fake;
static struct rmx_client *client;
static struct rmx_result results[8];

static void open_with(void (*script)(struct fake_daemon *daemon))
{
    fake_daemon_start(&fake, script);
    cr_assert_eq(rmx_open(&client, fake.path), 0);
}

static uint64_t submit_noop(void)
{
    struct rmx_job job = RMX_JOB_INIT;
    uint64_t id = 0;

    job.kind = RMX_NOOP;
    cr_assert_eq(rmx_submit(client, &job, 1, &id), 1);
    return id;
}

/* The daemon runs `lie` once it has one job: that job ends PEER_CORRUPT and the session is over. */
static void assert_lie_is_caught(void (*lie)(struct fake_daemon *daemon))
{
    open_with(lie);
    uint64_t id = submit_noop();
    cr_assert_eq(rmx_wait(client, results, 8, 10000), 1);
    cr_assert_eq(results[0].id, id);
    cr_assert_eq(results[0].status, RMX_PEER_CORRUPT);
    cr_assert_eq(rmx_wait(client, results, 8, 10000), -EPROTO);
    rmx_close(&client);
    fake_daemon_stop(&fake);
}

static uint64_t take_job(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 2);
    fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
    return fake_daemon_spec(daemon, 0).job;
}

static void ends_a_strange_job(struct fake_daemon *daemon)
{
    fake_daemon_done(daemon, take_job(daemon) + 1, RMX_OK, 1);
    fake_daemon_hear(daemon, RMX_MSG_GOODBYE);
}

Test(client_lies, the_end_of_a_job_nobody_sent)
{
    assert_lie_is_caught(ends_a_strange_job);
}

static void ends_with_a_huge_name(struct fake_daemon *daemon)
{
    take_job(daemon);
    fake_daemon_done(daemon, UINT64_MAX, RMX_OK, 1);
    fake_daemon_hear(daemon, RMX_MSG_GOODBYE);
}

Test(client_lies, the_end_of_a_job_beyond_every_table)
{
    assert_lie_is_caught(ends_with_a_huge_name);
}

static void says_half_a_message(struct fake_daemon *daemon)
{
    const struct rmx_msg_head head = { .type = RMX_MSG_DONE, .bytes = 16, .count = 1 };

    take_job(daemon);
    fake_daemon_say(daemon, &head, sizeof(head));
    fake_daemon_hear(daemon, RMX_MSG_GOODBYE);
}

Test(client_lies, a_message_that_is_cut_off)
{
    assert_lie_is_caught(says_half_a_message);
}

static void says_two_bytes(struct fake_daemon *daemon)
{
    take_job(daemon);
    fake_daemon_say(daemon, "x", 2);
    fake_daemon_hear(daemon, RMX_MSG_GOODBYE);
}

Test(client_lies, a_message_without_a_head)
{
    assert_lie_is_caught(says_two_bytes);
}

static void says_too_much(struct fake_daemon *daemon)
{
    static unsigned char message[RMX_WIRE_BYTES_MAX];

    take_job(daemon);
    fake_daemon_say(daemon, message, sizeof(message));
    fake_daemon_hear(daemon, RMX_MSG_GOODBYE);
}

Test(client_lies, a_message_of_zeros)
{
    assert_lie_is_caught(says_too_much);
}

static void gives_endless_credit(struct fake_daemon *daemon)
{
    const struct rmx_msg_credit credit = {
        .head = { .type = RMX_MSG_CREDIT, .bytes = sizeof(credit) },
        .credits = UINT32_MAX,
    };

    take_job(daemon);
    fake_daemon_say(daemon, &credit, sizeof(credit));
    fake_daemon_hear(daemon, RMX_MSG_GOODBYE);
}

Test(client_lies, more_credit_than_there_can_be)
{
    assert_lie_is_caught(gives_endless_credit);
}

static void welcomes_twice(struct fake_daemon *daemon)
{
    struct rmx_msg_welcome welcome = {
        .head = { .type = RMX_MSG_WELCOME, .bytes = sizeof(welcome) },
        .version = RMX_WIRE_VERSION,
        .workers = 1,
        .channel_bytes = UINT64_C(1) << 20,
    };
    struct iovec part = { .iov_base = &welcome, .iov_len = sizeof(welcome) };

    take_job(daemon);
    cr_assert_eq(rmx_sock_send(daemon->fd, &part, 1, &daemon->arena.fd, 1, 0), 0);
    fake_daemon_hear(daemon, RMX_MSG_GOODBYE);
}

Test(client_lies, a_second_welcome)
{
    assert_lie_is_caught(welcomes_twice);
}

static void sends_a_descriptor(struct fake_daemon *daemon)
{
    struct rmx_msg_credit credit = {
        .head = { .type = RMX_MSG_CREDIT, .bytes = sizeof(credit) },
        .credits = 1,
    };
    struct iovec part = { .iov_base = &credit, .iov_len = sizeof(credit) };

    take_job(daemon);
    cr_assert_eq(rmx_sock_send(daemon->fd, &part, 1, &daemon->arena.fd, 1, 0), 0);
    fake_daemon_hear(daemon, RMX_MSG_GOODBYE);
}

Test(client_lies, a_descriptor_nobody_asked_for)
{
    assert_lie_is_caught(sends_a_descriptor);
}

static void answers_unasked(struct fake_daemon *daemon)
{
    const struct rmx_msg_ping pong = {
        .head = { .type = RMX_MSG_PONG, .bytes = sizeof(pong) },
        .nonce = 1,
    };

    take_job(daemon);
    fake_daemon_say(daemon, &pong, sizeof(pong));
    fake_daemon_hear(daemon, RMX_MSG_GOODBYE);
}

Test(client_lies, an_answer_to_no_ping)
{
    assert_lie_is_caught(answers_unasked);
}

static void counts_unasked(struct fake_daemon *daemon)
{
    const struct {
        struct rmx_msg_head head;
        uint64_t value;
    } reply = { .head = { .type = RMX_MSG_STATS_REPLY, .bytes = sizeof(reply), .count = 1 } };

    take_job(daemon);
    fake_daemon_say(daemon, &reply, sizeof(reply));
    fake_daemon_hear(daemon, RMX_MSG_GOODBYE);
}

Test(client_lies, counters_nobody_asked_for)
{
    assert_lie_is_caught(counts_unasked);
}

static void echoes_wrongly(struct fake_daemon *daemon)
{
    struct rmx_msg_ping ping;

    fake_daemon_welcome(daemon, 0);
    fake_daemon_hear(daemon, RMX_MSG_PING);
    memcpy(&ping, daemon->message, sizeof(ping));
    ping.head.type = RMX_MSG_PONG;
    ping.nonce++;
    fake_daemon_say(daemon, &ping, sizeof(ping));
    fake_daemon_hear(daemon, RMX_MSG_GOODBYE);
}

Test(client_lies, a_pong_with_another_nonce)
{
    uint64_t rtt_ns = 5;

    open_with(echoes_wrongly);
    cr_assert_eq(rmx_ping(client, &rtt_ns), -EPROTO);
    cr_assert_eq(rtt_ns, 5);
    rmx_close(&client);
    fake_daemon_stop(&fake);
}

static void throws_out(struct fake_daemon *daemon)
{
    take_job(daemon);
    fake_daemon_goodbye(daemon, RMX_PEER_CORRUPT);
}

Test(client_lies, being_called_a_liar_ends_the_session_too)
{
    assert_lie_is_caught(throws_out);
}

static void has_no_descriptor(struct fake_daemon *daemon)
{
    take_job(daemon);
    fake_daemon_goodbye(daemon, RMX_BUSY);
}

Test(client_lies, a_daemon_without_descriptors_is_lost_and_no_liar)
{
    open_with(has_no_descriptor);
    submit_noop();
    cr_assert_eq(rmx_wait(client, results, 8, 10000), 1);
    cr_assert_eq(results[0].status, RMX_DAEMON_LOST);
    cr_assert_not_null(strstr(results[0].text, "ulimit -n"));
    cr_assert_eq(rmx_wait(client, results, 8, 10000), -ECONNRESET);
    rmx_close(&client);
    fake_daemon_stop(&fake);
}

#define ROUNDS   200
#define MESSAGES 50

static uint32_t dice = 1;

static uint32_t roll(uint32_t sides) /* the same in every run */
{
    dice = dice * 1664525 + 1013904223;
    return (dice >> 8) % sides;
}

/* Messages that were good before some of their bytes were changed, and their lengths at times. */
static void babbles(struct fake_daemon *daemon)
{
    static const size_t sizes[] = { 16, 24, 56, 16 + sizeof(struct rmx_done_item), 16 + 64 };
    uint64_t job = take_job(daemon);
    unsigned char message[512];

    for (int i = 0; i < MESSAGES; i++) {
        size_t bytes = sizes[roll(sizeof(sizes) / sizeof(sizes[0]))];
        struct rmx_msg_head head = {
            .type = (uint16_t)(RMX_MSG_WELCOME + roll(6)),
            .bytes = (uint32_t)bytes,
            .count = roll(3),
        };

        memset(message, 0, sizeof(message));
        memcpy(message, &head, sizeof(head));
        memcpy(message + sizeof(head) + 8 * roll(2), &job, sizeof(job));
        for (uint32_t changes = roll(4); changes > 0; changes--) {
            message[roll((uint32_t)bytes)] = (unsigned char)roll(256);
        }
        rmx_sock_say(daemon->fd, message, bytes - (roll(8) == 0), MSG_DONTWAIT);
    }
}

Test(client_lies, babble_of_any_kind, .timeout = 60)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct rmx_progress_bytes progress;
        struct rmx_counter counters[4];
        uint64_t rtt_ns = 0;
        int count = 1;

        open_with(babbles);
        uint64_t id = submit_noop();
        while (count > 0) {
            rmx_progress(client, id, &progress);
            rmx_stats(client, counters, round % 2 ? 4 : 0);
            rmx_ping(client, &rtt_ns);
            count = rmx_wait(client, results, 8, 10000);
        }
        cr_assert(count == -EPROTO || count == -ECONNRESET, "%d", count);
        rmx_close(&client);
        fake_daemon_stop(&fake);
    }
}

/* --- what the daemon tells ---------------------------------------------------------------- */

static uint32_t values_told;

static void tells_counters(struct fake_daemon *daemon)
{
    struct {
        struct rmx_msg_head head;
        uint64_t values[RMX_STATS_VALUES_MAX];
    } reply = { .head = { .type = RMX_MSG_STATS_REPLY, .count = values_told } };

    reply.head.bytes = (uint32_t)(sizeof(reply.head) + values_told * sizeof(uint64_t));
    for (uint32_t i = 0; i < values_told; i++) {
        reply.values[i] = 1000 + i;
    }
    fake_daemon_welcome(daemon, 0);
    fake_daemon_hear(daemon, RMX_MSG_STATS);
    fake_daemon_say(daemon, &reply, reply.head.bytes);
    fake_daemon_hear_end(daemon);
}

Test(client_stats, counters_have_names)
{
    struct rmx_counter counters[RMX_STATS_VALUES_MAX];

    values_told = RMX_STATS_COUNT;
    open_with(tells_counters);
    int count = rmx_stats(client, counters, RMX_STATS_VALUES_MAX);
    cr_assert_gt(count, 20);
    cr_assert_str_eq(counters[0].name, "jobs_ended_OK");
    cr_assert_eq(counters[0].value, 1000);
    for (int i = 0; i < count; i++) {
        cr_assert(counters[i].name != NULL && counters[i].unit != NULL && counters[i].text != NULL);
        cr_assert(strcmp(counters[i].name, "jobs_submitted") != 0 ||
                  counters[i].value == 1000 + RMX_STATS_JOBS_SUBMITTED);
    }
    rmx_close(&client);
    fake_daemon_stop(&fake);
}

Test(client_stats, a_newer_daemon_counts_more_than_we_can_name)
{
    struct rmx_counter one;

    values_told = RMX_STATS_VALUES_MAX;
    open_with(tells_counters);
    int count = rmx_stats(client, &one, 1);
    cr_assert_gt(count, 20, "all are counted, one is filled");
    cr_assert_lt(count, (int)RMX_STATS_COUNT);
    rmx_close(&client);
    fake_daemon_stop(&fake);
}

Test(client_stats, an_older_daemon_counts_less)
{
    struct rmx_counter counters[4];

    values_told = 2;
    open_with(tells_counters);
    cr_assert_eq(rmx_stats(client, counters, 4), 2);
    rmx_close(&client);
    fake_daemon_stop(&fake);
}

static void never_answers(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 0);
    fake_daemon_hear(daemon, RMX_MSG_PING);
    fake_daemon_hear_end(daemon);
}

Test(client_stats, a_ping_without_answer_times_out, .timeout = 30)
{
    uint64_t rtt_ns = 0;

    fake_daemon_start(&fake, never_answers);
    cr_assert_eq(rmx_open(&client, fake.path), 0);
    cr_assert_eq(rmx_ping(client, &rtt_ns), -ETIMEDOUT);
    rmx_close(&client);
}

/* --- what needs no daemon ----------------------------------------------------------------- */

Test(client_tables, a_deadline_is_never_none)
{
    cr_assert_gt(rmx_deadline_in(0), 0);
    cr_assert_gt(rmx_deadline_in(UINT64_MAX), rmx_deadline_in(1000000000));
}

Test(client_tables, ends_have_names_even_unknown_ones)
{
    cr_assert_str_eq(rmx_end_name(RMX_TRUNCATED), "TRUNCATED");
    cr_assert_str_eq(rmx_end_fault(RMX_TRUNCATED), "MEDIA");
    cr_assert_eq(rmx_end_exit(RMX_TRUNCATED), 3);
    cr_assert_eq(rmx_end_retry(RMX_BUSY), 1);
    cr_assert_eq(rmx_end_retry(RMX_BAD_MEDIA), 0);
    cr_assert_str_eq(rmx_end_name(4711), "UNKNOWN");
    cr_assert_str_eq(rmx_end_fault(4711), "ENGINE");
    cr_assert_gt(strlen(rmx_end_text(4711)), 0);
    cr_assert_gt(strlen(rmx_version()), 0);
}

Test(client_tables, a_check_names_the_field)
{
    static const char *const no_pairs[] = { "faststart", NULL };
    static const char *const no_maps[] = { "", NULL };
    struct rmx_job job = RMX_JOB_INIT;
    const char *why = NULL;

    cr_assert_eq(rmx_check(&job, &why), RMX_BAD_JOB);
    cr_assert(strncmp(why, "input", 5) == 0);
    job.input = 0;
    job.output = 1;
    cr_assert_eq(rmx_check(&job, &why), RMX_BAD_JOB);
    cr_assert(strncmp(why, "format", 6) == 0);
    job.format = "a-name-much-longer-than-any-container-has";
    cr_assert_eq(rmx_check(&job, &why), RMX_UNSUPPORTED);
    job.format = "mp4";
    cr_assert_eq(rmx_check(&job, &why), 0);
    job.options = no_pairs;
    cr_assert_eq(rmx_check(&job, &why), RMX_BAD_OPTION);
    job.options = NULL;
    job.maps = no_maps;
    cr_assert_eq(rmx_check(&job, &why), RMX_BAD_JOB);
    job.maps = NULL;
    job.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-and-more";
    cr_assert_eq(rmx_check(&job, &why), RMX_BAD_JOB);
    job.traceparent = NULL;
    job.reserved[3] = 1;
    cr_assert_eq(rmx_check(&job, &why), RMX_BAD_JOB);
    job.reserved[3] = 0;
    job.job_class = 70000;
    cr_assert_eq(rmx_check(&job, &why), RMX_BAD_JOB);
}
