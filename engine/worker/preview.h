/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An MP4 or MOV written strictly forward, though its muxer goes back: to put the size of the media
 * before them, and the index in front if asked. The muxer writes the file twice. The first take
 * keeps all but the media, as it is in the end; the second one's media go out between what the
 * first has told, and all else is compared with that. Worker process, a job's fiber. Reads nothing.
 */
#ifndef RMX_ENGINE_WORKER_PREVIEW_H
#define RMX_ENGINE_WORKER_PREVIEW_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#include "ipc/status.h"

struct rmx_preview_piece {
    unsigned char *bytes;
    uint64_t size;
    unsigned room;
};

enum rmx_preview_phase {
    RMX_PREVIEW_FRONT, /* what comes before the media */
    RMX_PREVIEW_MEDIA,
    RMX_PREVIEW_PATCHES, /* of the front, now that the media are complete */
    RMX_PREVIEW_MOVED,   /* room was made for the index, which comes next */
    RMX_PREVIEW_INDEX,
};

struct rmx_preview_take {
    enum rmx_preview_phase phase;
    struct rmx_preview_piece front;
    struct rmx_preview_piece index;
    uint64_t media_end; /* as the muxer counts: with the front, without the index */
    uint64_t index_at;  /* likewise */
};

struct rmx_preview {
    AVIOContext *context; /* what the muxer writes to */
    AVIOContext *output;  /* where the second take goes; NULL: this is the first */
    struct rmx_preview_take takes[2];
    uint64_t at;
    bool index_first;
    bool needless; /* this muxer does not go back: nothing was written, and this take has failed */
    bool differs;  /* the second take is not as the first */
};

/* Returns 0 or -ENOMEM. */
int rmx_preview_init(struct rmx_preview *preview, bool index_first);

/* Tells a muxer that is to write to `context`, before its header. Returns OK, or UNSUPPORTED: a
 * preview is needless. */
enum rmx_status rmx_preview_attach(
    struct rmx_preview *preview, AVFormatContext *muxer, bool goes_back);

/* Has the take gone beyond its media? */
bool rmx_preview_is_whole(const struct rmx_preview *preview);

/* After the first take: the next is the second, and its media go out. */
void rmx_preview_perform(struct rmx_preview *preview, AVIOContext *output);

/* After the second: what follows the media, if it was as the first. The output is flushed. Returns
 * false if it was not. */
bool rmx_preview_finish(struct rmx_preview *preview);

/* Accepts one that was zeroed or whose init failed. */
void rmx_preview_fini(struct rmx_preview *preview);

#endif
