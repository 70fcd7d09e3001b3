/* SPDX-License-Identifier: BSD-2-Clause
 *
 * libavformat in process: the loop that a program of one's own would be, with the worker's heap and
 * the same options. What ringmux can at best be, if its demuxers and muxers are libavformat's. A
 * program by itself, so that the heap is the worker's; see libavformat.h. A failure ends it.
 */
#include "bench/peers/libavformat.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libavformat/avformat.h>

#define IO_BYTES   65536
#define TIMES_MAX  4096
#define OUTPUT_MAX ((size_t)1 << 30)

struct block {
    unsigned char *bytes;
    size_t size;
    size_t at;
};

static struct {
    char name[RMX_ORDER_TEXT]; /* of the file that is in memory */
    struct block block;
} held;

static struct block made; /* room for any output; its size is the last one's */

_Noreturn static void die(const char *what, int err)
{
    (void)fprintf(stderr, "libavformat: %s: %s\n", what, av_err2str(err));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- memory as input and output -------------------------------------------------------------- */

static void hold(const char *name)
{
    FILE *file;
    long size;

    if (strcmp(held.name, name) == 0) {
        return;
    }
    file = fopen(name, "re");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) <= 0) {
        die(name, AVERROR(ENOENT));
    }
    rewind(file);
    free(held.block.bytes);
    held.block = (struct block){ .bytes = malloc((size_t)size), .size = (size_t)size };
    if (held.block.bytes == NULL || fread(held.block.bytes, 1, held.block.size, file) == 0) {
        die(name, AVERROR(EIO));
    }
    (void)fclose(file);
    (void)snprintf(held.name, sizeof(held.name), "%s", name);
    made.bytes = made.bytes != NULL ? made.bytes : calloc(1, OUTPUT_MAX);
    if (made.bytes == NULL) {
        die("output", AVERROR(ENOMEM));
    }
}

static int read_block(void *opaque, uint8_t *to, int size)
{
    struct block *block = opaque;
    size_t left = block->size - block->at;
    size_t count = left < (size_t)size ? left : (size_t)size;

    memcpy(to, block->bytes + block->at, count);
    block->at += count;
    return count > 0 ? (int)count : AVERROR_EOF;
}

static int64_t seek_block(void *opaque, int64_t to, int whence)
{
    struct block *block = opaque;

    if (whence == AVSEEK_SIZE) {
        return (int64_t)block->size;
    }
    if (whence != SEEK_SET || to < 0 || to > (int64_t)block->size) {
        return AVERROR(EINVAL);
    }
    block->at = (size_t)to;
    return to;
}

static int write_block(void *opaque, uint8_t *from, int size)
{
    struct block *block = opaque;

    if ((size_t)size > OUTPUT_MAX - block->size) {
        return AVERROR(ENOSPC);
    }
    memcpy(block->bytes + block->size, from, (size_t)size);
    block->size += (size_t)size;
    return size;
}

static AVIOContext *new_io(struct block *block, bool writes)
{
    unsigned char *buffer = av_malloc(IO_BYTES);
    AVIOContext *io = avio_alloc_context(buffer, IO_BYTES, writes, block,
        writes ? NULL : read_block, writes ? write_block : NULL, writes ? NULL : seek_block);

    if (buffer == NULL || io == NULL) {
        die("memory", AVERROR(ENOMEM));
    }
    return io;
}

static void free_io(AVIOContext *io)
{
    av_freep(&io->buffer);
    avio_context_free(&io);
}

/* --- a job ------------------------------------------------------------------------------------ */

static AVFormatContext *open_input(const struct rmx_order *order, bool memory)
{
    const AVInputFormat *format = order->demuxer[0] ? av_find_input_format(order->demuxer) : NULL;
    AVFormatContext *input = avformat_alloc_context();
    int err;

    if (input == NULL) {
        die("memory", AVERROR(ENOMEM));
    }
    if (memory) {
        held.block.at = 0;
        input->pb = new_io(&held.block, false);
    }
    err = avformat_open_input(&input, memory ? "" : order->input, format, NULL);
    if (err >= 0 && !order->demuxer[0]) {
        err = avformat_find_stream_info(input, NULL);
    }
    if (err < 0) {
        die(order->input, err);
    }
    return input;
}

