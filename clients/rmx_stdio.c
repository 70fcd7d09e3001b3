/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Standard input and output as the ends of a job's rings (see rmx_stdio.h). Runs in the process
 * rmx.
 */
#include "clients/rmx_stdio.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/rmx_signal.h"
#include "ring/base.h"

#define CHANNEL_BYTES (1 << 20) /* two rings of the usual size; more would take time to make */
#define KEPT_BYTES    ((size_t)512 << 10) /* more than a ring holds */

static unsigned char kept[KEPT_BYTES]; /* the start of standard input: there is but one */

static bool is_regular(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_ready(int fd, short events)
{
    struct pollfd watched = { .fd = fd, .events = events };

    return poll(&watched, 1, 0) == 1;
}

static bool is_later(int err)
{
    return err == EAGAIN || err == EINTR;
}

/* Remembers what was read, as long as there is room: the job may have to be sent again. */
static void keep(struct rmx_stdio *stdio, const void *from, size_t bytes)
{
    if (stdio->kept_bytes + bytes > KEPT_BYTES) {
        stdio->is_beyond = true;
        return;
    }
    memcpy(kept + stdio->kept_bytes, from, bytes);
    stdio->kept_bytes += bytes;
    stdio->given_bytes = stdio->kept_bytes;
}

/* What a job before this one was given already. */
static size_t take_again(struct rmx_stdio *stdio, void *to, size_t bytes)
{
    size_t left = stdio->kept_bytes - stdio->given_bytes;

    bytes = bytes < left ? bytes : left;
    memcpy(to, kept + stdio->given_bytes, bytes);
    stdio->given_bytes += bytes;
    return bytes;
}

/* The source's read: what is there, or nothing yet. */
static ptrdiff_t take(void *user, void *to, size_t bytes)
{
    struct rmx_stdio *stdio = user;
    ssize_t got = -1;

    if (stdio->given_bytes < stdio->kept_bytes) {
        return (ptrdiff_t)take_again(stdio, to, bytes);
    }
    errno = EAGAIN;
    if (is_ready(stdio->input, POLLIN)) {
        got = read(stdio->input, to, bytes);
    }
    if (got < 0 && is_later(errno)) {
        stdio->wants_input = true;
        return -EAGAIN;
    }
    if (got > 0 && !stdio->is_beyond) {
        keep(stdio, to, (size_t)got);
    }
    return got < 0 ? -errno : got;
}

/* A pipe that is ready for writing takes PIPE_BUF bytes without making us wait. */
static ssize_t write_some(int fd, const unsigned char *from, size_t bytes)
{
    if (!is_ready(fd, POLLOUT)) {
        return -EAGAIN;
    }
    ssize_t put = write(fd, from, bytes < PIPE_BUF ? bytes : PIPE_BUF);
    if (put < 0) {
        return is_later(errno) ? -EAGAIN : -errno;
    }
    return put;
}

/* The sink's write: remembers how far it came, for the piece comes again after -EAGAIN. */
static int give(void *user, const struct rmx_piece *piece)
{
    struct rmx_stdio *stdio = user;
    const unsigned char *bytes = piece->bytes;

    rmx_assert(stdio->written <= piece->size);
    while (stdio->output_failed == 0 && stdio->written < piece->size) {
        ssize_t put =
            write_some(stdio->output, bytes + stdio->written, piece->size - stdio->written);

        if (put == -EAGAIN) {
            stdio->wants_room = true;
            return -EAGAIN;
        }
        if (put < 0) {
            stdio->output_failed = (int)put;
        } else {
            stdio->written += (size_t)put;
            stdio->has_written = true;
        }
    }
    stdio->written = 0;
    return stdio->output_failed;
}

void rmx_stdio_attach(struct rmx_stdio *stdio, struct rmx_client *client, struct rmx_job *job)
{
    *stdio = (struct rmx_stdio){
        .source = { .read = take, .size = RMX_SIZE_UNKNOWN, .user = stdio },
        .sink = { .write = give, .user = stdio },
        .input = -1,
        .output = -1,
    };
    if (job->isolation != RMX_SHARED_WORKER) {
        return; /* a ring leads to a shared worker: the daemon moves the bytes */
    }
    if (job->input == STDIN_FILENO && !is_regular(STDIN_FILENO)) {
        stdio->input = STDIN_FILENO;
        job->input = RMX_RING;
        job->source = &stdio->source;
    }
    if (job->output == STDOUT_FILENO && !is_regular(STDOUT_FILENO)) {
        stdio->output = STDOUT_FILENO;
        job->output = RMX_RING;
        job->sink = &stdio->sink;
        rmx_signal_ignore_pipe();
    }
    rmx_memory(client, CHANNEL_BYTES);
}

void rmx_stdio_watch(const struct rmx_stdio *stdio, struct pollfd watched[RMX_STDIO_ENDS])
{
    watched[0] = (struct pollfd){
        .fd = stdio->wants_input ? stdio->input : -1,
        .events = POLLIN,
    };
    watched[1] = (struct pollfd){
        .fd = stdio->output_failed != 0 ? -1 : stdio->output,
        .events = stdio->wants_room ? POLLOUT : 0, /* errors are told in any case */
    };
}

void rmx_stdio_heed(struct rmx_stdio *stdio, const struct pollfd watched[RMX_STDIO_ENDS],
    struct rmx_client *client, uint64_t id)
{
    if (watched[0].revents != 0) {
        stdio->wants_input = false;
        rmx_ready(client, id);
    }
    if (watched[1].revents == 0) {
        return;
    }
    if (stdio->wants_room) {
        stdio->wants_room = false; /* the next write says what is wrong, if it is */
        rmx_ready(client, id);
    } else if (rmx_cancel(client, id) != -EAGAIN) {
        stdio->output_failed = -EPIPE;
    }
}

void rmx_stdio_stop(struct rmx_stdio *stdio, int err, struct rmx_client *client, uint64_t id)
{
    if (stdio->output >= 0 && stdio->output_failed == 0) {
        stdio->output_failed = err;
        rmx_ready(client, id); /* so that the sink is called, and says so */
    }
}

bool rmx_stdio_rewind(struct rmx_stdio *stdio)
{
    if (stdio->is_beyond || stdio->has_written || stdio->output_failed != 0) {
        return false;
    }
    stdio->given_bytes = 0;
    stdio->wants_input = false;
    stdio->wants_room = false;
    return true;
}

/* The library knows that the sink failed, or that the job was cancelled; we know why. */
void rmx_stdio_settle(const struct rmx_stdio *stdio, struct rmx_result *result)
{
    int err = stdio->output_failed;
    bool is_closed = err == -EPIPE || err == -ECONNRESET;

    if (err == 0 || (result->status != RMX_CANCELLED && result->status != RMX_OUTPUT_IO &&
                        result->status != RMX_OUTPUT_FULL)) {
        return;
    }
    if (is_closed) {
        result->status = RMX_OUTPUT_CLOSED;
    } else if (err == -ECANCELED) {
        result->status = RMX_CANCELLED;
    }
    result->cause = err == -ECANCELED ? 0 : err;
    memset(result->text, 0, sizeof(result->text));
}
