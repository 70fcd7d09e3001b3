/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much a worker may have. See bounds.h.
 */
#include "engine/worker/bounds.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/worker/sanitizer.h"
#include "ipc/lane_wire.h"

/* The lane gives no more channels than the limit allows that we inherit. */
#define DESCRIPTORS_MAX (RMX_WORKER_FDS + RMX_CHANNEL_FDS * RMX_WORKER_CHANNELS_MAX)

static int limit(__rlimit_resource_t resource, rlim_t most)
{
    struct rlimit limits = { .rlim_cur = most, .rlim_max = most };

    return setrlimit(resource, &limits) < 0 ? -errno : 0;
}

int rmx_bounds_measure(struct rmx_bounds_use *use)
{
    char line[128] = "";
    uint64_t numbers[6] = { 0 }; /* in pages: all, resident, shared, text, libraries, data */
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    char *at = line;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file != NULL) {
        (void)!fgets(line, sizeof(line), file);
        (void)fclose(file);
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        numbers[i] = (uint64_t)strtoul(at, &at, 10);
    }
    if (numbers[0] == 0 || numbers[5] == 0) {
        return -ENOSYS;
    }
    *use = (struct rmx_bounds_use){
        .all_bytes = numbers[0] * page,
        .own_bytes = numbers[5] * page,
    };
    return 0;
}

/* Arenas are the daemon's to bound, and those of clients may be large: what jobs allocate has a
 * limit of its own, so that no room for an arena becomes room for a heap. */
static int limit_memory(const struct rmx_bounds_use *use, const struct rmx_bounds_room *room)
{
    int error;

    if (RMX_WITH_SANITIZER || room->own_bytes == 0) { /* shadow memory is terabytes */
        return 0;
    }
    error = limit(RLIMIT_DATA, use->own_bytes + room->own_bytes);
    return error < 0 ? error
                     : limit(RLIMIT_AS, use->all_bytes + room->own_bytes + room->shared_bytes);
}

/* Where even the daemon may not have so many, a worker with many channels will run out. */
static int limit_descriptors(void)
{
    struct rlimit now;

    if (getrlimit(RLIMIT_NOFILE, &now) < 0) {
        return -errno;
    }
    return limit(RLIMIT_NOFILE, now.rlim_max < DESCRIPTORS_MAX ? now.rlim_max : DESCRIPTORS_MAX);
}

int rmx_bounds_set(
    int last_fd, const struct rmx_bounds_use *use, const struct rmx_bounds_room *room)
{
    int error = limit_memory(use, room);

    if (error == 0 && close_range((unsigned int)last_fd + 1, ~0U, 0) < 0) {
        error = -errno;
    }
    if (error == 0 &&
        (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)) {
        error = -errno;
    }
    error = error < 0 ? error : limit(RLIMIT_CORE, 0);
    error = error < 0 ? error : limit(RLIMIT_NPROC, 0);
    error = error < 0 ? error : limit_descriptors();
    if (error == 0 && !RMX_WITH_SANITIZER) { /* whose reports may go to a file */
        error = signal(SIGXFSZ, SIG_IGN) == SIG_ERR ? -errno : limit(RLIMIT_FSIZE, 0);
    }
    return error;
}
