/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A remux as it is asked for (see rmx_request.h). Runs in the process rmx.
 */
#include "clients/rmx_request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clients/rmx_choice.h"
#include "ipc/job.h"
#include "ipc/quantity.h"

void rmx_request_init(struct rmx_request *request)
{
    *request = (struct rmx_request){ .job = RMX_JOB_INIT };
    request->job.options = request->options;
    request->job.maps = request->maps;
    request->job.edits = request->edits.list;
    request->names.inputs = request->inputs;
    request->names.outputs = request->outputs;
    request->names.formats = request->formats;
    request->names.bytes = request->output_bytes;
}

static int add(const char *list[RMX_REQUEST_LIST_MAX + 1], size_t *count, const char *value,
    char why[RMX_ARGS_WHY_BYTES])
{
    if (*count == RMX_REQUEST_LIST_MAX) {
        snprintf(why, RMX_ARGS_WHY_BYTES, "that is one more than %d", RMX_REQUEST_LIST_MAX);
        return -EINVAL;
    }
    list[(*count)++] = value;
    return 0;
}

/* A time that a live job may take for something, in microseconds. */
static int set_pace(uint32_t *us, const char *text, char why[RMX_ARGS_WHY_BYTES])
{
    uint64_t ns = 0;

    if (!rmx_quantity_duration(text, &ns) || ns < 1000 || ns / 1000 > RMX_JOB_WAIT_US_MAX) {
        snprintf(why, RMX_ARGS_WHY_BYTES, "give 200ms, 1s or the like, at most 1m");
        return -EINVAL;
    }
    *us = (uint32_t)(ns / 1000);
    return 0;
}

static int set_fragment(struct rmx_job *job, const char *text, char why[RMX_ARGS_WHY_BYTES])
{
    if (strcmp(text, "keyframe") == 0) {
        job->fragment_us = 0;
        return 0;
    }
    if (strcmp(text, "packet") == 0) {
        job->fragment_us = RMX_FRAGMENT_PACKET;
        return 0;
    }
    return set_pace(&job->fragment_us, text, why);
}

static int set_deadline(struct rmx_request *request, const char *text, char why[RMX_ARGS_WHY_BYTES])
{
    request->has_budget = true;
    return rmx_args_duration(text, &request->budget_ns, why);
}

static int set_class(struct rmx_job *job, const char *name, char why[RMX_ARGS_WHY_BYTES])
{
    int err = rmx_choice_class(job, name);

    if (err < 0) {
        snprintf(why, RMX_ARGS_WHY_BYTES, "give critical, normal or background");
    }
    return err;
}

static int set_isolation(struct rmx_job *job, const char *name, char why[RMX_ARGS_WHY_BYTES])
{
    int err = rmx_choice_isolation(job, name);

    if (err < 0) {
        snprintf(why, RMX_ARGS_WHY_BYTES, "give shared, client or job");
    }
    return err;
}

/* What belongs to one of several inputs or outputs. */
static int take_end(struct rmx_edits *edits, enum rmx_request_word word, const char *value,
    char why[RMX_ARGS_WHY_BYTES])
{
    switch (word) {
    case RMX_REQUEST_JOIN:
        return rmx_edits_add(edits, RMX_EDIT_JOIN, value, why);
    case RMX_REQUEST_INPUT_OFFSET:
        return rmx_edits_add_for(edits, RMX_EDIT_INPUT_OFFSET, value, why);
    case RMX_REQUEST_OUTPUT_FORMAT:
        return rmx_edits_add_for(edits, RMX_EDIT_FORMAT, value, why);
    case RMX_REQUEST_OUTPUT_OPT:
        return rmx_edits_add_for(edits, RMX_EDIT_OPTION, value, why);
    case RMX_REQUEST_OUTPUT_MAP:
        return rmx_edits_add_for(edits, RMX_EDIT_MAP, value, why);
    case RMX_REQUEST_WHEN_SLOW:
        return rmx_edits_add_for(edits, RMX_EDIT_WHEN_SLOW, value, why);
    default:
        return -EINVAL;
    }
}

