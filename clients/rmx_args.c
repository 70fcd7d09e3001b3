/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the subcommands of rmx share when they read their command lines (see rmx_args.h). Runs in
 * the process rmx.
 */
#include "clients/rmx_args.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "clients/rmx_say.h"
#include "ipc/quantity.h"

#define WORD_MAX    32 /* longer words are nobody's slip */
#define OPTIONS_MAX 32

int rmx_args_count(const char *text, uint32_t max, uint32_t *count)
{
    uint64_t number;

    if (!rmx_quantity_number(text, 10, &number) || number == 0 || number > max) {
        return -EINVAL;
    }
    *count = (uint32_t)number;
    return 0;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters must be put in, taken out or changed to make one word the other. */
static size_t distance(const char *a, const char *b)
{
    size_t a_bytes = strlen(a);
    size_t b_bytes = strlen(b);
    size_t row[WORD_MAX + 1];

    if (a_bytes > WORD_MAX || b_bytes > WORD_MAX) {
        return WORD_MAX;
    }
    for (size_t j = 0; j <= b_bytes; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_bytes; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_bytes; j++) {
            size_t changed = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            row[j] = least(changed, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_bytes];
}

const char *rmx_args_nearest(const char *word, const char *const *known)
{
    size_t nearest = 2 + (strlen(word) > 6); /* a slip or two, not another word */
    const char *found = NULL;

    for (; *known != NULL; known++) {
        size_t steps = distance(word, *known);

        if (steps <= nearest && steps < strlen(*known)) {
            found = *known;
            nearest = steps - (steps > 0);
        }
    }
    return found;
}

static int refuse_unknown(char **argv, const struct option *options, const char *word)
{
    const char *known[OPTIONS_MAX + 1] = { NULL };
    char name[WORD_MAX + 1] = "";
    size_t bytes = strcspn(word, "=");

    for (size_t i = 0; options[i].name != NULL && i < OPTIONS_MAX; i++) {
        known[i] = options[i].name;
    }
    if (bytes <= WORD_MAX) {
        memcpy(name, word, bytes);
    }
    const char *near = strncmp(name, "--", 2) == 0 ? rmx_args_nearest(name + 2, known) : NULL;
    if (near != NULL) {
        rmx_say("%s: no option %s: did you mean --%s?", argv[0], name, near);
    } else {
        rmx_say("%s: no option %s: see 'rmx help %s'", argv[0], word, argv[0]);
    }
    return RMX_ARGS_USAGE;
}

/* Did getopt_long(3) stop at a letter it does not know? It may stand amid a word, and the word it
 * is in is not argv[optind - 1] then. */
static bool is_letter(const struct option *options, int got)
{
    for (size_t i = 0; options[i].name != NULL; i++) {
        if (options[i].val == optopt) {
            return false; /* a long option that is used wrongly */
        }
    }
    return got == '?' && optopt != 0;
}

/* Says why getopt_long(3) stopped at argv[optind - 1]: unknown, ambiguous, argument missing or too
 * many. Returns RMX_ARGS_USAGE. */
static int refuse(char **argv, const struct option *options, int got)
{
    const char *word = argv[optind - 1];

    if (is_letter(options, got)) {
        rmx_say("%s: no option -%c: see 'rmx help %s'", argv[0], optopt, argv[0]);
        return RMX_ARGS_USAGE;
    }
    if (got == ':') {
        rmx_say("%s: %s needs a value: see 'rmx help %s'", argv[0], word, argv[0]);
        return RMX_ARGS_USAGE;
    }
    for (size_t i = 0; options[i].name != NULL; i++) {
        size_t bytes = strlen(options[i].name);

        if (options[i].has_arg == no_argument && strncmp(word, "--", 2) == 0 &&
            strncmp(word + 2, options[i].name, bytes) == 0 && word[2 + bytes] == '=') {
            rmx_say("%s: --%s takes no value", argv[0], options[i].name);
            return RMX_ARGS_USAGE;
        }
    }
    return refuse_unknown(argv, options, word);
}

int rmx_args_next(int argc, char **argv, const struct rmx_args *args, int *status)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): rmx has one thread. */
    int option = getopt_long(argc, argv, args->letters, args->options, NULL);

    if (option == 'h') {
        fputs(args->help, stdout);
        *status = 0;
        return -1;
    }
    if (option == '?' || option == ':') {
        *status = refuse(argv, args->options, option);
        return -1;
    }
    return option == -1 ? 0 : option;
}

int rmx_args_miscount(char **argv, const char *wanted)
{
    rmx_say("%s: give %s: see 'rmx help %s'", argv[0], wanted, argv[0]);
    return RMX_ARGS_USAGE;
}
