/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs for tests of their check: legal ones to start from, and what the check must make of one.
 * Runs in test programs only.
 */
#ifndef RMX_TESTS_JOB_WORDS_H
#define RMX_TESTS_JOB_WORDS_H

#include "ipc/job.h"
#include "ipc/status.h"

/* A plain one of each kind, and a remux from ring to ring. */
struct rmx_job_spec remux(void);
struct rmx_job_spec probe(void);
struct rmx_job_spec noop(void);
struct rmx_job_spec stream(void);

/* It passes; or is refused with this status, and the sentence begins with the field's name. */
void assert_fine(const struct rmx_job_spec *spec);
void assert_refused(const struct rmx_job_spec *spec, int status, const char *field);

#define assert_bad(spec, field) assert_refused(spec, RMX_STATUS_BAD_JOB, field)

#endif
