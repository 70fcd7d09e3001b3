/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a ring costs, between two processes on two cores: items one by one and batched, round trips
 * of ends that spin, poll a while or sleep, a message's way, chunks copied in and out; beside the
 * reference ring, ck_ring, a raw futex and one core's memcpy, in turn.
 *
 *     rmx-bench ring [--trials N]      prints JSON; about 15 s
 *
 * Before and after each run of ends that spin, the cores' distance is probed (pair.h). Runs are
 * told apart by it, and one counts only if it did not change and both processes had their cores.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench/ck_rival.h"
#include "bench/command.h"
#include "bench/frame.h"
#include "bench/process.h"
#include "bench/reference.h"
#include "bench/ring_stage.h"
#include "ring/base.h"

#define ONE_WAY_RUNS    10u
#define TRIES           10u                   /* of a run that was disturbed */
#define BUDGET_NS       UINT64_C(20000000000) /* of a group: a busy machine disturbs often */
#define QUICK_BUDGET_NS UINT64_C(6000000000)

_Static_assert(
    sizeof(struct rmx_reference) <= RMX_STAGE_BACK, "the way back would lie on the way there");

/* How the cores are, and were before this run. */
struct watch {
    struct rmx_pair *pair;
    enum rmx_distance before;
};

/* Of which distance a run was: -1 if that changed, or an end was off its core. */
static int judge(void *judged, bool after)
{
    struct watch *watch = judged;
    enum rmx_distance now;

    if (!after) {
        watch->before = rmx_distance_of(rmx_pair_probe_ns(watch->pair));
        (void)rmx_pair_disturbed(watch->pair);
        return 0;
    }
    now = rmx_distance_of(rmx_pair_probe_ns(watch->pair));
    return rmx_pair_disturbed(watch->pair) || now != watch->before || now == RMX_UNCLEAR ? -1
                                                                                         : (int)now;
}

/* The rounds of one distance alone, as "name.near". */
static void print_of(
    struct rmx_frame *frame, const struct rmx_entrant *entrant, enum rmx_distance distance)
{
    struct rmx_samples some = { .unit = entrant->samples.unit };
    char name[96];

    (void)snprintf(name, sizeof(name), "%s.%s", entrant->samples.name, rmx_distance_name[distance]);
    some.name = name;
    for (size_t i = 0; i < entrant->samples.count; i++) {
        if (entrant->kinds[i] == (int)distance) {
            rmx_samples_add(&some, entrant->samples.value[i]);
        }
    }
    if (some.count > 0) {
        rmx_frame_measure(frame, &some);
    }
    rmx_samples_fini(&some);
}

/* Runs a group. watched: its ends spin, so a run tells the cores' distance. */
static struct rmx_entrant *run(struct rmx_frame *frame, struct rmx_ring_stage *stage,
    struct rmx_entrant *(*group)(size_t *count), uint32_t trials, bool watched)
{
    struct watch watch = { .pair = &stage->pair };
    size_t count = 0;
    struct rmx_entrant *entrants = group(&count);
    const struct rmx_rounds rounds = {
        .entrants = entrants,
        .count = count,
        .warm_ups = 2,
        .user = stage,
        .judge = watched ? judge : NULL,
        .judged = &watch,
        .tries = TRIES,
        .budget_ns = frame->quick ? QUICK_BUDGET_NS : BUDGET_NS,
    };

    rmx_rounds_run(&rounds, trials);
    for (size_t i = 0; i < count; i++) {
        rmx_frame_measure(frame, &entrants[i].samples);
        for (int distance = 0; watched && distance < RMX_DISTANCES; distance++) {
            print_of(frame, &entrants[i], (enum rmx_distance)distance);
        }
    }
    return entrants;
}

static void row(struct rmx_frame *frame, enum rmx_aim_name name, const struct rmx_entrant *ours,
    const struct rmx_entrant *peer, enum rmx_distance distance)
{
    bool *counts = NULL;

    (void)rmx_rounds_of(ours, peer, (int)distance, &counts);
    rmx_rounds_row(frame, name, &ours->samples, &peer->samples, counts);
    free(counts);
}

static void run_items(struct rmx_frame *frame, struct rmx_ring_stage *stage)
{
    static const struct {
        enum rmx_aim_name name;
        int ours;
        int peer;
        enum rmx_distance distance;
    } rows[] = {
        { RMX_AIM_ring_items, RMX_ITEMS_OURS, RMX_ITEMS_REFERENCE, RMX_NEAR },
        { RMX_AIM_ring_items_far, RMX_ITEMS_OURS, RMX_ITEMS_REFERENCE, RMX_FAR },
        { RMX_AIM_ring_batch, RMX_ITEMS_BATCH, RMX_ITEMS_REFERENCE, RMX_NEAR },
        { RMX_AIM_ring_round_trip, RMX_TRIP_OURS, RMX_TRIP_REFERENCE, RMX_NEAR },
        { RMX_AIM_ring_round_trip_far, RMX_TRIP_OURS, RMX_TRIP_REFERENCE, RMX_FAR },
        { RMX_AIM_ring_items_ck, RMX_ITEMS_OURS, RMX_ITEMS_CK, RMX_NEAR },
        { RMX_AIM_ring_batch_ck, RMX_ITEMS_BATCH, RMX_ITEMS_CK, RMX_NEAR },
        { RMX_AIM_ring_round_trip_ck, RMX_TRIP_OURS, RMX_TRIP_CK, RMX_NEAR },
    };
    const struct rmx_entrant *e = run(frame, stage, rmx_ring_items, frame->trials, true);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].peer >= RMX_ITEMS_CK && rmx_ck_bytes() == 0) {
            rmx_frame_miss(frame, rows[i].name, "built without libck-dev");
            continue;
        }
        row(frame, rows[i].name, &e[rows[i].ours], &e[rows[i].peer], rows[i].distance);
    }
}

