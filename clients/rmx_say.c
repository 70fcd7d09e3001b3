/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What rmx says to a person on stderr (see rmx_say.h). Runs in the process rmx.
 */
#include "clients/rmx_say.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "clients/rmx_text.h"

#define LINE_BYTES 6000 /* two file names of PATH_MAX do not both fit; what is cut is their end */

void rmx_say(const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    int bytes = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (bytes >= 0) {
        rmx_text_tame(line);
        fprintf(stderr, "rmx: %s\n", line);
    }
}

const char *rmx_say_error(int err)
{
    const char *words = strerrordesc_np(-err);

    return words != NULL ? words : "an error without a name";
}

const char *rmx_say_bytes(char text[RMX_SAY_BYTES], double bytes)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
    size_t unit = 0;

    while (bytes >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        bytes /= 1000;
        unit++;
    }
    snprintf(text, RMX_SAY_BYTES, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
    return text;
}

const char *rmx_say_time(char text[RMX_SAY_BYTES], uint64_t ns)
{
    static const char *const units[] = { "ns", "us", "ms", "s" };
    double time = (double)ns;
    size_t unit = 0;

    while (time >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        time /= 1000;
        unit++;
    }
    snprintf(text, RMX_SAY_BYTES, unit == 0 ? "%.0f %s" : "%.1f %s", time, units[unit]);
    return text;
}
