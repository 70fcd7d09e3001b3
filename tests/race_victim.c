/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Processes that a race kills or stops, by descriptors that stay theirs. See race.h.
 */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/process.h"
#include "tests/race.h"

#define WORKERS_MAX 64

int race_victim_open(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

void race_victim_hit(int pidfd, int number)
{
    (void)syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0);
}

static bool is_worker(pid_t daemon, pid_t pid)
{
    pid_t workers[WORKERS_MAX];
    size_t count = rmx_process_workers(daemon, workers, WORKERS_MAX);

    for (size_t i = 0; i < count; i++) {
        if (workers[i] == pid) {
            return true;
        }
    }
    return false;
}

/* What the number was when it was opened is looked at afterwards. */
static int open_worker(pid_t daemon, pid_t pid)
{
    int pidfd = race_victim_open(pid);

    if (pidfd >= 0 && !is_worker(daemon, pid)) {
        (void)close(pidfd);
        return -1;
    }
    return pidfd;
}

int race_victim_worker(pid_t daemon, uint64_t pick)
{
    pid_t workers[WORKERS_MAX];
    size_t count = rmx_process_workers(daemon, workers, WORKERS_MAX);

    return count > 0 ? open_worker(daemon, workers[pick % count]) : -1;
}

void race_victim_kill_workers(pid_t daemon)
{
    pid_t workers[WORKERS_MAX];
    size_t count = rmx_process_workers(daemon, workers, WORKERS_MAX);

    for (size_t i = 0; i < count; i++) {
        int pidfd = open_worker(daemon, workers[i]);

        if (pidfd >= 0) {
            race_victim_hit(pidfd, SIGKILL);
            (void)close(pidfd);
        }
    }
}
