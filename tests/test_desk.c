/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What mail costs jobs at a worker's desk, and how they wait. The test is their lane and their
 * clients. Their turns are in test_desk_turns.c.
 */
#include "engine/worker/desk.h"

#include <criterion/criterion.h>
#include <libavutil/error.h>
#include <poll.h>

#include "engine/worker/remux.h"
#include "ipc/status.h"
#include "tests/crowd.h"
#include "tests/ring_lie.h"
#include "tests/tiny_desk.h"

#define PATIENCE_MS 10000
#define NS_PER_MS   UINT64_C(1000000)

TestSuite(desk, .timeout = 60, .init = tiny_desk_set_up);

/* --- the lane's mail ------------------------------------------------------------------------- */

#define BURN_NS        (300 * 1000) /* longer than a turn */
#define BREATHS        16           /* after so many, the clock is looked at */
#define TURNS_OF_A_JOB 10
#define NOTES_PER_TURN 64u
#define CHURNS         50u
#define WAKES          1000u

static void burn(void)
{
    uint64_t until = tiny_desk_now_ns() + BURN_NS;

    while (tiny_desk_now_ns() < until) {
    }
}

/* Notes that the desk took while the job stood aside, once: the most, and of all times. */
static struct {
    uint64_t most;
    uint64_t all;
} taken;

static void breathe_and_look(void)
{
    uint64_t before = atomic_load(&tiny_desk.to_desk.ring.shm->released);
    uint64_t notes;

    rmx_remux_breathe();
    notes = atomic_load(&tiny_desk.to_desk.ring.shm->released) - before;
    taken.most = notes > taken.most ? notes : taken.most;
    taken.all += notes;
}

static void compute_and_look(uint32_t flow, AVIOContext *input, const struct rmx_outlet *output)
{
    (void)flow;
    (void)input;
    (void)output;
    for (int turn = 0; turn < TURNS_OF_A_JOB; turn++) {
        burn();
        for (int breath = 0; breath < BREATHS; breath++) {
            breathe_and_look();
        }
    }
}

/* There was mail without end, so each time there was some to take. What was taken is told by the
 * row, so the rest of one more may show. */
static void expect_no_more_notes_a_turn_than(uint64_t most)
{
    cr_assert_leq(taken.most, most + RMX_ROW_ENTRIES(sizeof(struct rmx_note_shm)) - 1, "%llu",
        (unsigned long long)taken.most);
    cr_assert_gt(taken.all, 0, "the desk took no mail while the job computed");
}

Test(desk, channels_that_come_and_go_without_end_leave_jobs_their_turns)
{
    tiny_desk_stage = compute_and_look;
    (void)tiny_desk_begin(0, 0, 0);
    for (uint32_t i = 0; i < CHURNS; i++) {
        tiny_desk_churn(1);
    }
    tiny_desk_open();
    tiny_desk_finish(1);
    tiny_desk_close();
    expect_no_more_notes_a_turn_than(1);
}

Test(desk, notes_without_end_leave_jobs_their_turns)
{
    tiny_desk_stage = compute_and_look;
    (void)tiny_desk_begin(0, 0, 0);
    for (uint32_t i = 0; i < WAKES; i++) {
        tiny_desk_post(RMX_NOTE_INPUT, 1);
    }
    tiny_desk_open();
    tiny_desk_finish(1);
    tiny_desk_close();
    expect_no_more_notes_a_turn_than(NOTES_PER_TURN);
}

/* --- waits ----------------------------------------------------------------------------------- */

#define HELD_MS     20
#define RELEASES    5
#define TOO_LATE_MS 1000

static struct {
    const struct rmx_outlet *outlet;
    uint64_t at_ns[RELEASES + 2];
    uint32_t count;
    uint64_t computed_ns; /* the other job was over */
} held;

static uint64_t release(void *stage_of)
{
    cr_assert_eq(stage_of, &held);
    rmx_assert(held.count < RELEASES + 2);
    avio_w8(held.outlet->io[0], 'x');
    held.at_ns[held.count++] = tiny_desk_now_ns();
    return held.count < RELEASES ? held.at_ns[held.count - 1] + HELD_MS * NS_PER_MS : 0;
}

static void hold_back(uint32_t flow, AVIOContext *input, const struct rmx_outlet *output)
{
    if (flow > 0) {
        for (int turn = 0; turn < 100; turn++) {
            compute_and_look(flow, input, output);
        }
        held.computed_ns = tiny_desk_now_ns();
        return;
    }
    held.outlet = output;
    *output->idle = (struct rmx_idle){ .release = release, .stage = &held };
    (void)avio_r8(input);
    *output->idle = (struct rmx_idle){ .release = NULL };
}

static void expect_in_time(void)
{
    for (uint32_t i = 1; i < RELEASES; i++) {
        uint64_t waited_ns = held.at_ns[i] - held.at_ns[i - 1];

        cr_assert_geq(waited_ns, HELD_MS * NS_PER_MS);
        cr_assert_lt(waited_ns, TOO_LATE_MS * NS_PER_MS, "%llu", (unsigned long long)waited_ns);
    }
}

static void hold_back_without_input(void)
{
    struct tiny_desk_job job = tiny_desk_begin(0, 0, 0);
    uint64_t until = tiny_desk_now_ns() + PATIENCE_MS * NS_PER_MS;
    uint64_t bytes = 0;

    tiny_desk_stage = hold_back;
    tiny_desk_open();
    while (bytes < RELEASES) {
        cr_assert_lt(tiny_desk_now_ns(), until, "%llu bytes came", (unsigned long long)bytes);
        (void)rmx_ring_consumer_ask(&job.out.ring);
        tiny_desk_serve(1);
        bytes += tiny_desk_drain(&job);
        if (rmx_ring_producer_asked(&job.out.ring)) {
            tiny_desk_post(RMX_NOTE_OUTPUT, 0);
        }
    }
    tiny_desk_serve(3 * HELD_MS);
    cr_assert_eq(held.count, RELEASES, "then nothing is held back");
    tiny_desk_end_input(&job);
    tiny_desk_finish(1);
    tiny_desk_close();
    expect_in_time();
}

