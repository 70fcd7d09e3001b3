/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Going back in a stream that cannot (engine/worker/tap.h).
 */
#include "engine/worker/tap.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/error.h>
#include <libavutil/mem.h>

#define STREAM_BYTES (3u * RMX_TAP_HEAD_MAX)
#define PIECE_BYTES  5000

/* A stream of known bytes that comes in pieces. */
struct stream {
    size_t at;
    AVIOContext *context;
    struct rmx_tap tap;
};

static uint8_t byte_at(size_t place)
{
    return (uint8_t)(place ^ place >> 8 ^ place >> 16);
}

static int read_stream(void *opaque, uint8_t *buffer, int wanted)
{
    struct stream *stream = opaque;
    size_t count = 0;

    while (count < (size_t)wanted && count < PIECE_BYTES && stream->at < STREAM_BYTES) {
        buffer[count++] = byte_at(stream->at++);
    }
    return count > 0 ? (int)count : AVERROR_EOF;
}

static void open_stream(struct stream *stream)
{
    memset(stream, 0, sizeof(*stream));
    stream->context = avio_alloc_context(av_malloc(4096), 4096, 0, stream, read_stream, NULL, NULL);
    cr_assert_not_null(stream->context);
    cr_assert_eq(rmx_tap_init(&stream->tap, stream->context), 0);
}

static void close_stream(struct stream *stream)
{
    rmx_tap_fini(&stream->tap);
    av_freep((void *)&stream->context->buffer);
    avio_context_free(&stream->context);
}

/* Reads on, and sees that it is what comes at `place`. */
static void read_on(struct stream *stream, size_t place, size_t bytes)
{
    static uint8_t buffer[STREAM_BYTES];
    int got = avio_read(stream->tap.context, buffer, (int)bytes);

    cr_assert_eq(got, (int)bytes);
    for (size_t i = 0; i < bytes; i++) {
        if (buffer[i] != byte_at(place + i)) {
            cr_assert_fail("byte %zu is not what it was", place + i);
        }
    }
}

Test(tap, all_that_was_read_can_be_read_again)
{
    struct stream stream;
    size_t read = RMX_TAP_HEAD_MAX - 100000;

    open_stream(&stream);
    rmx_tap_keep_all(&stream.tap);
    cr_assert_eq(stream.tap.context->seekable, AVIO_SEEKABLE_NORMAL);
    read_on(&stream, 0, read);
    cr_assert_gt(avio_size(stream.tap.context), 0);
    cr_assert_eq(avio_seek(stream.tap.context, 1000, SEEK_SET), 1000);
    rmx_tap_forget(&stream.tap);
    cr_assert_eq(stream.tap.context->seekable, 0);
    read_on(&stream, 1000, STREAM_BYTES - 1000);
    cr_assert_eq(avio_r8(stream.tap.context), 0);
    cr_assert(avio_feof(stream.tap.context));
    close_stream(&stream);
}

Test(tap, says_that_it_cannot_go_back_when_there_was_too_much)
{
    struct stream stream;

    open_stream(&stream);
    rmx_tap_keep_all(&stream.tap);
    read_on(&stream, 0, RMX_TAP_HEAD_MAX + 100000);
    cr_assert_eq(stream.tap.context->seekable, 0);
    cr_assert_lt(avio_seek(stream.tap.context, 1000, SEEK_SET), 0);
    read_on(&stream, RMX_TAP_HEAD_MAX + 100000, STREAM_BYTES - RMX_TAP_HEAD_MAX - 100000);
    close_stream(&stream);
}

Test(tap, keeps_only_a_head_unless_told)
{
    struct stream stream;

    open_stream(&stream);
    cr_assert_eq(stream.tap.context->seekable, 0);
    read_on(&stream, 0, 100);
    cr_assert_eq(avio_seek(stream.tap.context, 0, SEEK_SET), 0);
    read_on(&stream, 0, 100000);
    cr_assert_lt(avio_seek(stream.tap.context, 0, SEEK_SET), 0);
    read_on(&stream, 100000, STREAM_BYTES - 100000);
    close_stream(&stream);
}
