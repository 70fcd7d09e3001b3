/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The edits of a job as they are given (see rmx_edits.h). Runs in the process rmx.
 */
#include "clients/rmx_edits.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "ipc/filter.h"

static const char *const names[RMX_EDIT_WORDS] = {
#define RMX_EDIT(word, name, kind, help) name,
#include "ipc/edit.def"
#undef RMX_EDIT
};

/* What of a value, from its start, says which streams. */
struct scope {
    size_t bytes;
    size_t mark; /* characters between it and the rest */
};

/* "s:a:0:language=eng": up to the last ':' of the key, if it begins as a specifier does. */
static struct scope scope_of_tag(const char *value)
{
    size_t key = strcspn(value, "=");

    if (strchr("gscp", value[0]) == NULL || value[1] != ':') {
        return (struct scope){ 0, 0 };
    }
    while (key > 0 && value[key] != ':') {
        key--;
    }
    return (struct scope){ key, 1 };
}

/* "a:0=default", but not "setts=ts=0": there a filter's name comes first. */
static struct scope scope_of(enum rmx_edit_word word, const char *value)
{
    size_t bytes = strcspn(value, "=");

    if (word == RMX_EDIT_METADATA) {
        return scope_of_tag(value);
    }
    if (word == RMX_EDIT_OPTION) { /* "1:movflags=+dash" */
        return (struct scope){ strcspn(value, ":="), 1 };
    }
    if (value[bytes] == '\0' ||
        (word == RMX_EDIT_BSF && rmx_filter_is_allowed(value, strcspn(value, ",=")))) {
        return (struct scope){ 0, 0 };
    }
    return (struct scope){ bytes, 1 };
}

/* Of the sentence that the job would be refused with: the option was named already. */
static void say(char why[RMX_ARGS_WHY_BYTES], const char *sentence)
{
    static const char head[] = "edits: ";
    size_t skipped = strncmp(sentence, head, sizeof(head) - 1) == 0 ? sizeof(head) - 1 : 0;

    snprintf(why, RMX_ARGS_WHY_BYTES, "%s", sentence + skipped);
}

static int append(struct rmx_edits *edits, const char *text, char why[RMX_ARGS_WHY_BYTES])
{
    size_t bytes = strlen(text) + 1;
    const char *sentence;
    struct rmx_edit edit;

    if (rmx_edit_parse(text, &edit, &sentence) < 0) {
        say(why, sentence);
        return -EINVAL;
    }
    if (edits->count == RMX_EDITS_MAX || bytes > sizeof(edits->text) - edits->used) {
        say(why, "that is more than a job can carry");
        return -EINVAL;
    }
    memcpy(edits->text + edits->used, text, bytes);
    edits->list[edits->count++] = edits->text + edits->used;
    edits->used += bytes;
    return 0;
}

static int add(struct rmx_edits *edits, enum rmx_edit_word word, struct scope scope,
    const char *value, char why[RMX_ARGS_WHY_BYTES])
{
    char text[RMX_JOB_EDITS_BYTES];
    int bytes = snprintf(text, sizeof(text), "%s%s%.*s=%s", names[word], scope.bytes > 0 ? ":" : "",
        (int)scope.bytes, value, value + scope.bytes + scope.mark);

    if (bytes >= (int)sizeof(text)) {
        say(why, "that is more than a job can carry");
        return -EINVAL;
    }
    return append(edits, text, why);
}

int rmx_edits_add(struct rmx_edits *edits, enum rmx_edit_word word, const char *value,
    char why[RMX_ARGS_WHY_BYTES])
{
    return add(edits, word, (struct scope){ 0, 0 }, value, why);
}

int rmx_edits_add_for(struct rmx_edits *edits, enum rmx_edit_word word, const char *value,
    char why[RMX_ARGS_WHY_BYTES])
{
    return add(edits, word, scope_of(word, value), value, why);
}

int rmx_edits_strip(struct rmx_edits *edits, const char *part, char why[RMX_ARGS_WHY_BYTES])
{
    char text[RMX_JOB_EDITS_BYTES];
    int bytes = snprintf(text, sizeof(text), "%s:%s=-1", names[RMX_EDIT_MAP_METADATA], part);

    if (bytes >= (int)sizeof(text)) {
        say(why, "that is more than a job can carry");
        return -EINVAL;
    }
    return append(edits, text, why);
}
