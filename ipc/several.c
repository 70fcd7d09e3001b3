/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs of several inputs or outputs (see several.h). Runs in the client, the daemon and the worker.
 */
#include "ipc/several.h"

#include <errno.h>
#include <string.h>

#include "ipc/edit.h"
#include "ipc/pairs.h"
#include "ipc/status.h"

static int refuse(enum rmx_status status, const char *sentence, const char **why)
{
    *why = sentence;
    return (int)status;
}

/* The edits one after another. Returns 1 with one, 0 at the end. */
static int next_edit(const struct rmx_job_spec *spec, size_t *cursor, struct rmx_edit *edit)
{
    const char *text;
    const char *why;

    while (rmx_pairs_next(spec->edits, sizeof(spec->edits), cursor, &text) == 1) {
        if (rmx_edit_parse(text, edit, &why) == 0) {
            return 1;
        }
    }
    return 0;
}

/* --- selections ------------------------------------------------------------------------------ */

int rmx_several_read_map(const char *text, struct rmx_several_map *map)
{
    struct rmx_several_map read = { .negative = *text == '-' };

    text += read.negative;
    size_t digits = strspn(text, "0123456789");

    if (digits > 0 && text[digits] == ':') {
        read.input = (unsigned)(text[0] - '0');
        if (digits > 1 || read.input >= RMX_JOB_INPUTS_MAX) {
            return -EINVAL;
        }
        text += 2;
    } else if (text[0] == '\0' || text[0] == '?') {
        return -EINVAL;
    }
    size_t length = strcspn(text, "?");

    read.optional = text[length] == '?';
    if (length >= sizeof(read.specifier) || (read.optional && text[length + 1] != '\0')) {
        return -EINVAL;
    }
    memcpy(read.specifier, text, length);
    *map = read;
    return 0;
}

/* --- both ------------------------------------------------------------------------------------ */

static bool is_of_output(enum rmx_edit_word word)
{
    return word == RMX_EDIT_FORMAT || word == RMX_EDIT_OPTION || word == RMX_EDIT_MAP ||
           word == RMX_EDIT_WHEN_SLOW;
}

static int check_numbers(const struct rmx_job_spec *spec, const char **why)
{
    struct rmx_edit edit;
    size_t cursor = 0;

    while (next_edit(spec, &cursor, &edit) == 1) {
        bool output = is_of_output(edit.word);

        if (edit.number != RMX_EDIT_JOB && edit.number >= (output ? spec->outputs : spec->inputs)) {
            return refuse(RMX_STATUS_BAD_OPTION,
                output ? "edits: one is for an output the job does not have"
                       : "edits: one is for an input the job does not have",
                why);
        }
    }
    return 0;
}

static int check_together(
    const struct rmx_job_spec *spec, const struct rmx_edit_whole *whole, const char **why)
{
    uint32_t flags = spec->flags;

    if (spec->inputs > 1 && flags & RMX_JOB_LIVE) {
        return refuse(RMX_STATUS_BAD_JOB, "flags: a LIVE job has one input", why);
    }
    if ((spec->inputs > 1 || spec->outputs > 1) && flags & (RMX_JOB_SPOOL | RMX_JOB_PARTS)) {
        return refuse(RMX_STATUS_BAD_JOB,
            "flags: several inputs or outputs are not spooled, nor parts of one", why);
    }
    if ((spec->inputs > 1 && spec->input_port != RMX_JOB_DESCRIPTOR) ||
        (spec->outputs > 1 && spec->output_port != RMX_JOB_DESCRIPTOR)) {
        return refuse(RMX_STATUS_BAD_JOB, "input_port, output_port: a ring carries one", why);
    }
    if (whole->concat && (whole->copyts || whole->seen[RMX_EDIT_INPUT_OFFSET])) {
        return refuse(RMX_STATUS_BAD_OPTION,
            "edits: copyts, input_offset: not with join=concat, which makes new timestamps", why);
    }
    if (whole->concat && spec->inputs > 1 && whole->shortest) {
        return refuse(RMX_STATUS_BAD_OPTION,
            "edits: shortest: not with join=concat, where each input is read to its end: give end "
            "or duration",
            why);
    }
    return 0;
}

int rmx_several_check(const struct rmx_job_spec *spec, const char **why)
{
    struct rmx_edit_whole whole;
    int status = check_numbers(spec, why);

    for (int input = 0; input < spec->inputs && status == 0; input++) {
        if (rmx_edit_gather(spec->edits, sizeof(spec->edits), input, &whole, why) < 0) {
            return RMX_STATUS_BAD_OPTION;
        }
        status = check_together(spec, &whole, why);
    }
    return status;
}

/* --- one of them ----------------------------------------------------------------------------- */

/* What one edit says of its output. Returns 0 or a negative errno. */
static int apply(const struct rmx_edit *edit, struct rmx_job_spec *own)
{
    switch (edit->word) {
    case RMX_EDIT_FORMAT:
        return rmx_job_set_name(&own->format, edit->value);
    case RMX_EDIT_OPTION:
        return rmx_job_add_option(own, edit->value);
    case RMX_EDIT_MAP:
        return rmx_job_add_map(own, edit->value);
    default:
        return 0;
    }
}

int rmx_several_take_output(
    const struct rmx_job_spec *spec, unsigned output, struct rmx_job_spec *own, const char **why)
{
    struct rmx_edit edit;
    size_t cursor = 0;

    *own = *spec;
    if (output == 0) {
        return 0;
    }
    own->flags &= ~(uint32_t)RMX_JOB_ALL_STREAMS; /* a selection, of output 0 */
    own->maps = 0;
    memset(own->format, 0, sizeof(own->format));
    memset(own->options, 0, sizeof(own->options));
    memset(own->map, 0, sizeof(own->map));
    while (next_edit(spec, &cursor, &edit) == 1) {
        if (edit.number == (int)output && apply(&edit, own) < 0) {
            return refuse(
                RMX_STATUS_BAD_OPTION, "edits: format, option, map: more than fits an output", why);
        }
    }
    return own->format[0] != '\0'
               ? 0
               : refuse(RMX_STATUS_BAD_JOB, "edits: each further output needs a format", why);
}

/* The value of the last such edit; "" = there is none. */
static const char *last_said(const struct rmx_job_spec *spec, enum rmx_edit_word word, int number)
{
    struct rmx_edit edit;
    size_t cursor = 0;
    const char *value = "";

    while (next_edit(spec, &cursor, &edit) == 1) {
        if (edit.word == word && edit.number == number) {
            value = edit.value;
        }
    }
    return value;
}

void rmx_several_take_input(
    const struct rmx_job_spec *spec, unsigned input, struct rmx_job_spec *own)
{
    const char *name = last_said(spec, RMX_EDIT_INPUT_FORMAT, (int)input);

    name = name[0] != '\0' ? name : last_said(spec, RMX_EDIT_INPUT_FORMAT, RMX_EDIT_JOB);
    *own = *spec;
    if (name[0] != '\0') {
        (void)rmx_job_set_name(&own->input_format, name); /* the edit's check saw that it fits */
    }
}

bool rmx_several_drops(const struct rmx_job_spec *spec, unsigned output)
{
    return strcmp(last_said(spec, RMX_EDIT_WHEN_SLOW, (int)output), "drop") == 0;
}

bool rmx_several_are_joined(const struct rmx_job_spec *spec)
{
    return strcmp(last_said(spec, RMX_EDIT_JOIN, RMX_EDIT_JOB), "concat") == 0;
}
