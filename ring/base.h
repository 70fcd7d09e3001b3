/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What every file may lean on: asserts that stay on, descriptors that close themselves, a read that
 * happens once. Runs in every process. Must stay tiny: what grows here belongs to a noun.
 */
#ifndef RMX_RING_BASE_H
#define RMX_RING_BASE_H

/* What one writer gets to itself: two cache lines, because CPUs prefetch them in pairs. */
#define RMX_LINE 128

/* For our own bugs only, never for what the world or a peer did. On in every build. */
#define rmx_assert(cond) ((cond) ? (void)0 : rmx_base_assert_failed(#cond, __FILE__, __LINE__))

/* Called by a failing assert before the process aborts; says so on stderr. A process with a better
 * place for last words sets its own, which must not allocate or take a lock. */
extern void (*rmx_base_assert_hook)(const char *expr, const char *file, int line);

_Noreturn void rmx_base_assert_failed(const char *expr, const char *file, int line);

/* One load, whatever the optimiser thinks: for words another process may change at any time. */
#define RMX_READ_ONCE(word) (*(const volatile __typeof__(word) *)&(word))

/* One step of a loop that polls shared memory: lets the core's other thread go on. */
static inline void rmx_base_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* rmx_autofd int fd = -1; is closed on every way out. */
#define rmx_autofd __attribute__((cleanup(rmx_base_close)))

/* Closes *fd unless it is -1, which it then is. Leaves errno as it was. */
void rmx_base_close(int *fd);

/* Moves a descriptor out of its owner: *fd is -1 afterwards. */
static inline int rmx_take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

#endif
