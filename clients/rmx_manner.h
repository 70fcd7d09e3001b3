/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How rmx is to go about a remux, or a batch of them: the options that both commands have. Those
 * that list things have some of them. Runs in the process rmx.
 */
#ifndef RMX_CLIENTS_RMX_MANNER_H
#define RMX_CLIENTS_RMX_MANNER_H

#include <stdbool.h>

#include "clients/rmx_args.h"
#include "clients/rmx_connect.h"

struct rmx_manner {
    struct rmx_connect connect;
    const char *group; /* its name, or NULL */
    bool no_clobber;
    bool json;
    bool quiet;
    enum { RMX_MANNER_AUTO, RMX_MANNER_SHOWN, RMX_MANNER_HIDDEN } progress;
};

enum rmx_manner_option {
    RMX_MANNER_GROUP = RMX_ARGS_MANNER,
    RMX_MANNER_NO_CLOBBER,
    RMX_MANNER_JSON,
    RMX_MANNER_QUIET,
    RMX_MANNER_PROGRESS,
    RMX_MANNER_NO_PROGRESS,
};

/* For the options and the help of such a command, and of one that has --json alone. */
#define RMX_MANNER_JSON_ROW                                                                        \
    {                                                                                              \
        "json", no_argument, NULL, RMX_MANNER_JSON                                                 \
    }
#define RMX_MANNER_ROWS                                                                            \
    { "group", required_argument, NULL, RMX_MANNER_GROUP },                                        \
        { "no-clobber", no_argument, NULL, RMX_MANNER_NO_CLOBBER }, RMX_MANNER_JSON_ROW,           \
        { "quiet", no_argument, NULL, RMX_MANNER_QUIET },                                          \
        { "progress", no_argument, NULL, RMX_MANNER_PROGRESS },                                    \
        { "no-progress", no_argument, NULL, RMX_MANNER_NO_PROGRESS }, RMX_CONNECT_ROWS
#define RMX_MANNER_TEXT                                                                            \
    "  --group NAME         what operators may call it, and others: see 'rmx help cancel'\n"       \
    "  --no-clobber         fail if the output exists\n"                                           \
    "  --json               print each result as one line of JSON\n"                               \
    "  --quiet              print nothing but errors\n"                                            \
    "  --[no-]progress      show how far it is; default: on a terminal\n" RMX_CONNECT_TEXT

/* Takes one of them: see struct rmx_args. */
int rmx_manner_take(struct rmx_manner *manner, int option, char why[RMX_ARGS_WHY_BYTES]);

/* Is it to be shown how far the work is? */
bool rmx_manner_shows(const struct rmx_manner *manner);

#endif
