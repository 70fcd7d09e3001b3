/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What rmx reads (see rmx_input.h). Runs in the process rmx.
 */
#include "clients/rmx_input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/rmx_run.h"
#include "ring/base.h"

static int open_path(const char *path)
{
    struct stat st;
    rmx_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0 || fstat(fd, &st) < 0) {
        return -errno;
    }
    return S_ISDIR(st.st_mode) ? -EISDIR : rmx_take_fd(&fd);
}

static int check_standard(void)
{
    int flags = fcntl(STDIN_FILENO, F_GETFL);

    return flags < 0 || (flags & O_ACCMODE) == O_WRONLY ? -EBADF : STDIN_FILENO;
}

int rmx_input_open(int *fd, const char *path, struct rmx_result *result)
{
    int opened = strcmp(path, "-") == 0 ? check_standard() : open_path(path);

    if (opened == -EINTR) {
        rmx_run_failed(result, RMX_CANCELLED, 0, "interrupted");
    } else if (opened < 0) {
        rmx_run_failed(result, RMX_INPUT_IO, opened, "cannot open it for reading");
    }
    if (opened < 0) {
        return opened;
    }
    *fd = opened;
    return 0;
}

void rmx_input_close(int *fd)
{
    if (*fd != STDIN_FILENO) {
        rmx_base_close(fd);
    }
    *fd = -1;
}
