/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the subcommands of rmx share when they read their command lines. Runs in the process rmx.
 */
#ifndef RMX_CLIENTS_RMX_ARGS_H
#define RMX_CLIENTS_RMX_ARGS_H

#include <getopt.h>
#include <stdint.h>

#define RMX_ARGS_USAGE 2 /* the exit code of a command line that makes no sense */

#define RMX_ARGS_WHY_BYTES 800 /* of a sentence that says why something makes no sense */

/* "500ms", "1h". Returns 0, or -EINVAL and says why. */
int rmx_args_duration(const char *text, uint64_t *ns, char why[RMX_ARGS_WHY_BYTES]);

/* A whole number from 1 to max. Returns 0, or -EINVAL and says why. */
int rmx_args_count(const char *text, uint32_t max, uint32_t *count, char why[RMX_ARGS_WHY_BYTES]);

/* The entry of a NULL-ended list that word is probably a slip of, or NULL. */
const char *rmx_args_nearest(const char *word, const char *const *known);

/* What options are to getopt_long(3), letters aside: a range for each of those who have some. */
enum rmx_args_range {
    RMX_ARGS_OWN = 0x100, /* the subcommand's own */
    RMX_ARGS_CONNECT = 0x200,
    RMX_ARGS_MANNER = 0x300,
    RMX_ARGS_REQUEST = 0x400,
};

/* What a subcommand takes. */
struct rmx_args {
    const char *letters;          /* as getopt(3): starts with ':', and has h */
    const struct option *options; /* as getopt_long(3); --help is 'h' */
    const char *help;
    /* Takes one of the options, whose value is in optarg. Returns 0, or -EINVAL and says why. */
    int (*take)(void *to, int option, char why[RMX_ARGS_WHY_BYTES]);
    int arguments;      /* so many come behind the options; -1 = any number */
    const char *wanted; /* what they are: "one input", for a message */
};

/* Reads a command line into what `to` is to its options; the arguments follow from argv[optind].
 * Returns -1 when there is work to do, else what to exit with: help was asked for and given, or it
 * was said what makes no sense. */
int rmx_args_read(int argc, char **argv, const struct rmx_args *args, void *to);

#endif
