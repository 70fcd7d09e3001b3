/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One line of a batch (see rmx_task.h). Runs in the process rmx.
 */
#include "clients/rmx_task.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "clients/rmx_args.h"

struct reading {
    struct rmx_task *task;
    char *why;
};

__attribute__((format(printf, 2, 3))) static int refuse(
    const struct reading *reading, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reading->why, RMX_ARGS_WHY_BYTES, format, arguments);
    va_end(arguments);
    return -EBADMSG;
}

static const struct {
    const char *key;
    enum rmx_request_kind kind;
    const char *example;
} words[RMX_REQUEST_WORDS] = {
#define RMX_REQUEST(name, option, key, kind, example, help) { key, RMX_REQUEST_##kind, example },
#include "clients/rmx_request.def"
#undef RMX_REQUEST
};

/* --- one value each ------------------------------------------------------------------------ */

static int take(const struct reading *reading, uint32_t word, const char *value)
{
    char why[RMX_ARGS_WHY_BYTES];
    int err = rmx_request_take(&reading->task->request, word, value, why);

    return err < 0 ? refuse(reading, "\"%s\": %.600s", words[word].key, why) : 0;
}

/* The value is not of its kind. */
static int refuse_kind(const struct reading *reading, uint32_t word, const char *wanted)
{
    return refuse(reading, "\"%s\": give %s, as %s", words[word].key, wanted, words[word].example);
}

/* Returns NULL if it is none, or has nothing in it. */
static const char *text_of(const json_t *value)
{
    const char *text = json_string_value(value);

    return text != NULL && *text != '\0' ? text : NULL;
}

static int take_flag(const struct reading *reading, uint32_t word, const json_t *value)
{
    if (!json_is_boolean(value)) {
        return refuse(reading, "\"%s\" is neither true nor false", words[word].key);
    }
    return json_is_true(value) ? take(reading, word, NULL) : 0;
}

static int take_text(const struct reading *reading, uint32_t word, const json_t *value)
{
    const char *text = text_of(value);

    return text != NULL ? take(reading, word, text) : refuse_kind(reading, word, "a string");
}

static int take_list(const struct reading *reading, uint32_t word, const json_t *value)
{
    size_t count = json_array_size(value);
    int err = json_is_array(value) ? 0 : refuse_kind(reading, word, "a list of strings");

    for (size_t i = 0; err == 0 && i < count; i++) {
        const char *text = text_of(json_array_get(value, i));

        err = text != NULL ? take(reading, word, text)
                           : refuse_kind(reading, word, "a list of strings");
    }
    return err;
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

static int take_pairs(const struct reading *reading, uint32_t word, json_t *value)
{
    const char *key;
    json_t *member;

    if (!json_is_object(value)) {
        return refuse_kind(reading, word, "an object");
    }
    json_object_foreach(value, key, member)
    {
        json_t *pair = pair_of(key, member);

        if (pair == NULL || json_array_append_new(reading->task->pairs, pair) < 0) {
            return refuse(reading, "\"%s\": \"%.100s\" is neither a string nor a whole number",
                words[word].key, key);
        }
        int err = take(reading, word, json_string_value(pair));
        if (err < 0) {
            return err;
        }
    }
    return 0;
}

/* --- the object ---------------------------------------------------------------------------- */

static int refuse_key(const struct reading *reading, const char *name)
{
    static const char *const known[] = {
        "input",
        "output",
#define RMX_REQUEST(name, option, key, kind, example, help) key,
#include "clients/rmx_request.def"
#undef RMX_REQUEST
        NULL,
    };
    const char *near = rmx_args_nearest(name, known);

    if (near != NULL) {
        return refuse(reading, "no key \"%.100s\": did you mean \"%s\"?", name, near);
    }
    return refuse(reading, "no key \"%.100s\": see 'rmx help batch'", name);
}

static int take_member(const struct reading *reading, const char *name, json_t *value)
{
    uint32_t word = 0;

    while (word < RMX_REQUEST_WORDS && strcmp(words[word].key, name) != 0) {
        word++;
    }
    if (word == RMX_REQUEST_WORDS) {
        return refuse_key(reading, name);
    }
    switch (words[word].kind) {
    case RMX_REQUEST_FLAG:
        return take_flag(reading, word, value);
    case RMX_REQUEST_TEXT:
        return take_text(reading, word, value);
    case RMX_REQUEST_LIST:
        return take_list(reading, word, value);
    case RMX_REQUEST_PAIRS:
        break;
    case RMX_REQUEST_EACH:
        if (!json_is_object(value)) {
            return take_text(reading, word, value);
        }
        break;
    }
    return take_pairs(reading, word, value);
}

/* One name, or a list of them. */
static int take_names(const struct reading *reading, const char *key, const json_t *value,
    int (*add)(struct rmx_request *, const char *, char[RMX_ARGS_WHY_BYTES]))
{
    char why[RMX_ARGS_WHY_BYTES];
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    int err = 0;

    for (size_t i = 0; i < count && err == 0; i++) {
        const char *name = text_of(json_is_array(value) ? json_array_get(value, i) : value);

        if (name == NULL) {
            return refuse(reading, "\"%s\": give a string, a file's name, or a list of them", key);
        }
        err = add(&reading->task->request, name, why);
    }
    return err < 0 ? refuse(reading, "\"%s\": %.600s", key, why) : 0;
}

static bool has_standard(const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], "-") == 0) {
            return true;
        }
    }
    return false;
}

