/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lets a lane's workers be replaced between jobs (recycle.h decides when). Runs on the lane's
 * thread, every turn.
 */
#ifndef RMX_ENGINE_TURNOVER_H
#define RMX_ENGINE_TURNOVER_H

struct rmx_crew;

/* Looks at those that are due. */
void rmx_turnover_tend(struct rmx_crew *crew);

/* Asks the kernel how much memory each has; twice a second is enough. */
void rmx_turnover_measure(struct rmx_crew *crew);

#endif
