/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What every file may lean on (see base.h). Runs in every process; must work when nothing else does
 * any more, so it allocates nothing.
 */
#include "ring/base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void say_on_stderr(const char *expr, const char *file, int line)
{
    dprintf(STDERR_FILENO, "%s:%d: assertion failed: %s\n", file, line, expr);
}

void (*rmx_base_assert_hook)(const char *expr, const char *file, int line) = say_on_stderr;

_Noreturn void rmx_base_assert_failed(const char *expr, const char *file, int line)
{
    rmx_base_assert_hook(expr, file, line);
    abort();
}

void rmx_base_close(int *fd)
{
    int saved = errno;

    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
    errno = saved;
}
