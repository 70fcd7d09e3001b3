/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a new demuxer of an MP4 in fragments reads before it goes on where the last one was: the
 * header, and a fragment made up for what that one learnt on the way. When the last sample of each
 * track began and how long it lasted, which is where one without a time begins; and how far
 * pictures were shown before they were decoded, by which it moves them all. Worker process, a job's
 * fiber. Does no I/O.
 */
#ifndef RMX_ENGINE_WORKER_RECAP_H
#define RMX_ENGINE_WORKER_RECAP_H

#include "engine/worker/fragments.h"

struct rmx_recap {
    uint8_t *bytes; /* or NULL */
    size_t count;
    size_t at;       /* the next one to be read */
    unsigned tracks; /* so many packets of it are made up */
};

/* So many it takes. */
size_t rmx_recap_bytes(const struct rmx_fragments *fragments);

/* Returns 0, or -ENOMEM, *recap untouched. */
int rmx_recap_make(struct rmx_recap *recap, const struct rmx_fragments *fragments);

/* Accepts one that was zeroed. */
void rmx_recap_fini(struct rmx_recap *recap);

#endif
