/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The line on a terminal that says how far a job is (see rmx_progress.h). Runs in the process rmx.
 */
#include "clients/rmx_progress.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clients/clock.h"
#include "clients/rmx_say.h"

#define WIPE       "\r\033[K" /* to the start of the line, and clear it */
#define LINE_BYTES 128

/* How many characters fit: one that wraps could not be wiped off again. */
static int width(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0) {
        return LINE_BYTES;
    }
    return size.ws_col - 1;
}

void rmx_progress_start(struct rmx_progress_line *line, bool is_wanted)
{
    *line = (struct rmx_progress_line){ .is_wanted = is_wanted, .started_ns = rmx_clock_ns() };
}

void rmx_progress_draw(struct rmx_progress_line *line, const struct rmx_progress_bytes *progress)
{
    char bytes[RMX_SAY_BYTES];
    char total[RMX_SAY_BYTES];
    char rate[RMX_SAY_BYTES];
    char text[LINE_BYTES];

    if (!line->is_wanted) {
        return;
    }
    double seconds = (double)(rmx_clock_ns() - line->started_ns) / 1e9;
    double done = (double)progress->bytes_in;
    double whole = (double)progress->bytes_total;
    double per_second = seconds > 0 ? done / seconds : 0;
    rmx_say_bytes(bytes, done);
    rmx_say_bytes(rate, per_second);
    if (whole < 1 || done > whole || per_second < 1) { /* a pipe has no size */
        snprintf(text, sizeof(text), "%s  %s/s", bytes, rate);
    } else {
        snprintf(text, sizeof(text), "%s of %s  %.0f %%  %s/s  %.0f s to go", bytes,
            rmx_say_bytes(total, whole), 100 * done / whole, rate, (whole - done) / per_second);
    }
    rmx_progress_say(line, text);
}

void rmx_progress_say(struct rmx_progress_line *line, const char *text)
{
    if (line->is_wanted) {
        fprintf(stderr, WIPE "%.*s", width(), text);
        line->is_drawn = true;
    }
}

void rmx_progress_wipe(struct rmx_progress_line *line)
{
    if (line->is_drawn) {
        fputs(WIPE, stderr);
        line->is_drawn = false;
    }
}