/* What the job changes besides the container. */
static int take_edit(struct rmx_edits *edits, enum rmx_request_word word, const char *value,
    char why[RMX_ARGS_WHY_BYTES])
{
    switch (word) {
    case RMX_REQUEST_START:
        return rmx_edits_add_for(edits, RMX_EDIT_START, value, why);
    case RMX_REQUEST_START_FROM_END:
        return rmx_edits_add_for(edits, RMX_EDIT_START_FROM_END, value, why);
    case RMX_REQUEST_END:
        return rmx_edits_add_for(edits, RMX_EDIT_END, value, why);
    case RMX_REQUEST_DURATION:
        return rmx_edits_add_for(edits, RMX_EDIT_DURATION, value, why);
    case RMX_REQUEST_COPYTS:
        return rmx_edits_add(edits, RMX_EDIT_COPYTS, "1", why);
    case RMX_REQUEST_OUTPUT_OFFSET:
        return rmx_edits_add(edits, RMX_EDIT_OUTPUT_OFFSET, value, why);
    case RMX_REQUEST_SHORTEST:
        return rmx_edits_add(edits, RMX_EDIT_SHORTEST, "1", why);
    case RMX_REQUEST_METADATA:
        return rmx_edits_add_for(edits, RMX_EDIT_METADATA, value, why);
    case RMX_REQUEST_DISPOSITION:
        return rmx_edits_add_for(edits, RMX_EDIT_DISPOSITION, value, why);
    case RMX_REQUEST_STRIP:
        return rmx_edits_add(edits, RMX_EDIT_MAP_METADATA, "-1", why);
    case RMX_REQUEST_STRIP_OF:
        return rmx_edits_strip(edits, value, why);
    case RMX_REQUEST_NO_CHAPTERS:
        return rmx_edits_add(edits, RMX_EDIT_MAP_CHAPTERS, "-1", why);
    case RMX_REQUEST_ROTATE:
        return rmx_edits_add_for(edits, RMX_EDIT_ROTATE, value, why);
    case RMX_REQUEST_BSF:
        return rmx_edits_add_for(edits, RMX_EDIT_BSF, value, why);
    case RMX_REQUEST_COPY_UNKNOWN:
        return rmx_edits_add(edits, RMX_EDIT_COPY_UNKNOWN, "1", why);
    case RMX_REQUEST_IGNORE_UNKNOWN:
        return rmx_edits_add(edits, RMX_EDIT_IGNORE_UNKNOWN, "1", why);
    case RMX_REQUEST_DECRYPTION_KEY:
        return rmx_edits_add_for(edits, RMX_EDIT_DECRYPTION_KEY, value, why);
    case RMX_REQUEST_SUBTITLES:
        return rmx_edits_add_for(edits, RMX_EDIT_SUBTITLES, value, why);
    default:
        return take_end(edits, word, value, why);
    }
}

int rmx_request_take(struct rmx_request *request, enum rmx_request_word word, const char *value,
    char why[RMX_ARGS_WHY_BYTES])
{
    struct rmx_job *job = &request->job;

    switch (word) {
    case RMX_REQUEST_FORMAT:
        job->format = value;
        return 0;
    case RMX_REQUEST_INPUT_FORMAT:
        if (strchr(value, '=') != NULL) {
            return rmx_edits_add_for(&request->edits, RMX_EDIT_INPUT_FORMAT, value, why);
        }
        job->input_format = value;
        return 0;
    case RMX_REQUEST_OPTIONS:
        return add(request->options, &request->option_count, value, why);
    case RMX_REQUEST_MAP:
        return add(request->maps, &request->map_count, value, why);
    case RMX_REQUEST_ALL_STREAMS:
        job->flags |= RMX_ALL_STREAMS;
        return 0;
    case RMX_REQUEST_BITEXACT:
        job->flags |= RMX_BITEXACT;
        return 0;
    case RMX_REQUEST_ALLOW_TRUNCATED:
        job->flags |= RMX_ALLOW_TRUNCATED;
        return 0;
    case RMX_REQUEST_SPOOL:
        job->flags |= RMX_SPOOL;
        return 0;
    case RMX_REQUEST_LIVE:
        job->flags |= RMX_LIVE;
        return 0;
    case RMX_REQUEST_INTERLEAVE:
        return set_pace(&job->interleave_us, value, why);
    case RMX_REQUEST_FRAGMENT:
        return set_fragment(job, value, why);
    case RMX_REQUEST_DEADLINE:
        return set_deadline(request, value, why);
    case RMX_REQUEST_CLASS:
        return set_class(job, value, why);
    case RMX_REQUEST_ISOLATION:
        return set_isolation(job, value, why);
    default:
        return take_edit(&request->edits, word, value, why);
    }
}

static uint32_t check_pace(const struct rmx_job *job, char why[RMX_ARGS_WHY_BYTES])
{
    bool is_live = (job->flags & RMX_LIVE) != 0;

    if (!is_live && (job->interleave_us != 0 || job->fragment_us != 0)) {
        snprintf(why, RMX_ARGS_WHY_BYTES, "%s is for a job that is live",
            job->interleave_us != 0 ? "interleave" : "fragment");
        return RMX_BAD_JOB;
    }
    if (is_live && (job->flags & RMX_SPOOL) != 0) {
        snprintf(why, RMX_ARGS_WHY_BYTES, "what is spooled cannot be live: give spool or live");
        return RMX_BAD_JOB;
    }
    return RMX_OK;
}