/* What no single member says: that all are there, and fit. */
static int complete(const struct reading *reading)
{
    static const int any[RMX_REQUEST_FILES_MAX]; /* will do: it is the form that is checked */
    struct rmx_request *request = &reading->task->request;
    char why_not[RMX_ARGS_WHY_BYTES];
    const char *why;

    if (request->input_count == 0 || request->output_count == 0) {
        return refuse(reading, "no \"%s\": each job has an \"input\" and an \"output\"",
            request->input_count == 0 ? "input" : "output");
    }
    if (has_standard(request->inputs, request->input_count) ||
        has_standard(request->outputs, request->output_count)) {
        return refuse(reading, "\"-\": the jobs of a batch go from file to file");
    }
    if (rmx_request_complete(request, why_not) != RMX_OK) {
        return refuse(reading, "%s", why_not);
    }
    struct rmx_job form = request->job;
    form.input = 0;
    form.output = 0;
    form.more_inputs = any;
    form.more_input_count = (uint32_t)request->input_count - 1;
    form.more_outputs = any;
    form.more_output_count = (uint32_t)request->output_count - 1;
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
        int err =
            strcmp(name, "input") == 0    ? take_names(reading, name, value, rmx_request_add_input)
            : strcmp(name, "output") == 0 ? take_names(reading, name, value, rmx_request_add_output)
                                          : take_member(reading, name, value);
        if (err < 0) {
            return err;
        }
    }
    return complete(reading);
}

int rmx_task_read(struct rmx_task *task, const char *line, size_t bytes, uint64_t number,
    char why[RMX_ARGS_WHY_BYTES])
{
    const struct reading reading = { .task = task, .why = why };
    json_error_t error;

    why[0] = '\0';
    rmx_request_init(&task->request);
    task->request.names.line = number;
    task->pairs = json_array();
    task->words = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, &error);
    int err;
    if (task->pairs == NULL) {
        refuse(&reading, "no memory is left");
        err = -ENOMEM;
    } else if (task->words == NULL) {
        bool is_text = json_error_code(&error) != json_error_invalid_utf8;

        err = refuse(&reading, "%s%s", is_text ? "" : "it is no UTF-8: ", error.text);
    } else {
        err = read_members(&reading);
    }
    if (err < 0) {
        rmx_task_fini(task);
    }
    return err;
}

void rmx_task_fini(struct rmx_task *task)
{
    json_decref(task->words);
    json_decref(task->pairs);
    task->words = NULL;
    task->pairs = NULL;
}
