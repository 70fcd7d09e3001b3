/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ringmuxd --print-placement: the plan (engine/plan.h) of this machine or another, as text. Runs on
 * the main thread, instead of a daemon. Binds nothing.
 */
#ifndef RMX_ENGINE_PLACEMENT_H
#define RMX_ENGINE_PLACEMENT_H

#include <stdio.h>

#include "engine/config.h"

/* What ringmuxd exits with. */
enum rmx_placement {
    RMX_PLACEMENT_OK = 0,
    RMX_PLACEMENT_FAULT = 1, /* the system does not tell, or no memory, or the file unreadable */
    RMX_PLACEMENT_MALFORMED = 2, /* the description is of no machine */
    RMX_PLACEMENT_NO_CPU = 3,    /* of one without a cpu we may use */
    RMX_PLACEMENT_LESS = 4,      /* printed, but with fewer lanes than were asked for */
};

/* Prints the plan for config->topology; one line on stderr says what is wrong. */
enum rmx_placement rmx_placement_print(const struct rmx_config *config, FILE *out);

#endif
