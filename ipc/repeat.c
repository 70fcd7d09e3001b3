/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whether a job can be run twice. See repeat.h.
 */
#include "ipc/repeat.h"

#include <string.h>

#include "ipc/format.h"
#include "ipc/option.h"

static bool has_option(const struct rmx_format *format, const char *name)
{
    const struct rmx_option *option;

    for (size_t i = 0; (option = rmx_option_at(i)) != NULL; i++) {
        if (strcmp(option->name, name) == 0 && rmx_option_fits(option, format)) {
            return true;
        }
    }
    return false;
}

static bool encrypts(const struct rmx_job_spec *spec)
{
    static const char head[] = "encryption_";
    const char *pair;
    size_t at = 0;

    while (rmx_job_next_option(spec, &at, &pair)) {
        if (strncmp(pair, head, sizeof(head) - 1) == 0) {
            return true;
        }
    }
    return false;
}

bool rmx_repeat_tells(const struct rmx_job_spec *spec)
{
    const struct rmx_format *format = rmx_format_find(spec->format);

    return format != NULL && has_option(format, "movflags") &&
           (!encrypts(spec) || (spec->flags & RMX_JOB_BITEXACT) != 0);
}
