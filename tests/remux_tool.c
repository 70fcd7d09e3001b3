/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs the libavformat stage on two files, without daemon, ring or sandbox: what the conformance
 * and fuzz runs of the stage itself are made with. One process, one thread.
 *
 *   remux_tool [--format F] [--input-format F] [--opt k=v]... [--edit k=v]... [--map S]...
 *              [--all-streams] [--bitexact] [--allow-truncated] [--probe] [--stream-in]
 *              [--stream-out] [--live] [--interleave-us N] [--fragment-us N|packet]
 *              [--trickle BYTES:LOG] [--repeat N] [--parts] [--input FILE]... [--output FILE]...
 *              IN OUT
 *
 * Prints the result as one JSON line and exits as `rmx` would. --repeat runs the job again and
 * again and reports the shortest time. With --parts OUT is a folder, for a muxer of several files.
 * --trickle reads as a slow stream comes, so many bytes at a time, and logs a line before each
 * read: bytes in, bytes out until then. --input and --output are further ones, behind IN and OUT.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <libavutil/error.h>
#include <libavutil/mem.h>

#include "engine/worker/remux.h"
#include "ipc/format.h"
#include "ipc/status.h"

#define IO_BYTES        65536
#define ALLOC_MAX_BYTES ((size_t)256 << 20)

struct file {
    int fd;
    int64_t at;
    uint64_t bytes; /* moved in all */
    int most;       /* bytes at a time */
    FILE *log;
    const struct file *output; /* of an input that logs */
};

struct tool {
    struct rmx_job_spec spec;
    int stream_in;
    int stream_out;
    int parts;
    unsigned repeat;
    int trickle; /* bytes at a time; 0 = all there are */
    const char *log;
    const char *in[RMX_JOB_INPUTS_MAX];
    const char *out[RMX_JOB_OUTPUTS_MAX];
};

static int read_file(void *opaque, uint8_t *buffer, int size)
{
    struct file *file = opaque;

    if (file->log) {
        fprintf(file->log, "%" PRIu64 " %" PRIu64 "\n", file->bytes, file->output->bytes);
    }
    size = file->most > 0 && file->most < size ? file->most : size;
    ssize_t got = pread(file->fd, buffer, (size_t)size, file->at);

    if (got < 0) {
        return AVERROR(errno);
    }
    file->at += got;
    file->bytes += (uint64_t)got;
    return got == 0 ? AVERROR_EOF : (int)got;
}

static int write_file(void *opaque, uint8_t *buffer, int size)
{
    struct file *file = opaque;
    ssize_t put = pwrite(file->fd, buffer, (size_t)size, file->at);

    if (put < 0) {
        return AVERROR(errno);
    }
    file->at += put;
    file->bytes += (uint64_t)put;
    return (int)put;
}

static int64_t seek_file(void *opaque, int64_t offset, int whence)
{
    struct file *file = opaque;
    struct stat st;

    if (whence == AVSEEK_SIZE) {
        return fstat(file->fd, &st) < 0 ? AVERROR(errno) : st.st_size;
    }
    if (whence != SEEK_SET) {
        return AVERROR(EINVAL);
    }
    file->at = offset;
    return offset;
}

static AVIOContext *open_io(struct file *file, int write, int stream)
{
    uint8_t *buffer = av_malloc(IO_BYTES);
    AVIOContext *io = avio_alloc_context(buffer, IO_BYTES, write, file, write ? NULL : read_file,
        write ? write_file : NULL, stream ? NULL : seek_file);

    if (!buffer || !io) {
        abort();
    }
    io->seekable = stream ? 0 : AVIO_SEEKABLE_NORMAL;
    return io;
}

static void close_io(AVIOContext *io)
{
    av_freep(&io->buffer);
    avio_context_free(&io);
}

static int open_part(void *owner, const char *name, AVIOContext **io)
{
    const struct tool *tool = owner;
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", tool->out[0], name);
    return avio_open(io, path, AVIO_FLAG_WRITE);
}

