/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Takes a file through client rings, for the tests of streams. One process, one thread.
 *
 *   stream_tool [--socket S] [--in ring|seek|fd] [--out ring|positional|parts|fd] [--format F]
 *               [--input-format F] [--opt k=v]... [--spool] [--live] [--bitexact] [--jobs N]
 *               [--all-streams] [--interleave-us N] [--fragment-us N] [--input-ring-bytes N]
 *               [--output-ring-bytes N] [--chunk-bytes N] [--channel-bytes N] [--seconds N] IN OUT
 *
 *   ring        this end is written, or read, with reserve and commit, peek and release
 *   seek        the library reads the file, and may seek in it
 *   positional  the library writes the file, and may go back in it
 *   parts       OUT is a folder; each part becomes a file there, under its own name
 *   fd          the daemon gets the descriptor
 *
 * With --jobs all run at once, and OUT is followed by .0, .1 ... Prints a line of JSON for each job
 * and exits as `rmx` would for the worst of them. Without --socket the daemon is private.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/ringmux.h"
#include "tests/stream_files.h"

#define JOBS_MAX    64
#define OPTIONS_MAX 32
#define EXIT_USAGE  2

enum in { IN_RING, IN_SEEK, IN_FD, INS };
enum out { OUT_RING, OUT_POSITIONAL, OUT_PARTS, OUT_FD, OUTS };

static const char *const in_names[INS] = { "ring", "seek", "fd" };
static const char *const out_names[OUTS] = { "ring", "positional", "parts", "fd" };

/* One job and its two files. */
struct stream {
    uint64_t id;
    struct stream_files files;
    uint64_t write_at; /* where the output must go on */
    bool all_read;     /* the input has ended, and nobody was told yet */
    bool pushed;       /* nothing is left to do at the input */
    bool pulled;       /* nor at the output */
    bool ended;
    struct rmx_source source;
    struct rmx_sink sink;
    struct rmx_result result;
};

struct tool {
    struct rmx_client *client;
    struct rmx_job job;
    const char *socket;
    const char *options[OPTIONS_MAX + 1];
    size_t option_count;
    uint32_t channel_bytes;
    enum in in;
    enum out out;
    uint32_t jobs; /* up to JOBS_MAX */
    uint32_t seconds;
    const char *in_path;
    const char *out_path;
    struct stream stream[JOBS_MAX];
};

_Noreturn static void die(const char *what, int error)
{
    (void)fprintf(stderr, "stream_tool: %s: %s\n", what, strerror(error < 0 ? -error : error));
    exit(EXIT_FAILURE);
}

/* --- the rings -------------------------------------------------------------------------------- */

/* Tells that the input has ended. Returns false when that must wait, or is done. */
static bool finish(struct tool *tool, struct stream *stream)
{
    int error = rmx_finish(tool->client, stream->id, 0);

    if (error < 0 && error != -EAGAIN && error != -EPIPE && error != -ENOENT) {
        die("rmx_finish", error);
    }
    stream->pushed = error != -EAGAIN;
    return false;
}

/* Moves a piece of the file into the ring. Returns false when that must wait, or is done. */
static bool push(struct tool *tool, struct stream *stream)
{
    void *to = NULL;
    size_t room = 0;
    ptrdiff_t n;
    int error;

    if (stream->pushed) {
        return false;
    }
    if (stream->all_read) {
        return finish(tool, stream);
    }
    error = rmx_reserve(tool->client, stream->id, &to, &room, 0);
    if (error < 0) {
        stream->pushed = error == -EPIPE || error == -ENOENT;
        if (!stream->pushed && error != -EAGAIN) {
            die("rmx_reserve", error);
        }
        return false;
    }
    n = stream_files_read(&stream->files, to, room);
    if (n < 0) {
        die(tool->in_path, (int)n);
    }
    stream->all_read = n == 0;
    error = n == 0 ? 0 : rmx_commit(tool->client, stream->id, (size_t)n);
    if (error < 0) {
        die("rmx_commit", error);
    }
    return true;
}

/* Moves a piece of the ring into the file. Returns false when that must wait, or is done. */
static bool pull(struct tool *tool, struct stream *stream)
{
    struct rmx_piece piece;
    int got;

    if (stream->pulled) {
        return false;
    }
    got = rmx_peek(tool->client, stream->id, &piece, 0);
    if (got <= 0) {
        stream->pulled = got == 0 || got == -ECANCELED;
        if (!stream->pulled && got != -EAGAIN) {
            die("rmx_peek", got);
        }
        return false;
    }
    if (piece.offset != stream->write_at || piece.part != 0 ||
        (piece.flags & RMX_PIECE_NAME) != 0) {
        die("a piece that does not follow the one before", EPROTO);
    }
    got = stream_files_write(&stream->files, &piece);
    if (got < 0) {
        die(tool->out_path, got);
    }
    stream->write_at += piece.size;
    got = rmx_release(tool->client, stream->id);
    if (got < 0) {
        die("rmx_release", got);
    }
    return true;
}

