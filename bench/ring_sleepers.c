/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ends that sleep: notes to and fro where each end sleeps at once, or polls a while before; the
 * same by a raw futex; how many publishes cost a system call when the consumer is half busy; and a
 * message's way from one end that spins to the other. See ring_stage.h.
 */
#include <linux/futex.h>
#include <math.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/chunk_end.h"
#include "bench/core.h"
#include "bench/ring_stage.h"
#include "ring/base.h"
#include "ring/bell.h"
#include "ring/mail.h"

#define SLEEP_MS      1000
#define WAKES         40u
#define PARK_NS       100000u /* after so long it sleeps */
#define HALF_CHUNK    16384u
#define HALF_SLOTS    64u
#define SERVICE_NS    2000u /* what the consumer does with a chunk, so that half load is known */
#define HALF_PAUSE_NS (2 * SERVICE_NS)
#define HALF_CHUNKS   5000u

/* One end of mail there and back, and its bell: it watches the eventfd for edges and never reads
 * it, as workers do. */
struct end {
    struct rmx_mail to;
    struct rmx_mail from;
    struct rmx_bell own;
    struct rmx_bell peer;
    int epoll;
    uint64_t spin_ns;
};

static struct rmx_bell bell_of(const struct rmx_ring_stage *stage, int which)
{
    return (struct rmx_bell){
        .shm = rmx_region_at(&stage->region, RMX_STAGE_BELLS + 4096u * (unsigned)which,
            sizeof(struct rmx_bell_shm), RMX_LINE),
        .fd = stage->bell[which],
    };
}

static void attach(struct end *end, const struct rmx_ring_stage *stage, bool far)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLET };
    uint64_t there = RMX_STAGE_OURS;
    uint64_t back = RMX_STAGE_OURS + RMX_STAGE_BACK;

    end->spin_ns = stage->spin_ns;
    end->own = bell_of(stage, far);
    end->peer = bell_of(stage, !far);
    end->epoll = epoll_create1(EPOLL_CLOEXEC);
    rmx_assert(epoll_ctl(end->epoll, EPOLL_CTL_ADD, end->own.fd, &event) == 0);
    rmx_assert(rmx_mail_attach(&end->to, &stage->region, far ? back : there, RMX_STAGE_SLOTS) == 0);
    rmx_assert(
        rmx_mail_attach(&end->from, &stage->region, far ? there : back, RMX_STAGE_SLOTS) == 0);
}

static void post(struct end *end, uint64_t value)
{
    const struct rmx_note note = { .value = value };

    rmx_assert(rmx_mail_post(&end->to, &note) == 0);
    if (rmx_ring_consumer_asked(&end->to.ring)) {
        (void)rmx_bell_ring(&end->peer);
    }
}

static bool polled(struct end *end, struct rmx_note *note)
{
    uint64_t until = rmx_samples_now_ns() + end->spin_ns;

    do {
        for (int i = 0; i < 16; i++) {
            if (rmx_mail_take(&end->from, note) == 1) {
                return true;
            }
            rmx_base_pause();
        }
    } while (rmx_samples_now_ns() < until);
    return false;
}

static uint64_t take(struct end *end)
{
    struct epoll_event event;
    struct rmx_note note = { .value = 0 };

    while (end->spin_ns > 0 ? !polled(end, &note) : rmx_mail_take(&end->from, &note) == 0) {
        rmx_bell_arm(&end->own);
        if (rmx_ring_consumer_ask(&end->from.ring)) {
            (void)epoll_wait(end->epoll, &event, 1, SLEEP_MS);
        }
        rmx_bell_disarm(&end->own);
    }
    return note.value;
}

static void ask(void *user)
{
    struct rmx_ring_stage *stage = user;
    struct end end;

    attach(&end, stage, false);
    for (uint32_t i = 0; i < stage->trips; i++) {
        post(&end, i);
        rmx_assert(take(&end) == i);
    }
    close(end.epoll);
}

static void answer(void *user)
{
    struct rmx_ring_stage *stage = user;
    struct end end;

    attach(&end, stage, true);
    for (uint32_t i = 0; i < stage->trips; i++) {
        rmx_assert(take(&end) == i);
        post(&end, i);
    }
    close(end.epoll);
}

static void make_mail(struct rmx_ring_stage *stage)
{
    memset(stage->region.base + RMX_STAGE_BELLS, 0, 8192);
    rmx_assert(rmx_mail_init(&stage->region, RMX_STAGE_OURS, RMX_STAGE_SLOTS, 0) == 0);
    rmx_assert(
        rmx_mail_init(&stage->region, RMX_STAGE_OURS + RMX_STAGE_BACK, RMX_STAGE_SLOTS, 0) == 0);
}