static int close_part(void *owner, AVIOContext *io)
{
    (void)owner;
    return avio_close(io);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int open_file(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0644);

    if (fd < 0) {
        perror(path);
        exit(5);
    }
    return fd;
}

static void run(struct tool *tool, struct rmx_job_result *result)
{
    struct file in[RMX_JOB_INPUTS_MAX] = { 0 };
    struct file out[RMX_JOB_OUTPUTS_MAX] = { 0 };
    struct rmx_inlet inlet = { 0 };
    struct rmx_outlet outlet = {
        .open_part = tool->parts ? open_part : NULL,
        .close_part = close_part,
        .owner = tool,
    };

    if (tool->log) {
        in[0].most = tool->trickle;
        in[0].log = fopen(tool->log, "we");
        in[0].output = &out[0];
    }
    for (unsigned slot = 0; slot < tool->spec.inputs; slot++) {
        in[slot].fd = open_file(tool->in[slot], O_RDONLY);
        inlet.io[slot] = open_io(&in[slot], 0, tool->stream_in);
    }
    for (unsigned slot = 0; slot < tool->spec.outputs; slot++) {
        const char *path = tool->parts ? "/dev/null" : tool->out[slot];

        out[slot].fd = open_file(path, O_RDWR | O_CREAT | O_TRUNC);
        outlet.io[slot] = open_io(&out[slot], 1, tool->stream_out);
    }
    uint64_t start = now_ns();

    rmx_remux_run(&tool->spec, &inlet, &outlet, result);
    result->run_ns = now_ns() - start;
    result->bytes_in = 0;
    result->bytes_out = 0;
    for (unsigned slot = 0; slot < tool->spec.inputs; slot++) {
        result->bytes_in += in[slot].bytes;
        close_io(inlet.io[slot]);
        close(in[slot].fd);
    }
    for (unsigned slot = 0; slot < tool->spec.outputs; slot++) {
        result->bytes_out += out[slot].bytes;
        close_io(outlet.io[slot]);
        close(out[slot].fd);
    }
    if (in[0].log) {
        fclose(in[0].log);
    }
}

static void print_text(const char *text)
{
    for (; *text; text++) {
        printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    }
}

static void print_result(const struct rmx_job_result *result)
{
    printf("{\"status\":\"%s\",\"cause\":%d,\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64
           ",\"packets_in\":%" PRIu64 ",\"packets_out\":%" PRIu64 ",\"bytes_expected\":%" PRIu64
           ",\"run_ns\":%" PRIu64 ",\"text\":\"",
        rmx_status_name(result->status), result->cause, result->bytes_in, result->bytes_out,
        result->packets_in, result->packets_out, result->bytes_expected, result->run_ns);
    print_text(result->text);
    printf("\"}\n");
}

static void need(int err, const char *what)
{
    if (err != 0) {
        fprintf(stderr, "remux_tool: %s does not fit a job\n", what);
        exit(2);
    }
}

static uint32_t parse_us(const char *word)
{
    return strcmp(word, "packet") == 0 ? RMX_JOB_FRAGMENT_PACKET
                                       : (uint32_t)strtoul(word, NULL, 10);
}

static void parse_trickle(struct tool *tool, char *word)
{
    char *log = strchr(word, ':');

    if (!log) {
        need(-1, word);
    }
    tool->trickle = (int)strtol(word, NULL, 10);
    tool->log = log + 1;
    tool->stream_in = 1;
    tool->stream_out = 1;
}

static void parse_word(struct tool *tool, int option)
{
    switch (option) {
    case 'f':
        need(rmx_job_set_name(&tool->spec.format, optarg), optarg);
        break;
    case 'i':
        need(rmx_job_set_name(&tool->spec.input_format, optarg), optarg);
        break;
    case 'o':
        need(rmx_job_add_option(&tool->spec, optarg), optarg);
        break;
    case 'e':
        need(rmx_job_add_edit(&tool->spec, optarg), optarg);
        break;
    case 'm':
        need(rmx_job_add_map(&tool->spec, optarg), optarg);
        break;
    case 'x':
        need(tool->spec.inputs == RMX_JOB_INPUTS_MAX, optarg);
        tool->in[tool->spec.inputs++] = optarg;
        break;
    case 'y':
        need(tool->spec.outputs == RMX_JOB_OUTPUTS_MAX, optarg);
        tool->out[tool->spec.outputs++] = optarg;
        break;
    case 'w':
        tool->spec.interleave_us = parse_us(optarg);
        break;
    case 'c':
        tool->spec.fragment_us = parse_us(optarg);
        break;
    case 't':
        parse_trickle(tool, optarg);
        break;
    case 'r':
        tool->repeat = (unsigned)strtoul(optarg, NULL, 10);
        break;
    default:
        exit(2);
    }
}

