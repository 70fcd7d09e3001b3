/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which muxer options a job may set, and to what, from ipc/option.def. Checked by the same code in
 * the client (to fail early), in the daemon (because the client may lie) and in the worker, which
 * sets them. Runs in every process; does no I/O and allocates nothing.
 */
#ifndef RMX_IPC_OPTION_H
#define RMX_IPC_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/format.h"

enum rmx_option_kind {
    RMX_OPTION_IS_NUMBER,
    RMX_OPTION_IS_SWITCH,
    RMX_OPTION_IS_TIME,
    RMX_OPTION_IS_FLAGS,
    RMX_OPTION_IS_TEXT,
    RMX_OPTION_IS_KEY, /* must be shown to nobody */
    RMX_OPTION_IS_NAME,
    RMX_OPTION_IS_PARTS,
};

struct rmx_option {
    const char *name;
    const char *muxers; /* libavformat's names, one space between; "" = all */
    enum rmx_option_kind kind;
    int64_t least; /* of a number, or in seconds of a time */
    int64_t most;
    const char *help;
};

/* What an option takes by name. */
struct rmx_option_word {
    const char *option;
    const char *word;
    const char *help;
};

/* Row i in the table's order, or NULL after the last. */
const struct rmx_option *rmx_option_at(size_t i);

/* Likewise, of all words of all options. */
const struct rmx_option_word *rmx_option_word_at(size_t i);

/* Does this container have the option? */
bool rmx_option_fits(const struct rmx_option *option, const struct rmx_format *format);

/* One "name=value", for that container. Returns 0, or -EINVAL with *why set to a static sentence:
 * what is wrong with it, or which name was probably meant. */
int rmx_option_check(const char *pair, const struct rmx_format *format, const char **why);

/* Is the switch on in a list, by the value given last? */
bool rmx_option_is_on(const char *list, size_t bytes, const char *name);

/* All of a list, which rmx_pairs_check() passed: each of them, and what they ask for together. */
int rmx_option_check_list(
    const char *list, size_t bytes, const struct rmx_format *format, const char **why);

#endif
