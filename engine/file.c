/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A descriptor that a client handed over. See file.h.
 */
#include "engine/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ring/base.h"

#define MEMORY_DEVICES 1u /* the major number of /dev/null and its kin, which never wait */

/* Only files of tmpfs and its kin have seals. Unlike fstatfs(2) this asks no file system. */
static bool in_memory(int fd)
{
    return fcntl(fd, F_GET_SEALS) >= 0;
}

static void classify_regular(struct rmx_file *file, int fd, const struct statx *st, bool appends)
{
    off_t base = lseek(fd, 0, SEEK_CUR);

    if (base < 0 || appends) {
        file->slow = true;
        return;
    }
    file->kind = in_memory(fd) ? RMX_FILE_MEMORY : RMX_FILE_REGULAR;
    file->slow = file->kind == RMX_FILE_REGULAR && st->stx_dev_major == 0; /* no block device */
    file->base = (uint64_t)base;
    file->size = st->stx_size > (uint64_t)base ? st->stx_size - (uint64_t)base : 0;
}

static int classify(struct rmx_file *file, int fd, int refused_mode)
{
    struct statx st;
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 ||
        statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_SIZE, &st) < 0) {
        return -errno;
    }
    if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == refused_mode) {
        return -EBADF;
    }
    if ((flags & O_DIRECT) != 0) {
        return -EOPNOTSUPP;
    }
    *file = (struct rmx_file){ .fd = -1, .kind = RMX_FILE_STREAM, .size = UINT64_MAX };
    switch (st.stx_mode & S_IFMT) {
    case S_IFREG:
        classify_regular(file, fd, &st, refused_mode == O_RDONLY && (flags & O_APPEND) != 0);
        return 0;
    case S_IFCHR:
        file->slow = st.stx_rdev_major != MEMORY_DEVICES;
        return 0;
    case S_IFSOCK:
        file->lingers = true;
        return 0;
    case S_IFIFO:
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

bool rmx_file_is_slow_to_close(int fd)
{
    struct statx st;

    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0) {
        return true;
    }
    switch (st.stx_mode & S_IFMT) {
    case S_IFREG:
        return st.stx_dev_major == 0 && !in_memory(fd);
    case S_IFIFO:
        return false;
    default:
        return true;
    }
}

bool rmx_file_is_unfit(int error)
{
    return error == -EBADF || error == -EISDIR || error == -EOPNOTSUPP || error == -EINVAL;
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
        return "its file system does not say what it is";
    }
}
