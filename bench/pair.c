/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Two processes on two cores. See pair.h.
 */
#include "bench/pair.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/core.h"
#include "bench/process.h"
#include "bench/samples.h"
#include "ring/base.h"

#define PROBES      300u
#define SPINS       20000u /* some 0.5 ms for the next order, then the far end sleeps */
#define ON_CORE_MIN 0.95

const char *const rmx_distance_name[RMX_DISTANCES] = {
    [RMX_SIBLINGS] = "siblings",
    [RMX_NEAR] = "near",
    [RMX_FAR] = "far",
    [RMX_UNCLEAR] = "unclear",
};

struct rmx_pair_shm {
    _Alignas(RMX_LINE) _Atomic uint32_t order; /* counts up; the part is there before it */
    rmx_pair_part *part;                       /* NULL: the end */
    _Alignas(RMX_LINE) _Atomic uint32_t ready; /* = order: the far end is about to begin */
    _Alignas(RMX_LINE) _Atomic uint32_t go;
    _Alignas(RMX_LINE) _Atomic uint32_t done;
    double far_cpu_ns;
    double far_on_core;
    _Alignas(RMX_LINE) _Atomic uint32_t ping;
    _Alignas(RMX_LINE) _Atomic uint32_t pong;
    double near_cpu_ns;
};

/* For the probe, whose parts get the caller's `user` as all do. Set before the fork. */
static struct rmx_pair_shm *probed;

static uint64_t cpu_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_while(_Atomic uint32_t *word, uint32_t value)
{
    (void)syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static void wake(_Atomic uint32_t *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void await(_Atomic uint32_t *word, uint32_t value)
{
    for (uint32_t spins = 0; atomic_load_explicit(word, memory_order_acquire) != value;) {
        if (++spins < SPINS) {
            rmx_base_pause();
        } else {
            sleep_while(word, value - 1);
        }
    }
}

static void tell(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
    wake(word);
}

/* The far end, for ever. */
_Noreturn static void serve(struct rmx_pair_shm *shm, void *user)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    rmx_core_pin(sysconf(_SC_NPROCESSORS_ONLN) - 1);
    for (uint32_t order = 1;; order++) {
        uint64_t began_ns;
        uint64_t cpu_ns;

        await(&shm->order, order);
        if (shm->part == NULL) {
            _exit(0);
        }
        tell(&shm->ready, order);
        while (atomic_load_explicit(&shm->go, memory_order_acquire) != order) {
            rmx_base_pause();
        }
        cpu_ns = cpu_now_ns();
        began_ns = rmx_samples_now_ns();
        shm->part(user);
        shm->far_cpu_ns = (double)(cpu_now_ns() - cpu_ns);
        shm->far_on_core = shm->far_cpu_ns / (double)(rmx_samples_now_ns() - began_ns);
        tell(&shm->done, order);
    }
}

void rmx_pair_make(struct rmx_pair *pair, size_t region_bytes, size_t user_bytes)
{
    const int flags = MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE;

    *pair = (struct rmx_pair){ .region = RMX_REGION_INIT };
    pair->shm = mmap(NULL, sizeof(*pair->shm), PROT_READ | PROT_WRITE, flags, -1, 0);
    pair->user = mmap(NULL, user_bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (pair->shm == MAP_FAILED || pair->user == MAP_FAILED ||
        rmx_region_create(&pair->region, "rmx-bench", region_bytes, 0) < 0 ||
        rmx_region_prefault(&pair->region) < 0) {
        rmx_process_die("shared memory", strerrordesc_np(errno));
    }
}

void rmx_pair_fork(struct rmx_pair *pair)
{
    pid_t parent = getpid();

    probed = pair->shm;
    pair->child = fork();
    if (pair->child < 0) {
        rmx_process_die("fork", strerrordesc_np(errno));
    }
    if (pair->child == 0) {
        if (getppid() != parent) {
            _exit(1);
        }
        (void)rmx_region_prefault(&pair->region); /* its own page tables */
        serve(pair->shm, pair->user);
    }
    rmx_core_pin(0);
}

double rmx_pair_run(struct rmx_pair *pair, rmx_pair_part *near, rmx_pair_part *far)
{
    struct rmx_pair_shm *shm = pair->shm;
    uint32_t order = atomic_load_explicit(&shm->order, memory_order_relaxed) + 1;
    uint64_t began_ns;
    uint64_t cpu_ns;
    double near_ns;
    double took_ns;

    shm->part = far;
    tell(&shm->order, order);
    await(&shm->ready, order);
    cpu_ns = cpu_now_ns();
    began_ns = rmx_samples_now_ns();
    atomic_store_explicit(&shm->go, order, memory_order_release);
    near(pair->user);
    near_ns = (double)(rmx_samples_now_ns() - began_ns);
    shm->near_cpu_ns = (double)(cpu_now_ns() - cpu_ns);
    await(&shm->done, order);
    took_ns = (double)(rmx_samples_now_ns() - began_ns);
    if (shm->near_cpu_ns < ON_CORE_MIN * near_ns || shm->far_on_core < ON_CORE_MIN) {
        pair->disturbed = true;
    }
    return took_ns;
}

double rmx_pair_cpu_ns(const struct rmx_pair *pair)
{
    return pair->shm->near_cpu_ns + pair->shm->far_cpu_ns;
}

bool rmx_pair_disturbed(struct rmx_pair *pair)
{
    bool disturbed = pair->disturbed;

    pair->disturbed = false;
    return disturbed;
}

/* --- how far apart the cores are -------------------------------------------------------------- */

static void ask(void *user)
{
    (void)user;
    for (uint32_t i = 1; i <= PROBES; i++) {
        atomic_store_explicit(&probed->ping, i, memory_order_release);
        while (atomic_load_explicit(&probed->pong, memory_order_acquire) != i) {
            rmx_base_pause();
        }
    }
}

static void answer(void *user)
{
    (void)user;
    for (uint32_t i = 1; i <= PROBES; i++) {
        while (atomic_load_explicit(&probed->ping, memory_order_acquire) != i) {
            rmx_base_pause();
        }
        atomic_store_explicit(&probed->pong, i, memory_order_release);
    }
}

double rmx_pair_probe_ns(struct rmx_pair *pair)
{
    atomic_store_explicit(&pair->shm->ping, 0, memory_order_relaxed);
    atomic_store_explicit(&pair->shm->pong, 0, memory_order_relaxed);
    return rmx_pair_run(pair, ask, answer) / PROBES;
}

/* Bounds between what is seen: 30 ns, 105 to 170 ns, 420 ns and more. */
enum rmx_distance rmx_distance_of(double probe_ns)
{
    if (probe_ns < 70) {
        return RMX_SIBLINGS;
    }
    if (probe_ns < 250) {
        return RMX_NEAR;
    }
    return probe_ns < 1000 ? RMX_FAR : RMX_UNCLEAR;
}

void rmx_pair_end(struct rmx_pair *pair)
{
    uint32_t order = atomic_load_explicit(&pair->shm->order, memory_order_relaxed) + 1;

    pair->shm->part = NULL;
    tell(&pair->shm->order, order);
    (void)waitpid(pair->child, NULL, 0);
    rmx_region_fini(&pair->region);
}
