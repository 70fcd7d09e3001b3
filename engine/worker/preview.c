/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An MP4 or MOV written strictly forward. See preview.h.
 */
#include "engine/worker/preview.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <libavutil/error.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>

#include "engine/worker/words.h"
#include "ring/base.h"

#if LIBAVFORMAT_VERSION_MAJOR >= 61
typedef const uint8_t written_byte;
#else
typedef uint8_t written_byte;
#endif

#define BUFFER_BYTES 4096 /* what is larger goes around it */

/* --- pieces ---------------------------------------------------------------------------------- */

/* Returns 0 or an AVERROR. What was left out before `at` is zero, as in a file. */
static int put(struct rmx_preview_piece *piece, uint64_t at, const uint8_t *bytes, int size)
{
    uint64_t end = at + (unsigned)size;

    if (at > INT_MAX || end > INT_MAX) {
        return AVERROR(ERANGE);
    }
    if (end > piece->size) {
        unsigned char *grown = av_fast_realloc(piece->bytes, &piece->room, end);

        if (grown == NULL) {
            return AVERROR(ENOMEM);
        }
        memset(grown + piece->size, 0, end - piece->size);
        piece->bytes = grown;
        piece->size = end;
    }
    memcpy(piece->bytes + at, bytes, (size_t)size);
    return 0;
}

static bool same(const struct rmx_preview_piece *one, const struct rmx_preview_piece *other)
{
    return one->size == other->size &&
           (one->size == 0 || memcmp(one->bytes, other->bytes, one->size) == 0);
}

static void send(
    struct rmx_preview *preview, const struct rmx_preview_piece *piece, uint64_t from, uint64_t to)
{
    rmx_assert(from <= to && to <= piece->size);
    if (from < to) {
        avio_write(preview->output, piece->bytes + from, (int)(to - from));
    }
}

static struct rmx_preview_take *now(struct rmx_preview *preview)
{
    return &preview->takes[preview->output != NULL];
}

/* --- what the muxer writes ------------------------------------------------------------------- */

static int differ(struct rmx_preview *preview)
{
    preview->differs = true;
    return AVERROR(EIO);
}

/* What the first take has told of the front, and of the index that goes into it. */
static int begin_media(struct rmx_preview *preview)
{
    const struct rmx_preview_take *told = &preview->takes[0];
    struct rmx_preview_take *take = now(preview);

    take->phase = RMX_PREVIEW_MEDIA;
    take->media_end = take->front.size;
    if (take == told) {
        return 0;
    }
    if (take->front.size != told->front.size) {
        return differ(preview);
    }
    if (preview->index_first) {
        send(preview, &told->front, 0, told->index_at);
        send(preview, &told->index, 0, told->index.size);
        send(preview, &told->front, told->index_at, told->front.size);
    } else {
        send(preview, &told->front, 0, told->front.size);
    }
    return preview->output->error;
}

static int put_media(struct rmx_preview *preview, const uint8_t *bytes, int size)
{
    struct rmx_preview_take *take = now(preview);

    take->media_end += (unsigned)size;
    if (preview->output == NULL) {
        return 0;
    }
    if (take->media_end > preview->takes[0].media_end) {
        return differ(preview);
    }
    avio_write(preview->output, bytes, size);
    return preview->output->error;
}

static int put_index(struct rmx_preview *preview, const uint8_t *bytes, int size)
{
    struct rmx_preview_take *take = now(preview);

    if (take->phase != RMX_PREVIEW_INDEX) {
        take->phase = RMX_PREVIEW_INDEX;
        take->index_at = preview->at;
    }
    if (preview->at < take->index_at) {
        return AVERROR(ESPIPE);
    }
    return put(&take->index, preview->at - take->index_at, bytes, size);
}

static int take_down(
    struct rmx_preview *preview, const uint8_t *bytes, int size, enum AVIODataMarkerType type)
{
    struct rmx_preview_take *take = now(preview);
    int error = 0;

    if (take->phase == RMX_PREVIEW_FRONT && type != AVIO_DATA_MARKER_HEADER) {
        error = begin_media(preview);
    }
    if (take->phase == RMX_PREVIEW_MEDIA && preview->at != take->media_end) {
        take->phase = RMX_PREVIEW_PATCHES;
    }
    if (error < 0) {
        return error;
    }
    switch (take->phase) {
    case RMX_PREVIEW_FRONT:
        return put(&take->front, preview->at, bytes, size);
    case RMX_PREVIEW_MEDIA:
        return put_media(preview, bytes, size);
    case RMX_PREVIEW_PATCHES:
        if (preview->at + (unsigned)size <= take->front.size) {
            return put(&take->front, preview->at, bytes, size);
        }
        return put_index(preview, bytes, size);
    default:
        return put_index(preview, bytes, size);
    }
}

