/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What came of the jobs of a batch (see rmx_tally.h). Runs in the process rmx.
 */
#include "clients/rmx_tally.h"

#include <inttypes.h>
#include <stdio.h>

#include "clients/clock.h"
#include "clients/rmx_say.h"

#define LINE_BYTES 1024

void rmx_tally_start(struct rmx_tally *tally, uint64_t lines)
{
    *tally = (struct rmx_tally){ .lines = lines, .started_ns = rmx_clock_ns(), .first = RMX_OK };
}

void rmx_tally_add(struct rmx_tally *tally, const struct rmx_result *result)
{
    uint32_t status = result->status < RMX_END_KINDS ? result->status : RMX_INTERNAL;

    tally->ended++;
    tally->ended_as[status]++;
    tally->bytes_in += result->bytes_in;
    tally->bytes_out += result->bytes_out;
    if (status != RMX_OK) {
        tally->failed++;
        tally->first = tally->first == RMX_OK ? status : tally->first;
    }
}

void rmx_tally_draw(const struct rmx_tally *tally, struct rmx_progress_line *line, uint32_t running)
{
    char bytes[RMX_SAY_BYTES];
    char rate[RMX_SAY_BYTES];
    char whole[40] = "";
    char failed[40] = "";
    char text[LINE_BYTES];

    if (!line->is_wanted) {
        return;
    }
    double seconds = (double)(rmx_clock_ns() - tally->started_ns) / 1e9;
    double done = (double)tally->bytes_in;
    if (tally->lines != 0) {
        snprintf(whole, sizeof(whole), " of %" PRIu64, tally->lines);
    }
    if (tally->failed != 0) {
        snprintf(failed, sizeof(failed), ", %" PRIu64 " failed", tally->failed);
    }
    snprintf(text, sizeof(text), "%" PRIu64 "%s done%s, %" PRIu32 " running, %s, %s/s",
        tally->ended, whole, failed, running, rmx_say_bytes(bytes, done),
        rmx_say_bytes(rate, seconds > 0 ? done / seconds : 0));
    rmx_progress_say(line, text);
}

/* "338 OK, 2 BAD_MEDIA" */
static void list_ends(const struct rmx_tally *tally, char *list, size_t bytes)
{
    size_t used = 0;

    for (uint32_t i = 0; i < RMX_END_KINDS && used < bytes; i++) {
        if (tally->ended_as[i] != 0) {
            used += (size_t)snprintf(list + used, bytes - used, "%s%" PRIu64 " %s",
                used > 0 ? ", " : "", tally->ended_as[i], rmx_end_name(i));
        }
    }
}

void rmx_tally_say(const struct rmx_tally *tally)
{
    char list[LINE_BYTES] = "none ended";
    char left[48] = "";
    char in[RMX_SAY_BYTES];
    char out[RMX_SAY_BYTES];
    char time[RMX_SAY_BYTES];
    uint64_t jobs = tally->lines > tally->ended ? tally->lines : tally->ended;

    list_ends(tally, list, sizeof(list));
    if (jobs > tally->ended) {
        snprintf(left, sizeof(left), ", %" PRIu64 " not started", jobs - tally->ended);
    }
    rmx_say("%" PRIu64 " job%s: %s%s; %s in, %s out, in %s", jobs, jobs == 1 ? "" : "s", list, left,
        rmx_say_bytes(in, (double)tally->bytes_in), rmx_say_bytes(out, (double)tally->bytes_out),
        rmx_say_time(time, rmx_clock_ns() - tally->started_ns));
}