static AVFormatContext *open_output(
    const struct rmx_order *order, const AVFormatContext *input, bool memory)
{
    AVFormatContext *output = NULL;
    AVDictionary *options = NULL;
    int err = avformat_alloc_output_context2(
        &output, NULL, order->muxer, order->output[0] ? order->output : NULL);

    for (unsigned i = 0; err >= 0 && i < input->nb_streams; i++) {
        AVStream *stream = avformat_new_stream(output, NULL);

        err = stream == NULL
                  ? AVERROR(ENOMEM)
                  : avcodec_parameters_copy(stream->codecpar, input->streams[i]->codecpar);
        if (err >= 0) {
            stream->codecpar->codec_tag = 0;
            stream->time_base = input->streams[i]->time_base;
            stream->avg_frame_rate = input->streams[i]->avg_frame_rate;
        }
    }
    if (err >= 0 && memory) {
        made.size = 0;
        output->pb = new_io(&made, true);
    } else if (err >= 0) {
        err = avio_open(&output->pb, order->output, AVIO_FLAG_WRITE);
    }
    if (order->movflags[0]) {
        (void)av_dict_set(&options, "movflags", order->movflags, 0);
    }
    err = err < 0 ? err : avformat_write_header(output, &options);
    av_dict_free(&options);
    if (err < 0) {
        die(order->muxer, err);
    }
    return output;
}

static int copy_packets(AVFormatContext *input, AVFormatContext *output)
{
    AVPacket *packet = av_packet_alloc();
    int err = packet != NULL ? av_read_frame(input, packet) : AVERROR(ENOMEM);

    while (err >= 0) {
        int slot = packet->stream_index;

        av_packet_rescale_ts(
            packet, input->streams[slot]->time_base, output->streams[slot]->time_base);
        packet->pos = -1;
        err = av_interleaved_write_frame(output, packet);
        err = err < 0 ? err : av_read_frame(input, packet);
    }
    av_packet_free(&packet);
    return err == AVERROR_EOF ? av_write_trailer(output) : err;
}

static uint64_t run_job(const struct rmx_order *order)
{
    bool memory = order->output[0] == '\0';
    AVFormatContext *input = open_input(order, memory);
    AVFormatContext *output = open_output(order, input, memory);
    int err = copy_packets(input, output);
    AVIOContext *read = memory ? input->pb : NULL;
    uint64_t bytes;

    if (err < 0) {
        die("packets", err);
    }
    avio_flush(output->pb);
    bytes = memory ? made.size : (uint64_t)avio_tell(output->pb);
    avformat_close_input(&input);
    if (memory) {
        free_io(read);
        free_io(output->pb);
    } else {
        (void)avio_closep(&output->pb);
    }
    avformat_free_context(output);
    return bytes;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static struct rmx_answer obey(const struct rmx_order *order)
{
    static uint64_t times[TIMES_MAX];
    struct rmx_answer answer = { .jobs = 0 };
    uint64_t began;
    size_t count;

    if (order->output[0] == '\0') {
        hold(order->input);
    }
    began = now_ns();
    do {
        uint64_t at = now_ns();

        if (order->output[0]) {
            (void)remove(order->output);
        }
        answer.bytes = run_job(order);
        times[answer.jobs++ % TIMES_MAX] = now_ns() - at;
        answer.ns = now_ns() - began;
    } while (answer.jobs < order->jobs && answer.ns < order->ns);
    count = answer.jobs < TIMES_MAX ? (size_t)answer.jobs : TIMES_MAX;
    qsort(times, count, sizeof(times[0]), compare);
    answer.p50_ns = times[count / 2];
    return answer;
}

int main(void)
{
    struct rmx_order order;

    av_log_set_level(AV_LOG_ERROR);
    while (fread(&order, sizeof(order), 1, stdin) == 1) {
        struct rmx_answer answer = obey(&order);

        if (fwrite(&answer, sizeof(answer), 1, stdout) != 1 || fflush(stdout) != 0) {
            return 1;
        }
    }
    return 0;
}
