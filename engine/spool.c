/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Temporary files of jobs. See spool.h.
 */
#include "engine/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ring/base.h"

#define PATH_BYTES 512

/* --- the directory ---------------------------------------------------------------------------- */

static int open_unnamed(const char *path)
{
    int fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);

    return fd < 0 ? -errno : fd;
}

static int open_and_unlink(const char *path)
{
    char name[PATH_BYTES];
    int length = snprintf(name, sizeof(name), "%s/ringmux-spool-XXXXXX", path);
    int fd;

    if (length < 0 || (size_t)length >= sizeof(name)) {
        return -ENAMETOOLONG;
    }
    fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    (void)unlink(name); /* if not, an empty name is left, and no bytes */
    return fd;
}

static int try_dir(struct rmx_spool_dir *dir, const char *path)
{
    rmx_autofd int fd = open_unnamed(path);
    bool named = fd == -EOPNOTSUPP || fd == -EISDIR || fd == -ENOENT; /* file system or kernel */

    if (named) {
        fd = open_and_unlink(path);
    }
    if (fd < 0) {
        return fd;
    }
    dir->path = path;
    dir->named = named;
    return 0;
}

int rmx_spool_dir_init(struct rmx_spool_dir *dir, struct rmx_loop *loop, const char *path)
{
    const char *fallback = secure_getenv("TMPDIR");
    int error;

    *dir = (struct rmx_spool_dir){ .loop = loop };
    if (path[0] != 0) {
        return try_dir(dir, path);
    }
    error = try_dir(dir, "/var/tmp");
    if (error < 0 && fallback != NULL && fallback[0] == '/') {
        error = try_dir(dir, fallback);
    }
    return error;
}

/* --- a spool ---------------------------------------------------------------------------------- */

static void forget(struct rmx_spool *spool)
{
    spool->dir->open--;
    spool->dir->bytes -= spool->bytes;
    spool->bytes = 0;
    spool->dir = NULL;
}

static void opened(struct rmx_op *op, int result)
{
    struct rmx_spool *spool = op->owner;
    rmx_autofd int fd = result;
    int error;

    if (spool->dir->named) { /* and result most likely an error */
        rmx_base_close(&fd);
        fd = open_and_unlink(spool->dir->path);
    }
    error = fd < 0 ? fd : rmx_file_take_output(&spool->file, &fd);
    if (error < 0) {
        forget(spool);
    }
    spool->file.spool = true;
    spool->opened(spool, error);
}

void rmx_spool_open(struct rmx_spool *spool, struct rmx_spool_dir *dir)
{
    rmx_assert(rmx_spool_is_gone(spool) && dir->path != NULL);
    spool->dir = dir;
    spool->file = (struct rmx_file)RMX_FILE_INIT;
    spool->op = (struct rmx_op){ .done = opened, .owner = spool };
    dir->open++;
    rmx_loop_open(dir->loop, &spool->op, dir->path, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
}

int rmx_spool_grow(struct rmx_spool *spool, uint64_t end, uint64_t others)
{
    struct rmx_spool_dir *dir = spool->dir;
    uint64_t more = end > spool->bytes ? end - spool->bytes : 0;

    if (more == 0) {
        return 0;
    }
    if (end > dir->job_bytes_max || others > dir->job_bytes_max - end) {
        return -E2BIG;
    }
    if (more > dir->bytes_max ||
        dir->bytes > dir->bytes_max - more) { /* it may have been lowered */
        return -EOVERFLOW;
    }
    dir->bytes += more;
    spool->bytes = end;
    return 0;
}

void rmx_spool_rewind(struct rmx_spool *spool, uint64_t bytes)
{
    rmx_assert(bytes <= spool->bytes);
    spool->file.size = bytes;
}

static void closed(struct rmx_op *op, int result)
{
    struct rmx_spool *spool = op->owner;

    (void)result; /* as close(2): the descriptor is gone in any case */
    forget(spool);
    spool->closed(spool);
}

void rmx_spool_close(struct rmx_spool *spool)
{
    rmx_assert(spool->file.fd >= 0 && !spool->op.busy);
    spool->op = (struct rmx_op){ .done = closed, .owner = spool };
    rmx_loop_close(spool->dir->loop, &spool->op, rmx_take_fd(&spool->file.fd));
}
