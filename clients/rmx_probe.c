/* SPDX-License-Identifier: BSD-2-Clause
 *
 * `rmx probe`: describe a file. Runs in the process rmx; the worker writes the description, rmx
 * puts the file's name into it, which nobody else knows.
 */
#include "clients/rmx.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/rmx_args.h"
#include "clients/rmx_connect.h"
#include "clients/rmx_input.h"
#include "clients/rmx_json.h"
#include "clients/rmx_report.h"
#include "clients/rmx_run.h"
#include "clients/rmx_say.h"
#include "clients/rmx_signal.h"
#include "ring/base.h"

#define DESCRIPTION_BYTES_MAX (64 << 20)

struct request {
    struct rmx_connect connect;
    struct rmx_job job;
    const char *input;
};

static const char help[] =
    "usage: rmx probe [OPTION...] IN\n"
    "\n"
    "Describes IN in JSON, as 'ffprobe -of json -show_programs -show_streams -show_chapters\n"
    "-show_format IN' does. '-' is standard input.\n"
    "\n"
    "  --input-format F     container to read; default: recognised from the bytes\n"
    "  --keyframes          list the keyframes of pictures, too: all of IN is read\n"
    "  --spool              the daemon may use a temporary file where a pipe would have to be\n"
    "                       read out of order\n"
    "  --json               JSON it is; the only form there is\n" RMX_CONNECT_TEXT "\n"
    "examples:\n"
    "  rmx probe talk.mp4\n"
    "  rmx probe --keyframes talk.mp4\n"
    "  curl -s https://example.org/talk.ts | rmx probe -\n"
    "  curl -s https://example.org/talk.mp4 | rmx probe --spool -\n";

enum { OPT_INPUT_FORMAT = RMX_ARGS_OWN, OPT_KEYFRAMES, OPT_SPOOL, OPT_JSON };

static const struct option options[] = {
    { "input-format", required_argument, NULL, OPT_INPUT_FORMAT },
    { "keyframes", no_argument, NULL, OPT_KEYFRAMES },
    { "spool", no_argument, NULL, OPT_SPOOL },
    { "json", no_argument, NULL, OPT_JSON },
    RMX_CONNECT_ROWS,
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

/* NOLINTNEXTLINE(readability-non-const-parameter): it is rmx_args_read()'s to call */
static int take(void *to, int option, char why[RMX_ARGS_WHY_BYTES])
{
    struct request *request = to;

    (void)why; /* there is nothing to get wrong */
    switch (option) {
    case OPT_INPUT_FORMAT:
        request->job.input_format = optarg;
        return 0;
    case OPT_KEYFRAMES:
        request->job.flags |= RMX_KEYFRAMES;
        return 0;
    case OPT_SPOOL:
        request->job.flags |= RMX_SPOOL;
        return 0;
    case OPT_JSON:
        return 0;
    default:
        return rmx_connect_take(&request->connect, option);
    }
}

static const struct rmx_args args = { ":h", options, help, take, 1, "one input" };

/* The description with "filename" as the first member of "format". */
static int print_description(const char *json, size_t bytes, const char *name)
{
    ssize_t at = rmx_json_find_format(json, bytes);

    if (at < 0) {
        return (int)at;
    }
    size_t rest = (size_t)at + strspn(json + at, " \t\r\n");
    bool is_empty = json[rest] == '}';
    rmx_json_copy(stdout, json, (size_t)at);
    fputs("\n        \"filename\": ", stdout);
    rmx_json_string(stdout, name);
    fputs(is_empty ? "\n    " : ",\n        ", stdout);
    rmx_json_copy(stdout, json + rest, bytes - rest);
    fflush(stdout);
    return ferror(stdout) ? -errno : 0;
}

/* Prints what the worker wrote into fd. Returns 0 or -errno. */
static int show(int fd, const char *name)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        return -errno;
    }
    if (st.st_size <= 0 || st.st_size > DESCRIPTION_BYTES_MAX) {
        return -EBADMSG;
    }
    size_t bytes = (size_t)st.st_size;
    /* The daemon closed its duplicate before it said DONE, so nobody else can change these bytes.
     */
    char *json = mmap(NULL, bytes + 1, PROT_READ, MAP_PRIVATE, fd, 0);
    if (json == MAP_FAILED) {
        return -errno;
    }
    int err = print_description(json, bytes, name);
    munmap(json, bytes + 1);
    return err;
}

static void probe(struct request *request, struct rmx_client *client, struct rmx_result *result)
{
    static const struct rmx_run_how how = { .waits = true };
    struct rmx_stdio none = RMX_STDIO_NONE;
    rmx_autofd int description = memfd_create("rmx-probe", MFD_CLOEXEC);

    if (description < 0) {
        rmx_run_failed(result, RMX_OUTPUT_IO, -errno, "no memory for the description");
        return;
    }
    request->job.output = description;
    rmx_run_job(client, &request->job, &none, &how, result);
    if (result->status == RMX_OK) {
        int err = show(description, rmx_report_name(request->input, "pipe:0"));

        if (err == -EBADMSG) {
            rmx_run_failed(result, RMX_INTERNAL, 0, "the worker's description is no JSON");
        } else if (err < 0) {
            rmx_run_failed(result, RMX_OUTPUT_IO, err, "cannot print the description");
        }
    }
}

int rmx_probe_main(int argc, char **argv)
{
    struct request request = { .connect = { .may_be_private = true, .waits = true },
        .job = RMX_JOB_INIT };
    struct rmx_client *client = NULL;
    struct rmx_result result;
    int status = rmx_args_read(argc, argv, &args, &request);

    if (status >= 0) {
        return status;
    }
    request.input = argv[optind];
    request.job.kind = RMX_PROBE;
    int err = rmx_signal_watch();
    if (err < 0) {
        rmx_say("probe: %s", rmx_say_error(err));
        return rmx_end_exit(RMX_INTERNAL);
    }
    if (rmx_input_open(&request.job.input, request.input, &result) == 0 &&
        rmx_connect_open(&request.connect, &client, &result) == 0) {
        probe(&request, client, &result);
    }
    rmx_close(&client);
    rmx_input_close(&request.job.input);
    const struct rmx_report names = {
        .input = request.input,
        .output = "standard output",
        .may_spool = (request.job.flags & RMX_SPOOL) == 0,
    };
    rmx_report_failure(&names, &result);
    return rmx_report_exit(&result);
}
