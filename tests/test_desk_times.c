/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a worker's desk keeps time: deadlines, which need no word of the lane, jobs in a hurry,
 * classes, and the account of what jobs waited for. The test is their lane.
 */
#include <criterion/criterion.h>
#include <libavutil/error.h>

#include "engine/worker/remux.h"
#include "ipc/status.h"
#include "tests/tiny_desk.h"

#define NS_PER_MS   UINT64_C(1000000)
#define PATIENCE_MS 10000
#define JOBS        12u
#define BREATHS     16 /* after so many, the clock is looked at */

/* What a busy machine may add. */
#define SLACK_MS 3000

TestSuite(desk_times, .timeout = 60, .init = tiny_desk_set_up);

static void burn_ms(uint64_t milliseconds)
{
    uint64_t until = tiny_desk_now_ns() + milliseconds * NS_PER_MS;

    while (tiny_desk_now_ns() < until) {
    }
}

static void breathe(void)
{
    for (int breath = 0; breath < BREATHS; breath++) {
        rmx_remux_breathe();
    }
}

static const struct rmx_job_result *result_of(uint32_t flow)
{
    return &tiny_desk.shm->flows[flow].result;
}

/* Serves the desk until the flow is done. */
static void await(uint32_t flow)
{
    uint64_t until = tiny_desk_now_ns() + PATIENCE_MS * NS_PER_MS;

    while ((tiny_desk.done & 1u << flow) == 0) {
        cr_assert_lt(tiny_desk_now_ns(), until, "flow %u is not done", flow);
        tiny_desk_serve(5);
    }
}

static void expect_between(uint64_t value, uint64_t least, uint64_t most)
{
    cr_assert(value >= least && value <= most, "%llu is not in %llu .. %llu",
        (unsigned long long)value, (unsigned long long)least, (unsigned long long)most);
}

/* --- deadlines ------------------------------------------------------------------------------- */

static uint64_t set_deadline(uint32_t flow, uint64_t in_ms)
{
    uint64_t deadline_ns = tiny_desk_now_ns() + in_ms * NS_PER_MS;

    tiny_desk.shm->flows[flow].spec.deadline_ns = deadline_ns;
    return deadline_ns;
}

static void expect_late(uint32_t flow, uint64_t deadline_ns)
{
    await(flow);
    expect_between(tiny_desk_now_ns(), deadline_ns, deadline_ns + SLACK_MS * NS_PER_MS);
    cr_assert_eq(result_of(flow)->status, RMX_STATUS_DEADLINE, "%u", result_of(flow)->status);
}

static void want_input(uint32_t flow, AVIOContext *input, const struct rmx_outlet *output)
{
    (void)flow;
    (void)output;
    (void)avio_r8(input);
}

static void want_room(uint32_t flow, AVIOContext *input, const struct rmx_outlet *output)
{
    static const unsigned char bytes[TINY_DESK_SLOTS * TINY_DESK_CHUNK_BYTES * 256];

    (void)flow;
    (void)input;
    avio_write(output->io[0], bytes, sizeof(bytes));
    avio_flush(output->io[0]);
}

static void end_late(void (*stage)(uint32_t, AVIOContext *, const struct rmx_outlet *))
{
    uint64_t deadline_ns;

    tiny_desk_stage = stage;
    (void)tiny_desk_begin(0, 0, 0);
    deadline_ns = set_deadline(0, 50);
    tiny_desk_open();
    expect_late(0, deadline_ns);
    tiny_desk_close();
}

Test(desk_times, job_that_waits_for_input_ends_at_its_deadline)
{
    end_late(want_input);
}

Test(desk_times, job_that_waits_for_room_ends_at_its_deadline)
{
    end_late(want_room);
}

Test(desk_times, worker_that_polls_looks_at_deadlines_too)
{
    tiny_desk.spin_ns = PATIENCE_MS * NS_PER_MS;
    end_late(want_input);
}

Test(desk_times, deadline_that_passed_before_the_first_turn_is_met)
{
    tiny_desk_stage = want_input;
    (void)tiny_desk_begin(0, 0, 0);
    tiny_desk.shm->flows[0].spec.deadline_ns = 1;
    tiny_desk_open();
    await(0);
    cr_assert_eq(result_of(0)->status, RMX_STATUS_DEADLINE);
    tiny_desk_close();
}

Test(desk_times, deadline_that_never_comes_is_none)
{
    struct tiny_desk_job job = tiny_desk_begin(0, 0, 0);

    tiny_desk_stage = want_input;
    tiny_desk.shm->flows[0].spec.deadline_ns = UINT64_MAX;
    tiny_desk_open();
    tiny_desk_serve(20);
    tiny_desk_end_input(&job);
    tiny_desk_finish(1);
    tiny_desk_close();
}

