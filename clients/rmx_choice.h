/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the words of a request for a remux mean, on the command line or in a batch: which container,
 * which streams, which class. Runs in the process rmx; pure.
 */
#ifndef RMX_CLIENTS_RMX_CHOICE_H
#define RMX_CLIENTS_RMX_CHOICE_H

#include <stdint.h>

#include <stdbool.h>

#include "clients/ringmux.h"
#include "clients/rmx_args.h"

/* Sets job->format: the container that it names, else the one that the output's extension stands
 * for. Returns RMX_OK; or RMX_BAD_JOB or RMX_UNSUPPORTED, and says in `why` what to give instead.
 */
uint32_t rmx_choice_format(struct rmx_job *job, const char *output, char why[RMX_ARGS_WHY_BYTES]);

/* Of a container of several files, the name of the one that lists the others unless another is
 * asked for; "" = it is one file. */
const char *rmx_choice_index(const struct rmx_job *job);

/* Is somebody to read along, so that each of several files shows when it is complete? */
bool rmx_choice_shows_at_once(const struct rmx_job *job);

/* The map that an output's extension stands for where nothing else is said, or NULL. */
const char *rmx_choice_map(const char *output);

/* Sets job->job_class by its name. Returns 0 or -EINVAL. */
int rmx_choice_class(struct rmx_job *job, const char *name);

/* Sets job->isolation likewise. */
int rmx_choice_isolation(struct rmx_job *job, const char *name);

/* The class of that number: "normal". */
const char *rmx_choice_class_name(uint32_t job_class);

/* May a group be called so? Returns 0, or -EINVAL and says why. */
int rmx_choice_group(const char *name, char why[RMX_ARGS_WHY_BYTES]);

#endif