/* The list's name is the path's last part; "folder/" leaves it to the container. */
static uint32_t name_list(struct rmx_request *request, char why[RMX_ARGS_WHY_BYTES])
{
    const char *slash = strrchr(request->names.output, '/');
    const char *name = slash != NULL ? slash + 1 : request->names.output;

    if (*rmx_choice_index(&request->job) == '\0') {
        return RMX_OK;
    }
    if (strcmp(request->names.output, "-") == 0) {
        snprintf(why, RMX_ARGS_WHY_BYTES, "%s is several files: give it a folder's name in it",
            request->job.format);
        return RMX_UNSUPPORTED;
    }
    if (*name == '\0') {
        return RMX_OK;
    }
    return rmx_edits_add(&request->edits, RMX_EDIT_OUTPUT_NAME, name, why) < 0 ? RMX_BAD_OPTION
                                                                               : RMX_OK;
}

/* What was said of this output, as "format:1"; or NULL. */
static const char *said(const struct rmx_edits *edits, const char *name, size_t output)
{
    char head[32];
    int bytes = snprintf(head, sizeof(head), "%s:%zu=", name, output);

    for (size_t i = 0; i < edits->count; i++) {
        if (strncmp(edits->list[i], head, (size_t)bytes) == 0) {
            return edits->list[i] + bytes;
        }
    }
    return NULL;
}

/* Who reports on it has all names and containers. */
static void name_files(struct rmx_request *request)
{
    request->names.input = request->inputs[0];
    request->names.output = request->outputs[0];
    request->names.input_count = request->input_count;
    request->names.output_count = request->output_count;
    for (size_t i = 0; i < request->output_count; i++) {
        request->formats[i] = i == 0 ? request->job.format : said(&request->edits, "format", i);
        request->output_bytes[i] = UINT64_MAX;
    }
}

static int add_numbered(struct rmx_edits *edits, enum rmx_edit_word word, size_t output,
    const char *value, char why[RMX_ARGS_WHY_BYTES])
{
    char text[64];

    snprintf(text, sizeof(text), "%zu=%s", output, value);
    return rmx_edits_add_for(edits, word, text, why);
}

/* What a further output's name says of it. */
static uint32_t complete_output(
    struct rmx_request *request, size_t output, char why[RMX_ARGS_WHY_BYTES])
{
    const char *path = request->outputs[output];
    const char *map = rmx_choice_map(path);
    struct rmx_job guess = RMX_JOB_INIT;

    if (said(&request->edits, "format", output) != NULL) {
        return RMX_OK;
    }
    uint32_t status = rmx_choice_format(&guess, path, why);
    if (status != RMX_OK) {
        return status;
    }
    int err = add_numbered(&request->edits, RMX_EDIT_FORMAT, output, guess.format, why);
    if (err == 0 && map != NULL && said(&request->edits, "map", output) == NULL) {
        err = add_numbered(&request->edits, RMX_EDIT_MAP, output, map, why);
    }
    return err == 0 ? RMX_OK : RMX_BAD_JOB;
}

uint32_t rmx_request_complete(struct rmx_request *request, char why[RMX_ARGS_WHY_BYTES])
{
    struct rmx_job *job = &request->job;
    const char *output = request->outputs[0];
    const char *map = rmx_choice_map(output);
    bool several = request->input_count > 1 || request->output_count > 1;

    request->names.input = request->inputs[0];
    request->names.output = output;
    request->names.allows_truncated = (job->flags & RMX_ALLOW_TRUNCATED) != 0;
    request->names.may_spool = (job->flags & (RMX_SPOOL | RMX_LIVE)) == 0 && !several;
    if (map != NULL && job->format == NULL && request->map_count == 0 &&
        (job->flags & RMX_ALL_STREAMS) == 0) {
        request->maps[request->map_count++] = map;
    }
    uint32_t status = check_pace(job, why);
    if (status == RMX_OK) {
        status = rmx_choice_format(job, output, why);
    }
    for (size_t i = 1; i < request->output_count && status == RMX_OK; i++) {
        status = complete_output(request, i, why);
    }
    name_files(request);
    return status == RMX_OK ? name_list(request, why) : status;
}

/* --- its files ----------------------------------------------------------------------------- */

int rmx_request_add_input(
    struct rmx_request *request, const char *path, char why[RMX_ARGS_WHY_BYTES])
{
    if (request->input_count == RMX_REQUEST_FILES_MAX) {
        snprintf(why, RMX_ARGS_WHY_BYTES, "that is one input more than %d", RMX_REQUEST_FILES_MAX);
        return -EINVAL;
    }
    request->inputs[request->input_count++] = path;
    return 0;
}

int rmx_request_add_output(
    struct rmx_request *request, const char *path, char why[RMX_ARGS_WHY_BYTES])
{
    if (request->output_count == RMX_REQUEST_FILES_MAX) {
        snprintf(why, RMX_ARGS_WHY_BYTES, "that is one output more than %d", RMX_REQUEST_FILES_MAX);
        return -EINVAL;
    }
    request->outputs[request->output_count++] = path;
    return 0;
}
