/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which bitstream filters a job may name (see filter.h). Runs in the client, the daemon and the
 * worker.
 */
#include "ipc/filter.h"

#include <errno.h>
#include <string.h>

#include "ipc/spelling.h"

static const struct filter {
    const char *name;
    const char *misspelt;
} filters[] = {
#define RMX_FILTER(name)                                                                           \
    { name, "edits: bsf: there is no such filter, or it is not allowed: is '" name "' meant?" },
#include "ipc/filter.def"
#undef RMX_FILTER
};

#define FILTERS (sizeof(filters) / sizeof(*filters))

static int refuse(const char *sentence, const char **why)
{
    *why = sentence;
    return -EINVAL;
}

static bool is_same(const char *name, size_t length, const char *other)
{
    return strlen(other) == length && memcmp(name, other, length) == 0;
}

bool rmx_filter_is_allowed(const char *name, size_t length)
{
    for (size_t slot = 0; slot < FILTERS; slot++) {
        if (is_same(name, length, filters[slot].name)) {
            return true;
        }
    }
    return false;
}

static int refuse_filter(const char *name, size_t length, const char **why)
{
    const char *best = "edits: bsf: there is no such filter, or it is not allowed";
    unsigned nearest = RMX_SPELLING_FAR;
    char wrong[RMX_SPELLING_BYTES + 1] = { 0 };

    memcpy(wrong, name, length < RMX_SPELLING_BYTES ? length : RMX_SPELLING_BYTES);
    for (size_t slot = 0; slot < FILTERS; slot++) {
        unsigned away = rmx_spelling_distance(wrong, filters[slot].name);

        if (away < nearest) {
            nearest = away;
            best = filters[slot].misspelt;
        }
    }
    return refuse(best, why);
}

/* To the comma that ends this filter, or to the end: one behind a backslash or between quotes ends
 * nothing. */
static size_t filter_length(const char *text)
{
    size_t length = 0;

    for (bool quoted = false; text[length] != '\0' && (quoted || text[length] != ','); length++) {
        if (text[length] == '\'') {
            quoted = !quoted;
        } else if (text[length] == '\\' && !quoted && text[length + 1] != '\0') {
            length++;
        }
    }
    return length;
}

/* Filters that take expressions. */
static bool computes(const char *name, size_t length)
{
    return is_same(name, length, "setts") || is_same(name, length, "noise");
}

/* Is one of these called in an expression? They take as long as they are told to. Whoever reads it
 * takes backslashes and quotes out first, so do we. */
static bool calls_endless(const char *text, size_t length)
{
    static const char *const endless[] = { "while", "taylor", "root", "print" };

    for (size_t slot = 0; slot < sizeof(endless) / sizeof(*endless); slot++) {
        size_t found = 0;

        for (size_t at = 0; at < length; at++) {
            if (text[at] == '\\' || text[at] == '\'') {
                continue;
            }
            found = text[at] == endless[slot][found] ? found + 1 : text[at] == endless[slot][0];
            if (endless[slot][found] == '\0') {
                return true;
            }
        }
    }
    return false;
}

int rmx_filter_check(const char *text, const char **why)
{
    for (;;) {
        size_t length = filter_length(text);
        size_t name = strcspn(text, "=,");

        name = name < length ? name : length;
        if (!rmx_filter_is_allowed(text, name)) {
            return refuse_filter(text, name, why);
        }
        if (computes(text, name) && calls_endless(text + name, length - name)) {
            return refuse(
                "edits: bsf: an expression may not use while, taylor, root or print", why);
        }
        if (text[length] == '\0') {
            return 0;
        }
        text += length + 1;
    }
}
