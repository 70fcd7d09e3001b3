/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much cpu time our cgroups grant us. Runs in ringmuxd's main thread at start. Must never fail
 * a start: what cannot be read is no limit.
 */
#ifndef RMX_ENGINE_QUOTA_H
#define RMX_ENGINE_QUOTA_H

#include <stdint.h>

#define RMX_QUOTA_MEMBERSHIP "/proc/self/cgroup"
#define RMX_QUOTA_ROOT       "/sys/fs/cgroup"

/* The smallest cpu.max (cgroup version 2) of our group and those above it, in cpus, rounded up. 0 =
 * no limit known. membership and root: the two above, or a test's. */
uint32_t rmx_quota_read(const char *membership, const char *root);

#endif
