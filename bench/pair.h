/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Two processes on two cores, for as many measurements as there are: what is compared runs in the
 * same ones. This process is the near end; a child, forked once, the far end. Both see one shared
 * region at one address.
 *
 * A virtual machine's cores move: two of them may share a third-level cache now and not a second
 * later, and nothing says so but how long a cache line takes from one to the other and back. So
 * that is probed (rmx_pair_probe_ns()), and what is measured between two probes of one kind belongs
 * to that kind. And cores have other work: rmx_pair_disturbed() tells if either end was off its
 * core in the meantime.
 */
#ifndef RMX_BENCH_PAIR_H
#define RMX_BENCH_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ring/region.h"

/* A part of a measurement: what one end does. It never fails. */
typedef void rmx_pair_part(void *user);

enum rmx_distance {
    RMX_SIBLINGS, /* two threads of one core */
    RMX_NEAR,     /* one third-level cache */
    RMX_FAR,      /* two of them */
    RMX_UNCLEAR,  /* no core to itself */
    RMX_DISTANCES
};

extern const char *const rmx_distance_name[RMX_DISTANCES];

struct rmx_pair_shm;

struct rmx_pair {
    struct rmx_pair_shm *shm;
    struct rmx_region region; /* for rings: prefaulted */
    void *user;               /* what both ends know: zeroed, shared */
    pid_t child;
    bool disturbed;
};

/* The memory of both; what else they share, as descriptors, is there before rmx_pair_fork(), which
 * binds this thread to the first core and the child to the last. */
void rmx_pair_make(struct rmx_pair *pair, size_t region_bytes, size_t user_bytes);
void rmx_pair_fork(struct rmx_pair *pair);

/* Runs both parts at once, each with `user`. Returns how long it took until both were done, ns. */
double rmx_pair_run(struct rmx_pair *pair, rmx_pair_part *near, rmx_pair_part *far);

/* A cache line's way to the other core and back. */
double rmx_pair_probe_ns(struct rmx_pair *pair);

enum rmx_distance rmx_distance_of(double probe_ns);

/* Was either end off its core for more than a twentieth of a run since this was last asked? Of ends
 * that sleep it says nothing. */
bool rmx_pair_disturbed(struct rmx_pair *pair);

/* CPU time of both ends in the last run. */
double rmx_pair_cpu_ns(const struct rmx_pair *pair);

void rmx_pair_end(struct rmx_pair *pair);

#endif
