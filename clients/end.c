/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a job can end, as the public header tells it: the rows of ipc/status.def under names that are
 * promised to callers. Runs in the client process, on any thread; pure look-ups.
 */
#include "clients/ringmux.h"

#include "ipc/status.h"

#define RMX_STATUS(name, wire, fault, retry, exit, text)                                           \
    _Static_assert(RMX_##name == (wire), "the public enum is the table's");
#include "ipc/status.def"
#undef RMX_STATUS

const char *rmx_end_name(uint32_t status)
{
    return rmx_status_name(status);
}

const char *rmx_end_text(uint32_t status)
{
    return rmx_status_text(status);
}

const char *rmx_end_fault(uint32_t status)
{
    return rmx_status_fault_name(rmx_status_fault(status));
}

int rmx_end_retry(uint32_t status)
{
    return rmx_status_retry(status) ? 1 : 0;
}

int rmx_end_exit(uint32_t status)
{
    return rmx_status_exit(status);
}