static void parse(struct tool *tool, int count, char **words)
{
    static const struct option options[] = {
        { "format", required_argument, NULL, 'f' },
        { "input-format", required_argument, NULL, 'i' },
        { "opt", required_argument, NULL, 'o' },
        { "edit", required_argument, NULL, 'e' },
        { "map", required_argument, NULL, 'm' },
        { "input", required_argument, NULL, 'x' },
        { "output", required_argument, NULL, 'y' },
        { "repeat", required_argument, NULL, 'r' },
        { "interleave-us", required_argument, NULL, 'w' },
        { "fragment-us", required_argument, NULL, 'c' },
        { "trickle", required_argument, NULL, 't' },
        { "live", no_argument, NULL, 'L' },
        { "all-streams", no_argument, NULL, 'A' },
        { "bitexact", no_argument, NULL, 'B' },
        { "allow-truncated", no_argument, NULL, 'T' },
        { "probe", no_argument, NULL, 'P' },
        { "stream-in", no_argument, NULL, 'I' },
        { "stream-out", no_argument, NULL, 'O' },
        { "parts", no_argument, NULL, 'D' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = getopt_long(count, words, "", options, NULL)) != -1) {
        tool->spec.flags |= option == 'A' ? RMX_JOB_ALL_STREAMS : 0;
        tool->spec.flags |= option == 'B' ? RMX_JOB_BITEXACT : 0;
        tool->spec.flags |= option == 'T' ? RMX_JOB_ALLOW_TRUNCATED : 0;
        tool->spec.flags |= option == 'L' ? RMX_JOB_LIVE : 0;
        tool->spec.kind = option == 'P' ? RMX_JOB_PROBE : tool->spec.kind;
        tool->stream_in |= option == 'I';
        tool->stream_out |= option == 'O';
        tool->parts |= option == 'D';
        if (!strchr("ABTPIOLD", option)) {
            parse_word(tool, option);
        }
    }
    if (count - optind != 2) {
        fprintf(stderr, "usage: remux_tool [OPTIONS] IN OUT\n");
        exit(2);
    }
    tool->in[0] = words[optind];
    tool->out[0] = words[optind + 1];
}

int main(int count, char **words)
{
    struct tool tool = {
        .spec = { .job = 1,
            .kind = RMX_JOB_REMUX,
            .class_ = RMX_CLASS_NORMAL,
            .inputs = 1,
            .outputs = 1 },
        .repeat = 1,
    };
    struct rmx_job_result result = { .job = 1 };
    const char *why;
    uint64_t shortest = UINT64_MAX;

    parse(&tool, count, words);
    const struct rmx_format *guess = rmx_format_guess(tool.out[0]);

    if (tool.spec.kind == RMX_JOB_REMUX && !tool.spec.format[0] && guess) {
        need(rmx_job_set_name(&tool.spec.format, guess->name), guess->name);
    }
    int status = rmx_job_check(&tool.spec, &why);

    if (status != 0) {
        fprintf(stderr, "remux_tool: %s\n", why);
        return rmx_status_exit((uint32_t)status);
    }
    rmx_remux_init_process(ALLOC_MAX_BYTES);
    for (unsigned turn = 0; turn < tool.repeat; turn++) {
        run(&tool, &result);
        shortest = result.run_ns < shortest ? result.run_ns : shortest;
    }
    result.run_ns = shortest;
    print_result(&result);
    return rmx_status_exit(result.status);
}