static double trip_us(struct rmx_ring_stage *stage, uint64_t spin_ns)
{
    make_mail(stage);
    stage->spin_ns = spin_ns;
    return rmx_pair_run(&stage->pair, ask, answer) / stage->trips / 1e3;
}

static double sleep_ours(void *user)
{
    return trip_us(user, 0);
}

static double sleep_adaptive(void *user)
{
    return trip_us(user, 50000);
}

/* --- a raw futex --------------------------------------------------------------------------------
 */

static void await_word(_Atomic uint32_t *word, uint32_t value)
{
    while (atomic_load_explicit(word, memory_order_acquire) != value) {
        (void)syscall(SYS_futex, word, FUTEX_WAIT, value - 1, NULL, NULL, 0);
    }
}

static void tell_word(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
    (void)syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void ask_futex(void *user)
{
    struct rmx_ring_stage *stage = user;

    for (uint32_t i = 1; i <= stage->trips; i++) {
        tell_word(&stage->word[0], i);
        await_word(&stage->word[1], i);
    }
}

static void answer_futex(void *user)
{
    struct rmx_ring_stage *stage = user;

    for (uint32_t i = 1; i <= stage->trips; i++) {
        await_word(&stage->word[0], i);
        tell_word(&stage->word[1], i);
    }
}

static double sleep_futex(void *user)
{
    struct rmx_ring_stage *stage = user;

    atomic_store_explicit(&stage->word[0], 0, memory_order_relaxed);
    atomic_store_explicit(&stage->word[1], 0, memory_order_relaxed);
    return rmx_pair_run(&stage->pair, ask_futex, answer_futex) / stage->trips / 1e3;
}

/* --- a peer that is asleep ----------------------------------------------------------------------
 */

/* Waits until the far end has said that it is done with message i, and then until it sleeps. */
static void let_sleep(struct rmx_ring_stage *stage, uint32_t i)
{
    uint64_t until;

    while (atomic_load_explicit(&stage->word[1], memory_order_acquire) != i) {
        rmx_base_pause();
    }
    until = rmx_samples_now_ns() + PARK_NS;
    while (rmx_samples_now_ns() < until) {
        rmx_base_pause();
    }
}

/* The far end was woken by message i, sent at sent_ns. */
static void woken(struct rmx_ring_stage *stage, uint32_t i, uint64_t sent_ns)
{
    rmx_histogram_add(&stage->woken_ns, rmx_samples_now_ns() - sent_ns);
    atomic_store_explicit(&stage->word[1], i, memory_order_release);
}

static void wake_peer(void *user)
{
    struct rmx_ring_stage *stage = user;
    struct end end;

    attach(&end, stage, false);
    for (uint32_t i = 1; i <= WAKES; i++) {
        let_sleep(stage, i - 1);
        post(&end, rmx_samples_now_ns());
    }
    close(end.epoll);
}

static void be_woken(void *user)
{
    struct rmx_ring_stage *stage = user;
    struct end end;

    attach(&end, stage, true);
    for (uint32_t i = 1; i <= WAKES; i++) {
        woken(stage, i, take(&end));
    }
    close(end.epoll);
}

static void wake_futex(void *user)
{
    struct rmx_ring_stage *stage = user;

    for (uint32_t i = 1; i <= WAKES; i++) {
        let_sleep(stage, i - 1);
        stage->sent_ns = rmx_samples_now_ns();
        tell_word(&stage->word[0], i);
    }
}

static void be_woken_by_futex(void *user)
{
    struct rmx_ring_stage *stage = user;

    for (uint32_t i = 1; i <= WAKES; i++) {
        await_word(&stage->word[0], i);
        woken(stage, i, stage->sent_ns);
    }
}

/* The median, in microseconds. */
static double wake_us(struct rmx_ring_stage *stage, rmx_pair_part *near, rmx_pair_part *far)
{
    make_mail(stage);
    stage->spin_ns = 0;
    atomic_store_explicit(&stage->word[0], 0, memory_order_relaxed);
    atomic_store_explicit(&stage->word[1], 0, memory_order_relaxed);
    memset(&stage->woken_ns, 0, sizeof(stage->woken_ns));
    (void)rmx_pair_run(&stage->pair, near, far);
    return (double)rmx_histogram_percentile(&stage->woken_ns, 0.5) / 1e3;
}

static double wake_ours(void *user)
{
    return wake_us(user, wake_peer, be_woken);
}

static double wake_by_futex(void *user)
{
    return wake_us(user, wake_futex, be_woken_by_futex);
}

/* --- half load ----------------------------------------------------------------------------------
 */

static void attach_end(
    struct rmx_chunk_end *end, const struct rmx_ring_stage *stage, enum rmx_chunk_end_role role)
{
    rmx_chunk_end_attach(end, &stage->region, role, stage->bell, HALF_SLOTS, HALF_CHUNK);
    end->spin_ns = 50000; /* as a worker's, here */
}

/* When the next one comes: of a process without memory, the same one in each run. */
static uint64_t gap_ns(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint64_t)(-log(((double)(*state >> 11) + 1) / 9007199254740993.0) * HALF_PAUSE_NS);
}

