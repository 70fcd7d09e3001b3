/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Puts the index of a finished MP4 or MOV in front of its samples. Worker process, a job's fiber.
 * Believes no length in the file; holds the index in memory, and nothing else of it.
 */
#ifndef RMX_ENGINE_WORKER_FASTSTART_H
#define RMX_ENGINE_WORKER_FASTSTART_H

#include <stddef.h>
#include <stdint.h>

#include "engine/worker/source.h"

struct rmx_faststart {
    unsigned char *moov; /* the whole box, already true of its new place */
    uint64_t moov_bytes;
    uint64_t moov_at; /* where it is in the input */
    uint64_t front;   /* where it goes: behind the file's type */
};

/* Reads the index. The source must be seekable and have a size. Returns 0: to be written are the
 * input's bytes before `front`, the index, and the input's other bytes but for the index. 1: there
 * is nothing to do, the index is in front or there is none. Else -ENOMEM: the index is larger than
 * a job may hold; -EBADMSG: it makes no sense; -EOVERFLOW: it has 32 bits for an offset that would
 * need more; or an AVERROR of the source. */
int rmx_faststart_plan(struct rmx_faststart *plan, struct rmx_source *source);

/* Accepts one that was zeroed. */
void rmx_faststart_fini(struct rmx_faststart *plan);

/* Adds `shift` to every sample position in an index that lies from `from` up to, not including,
 * `to`. Returns 0, -EBADMSG or -EOVERFLOW as above. */
int rmx_faststart_shift(
    unsigned char *moov, uint64_t bytes, uint64_t from, uint64_t to, uint64_t shift);

#endif
