/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What came of the jobs of a batch: counted, drawn while it goes on, and summed up. Runs in the
 * process rmx.
 */
#ifndef RMX_CLIENTS_RMX_TALLY_H
#define RMX_CLIENTS_RMX_TALLY_H

#include <stdint.h>

#include "clients/ringmux.h"
#include "clients/rmx_progress.h"

struct rmx_tally {
    uint64_t lines;  /* jobs that the batch has; 0 = nobody knows yet */
    uint64_t ended;  /* jobs that have ended */
    uint64_t failed; /* of these, not OK */
    uint64_t ended_as[RMX_END_KINDS];
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t started_ns;
    uint32_t first; /* how the first that failed ended; RMX_OK = none did */
};

void rmx_tally_start(struct rmx_tally *tally, uint64_t lines);

void rmx_tally_add(struct rmx_tally *tally, const struct rmx_result *result);

/* "12 of 340 done, 1 failed, 16 running, 1.2 GB, 300 MB/s" */
void rmx_tally_draw(
    const struct rmx_tally *tally, struct rmx_progress_line *line, uint32_t running);

/* One line on stderr: how many ended how, bytes, time. */
void rmx_tally_say(const struct rmx_tally *tally);

#endif
