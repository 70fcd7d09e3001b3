/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Files of a muxer that cannot go out as it writes them: each is kept in memory until it is whole.
 * The playlist of HLS, whose last length is mended (lists.h); all of DASH in single files
 * (volumes.h); a segment of HLS that is encrypted and then read back into a single file. Worker
 * process, a job's fiber.
 */
#ifndef RMX_ENGINE_WORKER_KEPT_H
#define RMX_ENGINE_WORKER_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#include "engine/worker/lists.h"
#include "engine/worker/volumes.h"
#include "engine/worker/words.h"

#define RMX_KEPT_KEY_BYTES 16u

struct rmx_kept_file;

struct rmx_kept {
    struct rmx_kept_file *open; /* a list */
    struct rmx_lists lists;
    struct rmx_volumes volumes;
    uint8_t *segment; /* encrypted, to be read back */
    size_t segment_bytes;
};

/* Is the file of that name one of them? */
bool rmx_kept_takes(const struct rmx_words *words, const char *name);

/* Returns 0 with *io, which closes with rmx_kept_close(), or AVERROR. */
int rmx_kept_open(const struct rmx_words *words, const char *name, AVIOContext **io);

/* The same, to be encrypted with AES-128 when it is whole, and read back then. */
int rmx_kept_open_encrypted(const struct rmx_words *words, const uint8_t key[RMX_KEPT_KEY_BYTES],
    const uint8_t iv[RMX_KEPT_KEY_BYTES], AVIOContext **io);

/* Is it one of those that are open? */
bool rmx_kept_has(const struct rmx_words *words, const AVIOContext *io);

/* Sends it on. Returns 0 or AVERROR. */
int rmx_kept_close(const struct rmx_words *words, AVIOContext *io);

/* The file is out of date. Was it one of a single file, which stays as it is? */
bool rmx_kept_drop(const struct rmx_words *words, const char *name);

/* Frees what a muxer that failed left open, too. Accepts one that was zeroed. */
void rmx_kept_fini(struct rmx_kept *kept);

#endif
