/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What `rmx help FORMAT` says of a container. Runs in the process rmx.
 */
#ifndef RMX_CLIENTS_RMX_FORMATS_H
#define RMX_CLIENTS_RMX_FORMATS_H

#include "ipc/format.h"

/* Prints it: extensions, what the output must be, and its options with what they take. */
void rmx_formats_describe(const struct rmx_format *format);

#endif
