/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The boxes of a fragment, and of the index behind the last one: moof and the head of its mdat,
 * mfra (ISO/IEC 14496-12), as libavformat's muxer writes them. Worker process, a job's fiber.
 */
#ifndef RMX_ENGINE_WORKER_MOOF_H
#define RMX_ENGINE_WORKER_MOOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libavformat/avio.h>

struct rmx_moof_sample {
    int64_t dts;
    int32_t shift; /* pts - dts */
    uint32_t bytes;
    bool key;
};

/* A track's samples in a fragment, one at least. */
struct rmx_moof_run {
    const struct rmx_moof_sample *samples;
    unsigned count;
    int64_t end; /* of the last one */
    bool pictures;
    bool shifted; /* all say their shift */
};

struct rmx_moof_entry;

struct rmx_moof {
    uint8_t *bytes; /* of the box at hand */
    size_t size;
    size_t room;
    size_t *offsets_at; /* where each track's run says where its samples are */
    uint64_t *media;    /* bytes of each track's samples in the fragment */
    unsigned tracks;
    uint32_t number; /* of the fragment */
    int64_t at;      /* where the fragment begins in the file */
    struct rmx_moof_entry *entries;
    unsigned entry_count;
    unsigned entry_room;
    bool failed; /* no memory */
};

/* Returns 0 or AVERROR(ENOMEM). What it made, fini frees. */
int rmx_moof_init(struct rmx_moof *moof, unsigned tracks);

void rmx_moof_begin(struct rmx_moof *moof, int64_t at);

/* Tracks in order. */
void rmx_moof_add(struct rmx_moof *moof, unsigned track, const struct rmx_moof_run *run);

/* Writes it; the samples' bytes, in the same order, are the caller's to write. Returns 0 or
 * AVERROR.
 */
int rmx_moof_end(struct rmx_moof *moof, AVIOContext *io);

/* Likewise. */
int rmx_moof_write_index(struct rmx_moof *moof, AVIOContext *io);

void rmx_moof_fini(struct rmx_moof *moof);

#endif
