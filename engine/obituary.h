/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a dead worker left in its arena. Runs on the lane's thread. Must never trust a word of it:
 * the worker read foreign bytes, and they may have written it.
 */
#ifndef RMX_ENGINE_OBITUARY_H
#define RMX_ENGINE_OBITUARY_H

#include <stdint.h>

#include "ipc/lane_wire.h"

struct rmx_last_words {
    uint32_t flow;   /* what it worked on when it died; UINT32_MAX = nothing, or it lies */
    uint32_t stage;  /* 1 in a job, 0 between jobs, or any number */
    uint32_t signal; /* that it caught; 0 = it could not say */
    uint64_t jobs;   /* it had ended */
    char text[RMX_LAST_WORDS_BYTES]; /* printable, NUL-terminated */
};

/* Before the next worker comes: what it has not said is not to be read as its own. */
void rmx_obituary_clear(struct rmx_last_words_shm *shm);

/* flows: entries of its flow table. The process must be dead. */
void rmx_obituary_read(
    const struct rmx_last_words_shm *shm, uint32_t flows, struct rmx_last_words *words);

#endif
