/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The command rmx: picks the subcommand. Runs in the process rmx, which lives for one command.
 */
#include "clients/rmx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clients/ringmux.h"
#include "clients/rmx_args.h"
#include "clients/rmx_formats.h"
#include "clients/rmx_say.h"
#include "ipc/format.h"
#include "ring/base.h"

struct command {
    const char *name;
    int (*main)(int argc, char **argv);
    const char *summary;
};

static const struct command commands[] = {
    { "remux", rmx_remux_main, "put the streams of a file into another container" },
    { "probe", rmx_probe_main, "describe a file as ffprobe does, in JSON" },
    { "batch", rmx_batch_main, "run a list of remuxes, one JSON object a line" },
    { "jobs", rmx_jobs_main, "list the jobs that the daemon has in hand" },
    { "cancel", rmx_cancel_main, "end jobs, whoever's they are" },
    { "ping", rmx_ping_main, "measure how fast the daemon answers" },
    { "stat", rmx_stat_main, "show the daemon's counters" },
    { "formats", rmx_formats_main, "list the containers that can be written" },
};

#define COMMANDS    (sizeof(commands) / sizeof(commands[0]))
#define FORMATS_MAX 256 /* in ipc/format.def, at most */

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static int print_help(void)
{
    puts("usage: rmx COMMAND [OPTION...] [ARGUMENT...]\n"
         "\n"
         "Remuxes media files with ringmux, without starting a process for each.\n"
         "\n"
         "commands:");
    for (size_t i = 0; i < COMMANDS; i++) {
        printf("  %-9s%s\n", commands[i].name, commands[i].summary);
    }
    puts("  help     [COMMAND | FORMAT] say more about a command, or a container and its options\n"
         "\n"
         "example:   rmx remux in.mp4 out.ts\n"
         "\n"
         "See rmx(1).");
    return 0;
}

/* may_be_format: a container's name would have been right, too. */
static int refuse_command(const char *name, bool may_be_format)
{
    const char *known[COMMANDS + FORMATS_MAX + 1] = { NULL };
    const struct rmx_format *format;
    size_t count = 0;

    for (; count < COMMANDS; count++) {
        known[count] = commands[count].name;
    }
    for (size_t i = 0; may_be_format && (format = rmx_format_at(i)) != NULL; i++) {
        rmx_assert(i < FORMATS_MAX);
        known[count++] = format->name;
    }
    const char *near = rmx_args_nearest(name, known);
    rmx_say("no command%s '%s': %s%s%s", may_be_format ? " or format" : "", name,
        near != NULL ? "did you mean '" : "see 'rmx help", near != NULL ? near : "",
        near != NULL ? "'?" : "'");
    return RMX_ARGS_USAGE;
}

static int run_help(int argc, char **argv)
{
    if (argc < 2) {
        return print_help();
    }
    const struct command *command = find_command(argv[1]);
    const struct rmx_format *format = rmx_format_find(argv[1]);
    static char option[] = "--help";
    char *asked[] = { argv[1], option, NULL };
    if (command == NULL && format != NULL) {
        rmx_formats_describe(format);
        return 0;
    }
    return command != NULL ? command->main(2, asked) : refuse_command(argv[1], true);
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        rmx_say("no command given: see 'rmx help'");
        return RMX_ARGS_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0) {
        return run_help(argc - 1, argv + 1);
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("rmx %s\n", rmx_version());
        return 0;
    }
    const struct command *command = find_command(argv[1]);
    return command != NULL ? command->main(argc - 1, argv + 1) : refuse_command(argv[1], false);
}

/* Whoever starts us with 0, 1 or 2 closed must not find his output file under that number. What
 * stands in for them is open the wrong way round, so that using it fails as if it were closed. */
static int fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        int mode = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;

        /* The lowest free number is taken, and those below fd are not free; it is inherited. */
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", mode | O_NOCTTY) < 0) {
            return -errno;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (fill_standard_descriptors() < 0) {
        return rmx_end_exit(RMX_INTERNAL);
    }
    int status = run(argc, argv);
    fflush(stdout);
    if (ferror(stdout) && status == 0) {
        rmx_say("standard output: %s", rmx_say_error(-errno));
        status = rmx_end_exit(RMX_OUTPUT_IO);
    }
    return status;
}
