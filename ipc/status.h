/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a job can end, from ipc/status.def: the enum and what is known about each row. Runs in every
 * process; pure look-ups, never fails. Every function takes any uint32_t, since statuses come from
 * peers: one this build has no row for reads as UNKNOWN, at fault ENGINE, not to be retried.
 */
#ifndef RMX_IPC_STATUS_H
#define RMX_IPC_STATUS_H

#include <stdbool.h>
#include <stdint.h>

enum rmx_status {
#define RMX_STATUS(name, wire, fault, retry, exit, text) RMX_STATUS_##name = (wire),
#include "ipc/status.def"
#undef RMX_STATUS
    RMX_STATUSES /* one more than the last row's; every smaller value is a row */
};

enum rmx_fault {
    RMX_FAULT_NONE,
    RMX_FAULT_CLIENT, /* the request */
    RMX_FAULT_MEDIA,  /* the input's bytes */
    RMX_FAULT_SINK,   /* the output's descriptor */
    RMX_FAULT_SOURCE, /* the input's descriptor */
    RMX_FAULT_ENGINE, /* ringmux itself */
    RMX_FAULTS,
};

/* Is there a row for it? A status from a worker that has none is a lie. */
bool rmx_status_known(uint32_t status);

/* "TRUNCATED": for machines; "UNKNOWN" where there is no row. */
const char *rmx_status_name(uint32_t status);

/* "the input ends before its media does": for people. */
const char *rmx_status_text(uint32_t status);

/* Who has to change something for the job to work. */
enum rmx_fault rmx_status_fault(uint32_t status);

/* "MEDIA"; "UNKNOWN" for what is no enum rmx_fault. */
const char *rmx_status_fault_name(uint32_t fault);

/* May the very same job succeed when it is sent again? */
bool rmx_status_retry(uint32_t status);

/* What `rmx` returns to the shell. */
int rmx_status_exit(uint32_t status);

#endif
