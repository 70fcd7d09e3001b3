/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The lines of a batch, as they come. Runs in the process rmx. Never waits, where a pipe has
 * nothing to read; keeps one line at a time.
 */
#ifndef RMX_CLIENTS_RMX_SCRIPT_H
#define RMX_CLIENTS_RMX_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes. The longest line with one input and one output, and every byte of it as \uXXXX, has 58
 * KiB. A batch has one script. */
#define RMX_SCRIPT_LINE_MAX (64 << 10)

struct rmx_script {
    int fd;        /* owned unless it is standard input; -1 = none */
    bool is_file;  /* it can be read twice */
    bool is_over;  /* nothing more to read from fd */
    uint64_t line; /* the number of the last one, from 1 */
    size_t from;   /* what was read and is no line yet: [from, to) of the buffer */
    size_t to;
};

#define RMX_SCRIPT_INIT                                                                            \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* Opens `path`, "-" for standard input. Returns 0, or open(2)'s errors and
 *   -EISDIR  it is a folder
 *   -EBADF   standard input is closed */
int rmx_script_open(struct rmx_script *script, const char *path);

/* The next line that is not blank, without its end. Returns 1, and sets *line (until the next
 * call; not NUL-ended) and *bytes; 0: none is there yet, or a signal came; or read(2)'s errors and
 *   -ENODATA  that was all
 *   -E2BIG    it is longer than RMX_SCRIPT_LINE_MAX: no more is read, it may have no end */
int rmx_script_next(struct rmx_script *script, const char **line, size_t *bytes);

/* Starts from the first line again. Of a file only. Returns 0 or -errno. */
int rmx_script_rewind(struct rmx_script *script);

/* What to poll for reading when there was no line; -1 = nothing. */
int rmx_script_fd(const struct rmx_script *script);

/* Accepts one that was never opened. */
void rmx_script_fini(struct rmx_script *script);

#endif
