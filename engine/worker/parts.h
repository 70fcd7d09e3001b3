/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The files of a muxer that writes several, through the one output ring. Worker process, the job's
 * fiber. Each name is a part, numbered in the order of their first use; to begin one is a chunk
 * with its name. Must never touch a file system: whoever takes the output does.
 */
#ifndef RMX_ENGINE_WORKER_PARTS_H
#define RMX_ENGINE_WORKER_PARTS_H

#include <stdint.h>

#include <libavformat/avio.h>

#include "engine/worker/sink.h"

#define RMX_PARTS_MAX        16384u
#define RMX_PARTS_NAME_BYTES 64u /* with its NUL */

struct rmx_part;

struct rmx_parts {
    struct rmx_sink *sink;
    char (*names)[RMX_PARTS_NAME_BYTES];
    uint32_t count;
    uint32_t room;
    struct rmx_part *open; /* a list */
};

void rmx_parts_init(struct rmx_parts *parts, struct rmx_sink *sink);

/* As struct rmx_outlet (outlet.h) wants them; owner is a struct rmx_parts. A name is short, of
 * letters, digits, '.', '-' and '_', and does not begin with a dot: AVERROR(EINVAL) for another.
 * AVERROR(ENOMEM) beyond RMX_PARTS_MAX. */
int rmx_parts_open(void *owner, const char *name, AVIOContext **io);
int rmx_parts_close(void *owner, AVIOContext *io);

/* Frees what a muxer that failed left open, too. Accepts one that was zeroed. */
void rmx_parts_fini(struct rmx_parts *parts);

#endif
