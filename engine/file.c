/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A descriptor that a client handed over. See file.h.
 */
#include "engine/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ring/base.h"

static bool in_memory(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static int classify(struct rmx_file *file, int fd, int refused_mode)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    off_t base;

    if (flags < 0 || fstat(fd, &st) < 0) {
        return -errno;
    }
    if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == refused_mode) {
        return -EBADF;
    }
    if ((flags & O_DIRECT) != 0) {
        return -EOPNOTSUPP;
    }
    *file = (struct rmx_file){ .fd = -1, .kind = RMX_FILE_STREAM, .size = UINT64_MAX };
    switch (st.st_mode & S_IFMT) {
    case S_IFREG:
        base = lseek(fd, 0, SEEK_CUR);
        if (base < 0 || (refused_mode == O_RDONLY && (flags & O_APPEND) != 0)) {
            return 0;
        }
        file->kind = in_memory(fd) ? RMX_FILE_MEMORY : RMX_FILE_REGULAR;
        file->base = (uint64_t)base;
        file->size = st.st_size > base ? (uint64_t)(st.st_size - base) : 0;
        return 0;
    case S_IFIFO:
    case S_IFSOCK:
    case S_IFCHR:
        return 0;
    case S_IFDIR:
        return -EISDIR;
    default:
        return -EINVAL;
    }
}

static int take(struct rmx_file *file, int *fd, int refused_mode)
{
    struct rmx_file seen;
    int error = classify(&seen, *fd, refused_mode);

    if (error == 0) {
        *file = seen;
        file->fd = rmx_take_fd(fd);
    }
    return error;
}

int rmx_file_take_input(struct rmx_file *file, int *fd)
{
    return take(file, fd, O_WRONLY);
}

int rmx_file_take_output(struct rmx_file *file, int *fd)
{
    return take(file, fd, O_RDONLY);
}

void rmx_file_fini(struct rmx_file *file)
{
    rmx_base_close(&file->fd);
}

const char *rmx_file_error_text(int error)
{
    switch (error) {
    case -EBADF:
        return "the descriptor is not open in the direction the job needs";
    case -EISDIR:
        return "the descriptor is a directory";
    case -EOPNOTSUPP:
        return "the descriptor was opened with O_DIRECT: open it without";
    case -EINVAL:
        return "the descriptor is neither a file, a pipe, a socket nor a character device";
    default:
        return "the descriptor cannot be used";
    }
}
