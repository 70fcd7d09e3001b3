/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Those of a lane's counters that say how things are, not how often something happened: its jobs,
 * pairs, channels, descriptors and spools. On the lane's thread. Must never be relied on for more
 * than telling: a worker's own word is among them.
 */
#ifndef RMX_ENGINE_GAUGES_H
#define RMX_ENGINE_GAUGES_H

struct rmx_lane;

/* Brings them up to date in lane->stats. */
void rmx_gauges_refresh(struct rmx_lane *lane);

#endif
