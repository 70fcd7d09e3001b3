/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which of the waiting jobs starts next.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "engine/lane.h"

#define PARTIES 12u
#define JOBS    4096u
#define WORKERS 2u

static struct rmx_lane lane;
static struct rmx_config config;
static struct rmx_berth berths[WORKERS];
static struct rmx_share shares[WORKERS];
static struct rmx_flow *jobs;
static uint32_t used;
static struct rmx_peer user = { .owns = true };

/* Each worker has 16 small pairs, 2 large and 16 bare ones. */
static void set_up(void)
{
    const struct rmx_pair_geometry geometry[RMX_PAIR_SIZES] = {
        { .count = 16, .slots = 2, .chunk_bytes = 4096 },
        { .count = 2, .slots = 2, .chunk_bytes = 4096 },
        { .count = 16 },
    };

    config.ring_small_bytes = 8192;
    lane.config = &config;
    lane.crew =
        (struct rmx_crew){ .lane = &lane, .berths = berths, .workers = WORKERS, .count = WORKERS };
    for (uint32_t i = 0; i < WORKERS; i++) {
        cr_assert_eq(rmx_berth_init(&berths[i], i, geometry, false), 0);
        berths[i].open = true;
        rmx_share_init(&shares[i], &berths[i], 0);
    }
    cr_assert_eq(rmx_queue_init(&lane.queue, PARTIES, WORKERS), 0);
    jobs = calloc(JOBS, sizeof(*jobs));
    cr_assert_not_null(jobs);
    used = 0;
}

static void tear_down(void)
{
    free(jobs);
    rmx_queue_fini(&lane.queue);
    for (uint32_t i = 0; i < WORKERS; i++) {
        rmx_berth_fini(&berths[i]);
    }
}

TestSuite(queue, .init = set_up, .fini = tear_down, .timeout = 60);

static struct rmx_flow *new_job(uint32_t party, uint32_t class_)
{
    struct rmx_flow *flow = &jobs[used];

    cr_assert_lt(used, JOBS);
    *flow = (struct rmx_flow){ .lane = &lane, .party = party, .peer = &user };
    flow->spec.job = ++used;
    flow->spec.class_ = (uint16_t)class_;
    return flow;
}

static struct rmx_flow *push(uint32_t party, uint32_t class_)
{
    struct rmx_flow *flow = new_job(party, class_);

    rmx_queue_push(&lane.queue, flow);
    return flow;
}

/* One that goes to a worker only; bare: it has no need of its rings. */
static struct rmx_flow *push_tied(uint32_t party, uint32_t class_, uint32_t worker, bool bare)
{
    struct rmx_flow *flow = new_job(party, class_);

    flow->share = &shares[worker];
    flow->spec.input_port = RMX_JOB_RING;
    flow->spec.output_port = bare ? RMX_JOB_RING : RMX_JOB_DESCRIPTOR;
    rmx_queue_push(&lane.queue, flow);
    return flow;
}

static struct rmx_flow *next(void)
{
    struct rmx_berth *berth = NULL;
    struct rmx_pair *pair = NULL;
    struct rmx_flow *flow = rmx_queue_next(&lane.queue, &lane.crew, &berth, &pair);

    if (flow != NULL) {
        cr_assert_not_null(pair);
        cr_assert_eq(pair->owner, flow);
        cr_assert_eq(pair->party, flow->party);
        cr_assert(flow->share == NULL || flow->share->berth == berth);
        flow->berth = berth;
        flow->pair = pair;
    }
    return flow;
}

static void end(struct rmx_flow *flow)
{
    rmx_berth_give(flow->berth, flow->pair);
    flow->pair = NULL;
}

/* The next one, which ends at once. */
static struct rmx_flow *next_short(void)
{
    struct rmx_flow *flow = next();

    cr_assert_not_null(flow);
    end(flow);
    return flow;
}

Test(queue, jobs_of_a_session_start_in_their_order)
{
    for (int i = 0; i < 20; i++) {
        (void)push(3, RMX_CLASS_NORMAL);
    }
    for (uint64_t job = 1; job <= 20; job++) {
        cr_assert_eq(next_short()->spec.job, job);
    }
    cr_assert_null(next());
    cr_assert_eq(lane.queue.count, 0);
}

Test(queue, sessions_take_turns_however_many_jobs_each_has)
{
    for (int i = 0; i < 100; i++) {
        (void)push(0, RMX_CLASS_NORMAL);
    }
    for (uint32_t party = 1; party < PARTIES; party++) {
        (void)push(party, RMX_CLASS_NORMAL);
    }
    for (uint32_t party = 0; party < PARTIES; party++) {
        cr_assert_eq(next_short()->party, party);
    }
    cr_assert_eq(next_short()->party, 0);
}

Test(queue, late_one_waits_for_one_start_of_each_other)
{
    for (int i = 0; i < 30; i++) {
        (void)push(0, RMX_CLASS_NORMAL);
        (void)push(1, RMX_CLASS_NORMAL);
    }
    (void)next_short();
    (void)push(2, RMX_CLASS_NORMAL);
    cr_assert_eq(next_short()->party, 1);
    cr_assert_eq(next_short()->party, 0);
    cr_assert_eq(next_short()->party, 2);
}