static int write_bytes(
    void *opaque, written_byte *bytes, int size, enum AVIODataMarkerType type, int64_t time)
{
    struct rmx_preview *preview = opaque;
    int error = take_down(preview, bytes, size, type);

    (void)time;
    if (error < 0) {
        return error;
    }
    preview->at += (unsigned)size;
    return size;
}

static int64_t seek(void *opaque, int64_t offset, int whence)
{
    struct rmx_preview *preview = opaque;

    whence &= ~AVSEEK_FORCE;
    if (whence != SEEK_SET || offset < 0) {
        return AVERROR(EINVAL);
    }
    preview->at = (uint64_t)offset;
    return offset;
}

/* --- a muxer that moves its index ------------------------------------------------------------ */

/* It reads the media again to write them behind the index: here there are none. */
static int read_again(
    AVFormatContext *muxer, AVIOContext **io, const char *url, int flags, AVDictionary **options)
{
    const struct rmx_words *words = muxer->opaque;

    (void)url;
    (void)options;
    if (flags != AVIO_FLAG_READ) {
        return AVERROR(EACCES);
    }
    now(words->outlet->preview)->phase = RMX_PREVIEW_MOVED;
    *io = avio_alloc_context(NULL, 0, 0, NULL, NULL, NULL, NULL);
    return *io == NULL ? AVERROR(ENOMEM) : 0;
}

static int close_again(AVFormatContext *muxer, AVIOContext *io)
{
    (void)muxer;
    avio_context_free(&io);
    return 0;
}

enum rmx_status rmx_preview_attach(
    struct rmx_preview *preview, AVFormatContext *muxer, bool goes_back)
{
    preview->needless = !goes_back;
    if (!goes_back) {
        return RMX_STATUS_UNSUPPORTED;
    }
    if (preview->index_first && av_opt_set(muxer->priv_data, "movflags", "+faststart", 0) < 0) {
        return RMX_STATUS_OVER_LIMIT;
    }
    muxer->flags &= ~AVFMT_FLAG_CUSTOM_IO; /* with it, it would leave the index where it is */
    muxer->io_open = read_again;
    muxer->io_close2 = close_again;
    return RMX_STATUS_OK;
}

/* --- two takes ------------------------------------------------------------------------------- */

int rmx_preview_init(struct rmx_preview *preview, bool index_first)
{
    unsigned char *buffer = av_malloc(BUFFER_BYTES);

    *preview = (struct rmx_preview){ .index_first = index_first };
    if (buffer == NULL) {
        return -ENOMEM;
    }
    preview->context = avio_alloc_context(buffer, BUFFER_BYTES, 1, preview, NULL, NULL, seek);
    if (preview->context == NULL) {
        av_free(buffer);
        return -ENOMEM;
    }
    preview->context->write_data_type = write_bytes;
    preview->context->direct = 1; /* the media are not copied */
    return 0;
}

bool rmx_preview_is_whole(const struct rmx_preview *preview)
{
    const struct rmx_preview_take *take = &preview->takes[preview->output != NULL];

    return take->phase >= RMX_PREVIEW_PATCHES;
}

void rmx_preview_perform(struct rmx_preview *preview, AVIOContext *output)
{
    rmx_assert(rmx_preview_is_whole(preview) && preview->output == NULL);
    (void)avio_seek(preview->context, 0, SEEK_SET);
    preview->output = output;
    output->direct = 1; /* nobody goes back in it */
}

static bool are_same(const struct rmx_preview_take *one, const struct rmx_preview_take *other)
{
    return same(&one->front, &other->front) && same(&one->index, &other->index) &&
           one->index_at == other->index_at && one->media_end == other->media_end;
}

bool rmx_preview_finish(struct rmx_preview *preview)
{
    const struct rmx_preview_take *told = &preview->takes[0];

    if (preview->differs || !are_same(told, &preview->takes[1])) {
        return false;
    }
    if (!preview->index_first) {
        send(preview, &told->index, 0, told->index.size);
    }
    avio_flush(preview->output);
    return true;
}

void rmx_preview_fini(struct rmx_preview *preview)
{
    for (size_t slot = 0; slot < 2; slot++) {
        av_freep(&preview->takes[slot].front.bytes);
        av_freep(&preview->takes[slot].index.bytes);
    }
    if (preview->context != NULL) {
        av_freep((void *)&preview->context->buffer);
        avio_context_free(&preview->context);
    }
}
