/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ringmux.h alone, as C++11: it needs nothing else and warns about nothing.
 */
#include "clients/ringmux.h"

int main()
{
    rmx_job job = RMX_JOB_INIT;
    rmx_job same;
    const char *why = "";

    rmx_job_init(&same);
    return job.input == same.input && rmx_check(&job, &why) == RMX_BAD_JOB && *why != '\0' ? 0 : 1;
}
