/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The files of one job of stream_tool, as a source and a sink of the library know them.
 */
#ifndef RMX_TESTS_STREAM_FILES_H
#define RMX_TESTS_STREAM_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clients/ringmux.h"

#define STREAM_PARTS_MAX 512

struct stream_files {
    int input;
    int output; /* a file, or the folder of the parts */
    int part[STREAM_PARTS_MAX];
    uint64_t read_at; /* where the input goes on */
    uint64_t size;    /* of the input */
};

/* Opens both; in_parts: `to` is a folder, made if it is not there. Returns 0 or -errno. */
int stream_files_open(struct stream_files *files, const char *from, const char *to, bool in_parts);

/* The next bytes of the input. Returns how many, 0 at the end, or -errno. */
ptrdiff_t stream_files_read(struct stream_files *files, void *to, size_t bytes);

/* Puts a piece where it belongs in the output. Returns 0 or -errno. */
int stream_files_write(const struct stream_files *files, const struct rmx_piece *piece);

struct rmx_source stream_files_source(struct stream_files *files);
struct rmx_sink stream_files_sink(struct stream_files *files, bool in_parts);

#endif
