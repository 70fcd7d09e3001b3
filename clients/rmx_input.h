/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What rmx reads. Runs in the process rmx, which opens it and never looks inside.
 */
#ifndef RMX_CLIENTS_RMX_INPUT_H
#define RMX_CLIENTS_RMX_INPUT_H

#include "clients/ringmux.h"

/* Opens `path` for reading, "-" for standard input. Returns 0 and sets *fd, or -errno and fills
 * *result as the end of a job that could not read it. */
int rmx_input_open(int *fd, const char *path, struct rmx_result *result);

/* Closes *fd, which is -1 then, unless it is standard input. */
void rmx_input_close(int *fd);

#endif