/* Reads, however often it is told that there is nothing more. */
static void compute_and_read(uint32_t flow, AVIOContext *input, const struct rmx_outlet *output)
{
    (void)flow;
    (void)output;
    for (int turn = 0; turn < 1000 && input->error != AVERROR_EXIT; turn++) {
        burn_ms(1);
        breathe();
        input->eof_reached = 0;
        (void)avio_r8(input);
    }
}

/* Each has its input's end at hand, and computes; the first has a deadline. */
Test(desk_times, job_that_computes_among_others_ends_at_its_deadline)
{
    uint64_t deadline_ns;

    tiny_desk_stage = compute_and_read;
    for (uint32_t flow = 0; flow < JOBS; flow++) {
        struct tiny_desk_job job = tiny_desk_begin(flow, 0, 0);

        tiny_desk_end_input(&job);
    }
    deadline_ns = set_deadline(0, 50);
    tiny_desk_open();
    expect_late(0, deadline_ns);
    cr_assert_eq(tiny_desk.done, 1);
    for (uint32_t flow = 1; flow < JOBS; flow++) {
        atomic_store(&tiny_desk.shm->flows[flow].stop, RMX_STATUS_CANCELLED);
        tiny_desk_post(RMX_NOTE_CANCEL, flow);
    }
    for (uint32_t flow = 1; flow < JOBS; flow++) {
        await(flow);
        cr_assert_eq(result_of(flow)->status, RMX_STATUS_CANCELLED);
    }
    tiny_desk_close();
}

/* --- turns ----------------------------------------------------------------------------------- */

#define TURNS_MAX 1024u

static struct {
    uint32_t order[TURNS_MAX];
    uint32_t count;
    uint32_t to_stop; /* from its turn on, the job of that number is told to */
    uint32_t at;
} turns;

static void take_turns(uint32_t flow, AVIOContext *input, const struct rmx_outlet *output)
{
    (void)input;
    (void)output;
    for (uint32_t turn = 0; turn < 10; turn++) {
        rmx_assert(turns.count < TURNS_MAX);
        if (turns.count == turns.at && turns.at != 0) {
            tiny_desk_post(RMX_NOTE_CANCEL, turns.to_stop);
        }
        turns.order[turns.count++] = flow;
        burn_ms(1);
        breathe();
    }
}

static void run_jobs(void)
{
    tiny_desk_stage = take_turns;
    tiny_desk_open();
    tiny_desk_finish(JOBS);
    tiny_desk_close();
}

Test(desk_times, job_told_to_stop_has_all_turns_until_it_is_over)
{
    turns.to_stop = JOBS - 1;
    turns.at = JOBS + 2;
    for (uint32_t flow = 0; flow < JOBS; flow++) {
        (void)tiny_desk_begin(flow, 0, 0);
    }
    run_jobs();
    for (uint32_t turn = 1; turn < 10; turn++) { /* one it had in the first round */
        cr_assert_eq(turns.order[turns.at + turn], turns.to_stop, "turn %u", turn);
    }
}

Test(desk_times, critical_jobs_come_first_and_background_ones_last)
{
    uint32_t last_of[RMX_CLASSES] = { 0 };

    for (uint32_t flow = 0; flow < JOBS; flow++) {
        (void)tiny_desk_begin(flow, 0, 0);
        tiny_desk.shm->flows[flow].spec.class_ = (uint16_t)(flow % RMX_CLASSES);
    }
    run_jobs();
    for (uint32_t turn = 0; turn < turns.count; turn++) {
        last_of[turns.order[turn] % RMX_CLASSES] = turn;
    }
    cr_assert_lt(last_of[RMX_CLASS_CRITICAL], 40 + 10, "a sixteenth of the time is others'");
    cr_assert_lt(last_of[RMX_CLASS_NORMAL], 80 + 14);
    cr_assert_eq(last_of[RMX_CLASS_BACKGROUND], 119);
}

/* Then it is one job of a class, and of a party, that the desk bounds. */
Test(desk_times, class_and_party_that_cannot_be_are_the_lanes_bug_and_hurt_nobody)
{
    tiny_desk_stage = want_input;
    (void)tiny_desk_begin(0, 0, 0);
    tiny_desk.shm->flows[0].spec.class_ = UINT16_MAX;
    tiny_desk.shm->flows[0].party = UINT32_MAX;
    (void)tiny_desk_begin(1, 0, 0);
    tiny_desk.shm->flows[1].party = UINT32_MAX - 1;
    tiny_desk_open();
    await(0);
    cr_assert_eq(result_of(0)->status, RMX_STATUS_BAD_JOB);
    atomic_store(&tiny_desk.shm->flows[1].stop, RMX_STATUS_CANCELLED);
    tiny_desk_post(RMX_NOTE_CANCEL, 1);
    await(1);
    tiny_desk_close();
}

/* --- the account ----------------------------------------------------------------------------- */

#define WAIT_MS 60