/* Others come with one job or with many, at the worst moments: who always waits gets his share. */
Test(queue, who_comes_and_goes_wins_nothing_by_it)
{
    uint32_t starts[PARTIES] = { 0 };
    uint32_t since_ours = 0;

    srandom(4);
    for (int i = 0; i < 200; i++) {
        (void)push(0, RMX_CLASS_NORMAL);
        (void)push(1, RMX_CLASS_NORMAL);
    }
    for (int i = 0; i < 2000 && starts[0] < 150 && used < JOBS - PARTIES * 3; i++) {
        for (uint32_t party = 2; party < PARTIES; party++) {
            struct rmx_queue_line *line = &lane.queue.classes[RMX_CLASS_NORMAL].lines[party];
            uint32_t wave = line->count == 0 ? (uint32_t)random() % 3 : 0;

            while (wave-- > 0) {
                (void)push(party, RMX_CLASS_NORMAL);
            }
        }
        uint32_t party = next_short()->party;

        starts[party]++;
        since_ours = party == 0 ? 0 : since_ours + 1;
        cr_assert_lt(since_ours, PARTIES);
        cr_assert_leq(starts[party], starts[0] + 1, "session %u has more than its share", party);
    }
    cr_assert_geq(starts[0], 100);
    cr_assert(starts[0] - starts[1] <= 1 || starts[1] - starts[0] <= 1);
}

Test(queue, higher_class_goes_first)
{
    (void)push(0, RMX_CLASS_BACKGROUND);
    (void)push(0, RMX_CLASS_NORMAL);
    (void)push(1, RMX_CLASS_CRITICAL);
    cr_assert_eq(next_short()->spec.class_, RMX_CLASS_CRITICAL);
    cr_assert_eq(next_short()->spec.class_, RMX_CLASS_NORMAL);
    cr_assert_eq(next_short()->spec.class_, RMX_CLASS_BACKGROUND);
}

Test(queue, lower_classes_that_wait_have_each_sixteenth_start)
{
    uint32_t starts[RMX_CLASSES] = { 0 };

    for (int i = 0; i < 200; i++) {
        for (uint32_t class_ = 0; class_ < RMX_CLASSES; class_++) {
            (void)push(class_, class_);
        }
    }
    for (int i = 0; i < 160; i++) {
        starts[next_short()->spec.class_]++;
    }
    cr_assert_eq(starts[RMX_CLASS_BACKGROUND], 10);
    cr_assert_eq(starts[RMX_CLASS_NORMAL], 9, "of those that background left");
    cr_assert_eq(starts[RMX_CLASS_CRITICAL], 141);
}

/* What is below it gives way to it there, so that it does not matter how much that is. */
Test(queue, job_goes_where_fewest_go_before_it)
{
    struct rmx_flow *critical;

    push(0, RMX_CLASS_CRITICAL);
    critical = next();
    for (uint32_t i = 0; i < 4; i++) { /* one beside it, then by turns */
        push(1, RMX_CLASS_BACKGROUND);
        (void)next();
    }
    push_tied(1, RMX_CLASS_NORMAL, 1 - critical->berth->index, false);
    (void)next();
    push(2, RMX_CLASS_CRITICAL);
    cr_assert_neq(next()->berth, critical->berth);
    push(2, RMX_CLASS_NORMAL);
    cr_assert_eq(next()->berth, critical->berth);
}

Test(queue, class_that_did_not_wait_has_earned_no_start)
{
    for (int i = 0; i < 100; i++) {
        (void)push(0, RMX_CLASS_NORMAL);
    }
    for (int i = 0; i < 50; i++) {
        (void)next_short();
    }
    (void)push(1, RMX_CLASS_BACKGROUND);
    for (int i = 0; i < 15; i++) {
        cr_assert_eq(next_short()->spec.class_, RMX_CLASS_NORMAL);
    }
    cr_assert_eq(next_short()->spec.class_, RMX_CLASS_BACKGROUND);
}

/* All pairs are taken; each that comes free is wanted by the higher class too. */
Test(queue, lower_class_does_not_starve_for_pairs_either)
{
    uint32_t starts[RMX_CLASSES] = { 0 };

    for (uint32_t i = 0; i < 1000; i++) {
        (void)push(i % 8, RMX_CLASS_CRITICAL);
    }
    while (next() != NULL) {
    }
    for (int i = 0; i < 50; i++) {
        (void)push(9, RMX_CLASS_BACKGROUND);
    }
    for (uint32_t i = 0; i < 640; i++) {
        if (jobs[i].pair != NULL) {
            end(&jobs[i]);
        }
        for (struct rmx_flow *flow = next(); flow != NULL; flow = next()) {
            starts[flow->spec.class_]++;
            if (flow->spec.class_ == RMX_CLASS_BACKGROUND) {
                end(flow);
            }
        }
    }
    cr_assert_gt(starts[RMX_CLASS_CRITICAL], 500);
    cr_assert_geq(starts[RMX_CLASS_BACKGROUND], starts[RMX_CLASS_CRITICAL] / 15 - 1);
}