Test(desk, what_is_held_back_goes_out_in_time_though_no_input_comes)
{
    hold_back_without_input();
}

Test(desk, worker_that_polls_does_not_keep_what_is_held_back)
{
    tiny_desk.spin_ns = UINT64_C(2) * TOO_LATE_MS * NS_PER_MS;
    hold_back_without_input();
}

Test(desk, job_that_computes_does_not_keep_what_is_held_back)
{
    struct tiny_desk_job job = tiny_desk_begin(0, 0, 0);

    tiny_desk_stage = hold_back;
    (void)tiny_desk_begin(1, 0, 0);
    tiny_desk_open();
    for (int i = 0; i < PATIENCE_MS / HELD_MS && held.count < RELEASES; i++) {
        tiny_desk_serve(HELD_MS / 2);
        (void)tiny_desk_drain(&job);
        if (rmx_ring_producer_asked(&job.out.ring)) {
            tiny_desk_post(RMX_NOTE_OUTPUT, 0);
        }
    }
    cr_assert_eq(held.count, RELEASES);
    tiny_desk_end_input(&job);
    tiny_desk_finish(2);
    tiny_desk_close();
    expect_in_time();
    cr_assert_lt(held.at_ns[RELEASES - 1], held.computed_ns, "not before the other is over");
}

/* --- rings that take long --------------------------------------------------------------------- */

#define CHUNKS 40u

static void make_chunks(uint32_t flow, AVIOContext *input, const struct rmx_outlet *output)
{
    static const unsigned char bytes[CHUNKS * TINY_DESK_CHUNK_BYTES];

    (void)flow;
    (void)input;
    avio_write(output->io[0], bytes, sizeof(bytes));
    avio_flush(output->io[0]);
}

/* As a client who looks when he is rung and only then. */
static void sleep_until_rung(struct tiny_channel *channel, struct tiny_desk_job *job)
{
    struct pollfd bell = { .fd = channel->client_bell.fd, .events = POLLIN };

    rmx_bell_arm(&channel->client_bell);
    if (rmx_ring_consumer_ask(&job->out.ring)) {
        cr_assert_eq(poll(&bell, 1, PATIENCE_MS), 1, "the ring is lost");
        (void)rmx_bell_hear(&channel->client_bell);
    }
    (void)tiny_channel_take_mail(channel);
}

static void drain_as_rung(struct tiny_channel *channel, struct tiny_desk_job *job)
{
    uint64_t bytes = 0;

    while (bytes < CHUNKS * TINY_DESK_CHUNK_BYTES) {
        sleep_until_rung(channel, job);
        bytes += tiny_desk_drain(job);
        if (rmx_ring_producer_asked(&job->out.ring)) {
            tiny_channel_post(channel, RMX_NOTE_OUTPUT, job->flow);
        }
    }
}

Test(desk, client_with_a_crowd_before_his_bell_is_rung_late_but_rung)
{
    struct tiny_channel *channel = &tiny_desk.channels[0];
    struct tiny_desk_job job = tiny_desk_begin(0, RMX_PORT_CHANNEL_OUT, 0);
    struct crowd crowd;

    tiny_desk_stage = make_chunks;
    crowd_gather(&crowd, channel->client_bell.fd);
    tiny_desk_open();
    drain_as_rung(channel, &job);
    crowd_scatter(&crowd);
    tiny_desk_finish(1);
    tiny_desk_close();
}

/* --- lies ------------------------------------------------------------------------------------ */

static int read_error;

/* The job has made more than its output ring holds, and then wants input. */
static void make_and_read(uint32_t flow, AVIOContext *input, const struct rmx_outlet *output)
{
    unsigned char bytes[TINY_DESK_SLOTS * TINY_DESK_CHUNK_BYTES * 3] = { 0 };

    (void)flow;
    avio_write(output->io[0], bytes, sizeof(bytes));
    read_error = avio_read(input, bytes, 1);
}

Test(desk, job_that_was_lied_to_while_it_waits_for_room_waits_for_no_input)
{
    struct tiny_desk_job job = tiny_desk_begin(0, RMX_PORT_CHANNEL_IN, 0);
    uint64_t until = tiny_desk_now_ns() + PATIENCE_MS * NS_PER_MS;

    tiny_desk_stage = make_and_read;
    tiny_desk_open();
    while (atomic_load(&job.out.ring.shm->producer_asks) == 0) {
        cr_assert_lt(tiny_desk_now_ns(), until);
        tiny_desk_serve(1);
    }
    ring_lie(&tiny_desk.channels[0].to_worker.ring, UINT64_MAX / 2);
    tiny_channel_ring(&tiny_desk.channels[0]);
    while (tiny_desk.done == 0) {
        cr_assert_lt(tiny_desk_now_ns(), until, "it waits for what never comes");
        tiny_desk_serve(5);
        (void)tiny_desk_drain(&job);
        if (rmx_ring_producer_asked(&job.out.ring)) {
            tiny_desk_post(RMX_NOTE_OUTPUT, 0);
        }
    }
    cr_assert_eq(tiny_desk.shm->flows[0].result.status, RMX_STATUS_PEER_CORRUPT);
    cr_assert_eq(read_error, AVERROR_EXIT);
    tiny_desk_close();
}
