/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A descriptor that a client handed over, and what can be done with it. Runs on the lane's thread.
 * Must never open a path: a descriptor is the only name a client's file has here.
 */
#ifndef RMX_ENGINE_FILE_H
#define RMX_ENGINE_FILE_H

#include <stdbool.h>
#include <stdint.h>

enum rmx_file_kind {
    RMX_FILE_REGULAR, /* read and written by offset through io_uring */
    RMX_FILE_MEMORY,  /* the same, but on tmpfs: never inline in io_uring, so done in place */
    RMX_FILE_STREAM,  /* pipe, socket, character device, or a file opened for appending */
};

struct rmx_file {
    int fd; /* owned; -1 = none */
    enum rmx_file_kind kind;
    bool slow; /* a call on it may wait where others return: terminals, network and user-space file
                  systems; so it is never made on the lane's thread */
    bool lingers;  /* its close may wait: a socket. Of these two the caller closes fd, aside */
    bool spool;    /* a temporary file of ours: what moves is no job's input or output */
    uint64_t base; /* where the job's byte 0 lies: the descriptor's position when it came */
    uint64_t size; /* bytes from base to the end when it came; UINT64_MAX = unknown */
};

/* Some that are used together, one after the other in memory. */
struct rmx_files {
    struct rmx_file *file; /* NULL = none */
    uint32_t count;
};

/* clang-format off */
#define RMX_FILE_INIT { .fd = -1 }
/* clang-format on */

/* Takes *fd on success. Returns 0, or
 *   -EBADF       not open for reading (or writing)
 *   -EISDIR      a directory
 *   -EINVAL      a block device, an epoll or another thing without bytes
 *   -EOPNOTSUPP  opened with O_DIRECT: a demuxer reads at any offset
 *   other        what fstat(2) or fcntl(2) said */
int rmx_file_take_input(struct rmx_file *file, int *fd);
int rmx_file_take_output(struct rmx_file *file, int *fd);
void rmx_file_fini(struct rmx_file *file);

/* May its close wait? Of any descriptor, but -1. */
bool rmx_file_is_slow_to_close(int fd);

/* True: no job could use the descriptor. False: its file system failed. */
bool rmx_file_is_unfit(int error);

/* "is not open for reading" and the like, for the job's text. */
const char *rmx_file_error_text(int error);

#endif
