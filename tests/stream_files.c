/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The files of one job. See stream_files.h.
 */
#include "tests/stream_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int stream_files_open(struct stream_files *files, const char *from, const char *to, bool in_parts)
{
    int flags = in_parts ? O_RDONLY | O_DIRECTORY : O_RDWR | O_CREAT | O_TRUNC;
    struct stat st;

    *files = (struct stream_files){ .input = open(from, O_RDONLY | O_CLOEXEC), .output = -1 };
    if (files->input < 0 || fstat(files->input, &st) < 0) {
        return -errno;
    }
    if (in_parts && mkdir(to, 0755) < 0 && errno != EEXIST) {
        return -errno;
    }
    files->output = open(to, flags | O_CLOEXEC, 0644);
    if (files->output < 0) {
        return -errno;
    }
    files->size = (uint64_t)st.st_size;
    for (size_t i = 0; i < STREAM_PARTS_MAX; i++) {
        files->part[i] = -1;
    }
    return 0;
}

ptrdiff_t stream_files_read(struct stream_files *files, void *to, size_t bytes)
{
    ssize_t n = pread(files->input, to, bytes, (off_t)files->read_at);

    if (n < 0) {
        return -errno;
    }
    files->read_at += (uint64_t)n;
    return n;
}

static int write_to(int file, const struct rmx_piece *piece)
{
    ssize_t n = pwrite(file, piece->bytes, piece->size, (off_t)piece->offset);

    if (n < 0) {
        return -errno;
    }
    return n == (ssize_t)piece->size ? 0 : -ENOSPC;
}

int stream_files_write(const struct stream_files *files, const struct rmx_piece *piece)
{
    return piece->part == 0 ? write_to(files->output, piece) : -EPROTO;
}

/* A part begins, or begins anew. Its name must be one in the folder itself. */
static int open_part(struct stream_files *files, const struct rmx_piece *piece)
{
    char name[NAME_MAX + 1];
    int *part = &files->part[piece->part];

    if (piece->size == 0 || piece->size > NAME_MAX) {
        return -ENAMETOOLONG;
    }
    memcpy(name, piece->bytes, piece->size);
    name[piece->size] = '\0';
    if (name[0] == '.' || strchr(name, '/') != NULL || strlen(name) != piece->size) {
        return -EPROTO;
    }
    if (*part >= 0) {
        close(*part);
    }
    *part = openat(files->output, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return *part < 0 ? -errno : 0;
}

static int write_part(void *user, const struct rmx_piece *piece)
{
    struct stream_files *files = user;

    if (piece->part >= STREAM_PARTS_MAX) {
        return -EMFILE;
    }
    if ((piece->flags & RMX_PIECE_NAME) != 0) {
        return open_part(files, piece);
    }
    if (files->part[piece->part] < 0) {
        return piece->size == 0 ? 0 : -EPROTO; /* the last piece of all may belong to no file */
    }
    return write_to(files->part[piece->part], piece);
}

static int write_positional(void *user, const struct rmx_piece *piece)
{
    const struct stream_files *files = user;

    return stream_files_write(files, piece);
}

static ptrdiff_t read_input(void *user, void *to, size_t bytes)
{
    struct stream_files *files = user;

    return stream_files_read(files, to, bytes);
}

static int seek_input(void *user, uint64_t offset)
{
    struct stream_files *files = user;

    files->read_at = offset;
    return 0;
}

struct rmx_source stream_files_source(struct stream_files *files)
{
    return (struct rmx_source){
        .read = read_input, .seek = seek_input, .size = files->size, .user = files
    };
}

struct rmx_sink stream_files_sink(struct stream_files *files, bool in_parts)
{
    return (struct rmx_sink){ .write = in_parts ? write_part : write_positional, .user = files };
}
