/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The files of one job: all it reads and all it writes. Its outputs show under their names together
 * or not at all. Runs in the process rmx.
 */
#ifndef RMX_CLIENTS_RMX_FILES_H
#define RMX_CLIENTS_RMX_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "clients/ringmux.h"
#include "clients/rmx_output.h"
#include "clients/rmx_request.h"

struct rmx_files {
    int inputs[RMX_REQUEST_FILES_MAX]; /* owned unless one is standard input */
    size_t input_count;                /* that were opened, as is: */
    size_t output_count;
    struct rmx_output outputs[RMX_REQUEST_FILES_MAX];
    int output_fds[RMX_REQUEST_FILES_MAX]; /* theirs */
};

/* Is one of a request's outputs an input, too, or another output, by whatever name? Says so then.
 */
bool rmx_files_clash(const struct rmx_request *request, char why[RMX_ARGS_WHY_BYTES]);

/* Opens all the request reads, or writes, which may be a job's all at once. Returns 0, or -errno
 * and fills *result as the end of a job that could not have them: nothing is open then. *files is
 * zeros before the first of them. */
int rmx_files_open_inputs(
    struct rmx_files *files, const struct rmx_request *request, struct rmx_result *result);
int rmx_files_open_outputs(struct rmx_files *files, const struct rmx_request *request,
    bool may_replace, struct rmx_result *result);

/* Makes them the job's; they must stay where they are until it has ended. */
void rmx_files_attach(struct rmx_files *files, struct rmx_job *job);

/* Has one of the outputs shown from its first byte on? */
bool rmx_files_show_at_once(const struct rmx_files *files);

/* How long the outputs are that are files; UINT64_MAX for others. */
void rmx_files_measure(const struct rmx_files *files, uint64_t bytes[RMX_REQUEST_FILES_MAX]);

/* The job ended so, OK: gives its outputs their names, but for those that it went on without.
 * Returns 0 or -errno: then none has its name that had none before. */
int rmx_files_keep(struct rmx_files *files, const struct rmx_result *result);

void rmx_files_close_inputs(struct rmx_files *files);

/* All of them; removes what was not kept. Accepts zeros. */
void rmx_files_close(struct rmx_files *files);

#endif
