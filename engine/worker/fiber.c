/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fibers on ucontext, with what the sanitizers need to know about a change of stacks. Runs on the
 * worker's one thread. Must never run two fibers at once.
 *
 * One mapping each: | guard | stack, growing down ... | struct rmx_fiber |
 * A fiber's context is made once; between two pieces of work it waits inside live_forever().
 */
#include "engine/worker/fiber.h"

#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "engine/worker/sanitizer.h"
#include "ring/base.h"

#if RMX_WITH_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#if RMX_WITH_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#ifndef MADV_POPULATE_WRITE /* Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

#define PAGE_BYTES    4096
#define USUAL_BYTES   ((size_t)64 * 1024) /* of a stack */
#define MAPPING_BYTES (RMX_FIBER_GUARD_BYTES + RMX_FIBER_STACK_BYTES)

/* What a sanitizer knows about one side of a switch; empty without one. */
struct stack_side {
    const void *bottom;
    size_t bytes;
    void *fake_stack; /* ASan's, while the side is switched away */
    void *shadow;     /* TSan's fiber */
};

struct rmx_fiber {
    ucontext_t own;
    ucontext_t resumer;
    struct stack_side own_side;
    struct stack_side resumer_side;
    void (*work)(void *argument); /* NULL = idle */
    void *argument;
    bool alive; /* `own` was made and stands inside live_forever() */
};

static _Thread_local struct rmx_fiber *running;

/* Tells the sanitizers that `to` runs next. */
static void announce_leave(struct stack_side *from, const struct stack_side *to)
{
#if RMX_WITH_ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->bottom, to->bytes);
#endif
#if RMX_WITH_TSAN
    from->shadow = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->shadow, 0);
#endif
    (void)from;
    (void)to;
}

/* Tells them that `here` runs now, and notes which stack it came from. */
static void announce_arrive(struct stack_side *here, struct stack_side *from)
{
#if RMX_WITH_ASAN
    __sanitizer_finish_switch_fiber(here->fake_stack, &from->bottom, &from->bytes);
#endif
    (void)here;
    (void)from;
}

static void switch_out(struct rmx_fiber *fiber)
{
    announce_leave(&fiber->own_side, &fiber->resumer_side);
    rmx_assert(swapcontext(&fiber->own, &fiber->resumer) == 0);
    announce_arrive(&fiber->own_side, &fiber->resumer_side);
}

/* The bottom frame of every fiber. */
static void live_forever(void)
{
    struct rmx_fiber *fiber = running;

    announce_arrive(&fiber->own_side, &fiber->resumer_side);
    for (;;) {
        rmx_assert(fiber->work != NULL);
        fiber->work(fiber->argument);
        fiber->work = NULL;
        switch_out(fiber);
    }
}

static void make_context(struct rmx_fiber *fiber)
{
    size_t bytes = (size_t)((unsigned char *)fiber - (const unsigned char *)fiber->own_side.bottom);

    rmx_assert(getcontext(&fiber->own) == 0);
    fiber->own.uc_stack.ss_sp = (unsigned char *)fiber - bytes;
    fiber->own.uc_stack.ss_size = bytes;
    fiber->own.uc_link = NULL; /* live_forever() never returns */
    makecontext(&fiber->own, live_forever, 0);
    fiber->alive = true;
}

struct rmx_fiber *rmx_fiber_new(void)
{
    unsigned char *mapping = mmap(NULL, MAPPING_BYTES, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    struct rmx_fiber *fiber;
    size_t head_bytes = (sizeof(*fiber) + 63) & ~(size_t)63;

    if (mapping == MAP_FAILED) {
        return NULL;
    }
    if (mprotect(mapping, RMX_FIBER_GUARD_BYTES, PROT_NONE) < 0) {
        rmx_assert(munmap(mapping, MAPPING_BYTES) == 0);
        return NULL;
    }
    fiber = (struct rmx_fiber *)(void *)(mapping + MAPPING_BYTES - head_bytes);
    fiber->own_side.bottom = mapping + RMX_FIBER_GUARD_BYTES;
    fiber->own_side.bytes = RMX_FIBER_STACK_BYTES - head_bytes;
#if RMX_WITH_TSAN
    fiber->own_side.shadow = __tsan_create_fiber(0);
#endif
    return fiber;
}

void rmx_fiber_prefault(struct rmx_fiber *fiber)
{
    uintptr_t end = ((uintptr_t)(fiber + 1) + PAGE_BYTES - 1) & ~(uintptr_t)(PAGE_BYTES - 1);
    unsigned char *from = (unsigned char *)fiber - ((uintptr_t)fiber - (end - USUAL_BYTES));

    (void)madvise(from, USUAL_BYTES, MADV_POPULATE_WRITE); /* an older kernel does without */
}

void rmx_fiber_free(struct rmx_fiber **fiber)
{
    struct rmx_fiber *gone = *fiber;

    if (gone == NULL) {
        return;
    }
    rmx_assert(gone->work == NULL && gone != running);
#if RMX_WITH_TSAN
    __tsan_destroy_fiber(gone->own_side.shadow);
#endif
    size_t below = RMX_FIBER_GUARD_BYTES + gone->own_side.bytes;
    rmx_assert(munmap((unsigned char *)gone - below, MAPPING_BYTES) == 0);
    *fiber = NULL;
}

void rmx_fiber_start(struct rmx_fiber *fiber, void (*work)(void *argument), void *argument)
{
    rmx_assert(work != NULL && fiber->work == NULL);
    fiber->work = work;
    fiber->argument = argument;
    if (!fiber->alive) {
        make_context(fiber);
    }
}

bool rmx_fiber_resume(struct rmx_fiber *fiber)
{
    struct rmx_fiber *outer = running;

    rmx_assert(fiber->work != NULL && fiber != outer);
    running = fiber;
    announce_leave(&fiber->resumer_side, &fiber->own_side);
    rmx_assert(swapcontext(&fiber->resumer, &fiber->own) == 0);
    announce_arrive(&fiber->resumer_side, &fiber->own_side);
    running = outer;
    return fiber->work != NULL;
}

void rmx_fiber_yield(void)
{
    rmx_assert(running != NULL);
    switch_out(running);
}

struct rmx_fiber *rmx_fiber_current(void)
{
    return running;
}
