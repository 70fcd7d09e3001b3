/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where rmx writes: a regular file shows under its name only when it is complete, replacing what
 * was there in one step. Runs in the process rmx. Must leave nothing behind when the job fails, nor
 * (where the file system knows O_TMPFILE, and it is one file) when the process is killed.
 *
 *   open  an unnamed file in the folder of the name; or a hidden one, .NAME.*.rmx
 *   keep  it gets its name
 *   fini  what was not kept is gone
 *
 * What is no regular file (a pipe, /dev/null, a terminal's other end) is opened and written as it
 * is.
 */
#ifndef RMX_CLIENTS_RMX_OUTPUT_H
#define RMX_CLIENTS_RMX_OUTPUT_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "clients/ringmux.h"

struct rmx_output {
    int fd;                          /* owned unless it is standard output; -1 = none */
    int folder;                      /* owned; -1: the file is not ours to name */
    struct rmx_directory *directory; /* of several files; NULL: it is one */
    struct rmx_sink sink;            /* of several files */
    bool may_replace;                /* a file of that name */
    bool replaces;                   /* there is one */
    char name[NAME_MAX + 1];         /* in the folder */
    char hidden[NAME_MAX + 1];       /* the name it has until it is kept; "" = none */
};

#define RMX_OUTPUT_INIT                                                                            \
    {                                                                                              \
        .fd = -1, .folder = -1                                                                     \
    }

/* Opens `path` for writing, "-" for standard output. A symbolic link is followed. Returns 0, or
 * open(2)'s errors and
 *   -EEXIST     there is such a file and may_replace is false
 *   -EISDIR     it is a folder
 *   -EBADF      standard output is closed, or open for reading only
 *   -EINTR      a signal came while a fifo waited for its reader */
int rmx_output_open(struct rmx_output *output, const char *path, bool may_replace);

/* The same for several files: path is that of the one that lists them, in whose folder they are.
 * They show when they are kept; or, at_once, each when it is complete. Returns likewise, and
 *   -ENOTSUP    path is "-": they are for a folder */
int rmx_output_open_several(
    struct rmx_output *output, const char *path, bool may_replace, bool at_once);

/* Gives the job its output, which must live until it has ended, and stay where it is. */
void rmx_output_attach(struct rmx_output *output, struct rmx_job *job);

/* Is what stands under the name `output` the regular file `input`, by whatever name? "-" is
 * standard output, and input. */
bool rmx_output_is_input(const char *output, const char *input);

/* Where a regular file is or will be, however its path is spelt. */
struct rmx_output_place {
    dev_t device;
    ino_t folder;
    char name[NAME_MAX + 1]; /* in it */
};

/* Finds it; a symbolic link is followed. Returns 0, or open(2)'s errors and
 *   -EISDIR   it is a folder
 *   -ENOTBLK  it is a pipe, a device, or the like */
int rmx_output_find(struct rmx_output_place *place, const char *path);

/* A file that is complete, and others that belong to it may not be: does all of keeping it that may
 * fail for want of room. Returns 0, or linkat(2)'s errors. */
int rmx_output_prepare(struct rmx_output *output);

/* It was kept, but others that belong to it cannot be: takes a file's name away again, unless it
 * replaced another, which is gone. */
void rmx_output_forsake(struct rmx_output *output);

/* It is complete: gives it its name. Returns 0, or linkat(2)'s and rename(2)'s errors. */
int rmx_output_keep(struct rmx_output *output);

/* Closes; removes what was not kept. Accepts one that is empty or was never opened. */
void rmx_output_fini(struct rmx_output *output);

#endif
