/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Two threads and a word. See live_control.h.
 */
#include "bench/live_control.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/process.h"
#include "bench/samples.h"
#include "ring/layout.h"

#define WARM      20u /* exchanges at the pace, not counted */
#define NICE      5   /* config's worker_nice */
#define LAST_WORD UINT64_MAX

struct far {
    pthread_t thread;
    int core;
    unsigned char *memory;
    uint64_t sum; /* so that the reading is not left out */

    _Alignas(RMX_LINE) _Atomic uint64_t word;   /* the near one writes; odd: touch the memory */
    _Alignas(RMX_LINE) _Atomic uint64_t answer; /* the far one writes: the word */
};

static void touch(struct far *far)
{
    for (size_t at = 0; at < RMX_LIVE_CONTROL_TOUCHED; at += RMX_LINE / 2) {
        far->sum += far->memory[at];
    }
}

static uint64_t await(const _Atomic uint64_t *word, uint64_t seen)
{
    uint64_t now;

    /* A1, pairs with R1: in the role of a ring's count, with nothing behind it. */
    while ((now = atomic_load_explicit(word, memory_order_acquire)) == seen) {
        (void)rmx_samples_now_ns(); /* as whoever polls for a limited time */
    }
    return now;
}

static void tell(_Atomic uint64_t *word, uint64_t value)
{
    /* R1, pairs with A1: as above. */
    atomic_store_explicit(word, value, memory_order_release);
}

static void *answer(void *owner)
{
    struct far *far = owner;
    uint64_t word = 0;

    rmx_process_bind(0, far->core);
    (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + NICE);
    while ((word = await(&far->word, word)) != LAST_WORD) {
        if (word % 2 == 1) {
            touch(far);
        }
        tell(&far->answer, word);
    }
    return NULL;
}

static void exchange_all(struct far *far, struct rmx_live_control *control, double rate, size_t all)
{
    uint64_t gap = (uint64_t)(1e9 / rate);
    uint64_t due = rmx_samples_now_ns() + gap;

    for (uint64_t word = 1; word <= WARM + all; word++, due += gap) {
        uint64_t began;

        while ((began = rmx_samples_now_ns()) < due) {
        }
        tell(&far->word, word);
        while (await(&far->answer, word - 1) != word) {
        }
        if (word > WARM) {
            rmx_histogram_add(
                word % 2 == 1 ? &control->touching : &control->bare, rmx_samples_now_ns() - began);
        }
    }
}

void rmx_live_control_run(struct rmx_live_control *control, int core, double rate, size_t each)
{
    struct far *far = aligned_alloc(_Alignof(struct far), sizeof(*far));
    unsigned char *memory = malloc(RMX_LIVE_CONTROL_TOUCHED);

    if (far == NULL || memory == NULL) {
        rmx_process_die("control", "no memory");
    }
    memset(far, 0, sizeof(*far));
    memset(memory, 1, RMX_LIVE_CONTROL_TOUCHED);
    far->core = core;
    far->memory = memory;
    if (pthread_create(&far->thread, NULL, answer, far) != 0) {
        rmx_process_die("control", "no thread");
    }
    exchange_all(far, control, rate, 2 * each);
    tell(&far->word, LAST_WORD);
    (void)pthread_join(far->thread, NULL);
    free(memory);
    free(far);
}
