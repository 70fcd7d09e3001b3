/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One run of a worker over a job: what the worker is told, the feed and the drain that move bytes
 * between descriptors and the job's ring pair meanwhile, and the worker's notes about it. A
 * side that is a ring in the client's channel has no feed, or no drain: those bytes never pass
 * here. Works on a struct rmx_flow, whose life is engine/flow.c's. Runs on the lane's thread.
 */
#ifndef RMX_ENGINE_PASS_H
#define RMX_ENGINE_PASS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/flow.h"

/* Lays the job's present pass out in its pair and lets the bytes move. may_grow: see struct
 * rmx_drain. */
void rmx_pass_start(struct rmx_flow *flow, int (*may_grow)(struct rmx_drain *drain, uint64_t end));

/* The present pass is behind it, and another follows, on this worker or another: nothing is laid
 * out for that one yet. It still has the pair. */
void rmx_pass_reset(struct rmx_flow *flow);

/* The worker posted a note about it. */
void rmx_pass_note(struct rmx_flow *flow, uint32_t kind);

/* It had more to do than one turn of the lane allows. */
void rmx_pass_go_on(struct rmx_flow *flow);

/* Tells the worker to end it, with flow->stop. */
void rmx_pass_cancel(struct rmx_flow *flow);

/* Is the worker through with the pair? Until then its fiber may still touch it. */
bool rmx_pass_is_through(const struct rmx_flow *flow);

/* The job is DRAINING: starts what ends its run. True: nobody touches pair and files any more, but
 * for a feed that goes on in the next. */
bool rmx_pass_is_over(struct rmx_flow *flow);

#endif
