/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One line of a batch (see rmx_task.h). Runs in the process rmx.
 */
#include "clients/rmx_task.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "clients/rmx_args.h"
#include "clients/rmx_choice.h"
#include "ipc/quantity.h"

struct reading {
    struct rmx_task *task;
    char *why;
};

__attribute__((format(printf, 2, 3))) static int refuse(
    const struct reading *reading, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reading->why, RMX_TASK_WHY_BYTES, format, arguments);
    va_end(arguments);
    return -EBADMSG;
}

/* --- one value each ------------------------------------------------------------------------ */

static int take_text(
    const struct reading *reading, const char *key, const json_t *value, const char **text)
{
    const char *words = json_string_value(value);

    if (words == NULL || *words == '\0') {
        return refuse(reading, "\"%s\" is no text: give a string", key);
    }
    *text = words;
    return 0;
}

static int take_flag(
    const struct reading *reading, const char *key, const json_t *value, uint32_t flag)
{
    if (!json_is_boolean(value)) {
        return refuse(reading, "\"%s\" is neither true nor false", key);
    }
    reading->task->job.flags |= json_is_true(value) ? flag : 0;
    return 0;
}

static int take_maps(const struct reading *reading, const json_t *value)
{
    size_t count = json_array_size(value);

    if (!json_is_array(value) || count > RMX_TASK_LIST_MAX) {
        return refuse(reading, "\"map\" is no list of at most %d streams, as [\"v\", \"a:0\"]",
            RMX_TASK_LIST_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        int err = take_text(reading, "map", json_array_get(value, i), &reading->task->maps[i]);

        if (err < 0) {
            return err;
        }
    }
    return 0;
}

/* "key=value" of a member, owned by the caller; NULL: it is neither a string nor a whole number. */
static json_t *pair_of(const char *key, const json_t *value)
{
    if (json_is_string(value)) {
        return json_sprintf("%s=%s", key, json_string_value(value));
    }
    if (json_is_integer(value)) {
        return json_sprintf("%s=%" JSON_INTEGER_FORMAT, key, json_integer_value(value));
    }
    return NULL;
}

static int take_options(const struct reading *reading, json_t *value)
{
    struct rmx_task *task = reading->task;
    const char *key;
    json_t *member;
    size_t count = 0;

    if (!json_is_object(value) || json_object_size(value) > RMX_TASK_LIST_MAX) {
        return refuse(reading, "\"options\" is no object of at most %d, as {\"muxrate\": 400000}",
            RMX_TASK_LIST_MAX);
    }
    json_object_foreach(value, key, member)
    {
        json_t *pair = pair_of(key, member);

        if (pair == NULL || json_array_append_new(task->pairs, pair) < 0) {
            return refuse(
                reading, "\"options\": \"%s\" is neither a string nor a whole number", key);
        }
        task->options[count++] = json_string_value(pair);
    }
    return 0;
}

static int take_deadline(const struct reading *reading, const json_t *value)
{
    const char *text = json_string_value(value);

    if (text == NULL || !rmx_quantity_duration(text, &reading->task->budget_ns)) {
        return refuse(reading, "\"deadline\" is no duration: give \"500ms\", \"2s\" or the like");
    }
    reading->task->has_budget = true;
    return 0;
}

static int take_class(const struct reading *reading, const json_t *value)
{
    const char *text = json_string_value(value);

    if (text == NULL || rmx_choice_class(&reading->task->job, text) < 0) {
        return refuse(
            reading, "\"class\" is none: give \"critical\", \"normal\" or \"background\"");
    }
    return 0;
}

/* --- the object ---------------------------------------------------------------------------- */

enum key {
    KEY_INPUT,
    KEY_OUTPUT,
    KEY_FORMAT,
    KEY_INPUT_FORMAT,
    KEY_OPTIONS,
    KEY_MAP,
    KEY_ALL_STREAMS,
    KEY_BITEXACT,
    KEY_ALLOW_TRUNCATED,
    KEY_SPOOL,
    KEY_DEADLINE,
    KEY_CLASS,
    KEYS
};

static const char *const keys[KEYS + 1] = { "input", "output", "format", "input_format", "options",
    "map", "all_streams", "bitexact", "allow_truncated", "spool", "deadline", "class", NULL };

static int refuse_key(const struct reading *reading, const char *name)
{
    const char *near = rmx_args_nearest(name, keys);

    if (near != NULL) {
        return refuse(reading, "no key \"%.100s\": did you mean \"%s\"?", name, near);
    }
    return refuse(reading, "no key \"%.100s\": see 'rmx help batch'", name);
}

static int take_member(const struct reading *reading, const char *name, json_t *value)
{
    struct rmx_task *task = reading->task;
    uint32_t key = 0;

    while (key < KEYS && strcmp(keys[key], name) != 0) {
        key++;
    }
    switch ((enum key)key) {
    case KEY_INPUT:
        return take_text(reading, name, value, &task->names.input);
    case KEY_OUTPUT:
        return take_text(reading, name, value, &task->names.output);
    case KEY_FORMAT:
        return take_text(reading, name, value, &task->job.format);
    case KEY_INPUT_FORMAT:
        return take_text(reading, name, value, &task->job.input_format);
    case KEY_OPTIONS:
        return take_options(reading, value);
    case KEY_MAP:
        return take_maps(reading, value);
    case KEY_ALL_STREAMS:
        return take_flag(reading, name, value, RMX_ALL_STREAMS);
    case KEY_BITEXACT:
        return take_flag(reading, name, value, RMX_BITEXACT);
    case KEY_ALLOW_TRUNCATED:
        return take_flag(reading, name, value, RMX_ALLOW_TRUNCATED);
    case KEY_SPOOL:
        return take_flag(reading, name, value, RMX_SPOOL);
    case KEY_DEADLINE:
        return take_deadline(reading, value);
    case KEY_CLASS:
        return take_class(reading, value);
    case KEYS:
        break;
    }
    return refuse_key(reading, name);
}

/* What no single member says: that all are there, and fit. */
static int complete(const struct reading *reading)
{
    struct rmx_task *task = reading->task;
    struct rmx_report *names = &task->names;
    const char *why;

    if (names->input == NULL || names->output == NULL) {
        return refuse(reading, "no \"%s\": each job has an \"input\" and an \"output\"",
            names->input == NULL ? keys[KEY_INPUT] : keys[KEY_OUTPUT]);
    }
    if (strcmp(names->input, "-") == 0 || strcmp(names->output, "-") == 0) {
        return refuse(reading, "\"-\": the jobs of a batch go from file to file");
    }
    const char *map = rmx_choice_map(names->output);
    if (map != NULL && task->job.format == NULL && task->maps[0] == NULL &&
        (task->job.flags & RMX_ALL_STREAMS) == 0) {
        task->maps[0] = map;
    }
    if (rmx_choice_format(&task->job, names->output, reading->why) != RMX_OK) {
        return -EBADMSG;
    }
    names->allows_truncated = (task->job.flags & RMX_ALLOW_TRUNCATED) != 0;
    names->may_spool = (task->job.flags & RMX_SPOOL) == 0;
    struct rmx_job form = task->job;
    form.input = 0; /* any will do: it is the form that is checked */
    form.output = 0;
    return rmx_check(&form, &why) == 0 ? 0 : refuse(reading, "%s", why);
}

static int read_members(const struct reading *reading)
{
    const char *name;
    json_t *value;

    if (!json_is_object(reading->task->words)) {
        return refuse(reading, "it is no JSON object, as {\"input\": ..., \"output\": ...}");
    }
    json_object_foreach(reading->task->words, name, value)
    {
        int err = take_member(reading, name, value);

        if (err < 0) {
            return err;
        }
    }
    return complete(reading);
}

int rmx_task_read(struct rmx_task *task, const char *line, size_t bytes, uint64_t number,
    char why[RMX_TASK_WHY_BYTES])
{
    const struct reading reading = { .task = task, .why = why };
    json_error_t error;

    _Static_assert(RMX_TASK_WHY_BYTES >= RMX_CHOICE_BYTES, "why is theirs, too");
    why[0] = '\0';
    *task = (struct rmx_task){ .job = RMX_JOB_INIT, .names = { .line = number } };
    task->job.options = task->options;
    task->job.maps = task->maps;
    task->pairs = json_array();
    task->words = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, &error);
    int err = task->pairs == NULL ? -ENOMEM : task->words == NULL ? -EBADMSG : 0;
    if (err < 0) {
        refuse(&reading, "%s", task->pairs == NULL ? "no memory is left" : error.text);
    } else {
        err = read_members(&reading);
    }
    if (err < 0) {
        rmx_task_fini(task);
        task->names.line = number;
    }
    return err;
}

void rmx_task_fini(struct rmx_task *task)
{
    json_decref(task->words);
    json_decref(task->pairs);
    *task = (struct rmx_task){ .words = NULL };
}
