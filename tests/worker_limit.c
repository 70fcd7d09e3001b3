/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Limits of a worker, changed from outside. See worker_limit.h.
 */
#include "tests/worker_limit.h"

#include <criterion/criterion.h>
#include <sys/wait.h>
#include <unistd.h>

static int set_limit(pid_t pid, __rlimit_resource_t resource, rlim_t most)
{
    struct rlimit limit;

    if (prlimit(pid, resource, NULL, &limit) < 0) {
        return 1;
    }
    limit.rlim_cur = most < limit.rlim_max ? most : limit.rlim_max;
    return prlimit(pid, resource, &limit, NULL) < 0 ? 1 : 0;
}

/* The worker of a test that root runs is nobody's: only nobody may, or who may everything. */
void worker_limit_set(pid_t worker, __rlimit_resource_t resource, rlim_t most)
{
    int status = -1;
    pid_t pid = fork();

    cr_assert_geq(pid, 0);
    if (pid == 0) {
        if (set_limit(worker, resource, most) == 0) {
            _exit(0);
        }
        if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0) {
            _exit(2);
        }
        _exit(set_limit(worker, resource, most));
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0, "the worker's limit cannot be set: %x", status);
}
