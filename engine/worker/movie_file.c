/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The file around a plain movie. Worker process, a job's fiber. See movie_file.h.
 */
#include "engine/worker/movie_file.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <libavutil/common.h>
#include <libavutil/error.h>
#include <libavutil/mem.h>

#include "engine/worker/box.h"

#define FTYP_BYTES_MAX 1024
#define MOOV_BYTES_MAX (64u << 20)
#define MARK           "Anevia\x1A\x1A"
#define TOP_BOXES_MAX  16

static int read_content(AVIOContext *input, const struct rmx_box *box, uint64_t bytes_max,
    uint8_t **bytes, struct rmx_movie_span *span)
{
    uint64_t size = box->end - box->at - box->head_bytes;

    if (*bytes || size > bytes_max) {
        return AVERROR(ENOTSUP);
    }
    *bytes = av_malloc(size + 1);
    if (!*bytes) {
        return AVERROR(ENOMEM);
    }
    *span = (struct rmx_movie_span){ .at = *bytes, .bytes = size };
    return avio_read(input, *bytes, (int)size) == (int)size ? 0 : AVERROR(ENOTSUP);
}

/* Reads the head of the box that begins here. */
static int read_head(AVIOContext *input, uint64_t size, struct rmx_box *box)
{
    uint8_t head[RMX_BOX_HEAD_BYTES] = { 0 };
    uint64_t at = (uint64_t)avio_tell(input);

    if (avio_read(input, head, RMX_BOX_HEAD_SHORT_BYTES) != RMX_BOX_HEAD_SHORT_BYTES) {
        return AVERROR(ENOTSUP);
    }
    if (rmx_box_is_long(head) && avio_read(input, head + RMX_BOX_HEAD_SHORT_BYTES, 8) != 8) {
        return AVERROR(ENOTSUP);
    }
    return rmx_box_read(box, head, sizeof(head), at, size) < 0 ? AVERROR(ENOTSUP) : 0;
}

static int pass(AVIOContext *input, const struct rmx_box *box)
{
    return avio_seek(input, (int64_t)box->end, SEEK_SET) == (int64_t)box->end ? 0
                                                                              : AVERROR(ENOTSUP);
}

/* One maker's mark in it makes libavformat trust an index at the end, and count otherwise. */
static int pass_free(AVIOContext *input, const struct rmx_box *box)
{
    uint8_t mark[sizeof(MARK) - 1] = { 0 };

    if (box->end - (uint64_t)avio_tell(input) >= sizeof(mark) &&
        (avio_read(input, mark, sizeof(mark)) != sizeof(mark) ||
            memcmp(mark, MARK, sizeof(mark)) == 0)) {
        return AVERROR(ENOTSUP);
    }
    return pass(input, box);
}

int rmx_movie_file_read(struct rmx_movie_file *file, AVIOContext *input)
{
    int64_t size = avio_size(input);
    struct rmx_movie_span ftyp = { NULL, 0 };
    struct rmx_movie_span moov = { NULL, 0 };
    bool media = false;
    int err = 0;

    for (unsigned boxes = 0; boxes < TOP_BOXES_MAX && err >= 0 && avio_tell(input) < size;
         boxes++) {
        struct rmx_box box = { .type = 0 };

        err = read_head(input, (uint64_t)size, &box);
        if (err < 0 || (boxes == 0 && box.type != MKBETAG('f', 't', 'y', 'p'))) {
            return AVERROR(ENOTSUP);
        }
        switch (box.type) {
        case MKBETAG('f', 't', 'y', 'p'):
            err = read_content(input, &box, FTYP_BYTES_MAX, &file->ftyp, &ftyp);
            break;
        case MKBETAG('m', 'o', 'o', 'v'):
            err = read_content(input, &box, MOOV_BYTES_MAX, &file->moov, &moov);
            break;
        case MKBETAG('w', 'i', 'd', 'e'): /* room for a longer head of what follows */
            err = box.end - box.at == RMX_BOX_HEAD_SHORT_BYTES ? 0 : AVERROR(ENOTSUP);
            break;
        case MKBETAG('m', 'd', 'a', 't'):
            media = true;
            err = moov.at && box.end == (uint64_t)size ? AVERROR_EOF : pass(input, &box);
            break;
        case MKBETAG('f', 'r', 'e', 'e'):
            err = pass_free(input, &box);
            break;
        default:
            err = AVERROR(ENOTSUP);
        }
    }
    if (err < 0 && err != AVERROR_EOF) {
        return err;
    }
    return media && moov.at && (err == AVERROR_EOF || avio_tell(input) == size)
               ? rmx_movie_read(&file->movie, ftyp, moov)
               : AVERROR(ENOTSUP);
}

void rmx_movie_file_fini(struct rmx_movie_file *file)
{
    av_freep(&file->moov);
    av_freep(&file->ftyp);
}
