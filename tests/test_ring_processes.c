/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Both ends of a stream (see ring_stream.h) as two processes, each with its own mapping of the
 * memfd at its own address.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/ring_stream.h"

#define SEEKS 1500u

/* The child: adopts the region as a worker would, from a descriptor it does not trust. */
static _Noreturn void produce(int region_fd, const int bells[STREAM_ROLES])
{
    struct rmx_region region = RMX_REGION_INIT;
    struct stream_end end;
    int fd = fcntl(region_fd, F_DUPFD_CLOEXEC, 0);

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (rmx_region_adopt(&region, &fd, 1, 1u << 20) < 0) {
        _exit(2);
    }
    stream_attach(&end, &region, STREAM_PRODUCER, bells);
    stream_produce(&end);
    rmx_region_fini(&region);
    _exit(0);
}

static void stream_from(uint64_t first_count)
{
    struct rmx_region region = RMX_REGION_INIT;
    struct stream_end end;
    int bells[STREAM_ROLES];
    int status = -1;
    pid_t child;

    stream_create(&region, first_count);
    for (int role = 0; role < STREAM_ROLES; role++) {
        bells[role] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        cr_assert_geq(bells[role], 0);
    }
    stream_attach(&end, &region, STREAM_CONSUMER, bells);

    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        produce(region.fd, bells);
    }
    stream_consume(&end, SEEKS);
    cr_assert_eq(waitpid(child, &status, 0), child);

    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_assert_gt(end.sleeps, 0, "the bell was needed");
    for (int role = 0; role < STREAM_ROLES; role++) {
        rmx_base_close(&bells[role]);
    }
    rmx_region_fini(&region);
}

Test(ring_processes, every_byte_arrives_with_seeks_and_sleeps)
{
    stream_from(0);
}

Test(ring_processes, every_byte_arrives_while_counts_pass_32_bits)
{
    stream_from((UINT64_C(1) << 32) - 3);
}

Test(ring_processes, every_byte_arrives_while_counts_wrap)
{
    stream_from(UINT64_MAX - 2);
}
