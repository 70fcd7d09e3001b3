/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The states of a job and the ways between them. See phase.h.
 */
#include "engine/phase.h"

#define TO(state) (1u << (state))

static const unsigned next_of[RMX_FLOW_STATES] = {
    [RMX_FLOW_FREE] = TO(RMX_FLOW_ADMITTED) | TO(RMX_FLOW_ENDED),
    [RMX_FLOW_ADMITTED] = TO(RMX_FLOW_RUNNING) | TO(RMX_FLOW_ENDED),
    [RMX_FLOW_RUNNING] = TO(RMX_FLOW_DRAINING),
    [RMX_FLOW_DRAINING] = TO(RMX_FLOW_RUNNING) | TO(RMX_FLOW_ADMITTED) | TO(RMX_FLOW_ENDED),
    [RMX_FLOW_ENDED] = TO(RMX_FLOW_FREE),
};

void rmx_phase_enter(struct rmx_flow *flow, enum rmx_flow_state state)
{
    rmx_assert((next_of[flow->state] & TO(state)) != 0);
    flow->state = state;
}
