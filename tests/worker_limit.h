/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For tests that make a worker run short of something.
 */
#ifndef RMX_TESTS_WORKER_LIMIT_H
#define RMX_TESTS_WORKER_LIMIT_H

#include <sys/resource.h>
#include <sys/types.h>

/* Lowers a limit of the worker's, or lifts it as far as it was before. */
void worker_limit_set(pid_t worker, __rlimit_resource_t resource, rlim_t most);

#endif
