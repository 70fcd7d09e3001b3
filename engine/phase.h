/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The states of a job and the ways between them, as engine/flow.h draws them. Runs on the lane's
 * thread; decides nothing.
 */
#ifndef RMX_ENGINE_PHASE_H
#define RMX_ENGINE_PHASE_H

#include "engine/flow.h"

/* The job goes on to this state, to which its present one must lead. */
void rmx_phase_enter(struct rmx_flow *flow, enum rmx_flow_state state);

#endif