static void produce_half(void *user)
{
    struct rmx_ring_stage *stage = user;
    uint64_t due = rmx_samples_now_ns();
    uint64_t state = 1;
    struct rmx_chunk_end end;

    attach_end(&end, stage, RMX_CHUNK_PRODUCER);
    for (uint32_t i = 0; i < stage->chunks; i++) {
        while (rmx_samples_now_ns() < due) {
            rmx_base_pause();
        }
        *(volatile unsigned char *)rmx_chunk_end_room(&end) = 1;
        rmx_chunk_end_publish(&end, HALF_CHUNK);
        due += gap_ns(&state);
    }
    stage->publishes += stage->chunks;
    stage->calls += end.calls;
    rmx_chunk_end_fini(&end);
}

static void consume_half(void *user)
{
    struct rmx_ring_stage *stage = user;
    struct rmx_chunk_end end;

    attach_end(&end, stage, RMX_CHUNK_CONSUMER);
    for (uint32_t i = 0; i < stage->chunks; i++) {
        uint32_t bytes = 0;
        uint64_t until;

        (void)rmx_chunk_end_next(&end, &bytes);
        until = rmx_samples_now_ns() + SERVICE_NS;
        while (rmx_samples_now_ns() < until) {
            rmx_base_pause();
        }
        rmx_chunk_end_release(&end);
    }
    rmx_chunk_end_fini(&end);
}

/* Per cent of publishes that took no system call, and none to wait for room either. */
static double quiet(void *user)
{
    struct rmx_ring_stage *stage = user;

    rmx_chunk_end_make(&stage->region, HALF_SLOTS, HALF_CHUNK);
    stage->publishes = 0;
    stage->calls = 0;
    stage->chunks = HALF_CHUNKS;
    (void)rmx_pair_run(&stage->pair, produce_half, consume_half);
    return 100 - 100.0 * (double)stage->calls / (double)stage->publishes;
}

/* --- one way ------------------------------------------------------------------------------------
 */

static void send_stamped(void *user)
{
    struct rmx_ring_stage *stage = user;
    struct end end;

    attach(&end, stage, false);
    for (uint32_t i = 0; i < stage->trips; i++) {
        struct rmx_note note;

        post(&end, rmx_samples_now_ns());
        while (rmx_mail_take(&end.from, &note) == 0) {
            rmx_base_pause();
        }
    }
    close(end.epoll);
}

static void take_stamped(void *user)
{
    struct rmx_ring_stage *stage = user;
    struct end end;

    attach(&end, stage, true);
    for (uint32_t i = 0; i < stage->trips; i++) {
        struct rmx_note note;

        while (rmx_mail_take(&end.from, &note) == 0) {
            rmx_base_pause();
        }
        rmx_histogram_add(&stage->one_way_ns, rmx_samples_now_ns() - note.value);
        post(&end, 0);
    }
    close(end.epoll);
}

void rmx_ring_one_way(struct rmx_ring_stage *stage)
{
    make_mail(stage);
    (void)rmx_pair_run(&stage->pair, send_stamped, take_stamped);
}

struct rmx_entrant *rmx_ring_sleepers(size_t *count)
{
    static struct rmx_entrant entrants[] = {
        [RMX_WAKE_OURS] = { .run = wake_ours, .samples = { .name = "wake", .unit = "us" } },
        [RMX_WAKE_FUTEX] = { .run = wake_by_futex,
            .samples = { .name = "wake_futex", .unit = "us" } },
        [RMX_SLEEP_OURS] = { .run = sleep_ours,
            .samples = { .name = "round_trip_sleeping", .unit = "us" } },
        [RMX_SLEEP_FUTEX] = { .run = sleep_futex,
            .samples = { .name = "round_trip_futex", .unit = "us" } },
        [RMX_SLEEP_ADAPTIVE] = { .run = sleep_adaptive,
            .samples = { .name = "round_trip_adaptive", .unit = "us" } },
        [RMX_SLEEP_QUIET] = { .run = quiet,
            .samples = { .name = "publishes_without_a_call", .unit = "%" } },
    };

    *count = sizeof(entrants) / sizeof(entrants[0]);
    return entrants;
}