static void run_sleepers(struct rmx_frame *frame, struct rmx_ring_stage *stage)
{
    const struct rmx_entrant *e =
        run(frame, stage, rmx_ring_sleepers, frame->trials / 8 + 1, false);
    struct rmx_spread quiet = rmx_spread_of(&e[RMX_SLEEP_QUIET].samples, NULL);
    const struct rmx_frame_row told = {
        .ours = quiet.median, .low = quiet.low, .high = quiet.high
    };

    rmx_rounds_row(
        frame, RMX_AIM_wake, &e[RMX_WAKE_OURS].samples, &e[RMX_WAKE_FUTEX].samples, NULL);
    rmx_frame_row(frame, RMX_AIM_quiet_publishes, &told);
    for (uint32_t i = 0; i < ONE_WAY_RUNS; i++) {
        rmx_ring_one_way(stage);
    }
    rmx_frame_histogram(frame, "one_way_spinning", "ns", &stage->one_way_ns, 1);
}

static void run_chunks(struct rmx_frame *frame, struct rmx_ring_stage *stage)
{
    const struct rmx_entrant *e = run(frame, stage, rmx_ring_chunks, frame->trials / 4 + 1, true);

    row(frame, RMX_AIM_chunks_memcpy, &e[RMX_CHUNKS_BULK], &e[RMX_CHUNKS_MEMCPY], RMX_NEAR);
    row(frame, RMX_AIM_chunks_small_ring, &e[RMX_CHUNKS_BULK], &e[RMX_CHUNKS_SMALL], RMX_NEAR);
}

/* By the size of a chunk, in turn; whatever the cores' distance. */
static void run_sizes(struct rmx_frame *frame, struct rmx_ring_stage *stage)
{
    enum { SIZES = 11 };
    struct rmx_samples samples[SIZES] = { { .unit = "GB/s" } };
    struct rmx_frame_point points[SIZES];
    const struct rmx_frame_series series = {
        .name = "chunks_by_size",
        .x = "chunk, bytes",
        .y = "copied in and out, GB/s",
        .points = points,
        .count = SIZES,
    };
    uint32_t trials = frame->trials / 12 + 1;
    uint64_t until_ns = rmx_samples_now_ns() + QUICK_BUDGET_NS;

    for (uint32_t trial = 0; trial < trials && rmx_samples_now_ns() < until_ns; trial++) {
        for (uint32_t i = 0; i < SIZES; i++) {
            rmx_samples_add(&samples[i], rmx_ring_chunks_of(stage, 1024u << i));
        }
    }
    for (uint32_t i = 0; i < SIZES; i++) {
        struct rmx_spread spread = rmx_spread_of(&samples[i], NULL);

        points[i] = (struct rmx_frame_point){
            .x = 1024u << i, .y = spread.median, .low = spread.low, .high = spread.high
        };
        rmx_samples_fini(&samples[i]);
    }
    rmx_frame_series(frame, &series);
}

/* Two ends that spin need a core each. */
static bool alone_on_a_core(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) < 2;
}

static void miss_all(struct rmx_frame *frame)
{
    for (int i = 0; i < RMX_AIM_COUNT; i++) {
        if (strcmp(rmx_aim_at((enum rmx_aim_name)i)->command, "ring") == 0) {
            rmx_frame_miss(frame, (enum rmx_aim_name)i, "it needs two cpus");
        }
    }
}

int rmx_bench_ring_run(int argc, char **argv)
{
    static const struct rmx_frame_plan plan = {
        .name = "ring", .trials = 200, .quick_trials = 60, .ms = 2, .quick_ms = 2
    };
    struct rmx_ring_stage *stage;
    struct rmx_frame frame;
    struct rmx_pair pair;
    size_t ignored;

    rmx_frame_begin(&frame, &plan, argc, argv);
    if (alone_on_a_core()) {
        miss_all(&frame);
        return rmx_frame_end(&frame);
    }
    (void)rmx_ring_chunks(&ignored); /* its memory is there before the fork */
    rmx_pair_make(&pair, RMX_STAGE_BYTES, sizeof(*stage));
    stage = pair.user;
    stage->region = pair.region;
    stage->batch = 32;
    stage->items = frame.tiny ? 3200 : 51200;
    stage->trips = frame.tiny ? 50 : 300;
    for (int i = 0; i < 2; i++) {
        stage->bell[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        rmx_assert(stage->bell[i] >= 0);
    }
    rmx_pair_fork(&pair);
    stage->pair = pair;
    run_items(&frame, stage);
    run_sleepers(&frame, stage);
    run_chunks(&frame, stage);
    run_sizes(&frame, stage);
    rmx_pair_end(&stage->pair);
    return rmx_frame_end(&frame);
}
