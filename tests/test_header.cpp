/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ringmux.h alone, as C++11: it needs nothing else and warns about nothing.
 */
#include "clients/ringmux.h"

int main()
{
    rmx_job job = RMX_JOB_INIT;
    rmx_job same;
    rmx_group_options group = RMX_GROUP_OPTIONS_INIT;
    rmx_job_match match = RMX_JOB_MATCH_INIT;
    const char *why = "";

    rmx_job_init(&same);
    job.group = group.flags + match.session;
    return job.input == same.input && rmx_check(&job, &why) == RMX_BAD_JOB && *why != '\0' ? 0 : 1;
}
