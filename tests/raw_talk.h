/* SPDX-License-Identifier: BSD-2-Clause
 *
 * More of what raw_client says and hears by itself: groups, and what operators ask. Every call
 * fails the test when the daemon does not do its part.
 */
#ifndef RMX_TESTS_RAW_TALK_H
#define RMX_TESTS_RAW_TALK_H

#include <stddef.h>
#include <stdint.h>

#include "tests/raw_client.h"

#define RAW_GROUP_NAME "nightly"

/* One end: of a job (DONE), of a group (GROUP_DONE), or GOODBYE. */
struct raw_news {
    uint16_t type; /* enum rmx_msg_type; 0 = the daemon closed the connection */
    struct rmx_job_result job;
    struct rmx_msg_group_done group;
};

/* The next on raw_sock. */
struct raw_news raw_hear(void);

/* The next is the end of some job; of this group. */
struct rmx_job_result raw_hear_job(void);
struct rmx_msg_group_done raw_hear_group(uint32_t group);

/* A job without, and with, an input and an output. */
struct rmx_job_spec raw_noop(uint64_t job, uint32_t group);
struct rmx_job_spec raw_remux(uint64_t job, uint32_t group, const char *format);

/* Opens a group called RAW_GROUP_NAME; says GROUP_CLOSE or GROUP_CANCEL. */
void raw_open_group(uint32_t group, uint32_t flags, uint32_t jobs_max, uint64_t deadline_ns);
void raw_say_group(uint16_t type, uint32_t group);

/* Says hello with these features, and takes the answer. Returns the socket. */
int raw_greet(const struct harness *harness, uint64_t features, struct rmx_msg_welcome *welcome);
int raw_operator(const struct harness *harness);

/* JOBS, and all of its answer. Returns how many came, at most max of them in items. */
size_t raw_jobs(int sock, struct rmx_jobs_item *items, size_t max);

/* CANCEL_JOBS. Returns how many were told. */
uint64_t raw_cancel_jobs(int sock, const struct rmx_msg_cancel_jobs *match);

#endif
