/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The files of one job (see rmx_files.h). Runs in the process rmx.
 */
#include "clients/rmx_files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "clients/rmx_choice.h"
#include "clients/rmx_input.h"
#include "clients/rmx_run.h"

/* Are two of its outputs one file? */
static bool is_written_twice(const struct rmx_request *request)
{
    struct rmx_output_place places[RMX_REQUEST_FILES_MAX];
    size_t known = 0;

    for (size_t i = 0; i < request->output_count && request->output_count > 1; i++) {
        struct rmx_output_place *place = &places[known];

        if (rmx_output_find(place, request->outputs[i]) < 0) {
            continue; /* no file, or it cannot be: opening it tells */
        }
        for (size_t k = 0; k < known; k++) {
            if (places[k].device == place->device && places[k].folder == place->folder &&
                strcmp(places[k].name, place->name) == 0) {
                return true;
            }
        }
        known++;
    }
    return false;
}

bool rmx_files_clash(const struct rmx_request *request, char why[RMX_ARGS_WHY_BYTES])
{
    for (size_t i = 0; i < request->output_count; i++) {
        for (size_t k = 0; k < request->input_count; k++) {
            if (rmx_output_is_input(request->outputs[i], request->inputs[k])) {
                snprintf(why, RMX_ARGS_WHY_BYTES,
                    "its output is its input: write to another name, then rename it");
                return true;
            }
        }
    }
    if (is_written_twice(request)) {
        snprintf(why, RMX_ARGS_WHY_BYTES, "two of its outputs are one file: give each its own");
        return true;
    }
    return false;
}

int rmx_files_open_inputs(
    struct rmx_files *files, const struct rmx_request *request, struct rmx_result *result)
{
    for (size_t i = 0; i < request->input_count; i++) {
        int err = rmx_input_open(&files->inputs[i], request->inputs[i], result);

        if (err < 0) {
            if (request->input_count > 1) {
                rmx_run_failed(
                    result, result->status, err, "input %zu: cannot open it for reading", i);
            }
            rmx_files_close_inputs(files);
            return err;
        }
        files->input_count = i + 1;
    }
    return 0;
}

/* A file; or, where the container is several, a folder for them. */
static int open_output(
    const struct rmx_request *request, size_t number, struct rmx_output *output, bool may_replace)
{
    const char *index = rmx_choice_index(&request->job);
    const char *path = request->outputs[number];
    size_t bytes = strlen(path);
    char list[PATH_MAX];

    if (*index == '\0' || number > 0) {
        return rmx_output_open(output, path, may_replace);
    }
    bool is_folder = bytes > 0 && path[bytes - 1] == '/';
    if (snprintf(list, sizeof(list), "%s%s", path, is_folder ? index : "") >= (int)sizeof(list)) {
        return -ENAMETOOLONG;
    }
    return rmx_output_open_several(
        output, list, may_replace, rmx_choice_shows_at_once(&request->job));
}

int rmx_files_open_outputs(struct rmx_files *files, const struct rmx_request *request,
    bool may_replace, struct rmx_result *result)
{
    for (size_t i = 0; i < request->output_count; i++) {
        int err = open_output(request, i, &files->outputs[i], may_replace);

        if (err < 0) {
            rmx_run_unwritten(result, err);
            if (request->output_count > 1) {
                rmx_run_failed(
                    result, result->status, err, "output %zu: cannot open it for writing", i);
            }
            rmx_files_close(files);
            return err;
        }
        files->output_fds[i] = files->outputs[i].fd;
        files->output_count = i + 1;
    }
    return 0;
}

void rmx_files_attach(struct rmx_files *files, struct rmx_job *job)
{
    job->input = files->inputs[0];
    job->more_inputs = files->inputs + 1;
    job->more_input_count = (uint32_t)files->input_count - 1;
    rmx_output_attach(&files->outputs[0], job);
    job->more_outputs = files->output_fds + 1;
    job->more_output_count = (uint32_t)files->output_count - 1;
}

bool rmx_files_show_at_once(const struct rmx_files *files)
{
    for (size_t i = 0; i < files->output_count; i++) {
        if (files->outputs[i].folder < 0) {
            return true;
        }
    }
    return false;
}

void rmx_files_measure(const struct rmx_files *files, uint64_t bytes[RMX_REQUEST_FILES_MAX])
{
    for (size_t i = 0; i < files->output_count; i++) {
        const struct rmx_output *output = &files->outputs[i];
        bool is_one = output->folder >= 0 && output->directory == NULL;
        struct stat st;

        bytes[i] = is_one && fstat(output->fd, &st) == 0 ? (uint64_t)st.st_size : UINT64_MAX;
    }
}

/* An output that the job went on without holds a part of it, at most. */
static void leave_dropped(struct rmx_files *files, const struct rmx_result *result)
{
    size_t left = 0;

    for (size_t i = 0; i < files->output_count; i++) {
        if (files->output_count > 1 && result->output_status[i] != RMX_OK) {
            rmx_output_fini(&files->outputs[i]);
        } else {
            files->outputs[left++] = files->outputs[i];
        }
    }
    files->output_count = left;
}

int rmx_files_keep(struct rmx_files *files, const struct rmx_result *result)
{
    int err = 0;
    size_t kept = 0;

    leave_dropped(files, result);
    for (size_t i = 0; i < files->output_count && err == 0 && files->output_count > 1; i++) {
        err = rmx_output_prepare(&files->outputs[i]);
    }
    while (kept < files->output_count && err == 0) {
        err = rmx_output_keep(&files->outputs[kept]);
        kept += err == 0;
    }
    while (err < 0 && kept > 0) {
        rmx_output_forsake(&files->outputs[--kept]);
    }
    return err;
}

void rmx_files_close_inputs(struct rmx_files *files)
{
    for (size_t i = 0; i < files->input_count; i++) {
        rmx_input_close(&files->inputs[i]);
    }
    files->input_count = 0;
}

void rmx_files_close(struct rmx_files *files)
{
    rmx_files_close_inputs(files);
    for (size_t i = 0; i < files->output_count; i++) {
        rmx_output_fini(&files->outputs[i]);
    }
    files->output_count = 0;
}
