/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How rmx is to go about its work (see rmx_manner.h). Runs in the process rmx.
 */
#include "clients/rmx_manner.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "clients/rmx_choice.h"

int rmx_manner_take(struct rmx_manner *manner, int option, char why[RMX_ARGS_WHY_BYTES])
{
    switch (option) {
    case RMX_MANNER_GROUP:
        manner->group = optarg;
        return rmx_choice_group(optarg, why);
    case RMX_MANNER_NO_CLOBBER:
        manner->no_clobber = true;
        return 0;
    case RMX_MANNER_JSON:
        manner->json = true;
        return 0;
    case RMX_MANNER_QUIET:
        manner->quiet = true;
        return 0;
    case RMX_MANNER_PROGRESS:
        manner->progress = RMX_MANNER_SHOWN;
        return 0;
    case RMX_MANNER_NO_PROGRESS:
        manner->progress = RMX_MANNER_HIDDEN;
        return 0;
    default:
        return rmx_connect_take(&manner->connect, option);
    }
}

bool rmx_manner_shows(const struct rmx_manner *manner)
{
    if (manner->progress == RMX_MANNER_AUTO) {
        return !manner->quiet && isatty(STDERR_FILENO) != 0;
    }
    return manner->progress == RMX_MANNER_SHOWN;
}
