/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What becomes of a job whose worker died. See replay.h.
 */
#include "engine/replay.h"

enum rmx_replay_verdict rmx_replay_judge(const struct rmx_replay_case *facts)
{
    if (facts->stops) {
        return RMX_REPLAY_STOP;
    }
    if (facts->alone) { /* there was nobody else: its word on who was on the core is not needed */
        return facts->death == RMX_REPLAY_CRASHED ? RMX_REPLAY_POISON : RMX_REPLAY_LOST;
    }
    if (!facts->repeatable) {
        return RMX_REPLAY_LOST;
    }
    return facts->on_core || facts->losses > RMX_REPLAY_INNOCENT_MAX ? RMX_REPLAY_ALONE
                                                                     : RMX_REPLAY_AGAIN;
}
