/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the daemon will take, said when it starts: memory, processes, descriptors. Runs on the
 * supervisor's thread, before the lanes start.
 */
#ifndef RMX_ENGINE_BUDGET_H
#define RMX_ENGINE_BUDGET_H

#include "engine/config.h"
#include "engine/plan.h"

/* Logs it, and takes as many descriptors as it needs, or the hard limit allows. */
void rmx_budget_announce(const struct rmx_config *config, const struct rmx_plan *plan);

#endif
