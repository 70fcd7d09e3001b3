/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A worker that lacks a part of its sandbox, or calls what it must not: for tests and benchmarks
 * only. RMX_ODD in its environment says which:
 *
 *   open     seccomp does nothing
 *   inside   no namespace may be left
 *   free     nothing stands around it: to measure what all of it costs
 *   curious  opens a file when it reads a WAV, and asks for a priority when it reads a FLAC
 *
 * Link with the --wrap options that tests.cmake has.
 */
#include <errno.h>
#include <fcntl.h>
#include <libavformat/avformat.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "engine/worker/bounds.h"
#include "engine/worker/seclusion.h"
#include "engine/worker/selftest.h"

int __real_rmx_sandbox_enter(void);
int __wrap_rmx_sandbox_enter(void);
int __real_rmx_selftest_finish(struct rmx_selftest *test, bool aloud);
int __wrap_rmx_selftest_finish(struct rmx_selftest *test, bool aloud);
void __real_rmx_seclusion_enter(struct rmx_seclusion *seclusion);
void __wrap_rmx_seclusion_enter(struct rmx_seclusion *seclusion);
int __real_rmx_seclusion_landlock(void);
int __wrap_rmx_seclusion_landlock(void);
int __real_rmx_bounds_set(
    int last_fd, const struct rmx_bounds_use *use, const struct rmx_bounds_room *room);
int __wrap_rmx_bounds_set(
    int last_fd, const struct rmx_bounds_use *use, const struct rmx_bounds_room *room);
int __real_unshare(int namespaces);
int __wrap_unshare(int namespaces);
int __real_av_read_frame(AVFormatContext *demuxer, AVPacket *packet);
int __wrap_av_read_frame(AVFormatContext *demuxer, AVPacket *packet);

static bool is(const char *oddity)
{
    const char *odd = getenv("RMX_ODD");

    return odd != NULL && strcmp(odd, oddity) == 0;
}

int __wrap_rmx_sandbox_enter(void)
{
    return is("open") || is("free") ? 0 : __real_rmx_sandbox_enter();
}

int __wrap_rmx_selftest_finish(struct rmx_selftest *test, bool aloud)
{
    if (is("free")) { /* which it would find */
        (void)kill(test->tries, SIGKILL);
        (void)waitpid(test->tries, NULL, 0);
        (void)waitpid(test->dares, NULL, 0);
        return 0;
    }
    return __real_rmx_selftest_finish(test, aloud);
}

void __wrap_rmx_seclusion_enter(struct rmx_seclusion *seclusion)
{
    *seclusion = (struct rmx_seclusion){ .lacks = UINT32_MAX, .error = -EPERM };
    if (!is("free")) {
        __real_rmx_seclusion_enter(seclusion);
    }
}

int __wrap_rmx_seclusion_landlock(void)
{
    return is("free") ? 0 : __real_rmx_seclusion_landlock();
}

int __wrap_rmx_bounds_set(
    int last_fd, const struct rmx_bounds_use *use, const struct rmx_bounds_room *room)
{
    return is("free") ? 0 : __real_rmx_bounds_set(last_fd, use, room);
}

int __wrap_unshare(int namespaces)
{
    errno = EPERM;
    return is("inside") ? -1 : __real_unshare(namespaces);
}

int __wrap_av_read_frame(AVFormatContext *demuxer, AVPacket *packet)
{
    if (is("curious") && strcmp(demuxer->iformat->name, "wav") == 0) {
        (void)!open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    }
    if (is("curious") && strcmp(demuxer->iformat->name, "flac") == 0) {
        (void)getpriority(PRIO_PROCESS, 0);
    }
    return __real_av_read_frame(demuxer, packet);
}
