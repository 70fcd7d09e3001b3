/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The warden with real zygotes and workers: births, deaths, refills, the end; and the brake.
 */
#include "engine/warden.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/log.h"

#define BERTHS   2
#define BORN_MAX 64

static struct rmx_loop loop;
static struct rmx_warden warden;
static struct rmx_berth berths[BERTHS];
static struct {
    pid_t pid; /* 0 = the berth is empty */
    unsigned ready;
    unsigned deaths;
    struct rmx_last_words words;
} seen[BERTHS];

TestSuite(warden, .timeout = 60);
TestSuite(brake);

static pid_t born[BORN_MAX];
static uint32_t births;

static void on_born(void *owner, pid_t pid)
{
    (void)owner;
    cr_assert_lt(births, BORN_MAX);
    born[births++] = pid;
}

static bool was_born(pid_t pid)
{
    for (uint32_t i = 0; i < births; i++) {
        if (born[i] == pid) {
            return true;
        }
    }
    return false;
}

static void on_ready(void *owner, uint32_t berth, pid_t pid)
{
    cr_assert(was_born(pid)); /* told before */
    cr_assert_eq(owner, (void *)berths);
    cr_assert_eq(seen[berth].pid, 0);
    seen[berth].pid = pid;
    seen[berth].ready++;
}

static void on_hopeless(void *owner)
{
    (void)owner;
    cr_assert_fail("the warden gave up");
}

static void on_death(void *owner, uint32_t berth, pid_t pid, const struct rmx_last_words *words)
{
    cr_assert_eq(owner, (void *)berths);
    cr_assert_eq(seen[berth].pid, pid);
    seen[berth].pid = 0;
    seen[berth].deaths++;
    seen[berth].words = *words;
    rmx_berth_reset(&berths[berth]);
    rmx_warden_refill(&warden, berth);
}

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool all_ready(void)
{
    return seen[0].pid != 0 && seen[1].pid != 0;
}

static bool spare_waits(void)
{
    for (uint32_t i = 0; i <= BERTHS; i++) {
        if (warden.processes[i].state == RMX_PROCESS_SPARE) {
            return all_ready();
        }
    }
    return false;
}

static bool is_stopped(void)
{
    return rmx_warden_stopped(&warden);
}

/* Turns the loop until it is so. Returns how long that took, in ms. */
static uint64_t turn_until(bool (*so)(void))
{
    uint64_t started = now_ms();

    while (!so()) {
        cr_assert_lt(now_ms() - started, 20000, "it never came");
        cr_assert_geq(rmx_loop_turn(&loop, 10000000), 0);
    }
    return now_ms() - started;
}

static void start(void)
{
    const struct rmx_pair_geometry geometry[RMX_PAIR_SIZES] = {
        { .count = 2, .slots = 2, .chunk_bytes = 4096 },
        { .count = 1, .slots = 2, .chunk_bytes = 4096 },
    };
    const struct rmx_warden_plan plan = {
        .alloc_max_bytes = 256u << 20,
        .program = WORKER_PROGRAM,
        .berths = berths,
        .berths_count = BERTHS,
        .limits = { .memory_max_bytes = 256u << 20 },
        .owner = berths,
        .on_born = on_born,
        .on_ready = on_ready,
        .on_death = on_death,
        .on_hopeless = on_hopeless,
    };
    const char *remedy = NULL;

    rmx_log_init(RMX_LOG_TEXT, RMX_LOG_ERROR);
    cr_assert_eq(rmx_loop_init(&loop, 64, &remedy), 0, "%s", remedy);
    for (uint32_t i = 0; i < BERTHS; i++) {
        cr_assert_eq(rmx_berth_init(&berths[i], i, geometry, false), 0);
    }
    cr_assert_eq(rmx_warden_start(&warden, &loop, &plan), 0);
    (void)turn_until(all_ready);
}

static void stop(void)
{
    pid_t zygote = warden.nursery.pid;

    rmx_warden_stop(&warden);
    cr_assert_lt(turn_until(is_stopped), 2000);
    cr_assert_eq(loop.in_flight, 0);
    rmx_warden_fini(&warden);
    cr_assert_eq(kill(zygote, 0), -1, "the zygote is still there");
    for (uint32_t i = 0; i < BERTHS; i++) {
        cr_assert_eq(kill(seen[i].pid, 0), -1, "worker %u is still there", i);
        rmx_berth_fini(&berths[i]);
    }
    rmx_loop_fini(&loop);
}

Test(warden, fills_every_berth_keeps_a_spare_and_ends_clean)
{
    start();
    (void)turn_until(spare_waits);
    cr_assert_neq(seen[0].pid, seen[1].pid);
    stop();
}

Test(warden, dead_worker_is_replaced_by_the_spare)
{
    start();
    (void)turn_until(spare_waits);
    for (unsigned i = 1; i <= 5; i++) {
        cr_assert_eq(kill(seen[0].pid, SIGKILL), 0);
        while (seen[0].deaths < i) {
            cr_assert_geq(rmx_loop_turn(&loop, 10000000), 0);
        }
        cr_assert_lt(turn_until(all_ready), 1000);
        (void)turn_until(spare_waits);
    }
    cr_assert_eq(seen[0].ready, 6);
    cr_assert_eq(seen[1].deaths, 0);
    stop();
}

