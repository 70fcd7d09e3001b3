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

struct rmx_part;

struct rmx_part_name {
    char *text;
    uint32_t hash; /* so that a new name is soon known to be new */
};

struct rmx_parts {
    struct rmx_sink *sink;
    struct rmx_part_name *names; /* by their numbers */
    uint32_t count;
    uint32_t room;
    uint32_t oldest;       /* of the numbers, when there is no other one left */
    struct rmx_part *open; /* a list */
};

void rmx_parts_init(struct rmx_parts *parts, struct rmx_sink *sink);

/* As struct rmx_outlet (outlet.h) wants them; owner is a struct rmx_parts. AVERROR(EINVAL) for a
 * name that is no plain one (ipc/file_name.h). Beyond RMX_FILE_NAMES_MAX of them, the number of a
 * file that is complete is given to a new one. Nothing can be written through what was opened first
 * when a name is opened twice. */
int rmx_parts_open(void *owner, const char *name, AVIOContext **io);
int rmx_parts_close(void *owner, AVIOContext *io);
int rmx_parts_drop(void *owner, const char *name);
int rmx_parts_encrypt(void *owner, AVIOContext *io, const uint8_t *key, const uint8_t *iv);

/* Frees what a muxer that failed left open, too. Accepts one that was zeroed. */
void rmx_parts_fini(struct rmx_parts *parts);

#endif
