/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The lines of a batch (see rmx_script.h). Runs in the process rmx.
 */
#include "clients/rmx_script.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/rmx_signal.h"
#include "ring/base.h"

static char buffer[RMX_SCRIPT_LINE_MAX + 1]; /* a whole line, with its end */

int rmx_script_open(struct rmx_script *script, const char *path)
{
    bool is_standard = strcmp(path, "-") == 0;
    struct stat st;

    *script = (struct rmx_script)RMX_SCRIPT_INIT;
    int fd = is_standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return -errno;
    }
    script->fd = fd;
    int err = fstat(fd, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? -EISDIR : 0;
    int flags = fcntl(fd, F_GETFL);
    if (err == 0 && (flags < 0 || (flags & O_ACCMODE) == O_WRONLY)) {
        err = -EBADF;
    }
    if (err < 0) {
        rmx_script_fini(script);
        return err;
    }
    script->is_file = S_ISREG(st.st_mode) && !is_standard;
    return 0;
}

/* Puts what is there behind what is in the buffer. Returns 1, 0: nothing now, or -errno. */
static int fill(struct rmx_script *script)
{
    struct pollfd watched = { .fd = script->fd, .events = POLLIN };

    memmove(buffer, buffer + script->from, script->to - script->from);
    script->to -= script->from;
    script->from = 0;
    if (poll(&watched, 1, 0) != 1 || (!script->is_file && rmx_signal_seen() != 0)) {
        return 0; /* blank lines may come without an end */
    }
    ssize_t got = read(script->fd, buffer + script->to, sizeof(buffer) - script->to);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    }
    script->is_over = got == 0;
    script->to += (size_t)got;
    return 1;
}

/* A line from the buffer: its end included, unless it is the last. Returns 1, 0, or -ENODATA. */
static int cut(struct rmx_script *script, const char **line, size_t *bytes)
{
    size_t left = script->to - script->from;
    char *start = buffer + script->from;
    char *end = memchr(start, '\n', left);

    if (end == NULL && !script->is_over) {
        return 0;
    }
    if (left == 0) {
        return -ENODATA;
    }
    *line = start;
    *bytes = end != NULL ? (size_t)(end - start) : left;
    script->from += end != NULL ? *bytes + 1 : left;
    return 1;
}

/* Some editors mark a file as UTF-8 in front. */
static void skip_mark(const char **line, size_t *bytes)
{
    static const char mark[] = { '\xef', '\xbb', '\xbf' };

    if (*bytes >= sizeof(mark) && memcmp(*line, mark, sizeof(mark)) == 0) {
        *line += sizeof(mark);
        *bytes -= sizeof(mark);
    }
}

static bool is_blank(const char *line, size_t bytes)
{
    while (bytes > 0 && strchr(" \t\r", line[bytes - 1]) != NULL && line[bytes - 1] != '\0') {
        bytes--;
    }
    return bytes == 0;
}

/* Reads on until a line is whole. Returns as rmx_script_next(). */
static int next_line(struct rmx_script *script, const char **line, size_t *bytes)
{
    int got;

    while ((got = cut(script, line, bytes)) == 0) {
        if (script->to - script->from == sizeof(buffer)) {
            script->line++;
            return -E2BIG;
        }
        got = fill(script);
        if (got <= 0) {
            return got;
        }
    }
    return got;
}

int rmx_script_next(struct rmx_script *script, const char **line, size_t *bytes)
{
    for (;;) {
        int got = next_line(script, line, bytes);

        if (got != 1) {
            return got;
        }
        script->line++;
        if (script->line == 1) {
            skip_mark(line, bytes);
        }
        if (!is_blank(*line, *bytes)) {
            return 1;
        }
    }
}

int rmx_script_rewind(struct rmx_script *script)
{
    rmx_assert(script->is_file);
    if (lseek(script->fd, 0, SEEK_SET) < 0) {
        return -errno;
    }
    *script = (struct rmx_script){ .fd = script->fd, .is_file = true };
    return 0;
}

int rmx_script_fd(const struct rmx_script *script)
{
    return script->is_over ? -1 : script->fd;
}

void rmx_script_fini(struct rmx_script *script)
{
    if (script->fd != STDIN_FILENO) {
        rmx_base_close(&script->fd);
    }
    script->fd = -1;
}