Test(queue, job_that_waits_for_its_worker_holds_up_nobody)
{
    struct rmx_flow *tied;

    berths[1].open = false;
    tied = push_tied(0, RMX_CLASS_NORMAL, 1, false);
    (void)push_tied(0, RMX_CLASS_NORMAL, 1, true);
    (void)push(0, RMX_CLASS_NORMAL);
    (void)push_tied(1, RMX_CLASS_NORMAL, 0, true);
    cr_assert_eq(next_short()->spec.job, 3);
    cr_assert_eq(next_short()->spec.job, 4);
    cr_assert_null(next());
    berths[1].open = true;
    cr_assert_eq(next_short(), tied);
    cr_assert_eq(next_short()->spec.job, 2);
    cr_assert_eq(lane.queue.count, 0);
}

Test(queue, places_of_one_session_are_served_by_age)
{
    (void)push_tied(0, RMX_CLASS_NORMAL, 1, true);
    (void)push(0, RMX_CLASS_NORMAL);
    (void)push_tied(0, RMX_CLASS_NORMAL, 0, false);
    (void)push_tied(0, RMX_CLASS_NORMAL, 1, false);
    for (uint64_t job = 1; job <= 4; job++) {
        cr_assert_eq(next_short()->spec.job, job);
    }
}

Test(queue, session_with_its_portion_keeps_its_turn_and_lets_others_start)
{
    uint32_t held = 0;

    for (int i = 0; i < 60; i++) {
        (void)push(0, RMX_CLASS_CRITICAL);
    }
    for (struct rmx_flow *flow = next(); flow != NULL; flow = next()) {
        held++;
    }
    cr_assert_eq(held, WORKERS * (12 + 1), "each worker keeps some for others");
    for (uint32_t party = 1; party < 5; party++) {
        (void)push(party, RMX_CLASS_CRITICAL);
        cr_assert_eq(next()->party, party);
    }
    cr_assert_null(next());
    (void)push(5, RMX_CLASS_CRITICAL);
    end(&jobs[0]);
    cr_assert_eq(next()->party, 5);
    for (uint32_t i = 1; i < held - 4; i++) {
        end(&jobs[i]);
    }
    (void)push(6, RMX_CLASS_CRITICAL);
    cr_assert_eq(next()->party, 0, "it was there before");
}

/* Anything may happen in any order: each job starts once or is taken out once, and none is lost. */
Test(queue, any_job_may_be_taken_out_at_any_time)
{
    static bool waits[JOBS];
    uint32_t waiting = 0;
    uint32_t started = 0;

    srandom(7);
    for (int step = 0; step < 12000; step++) {
        uint32_t what = (uint32_t)random() % 8;
        uint32_t any = used > 0 ? (uint32_t)random() % used : 0;
        uint32_t party = (uint32_t)random() % PARTIES;
        uint32_t class_ = (uint32_t)random() % RMX_CLASSES;

        if (what < 3 && used < JOBS) {
            bool tied = random() % 2;
            struct rmx_flow *flow =
                tied ? push_tied(party, class_, (uint32_t)random() % WORKERS, random() % 2)
                     : push(party, class_);

            waits[flow - jobs] = true;
            waiting++;
        } else if (what == 3 && used > 0 && waits[any]) {
            rmx_queue_remove(&lane.queue, &jobs[any]);
            waits[any] = false;
            waiting--;
        } else if (what == 4) {
            berths[party % WORKERS].open = !berths[party % WORKERS].open;
        } else if (what > 4 && used > 0 && jobs[any].pair != NULL) {
            end(&jobs[any]);
        } else {
            struct rmx_flow *flow = next();

            if (flow != NULL) {
                cr_assert(waits[flow - jobs], "started twice, or though it was taken out");
                waits[flow - jobs] = false;
                waiting--;
                started++;
            }
        }
        cr_assert_eq(lane.queue.count, waiting);
    }
    berths[0].open = berths[1].open = true;
    for (uint32_t i = 0; i < used; i++) {
        if (jobs[i].pair != NULL) {
            end(&jobs[i]);
        }
    }
    while (waiting > 0) {
        struct rmx_flow *flow = next_short();

        cr_assert(waits[flow - jobs]);
        waits[flow - jobs] = false;
        waiting--;
    }
    cr_assert_gt(started, 100);
    cr_assert_null(next());
}

Test(queue, job_that_comes_back_goes_before_those_that_came_later)
{
    struct rmx_flow *early[4];
    struct rmx_flow *later;

    for (int i = 0; i < 4; i++) {
        early[i] = push(0, RMX_CLASS_NORMAL);
    }
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(next_short(), early[i]);
    }
    later = push(0, RMX_CLASS_NORMAL);
    rmx_queue_push(&lane.queue, early[2]);
    rmx_queue_push(&lane.queue, early[0]);
    rmx_queue_push(&lane.queue, early[1]);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(next_short(), early[i]);
    }
    cr_assert_eq(next_short(), later);
    cr_assert_eq(lane.queue.count, 0);
}
