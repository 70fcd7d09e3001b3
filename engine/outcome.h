/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a job ended, in a status, numbers and words: what the worker said, checked; what the lane
 * knows better; and the line in the log. Runs on the lane's thread.
 */
#ifndef RMX_ENGINE_OUTCOME_H
#define RMX_ENGINE_OUTCOME_H

#include "engine/flow.h"

/* Copies words of anybody's into a result's text: printable, NUL-terminated, zero behind. */
void rmx_outcome_text(char to[RMX_JOB_TEXT_BYTES], const char *from);

/* What a write to a job's output that failed with this -errno makes of the job. */
enum rmx_status rmx_outcome_of_write(int error);

/* Takes the worker's result over into private memory, once, and believes only what can be. */
void rmx_outcome_take(struct rmx_flow *flow);

/* Fills the result. Whose word decides: what the lane stopped the job for, or else the worker's own
 * answer. */
void rmx_outcome_conclude(struct rmx_flow *flow);

/* One line for each job at level debug; one that ringmux itself failed is a warning. */
void rmx_outcome_log(const struct rmx_flow *flow);

#endif
