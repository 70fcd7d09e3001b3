/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a job can end (see status.h). Runs in every process; reads one constant table, so it can be
 * called anywhere, with any value.
 */
#include "ipc/status.h"

#include <stddef.h>

struct row {
    const char *name;
    const char *text;
    enum rmx_fault fault;
    bool retry;
    int exit;
};

static const struct row rows[] = {
#define RMX_STATUS(name_, wire_, fault_, retry_, exit_, text_)                                     \
    [wire_] = {                                                                                    \
        .name = #name_, .text = text_, .fault = RMX_FAULT_##fault_, .retry = retry_, .exit = exit_ \
    },
#include "ipc/status.def"
#undef RMX_STATUS
};
_Static_assert(sizeof(rows) / sizeof(rows[0]) == RMX_STATUSES, "the last row has the last value");

#define RMX_STATUS(name, wire, fault, retry, exit, text) +1
_Static_assert(0
#include "ipc/status.def"
                   == RMX_STATUSES,
    "wire values have no gaps");
#undef RMX_STATUS

static const struct row unknown = {
    .name = "UNKNOWN",
    .text = "an end this version has no name for",
    .fault = RMX_FAULT_ENGINE,
    .retry = false,
    .exit = 70,
};

static const char *const fault_names[RMX_FAULTS] = {
    [RMX_FAULT_NONE] = "NONE",
    [RMX_FAULT_CLIENT] = "CLIENT",
    [RMX_FAULT_MEDIA] = "MEDIA",
    [RMX_FAULT_SINK] = "SINK",
    [RMX_FAULT_SOURCE] = "SOURCE",
    [RMX_FAULT_ENGINE] = "ENGINE",
};

static const struct row *row_of(uint32_t status)
{
    return rmx_status_known(status) ? &rows[status] : &unknown;
}

bool rmx_status_known(uint32_t status)
{
    return status < RMX_STATUSES;
}

const char *rmx_status_name(uint32_t status)
{
    return row_of(status)->name;
}

const char *rmx_status_text(uint32_t status)
{
    return row_of(status)->text;
}

enum rmx_fault rmx_status_fault(uint32_t status)
{
    return row_of(status)->fault;
}

const char *rmx_status_fault_name(uint32_t fault)
{
    return fault < RMX_FAULTS ? fault_names[fault] : "UNKNOWN";
}

bool rmx_status_retry(uint32_t status)
{
    return row_of(status)->retry;
}

int rmx_status_exit(uint32_t status)
{
    return row_of(status)->exit;
}
