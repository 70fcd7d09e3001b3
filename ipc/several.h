/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs of several inputs or outputs: what a job's edits say of each one. Runs in the client, the
 * daemon and the worker. Does no I/O and allocates nothing.
 */
#ifndef RMX_IPC_SEVERAL_H
#define RMX_IPC_SEVERAL_H

#include <stdbool.h>

#include "ipc/job.h"

/* A stream selection, taken apart: "-1:s:0?" is without subtitle 0 of input 1, if there is one. */
struct rmx_several_map {
    unsigned input; /* 0 unless given */
    bool negative;
    bool optional;
    char specifier[RMX_JOB_MAP_BYTES]; /* "" = all its streams */
};

/* Returns 0 or -EINVAL: no selection, or of an input there cannot be. */
int rmx_several_read_map(const char *text, struct rmx_several_map *map);

/* Do the numbers name inputs and outputs that the job has, and does it ask for nothing that several
 * of them cannot have? spec's edits have passed. Returns as rmx_job_check(). */
int rmx_several_check(const struct rmx_job_spec *spec, const char **why);

/* The job of this output alone: with its container, options and selections where output 0 has its
 * own. Returns as rmx_job_check(), which is still to be asked about what they are. */
int rmx_several_take_output(
    const struct rmx_job_spec *spec, unsigned output, struct rmx_job_spec *own, const char **why);

/* The job with the container this input is said to be. */
void rmx_several_take_input(
    const struct rmx_job_spec *spec, unsigned input, struct rmx_job_spec *own);

/* Do several inputs follow one another (join=concat)? */
bool rmx_several_are_joined(const struct rmx_job_spec *spec);

/* Is the output given up when it is slow? */
bool rmx_several_drops(const struct rmx_job_spec *spec, unsigned output);

#endif