static void move(struct tool *tool, struct stream *stream)
{
    bool moved = true;

    while (moved) {
        moved = push(tool, stream);
        moved = pull(tool, stream) || moved;
    }
}

static struct stream *stream_of(struct tool *tool, uint64_t id)
{
    for (size_t i = 0; i < tool->jobs; i++) {
        if (tool->stream[i].id == id) {
            return &tool->stream[i];
        }
    }
    die("news of a job that is not ours", EPROTO);
}

static size_t collect(struct tool *tool)
{
    struct rmx_result results[JOBS_MAX];
    int count = rmx_wait(tool->client, results, JOBS_MAX, 0);

    if (count < 0) {
        die("rmx_wait", count);
    }
    for (int i = 0; i < count; i++) {
        struct stream *stream = stream_of(tool, results[i].id);

        stream->result = results[i];
        stream->ended = true;
        stream->pushed = true;
        move(tool, stream);
    }
    return (size_t)count;
}

static bool all_done(const struct tool *tool)
{
    for (size_t i = 0; i < tool->jobs; i++) {
        if (!tool->stream[i].ended || !tool->stream[i].pulled) {
            return false;
        }
    }
    return true;
}

static void run(struct tool *tool)
{
    struct rmx_event events[JOBS_MAX];

    for (size_t i = 0; i < tool->jobs; i++) {
        move(tool, &tool->stream[i]);
    }
    while (!all_done(tool)) {
        int count = rmx_events(tool->client, events, JOBS_MAX, (int)tool->seconds * 1000);

        if (count <= 0) {
            die("rmx_events", count == 0 ? ETIMEDOUT : count);
        }
        for (int i = 0; i < count; i++) {
            move(tool, stream_of(tool, events[i].id));
        }
        (void)collect(tool);
    }
}

/* --- start and end ---------------------------------------------------------------------------- */

static void open_files(struct tool *tool, struct stream *stream, size_t number)
{
    char path[PATH_MAX];
    int error;

    (void)snprintf(path, sizeof(path), tool->jobs > 1 ? "%s.%zu" : "%s", tool->out_path, number);
    error = stream_files_open(&stream->files, tool->in_path, path, tool->out == OUT_PARTS);
    if (error < 0) {
        die(path, error);
    }
}

static void submit(struct tool *tool, struct stream *stream)
{
    struct rmx_job job = tool->job;
    int got;

    stream->source = stream_files_source(&stream->files);
    stream->sink = stream_files_sink(&stream->files, tool->out == OUT_PARTS);
    job.input = tool->in == IN_FD ? stream->files.input : RMX_RING;
    job.output = tool->out == OUT_FD ? stream->files.output : RMX_RING;
    job.source = tool->in == IN_SEEK ? &stream->source : NULL;
    job.sink = tool->out == OUT_POSITIONAL || tool->out == OUT_PARTS ? &stream->sink : NULL;
    stream->pushed = tool->in != IN_RING;
    stream->pulled = tool->out != OUT_RING;
    got = rmx_submit(tool->client, &job, 1, &stream->id);
    if (got == -EINVAL) {
        const char *why = "";
        int status = rmx_check(&job, &why);

        printf("{\"status\":\"%s\",\"text\":\"%s\"}\n", rmx_end_name((uint32_t)status), why);
        exit(rmx_end_exit((uint32_t)status));
    }
    if (got != 1) {
        die("rmx_submit", got);
    }
}

static int print_result(const struct rmx_result *result)
{
    printf("{\"status\":\"%s\",\"cause\":%d,\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64
           ",\"packets_in\":%" PRIu64 ",\"packets_out\":%" PRIu64 ",\"run_ns\":%" PRIu64
           ",\"text\":\"",
        rmx_end_name(result->status), result->cause, result->bytes_in, result->bytes_out,
        result->packets_in, result->packets_out, result->run_ns);
    for (const char *at = result->text; *at != '\0'; at++) {
        printf(*at == '"' || *at == '\\' ? "\\%c" : "%c", *at);
    }
    printf("\"}\n");
    return rmx_end_exit(result->status);
}

static void usage(const char *why)
{
    (void)fprintf(stderr, "stream_tool: %s; see the head of tests/stream_tool.c\n", why);
    exit(EXIT_USAGE);
}

