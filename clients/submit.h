/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From jobs to SUBMITs. Runs in the client process, under the client's lock, which it lets go of
 * only to open a channel.
 */
#ifndef RMX_CLIENTS_SUBMIT_H
#define RMX_CLIENTS_SUBMIT_H

#include <stddef.h>
#include <stdint.h>

#include "clients/handle.h"

/* rmx_submit() for who has entered. */
int rmx_submit_held(
    struct rmx_client *client, const struct rmx_job *jobs, size_t count, uint64_t *ids);

#endif
