/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Starts the zygote: finds ringmux-worker and runs it with a control socket and nothing else of
 * ours. Runs on a lane's thread, at start and after a zygote's death. The zygote dies with the
 * thread that started it.
 */
#ifndef RMX_ENGINE_SPAWN_H
#define RMX_ENGINE_SPAWN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct rmx_spawned {
    pid_t pid; /* to be waited for by us */
    int pidfd;
    int ctl_fd; /* our end of its control socket */
};

/* Where ringmux-worker is: `wanted` unless that is NULL or ""; else beside the running program;
 * else where it is installed. Returns 0 with a path that may be run, or -ENOENT, -EACCES,
 * -ENAMETOOLONG. */
int rmx_spawn_find(const char *wanted, char *path, size_t path_bytes);

/* Runs `path --zygote alloc_max_bytes`. Returns 0, or what posix_spawn(3) and pidfd_open(2) say. */
int rmx_spawn_zygote(const char *path, uint64_t alloc_max_bytes, struct rmx_spawned *spawned);

#endif