static unsigned choice(const char *text, const char *const *names, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(text, names[i]) == 0) {
            return i;
        }
    }
    usage(text);
    return 0;
}

/* Of enum rmx_flags, those that have a word of their own. */
static const struct option flag_words[] = {
    { "spool", no_argument, NULL, RMX_SPOOL },
    { "live", no_argument, NULL, RMX_LIVE },
    { "bitexact", no_argument, NULL, RMX_BITEXACT },
    { "all-streams", no_argument, NULL, RMX_ALL_STREAMS },
    { NULL, 0, NULL, 0 },
};

static bool parse_number(struct tool *tool, const char *word, const char *value)
{
    const struct {
        const char *word;
        uint32_t *to;
    } rows[] = {
        { "jobs", &tool->jobs },
        { "seconds", &tool->seconds },
        { "interleave-us", &tool->job.interleave_us },
        { "fragment-us", &tool->job.fragment_us },
        { "input-ring-bytes", &tool->job.input_ring_bytes },
        { "output-ring-bytes", &tool->job.output_ring_bytes },
        { "chunk-bytes", &tool->job.chunk_bytes },
        { "channel-bytes", &tool->channel_bytes },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(word, rows[i].word) == 0) {
            char *end = NULL;
            unsigned long number = strtoul(value, &end, 10);

            *rows[i].to = (uint32_t)number;
            return *value != '\0' && *end == '\0' && number <= UINT32_MAX;
        }
    }
    return false;
}

static void parse_word(struct tool *tool, const char *word, const char *value)
{
    if (strcmp(word, "socket") == 0) {
        tool->socket = value;
    } else if (strcmp(word, "in") == 0) {
        tool->in = (enum in)choice(value, in_names, INS);
    } else if (strcmp(word, "out") == 0) {
        tool->out = (enum out)choice(value, out_names, OUTS);
    } else if (strcmp(word, "format") == 0) {
        tool->job.format = value;
    } else if (strcmp(word, "input-format") == 0) {
        tool->job.input_format = value;
    } else if (strcmp(word, "opt") == 0 && tool->option_count < OPTIONS_MAX) {
        tool->options[tool->option_count++] = value;
    } else if (parse_number(tool, word, value)) {
        return;
    } else {
        usage(word);
    }
}

static bool parse_flag(struct tool *tool, const char *word)
{
    for (const struct option *flag = flag_words; flag->name != NULL; flag++) {
        if (strcmp(word, flag->name) == 0) {
            tool->job.flags |= (uint32_t)flag->val;
            return true;
        }
    }
    return false;
}

static void parse(struct tool *tool, int count, char **words)
{
    int at = 1;

    while (at < count && strncmp(words[at], "--", 2) == 0) {
        const char *word = words[at++] + 2;

        if (!parse_flag(tool, word)) {
            if (at == count) {
                usage(word);
            }
            parse_word(tool, word, words[at++]);
        }
    }
    if (count - at != 2 || tool->jobs == 0 || tool->jobs > JOBS_MAX || tool->seconds > 3600) {
        usage("IN and OUT, 1 to 64 jobs, at most an hour");
    }
    tool->in_path = words[at];
    tool->out_path = words[at + 1];
    tool->job.options = tool->options;
    tool->job.flags |= tool->out == OUT_POSITIONAL ? RMX_POSITIONAL : 0;
    tool->job.flags |= tool->out == OUT_PARTS ? RMX_PARTS | RMX_POSITIONAL : 0;
    tool->job.deadline_ns = rmx_deadline_in((uint64_t)tool->seconds * 1000000000);
}

int main(int count, char **words)
{
    static struct tool tool = { .job = RMX_JOB_INIT, .jobs = 1, .seconds = 60 };
    int code = EXIT_SUCCESS;
    int error;

    parse(&tool, count, words);
    error =
        tool.socket ? rmx_open(&tool.client, tool.socket) : rmx_open_private(&tool.client, NULL);
    if (error == 0 && tool.channel_bytes > 0) {
        error = rmx_memory(tool.client, tool.channel_bytes);
    }
    if (error < 0) {
        die(tool.socket ? tool.socket : "private daemon", error);
    }
    for (size_t i = 0; i < tool.jobs; i++) {
        open_files(&tool, &tool.stream[i], i);
        submit(&tool, &tool.stream[i]);
    }
    run(&tool);
    for (size_t i = 0; i < tool.jobs; i++) {
        int exit_code = print_result(&tool.stream[i].result);

        code = code == EXIT_SUCCESS ? exit_code : code;
    }
    rmx_close(&tool.client);
    return code;
}
