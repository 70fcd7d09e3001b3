/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ringmux-worker: the program that zygote and workers are. Nothing but the choice what to be.
 */
#include <stdio.h>
#include <string.h>

#include "engine/worker/selftest.h"
#include "engine/worker/zygote.h"

static const char help[] =
    "ringmux-worker: the sandboxed part of ringmux that remuxes. Started by ringmuxd, not by "
    "hand.\n"
    "\n"
    "  --zygote    fork workers for the daemon on descriptor 3\n"
    "  --selftest  show that the sandbox refuses what it must on this machine\n"
    "  --help      this text\n"
    "  --version   the version\n";

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--zygote") == 0) {
        return rmx_zygote_run();
    }
    if (argc == 2 && strcmp(argv[1], "--selftest") == 0) {
        return rmx_selftest_run();
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
