/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The course of a job: which passes its worker makes over it, from which file to which, and what
 * their results come to together. Most jobs are one pass. One that may be spooled (RMX_JOB_SPOOL)
 * has up to three:
 *
 *   SPOOL    input -> spool          if the input cannot go back; the worker copies nothing, and
 *                                    leaves the input as it is, if it need not go back either
 *   JOB      input, or that spool -> output, or another spool
 *   DELIVER  that other spool -> output     if the container is patched, and the output cannot be,
 *                                           or if its index is to be moved to the front
 *
 * Works on a struct rmx_flow, whose life is engine/flow.c's. Runs on the lane's thread.
 */
#ifndef RMX_ENGINE_COURSE_H
#define RMX_ENGINE_COURSE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/flow.h"

/* Decides what an admitted job will need. Where no spool can be had, it has none. */
void rmx_course_plan(struct rmx_flow *flow);

/* Will it need a ring pair, whatever its ports are? */
bool rmx_course_has_spools(const struct rmx_flow *flow);

/* The job is RUNNING: begins the present pass, or begins it again, once its spool is open. */
void rmx_course_begin(struct rmx_flow *flow);

/* What the present pass reads and writes; none: a ring of the client's, or nothing. */
struct rmx_files rmx_course_inputs(struct rmx_flow *flow);
struct rmx_files rmx_course_outputs(struct rmx_flow *flow);

/* Does the present pass leave the input as it is for the next? */
bool rmx_course_skips(const struct rmx_flow *flow);

/* Is another pass to follow? Only for one whose worker has answered. */
bool rmx_course_goes_on(const struct rmx_flow *flow);

/* Moves on to it. */
void rmx_course_move_on(struct rmx_flow *flow);

/* Why a write to the present output failed: the status, and *why, "" for the status's own text. */
uint32_t rmx_course_status(struct rmx_flow *flow, int error, const char **why);

/* Adds to the last pass's result what those before it came to. */
void rmx_course_sum(struct rmx_flow *flow);

/* No spool of it is being opened or closed; the job settles again when that changes. */
bool rmx_course_is_quiet(const struct rmx_flow *flow);

/* Closes its spools; the job settles again when they are. True: there are none left. */
bool rmx_course_is_closed(struct rmx_flow *flow);

#endif
