/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the subcommands of rmx share when they read their command lines. Runs in the process rmx.
 */
#ifndef RMX_CLIENTS_RMX_ARGS_H
#define RMX_CLIENTS_RMX_ARGS_H

#include <getopt.h>
#include <stdint.h>

#define RMX_ARGS_USAGE 2 /* the exit code of a command line that makes no sense */

/* A whole number from 1 to max. Returns 0 or -EINVAL. */
int rmx_args_count(const char *text, uint32_t max, uint32_t *count);

/* The entry of a NULL-ended list that word is probably a slip of, or NULL. */
const char *rmx_args_nearest(const char *word, const char *const *known);

/* What a subcommand takes. */
struct rmx_args {
    const char *letters;          /* as getopt(3): starts with ':', and has h */
    const struct option *options; /* as getopt_long(3); --help is 'h' */
    const char *help;
};

/* The next option, which is more than 0, for the caller to take; its value is in optarg. Returns 0
 * when there is none, the arguments follow from optind; or -1 with *status what to exit with: help
 * was asked for and given, or it was said what makes no sense. */
int rmx_args_next(int argc, char **argv, const struct rmx_args *args, int *status);

/* Says that there are too few or too many arguments. Returns RMX_ARGS_USAGE. */
int rmx_args_miscount(char **argv, const char *wanted);

#endif
