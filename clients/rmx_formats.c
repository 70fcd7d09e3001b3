/* SPDX-License-Identifier: BSD-2-Clause
 *
 * `rmx formats`: what can be written. Runs in the process rmx.
 */
#include "clients/rmx.h"

#include <stddef.h>
#include <stdio.h>

#include "clients/rmx_args.h"
#include "ipc/format.h"

static const char help[] = "usage: rmx formats\n"
                           "\n"
                           "Lists the containers that can be written: the name for --format, the "
                           "extensions that stand for\n"
                           "it, and what the output must be.\n";

static const struct option options[] = {
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static const struct rmx_args args = { ":h", options, help, NULL, 0, "no arguments" };

static const char *const outputs[] = {
    [RMX_PATCH_NEVER] = "anything",
    [RMX_PATCH_HELPS] = "anything; better a file",
    [RMX_PATCH_ALWAYS] = "a file, or --spool",
};

static const char *output_of(const struct rmx_format *format)
{
    return *format->index ? "several files: for the library only" : outputs[format->patch];
}

int rmx_formats_main(int argc, char **argv)
{
    const struct rmx_format *format;
    int status = rmx_args_read(argc, argv, &args, NULL);

    if (status >= 0) {
        return status;
    }
    printf("%-10s %-18s %s\n", "FORMAT", "EXTENSIONS", "OUTPUT");
    for (size_t i = 0; (format = rmx_format_at(i)) != NULL; i++) {
        printf("%-10s %-18s %s\n", format->name, format->extensions, output_of(format));
    }
    return 0;
}