Test(warden, kill_ends_the_one_in_the_berth)
{
    start();
    rmx_warden_kill(&warden, 1);
    while (seen[1].deaths == 0) {
        cr_assert_geq(rmx_loop_turn(&loop, 10000000), 0);
    }
    (void)turn_until(all_ready);
    cr_assert_eq(seen[0].deaths, 0);
    stop();
}

/* A job that does not stop costs its worker; that many do is no crash loop, and others wait. */
Test(warden, workers_that_were_to_end_are_replaced_without_a_pause)
{
    start();
    for (unsigned i = 1; i <= 2 * RMX_BRAKE_DEATHS; i++) {
        rmx_warden_kill(&warden, 0);
        while (seen[0].deaths < i) {
            cr_assert_geq(rmx_loop_turn(&loop, 10000000), 0);
        }
        (void)turn_until(all_ready);
    }
    cr_assert_eq(warden.brake.count, 0);
    stop();
}

static void kill_first(void)
{
    unsigned deaths = seen[0].deaths;

    cr_assert_eq(kill(seen[0].pid, SIGKILL), 0);
    while (seen[0].deaths == deaths) {
        cr_assert_geq(rmx_loop_turn(&loop, 10000000), 0);
    }
    (void)turn_until(all_ready);
}

/* That is its client's affair: others do not wait for it. */
Test(warden, workers_that_die_under_a_job_are_replaced_without_a_pause)
{
    struct rmx_pair *pair;

    start();
    (void)turn_until(all_ready);
    pair = rmx_berth_take(&berths[0], RMX_PAIR_SMALL, 0, 0, RMX_CLASS_NORMAL, &warden);
    for (unsigned i = 0; i < 2 * RMX_BRAKE_DEATHS; i++) {
        kill_first();
    }
    cr_assert_eq(warden.brake.count, 0);
    rmx_berth_give(&berths[0], pair);
    kill_first();
    cr_assert_eq(warden.brake.count, 1, "but one that dies idle counts");
    stop();
}

Test(warden, next_worker_inherits_no_last_words)
{
    struct rmx_last_words_shm *shm;
    struct rmx_last_words words;

    start();
    shm = &berths[1].shm->last_words;
    atomic_store(&shm->flow, 0);
    atomic_store(&shm->signal, SIGSEGV);
    shm->text[0] = 'x';
    rmx_berth_reset(&berths[1]);
    rmx_obituary_read(shm, berths[1].pairs_count, &words);
    cr_assert_eq(words.flow, UINT32_MAX);
    cr_assert_eq(words.signal, 0);
    cr_assert_eq(words.text[0], 0);
    stop();
}

Test(warden, zygote_that_dies_takes_its_workers_and_all_come_back)
{
    pid_t first;

    start();
    first = warden.nursery.pid;
    cr_assert_eq(kill(first, SIGKILL), 0);
    while (seen[0].deaths == 0 || seen[1].deaths == 0) {
        cr_assert_geq(rmx_loop_turn(&loop, 10000000), 0);
    }
    (void)turn_until(spare_waits);
    cr_assert_neq(warden.nursery.pid, first);
    stop();
}

Test(warden, no_such_program_is_said_at_once)
{
    struct rmx_warden none;
    const struct rmx_warden_plan plan = {
        .alloc_max_bytes = 256u << 20,
        .program = "/nonexistent/ringmux-worker",
        .berths = berths,
        .berths_count = BERTHS,
        .on_born = on_born,
        .on_ready = on_ready,
        .on_death = on_death,
        .on_hopeless = on_hopeless,
    };

    cr_assert_eq(rmx_warden_start(&none, &loop, &plan), -ENOENT);
    cr_assert(rmx_warden_stopped(&none));
    rmx_warden_fini(&none);
}

Test(brake, few_deaths_cost_nothing_many_cost_more_and_more)
{
    struct rmx_brake brake = { 0 };
    uint64_t now = 1000;
    uint64_t last = RMX_BRAKE_NS_MIN;

    for (unsigned i = 0; i < RMX_BRAKE_DEATHS; i++) {
        cr_assert_eq(rmx_brake_death(&brake, now += 1000), 0);
    }
    cr_assert_eq(rmx_brake_death(&brake, now += 1000), last);
    for (unsigned i = 0; i < RMX_BRAKE_DOUBLINGS; i++) {
        cr_assert_eq(rmx_brake_death(&brake, now += 1000), last *= 2);
    }
    cr_assert_eq(rmx_brake_death(&brake, now += 1000), last, "it has an end");
    now += 2 * RMX_BRAKE_WINDOW_NS;
    cr_assert_eq(rmx_brake_death(&brake, now), 0, "and is forgotten");
}

Test(brake, slow_deaths_never_brake)
{
    struct rmx_brake brake = { 0 };

    for (uint64_t i = 1; i < 100; i++) {
        cr_assert_eq(rmx_brake_death(&brake, i * RMX_BRAKE_WINDOW_NS / RMX_BRAKE_DEATHS), 0);
    }
}