static void wait_and_burn(uint32_t flow, AVIOContext *input, const struct rmx_outlet *output)
{
    want_input(flow, input, output);
    burn_ms(WAIT_MS);
    want_room(flow, input, output);
}

static uint64_t waited_ns(enum rmx_flow_wait what)
{
    return atomic_load(&tiny_desk.shm->flows[0].waited_ns[what]);
}

/* Since then or later. */
static void expect_to_wait(enum rmx_flow_wait what, uint64_t from_ns)
{
    const struct rmx_flow_shm *shm = &tiny_desk.shm->flows[0];
    uint64_t until = tiny_desk_now_ns() + PATIENCE_MS * NS_PER_MS;
    uint64_t since_ns;

    while (atomic_load(&shm->waits_for) != what) {
        cr_assert_lt(tiny_desk_now_ns(), until, "it waits for %u", atomic_load(&shm->waits_for));
        tiny_desk_serve(1);
    }
    since_ns = atomic_load(&shm->waits_since_ns);
    expect_between(since_ns, from_ns, tiny_desk_now_ns());
    burn_ms(WAIT_MS);
}

static void drain_all(struct tiny_desk_job *job)
{
    while ((tiny_desk.done & 1) == 0) {
        (void)tiny_desk_drain(job);
        if (rmx_ring_producer_asked(&job->out.ring)) {
            tiny_desk_post(RMX_NOTE_OUTPUT, 0);
        }
        tiny_desk_serve(1);
    }
}

/* Nothing is counted twice: what it did takes no longer than there was time. */
Test(desk_times, what_a_job_waited_for_and_what_it_computed_is_told_apart)
{
    struct tiny_desk_job job = tiny_desk_begin(0, 0, 0);
    const struct rmx_flow_shm *shm = &tiny_desk.shm->flows[0];
    uint64_t began_ns = tiny_desk_now_ns();
    uint64_t fed_ns;
    uint64_t busy_ns;
    uint64_t all_ns;

    tiny_desk_stage = wait_and_burn;
    tiny_desk_open();
    expect_to_wait(RMX_WAIT_INPUT, began_ns);
    cr_assert_eq(waited_ns(RMX_WAIT_INPUT), 0, "it still does");
    fed_ns = tiny_desk_now_ns();
    tiny_desk_end_input(&job);
    expect_to_wait(RMX_WAIT_OUTPUT, fed_ns + WAIT_MS * NS_PER_MS);
    cr_assert_geq(waited_ns(RMX_WAIT_INPUT), WAIT_MS * NS_PER_MS);
    drain_all(&job);
    cr_assert_eq(atomic_load(&shm->waits_for), RMX_WAIT_NOTHING);
    cr_assert_geq(waited_ns(RMX_WAIT_OUTPUT), WAIT_MS * NS_PER_MS);
    cr_assert_eq(waited_ns(RMX_WAIT_NOTHING), 0);
    tiny_desk_serve(20);
    busy_ns = atomic_load(&tiny_desk.shm->busy_ns);
    all_ns = busy_ns + waited_ns(RMX_WAIT_INPUT) + waited_ns(RMX_WAIT_OUTPUT);
    cr_assert_geq(busy_ns, WAIT_MS * NS_PER_MS);
    expect_between(all_ns, 3 * WAIT_MS * NS_PER_MS, tiny_desk_now_ns() - began_ns);
    tiny_desk_serve(20);
    cr_assert_eq(atomic_load(&tiny_desk.shm->busy_ns), busy_ns, "an idle worker has none");
    tiny_desk_close();
}

static void burn_and_breathe(uint32_t flow, AVIOContext *input, const struct rmx_outlet *output)
{
    (void)flow;
    (void)input;
    (void)output;
    for (int i = 0; i < 200; i++) {
        burn_ms(1);
        breathe();
    }
}

Test(desk_times, account_of_the_core_grows_while_one_job_keeps_it)
{
    uint64_t began_ns = tiny_desk_now_ns();
    uint64_t looks = 0;
    uint64_t wants = 0;
    uint64_t last_ns = 0;

    tiny_desk_stage = burn_and_breathe;
    (void)tiny_desk_begin(0, 0, 0);
    tiny_desk_open();
    while ((tiny_desk.done & 1) == 0) {
        uint64_t busy_ns = atomic_load(&tiny_desk.shm->busy_ns);

        looks += busy_ns > last_ns;
        wants += atomic_load(&tiny_desk.shm->ready) == 1;
        cr_assert_geq(busy_ns, last_ns);
        last_ns = busy_ns;
        tiny_desk_serve(10);
    }
    cr_assert_gt(looks, 1);
    cr_assert_gt(wants, 1, "it wants the core all the time");
    tiny_desk_serve(20);
    cr_assert_eq(atomic_load(&tiny_desk.shm->ready), 0);
    expect_between(
        atomic_load(&tiny_desk.shm->busy_ns), 200 * NS_PER_MS, tiny_desk_now_ns() - began_ns);
    tiny_desk_close();
}
