/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ringmux-worker: the program that zygote and workers are. Nothing but the choice what to be.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/worker/selftest.h"
#include "engine/worker/zygote.h"

static const char help[] =
    "ringmux-worker: the sandboxed part of ringmux that remuxes. Started by ringmuxd, not by "
    "hand.\n"
    "\n"
    "  --zygote BYTES  fork workers for the daemon on descriptor 3; no single allocation of\n"
    "                  theirs is larger than BYTES\n"
    "  --selftest      show that the sandbox refuses what it must on this machine\n"
    "  --help          this text\n"
    "  --version       the version\n";

/* A number of bytes that fits an int, as libavutil's limit must; 0 = it is none. */
static size_t bytes_of(const char *text)
{
    char *end = NULL;
    unsigned long long bytes;

    errno = 0;
    bytes = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == 0 && bytes <= INT32_MAX ? (size_t)bytes : 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--zygote") == 0 && bytes_of(argv[2]) > 0) {
        return rmx_zygote_run(bytes_of(argv[2]));
    }
    if (argc == 2 && strcmp(argv[1], "--selftest") == 0) {
        return rmx_selftest_show();
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        (void)fputs(help, stdout);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        (void)puts("ringmux-worker " RMX_VERSION);
        return 0;
    }
    (void)fputs(help, stderr);
    return 2;
}
