/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the subcommands of rmx share when they read their command lines (see rmx_args.h). Runs in
 * the process rmx.
 */
#include "clients/rmx_args.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "clients/rmx_say.h"
#include "ipc/option.h"
#include "ipc/quantity.h"
#include "ipc/spelling.h"

#define WORD_MAX    32 /* longer words are nobody's slip */
#define OPTIONS_MAX 48

int rmx_args_duration(const char *text, uint64_t *ns, char why[RMX_ARGS_WHY_BYTES])
{
    if (!rmx_quantity_duration(text, ns)) {
        snprintf(why, RMX_ARGS_WHY_BYTES, "it is no duration: give 500ms, 2s, 1h or the like");
        return -EINVAL;
    }
    return 0;
}

int rmx_args_count(const char *text, uint32_t max, uint32_t *count, char why[RMX_ARGS_WHY_BYTES])
{
    uint64_t number;

    if (!rmx_quantity_number(text, 10, &number) || number == 0 || number > max) {
        snprintf(why, RMX_ARGS_WHY_BYTES, "give a number from 1 to %" PRIu32, max);
        return -EINVAL;
    }
    *count = (uint32_t)number;
    return 0;
}

const char *rmx_args_nearest(const char *word, const char *const *known)
{
    unsigned nearest = 2 + (strlen(word) > 6); /* a slip or two, not another word */
    const char *found = NULL;

    for (; *known != NULL; known++) {
        unsigned steps = rmx_spelling_distance(word, *known);

        if (steps <= nearest && steps < strlen(*known)) {
            found = *known;
            nearest = steps - (steps > 0);
        }
    }
    return found;
}

/* What ffmpeg's users type, and what it is here; in `rmx remux`. */
static const struct {
    const char *theirs;
    const char *ours;
} ffmpegs[] = {
    { "-i", "inputs are named without an option" },
    { "-c", "streams are always copied" },
    { "-codec", "streams are always copied" },
    { "-y", "a file is replaced, unless --no-clobber" },
    { "-n", "--no-clobber" },
    { "-f", "--format, or --input-format" },
    { "-map", "--map" },
    { "-ss", "--start" },
    { "-sseof", "--start-from-end" },
    { "-to", "--end" },
    { "-t", "--duration" },
    { "-itsoffset", "--input-offset" },
    { "-shortest", "--shortest" },
    { "-metadata", "--metadata" },
    { "-disposition", "--disposition" },
    { "-bsf", "--bsf" },
    { "-sn", "--subtitles none" },
    { "-movflags", "--opt movflags=..." },
    { "-decryption_key", "--decryption-key" },
};

/* NULL: none of them. "-c:v" is "-c". */
static const char *find_ours(const char *word)
{
    size_t bytes = strcspn(word, ":=");

    for (size_t i = 0; i < sizeof(ffmpegs) / sizeof(*ffmpegs); i++) {
        if (strlen(ffmpegs[i].theirs) == bytes && memcmp(word, ffmpegs[i].theirs, bytes) == 0) {
            return ffmpegs[i].ours;
        }
    }
    return NULL;
}

/* "--movflags": an option, but of a container. */
static bool is_container_option(const char *name)
{
    const struct rmx_option *option;

    for (size_t i = 0; (option = rmx_option_at(i)) != NULL; i++) {
        if (strncmp(name, "--", 2) == 0 && strcmp(option->name, name + 2) == 0) {
            return true;
        }
    }
    return false;
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
    if (near == NULL && strcmp(argv[0], "remux") == 0 && is_container_option(name)) {
        rmx_say("%s: no option %s: it is a container's: --opt %s=...", argv[0], name, name + 2);
        return RMX_ARGS_USAGE;
    }
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
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): rmx has one thread. */
        const char *whole = argv[optind] != NULL && argv[optind][0] == '-' &&
                                    argv[optind][1] == (char)optopt && argv[optind][2] != '\0'
                                ? argv[optind]
                                : word;
        const char *ours = strcmp(argv[0], "remux") == 0 ? find_ours(whole) : NULL;

        if (ours != NULL) {
            rmx_say("%s: no option %s: here it is: %s", argv[0], whole, ours);
            return RMX_ARGS_USAGE;
        }
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

/* It does not make sense with this value. Returns RMX_ARGS_USAGE. */
static int refuse_value(char **argv, const struct option *options, int got, const char *why)
{
    while (options->val != got) {
        options++;
    }
    bool secret = strstr(options->name, "key") != NULL;

    rmx_say("%s: --%s %.200s: %s", argv[0], options->name, secret ? "..." : optarg, why);
    return RMX_ARGS_USAGE;
}

int rmx_args_read(int argc, char **argv, const struct rmx_args *args, void *to)
{
    char why[RMX_ARGS_WHY_BYTES] = "";
    int got;

    /* NOLINTNEXTLINE(concurrency-mt-unsafe): rmx has one thread. */
    while ((got = getopt_long(argc, argv, args->letters, args->options, NULL)) != -1) {
        if (got == 'h') {
            fputs(args->help, stdout);
            return 0;
        }
        if (got == '?' || got == ':') {
            return refuse(argv, args->options, got);
        }
        if (args->take(to, got, why) < 0) {
            return refuse_value(argv, args->options, got, why);
        }
    }
    if (args->arguments >= 0 && argc - optind != args->arguments) {
        rmx_say("%s: give %s: see 'rmx help %s'", argv[0], args->wanted, argv[0]);
        return RMX_ARGS_USAGE;
    }
    return -1;
}
