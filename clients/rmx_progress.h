/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The line on a terminal that says how far a job is. Runs in the process rmx.
 */
#ifndef RMX_CLIENTS_RMX_PROGRESS_H
#define RMX_CLIENTS_RMX_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "clients/ringmux.h"

struct rmx_progress_line {
    bool is_wanted;
    bool is_drawn;
    uint64_t started_ns;
};

/* started_ns is now. */
void rmx_progress_start(struct rmx_progress_line *line, bool is_wanted);

/* Draws it over itself on stderr: bytes, %, rate, time to go. */
void rmx_progress_draw(struct rmx_progress_line *line, const struct rmx_progress_bytes *progress);

/* Draws something else there. */
void rmx_progress_say(struct rmx_progress_line *line, const char *text);

/* Wipes it off, so that something else can be said there. */
void rmx_progress_wipe(struct rmx_progress_line *line);

#endif
