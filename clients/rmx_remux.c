/* SPDX-License-Identifier: BSD-2-Clause
 *
 * `rmx remux`: a file into another container. Runs in the process rmx.
 */
#include "clients/rmx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clients/rmx_args.h"
#include "clients/rmx_connect.h"
#include "clients/rmx_input.h"
#include "clients/rmx_manner.h"
#include "clients/rmx_output.h"
#include "clients/rmx_report.h"
#include "clients/rmx_request.h"
#include "clients/rmx_run.h"
#include "clients/rmx_say.h"
#include "clients/rmx_signal.h"
#include "clients/rmx_stdio.h"

struct request {
    struct rmx_manner manner;
    struct rmx_request remux;
    bool no_wait;
};

static const char help[] =
    "usage: rmx remux [OPTION...] IN OUT\n"
    "\n"
    "Puts the streams of IN into another container, as 'ffmpeg -i IN -c copy OUT' does. '-' is\n"
    "standard input or output. OUT shows under its name only when it is complete.\n"
    "\n"
#define RMX_REQUEST(name, option, key, kind, example, help) help
#include "clients/rmx_request.def"
#undef RMX_REQUEST
    "  --no-wait            end BUSY where the daemon has no room now; default: "
    "wait\n" RMX_MANNER_TEXT "\n"
    "examples:\n"
    "  rmx remux talk.mp4 talk.ts\n"
    "  rmx remux --format fmp4 talk.mkv - | player\n"
    "  camera | rmx remux --live --format fmp4 - - | player\n"
    "  curl -s https://example.org/talk.mp4 | rmx remux --spool - talk.ts\n"
    "  rmx remux --opt movflags=+use_metadata_tags --all-streams in.mov out.mp4\n";

enum { OPT_NO_WAIT = RMX_ARGS_OWN };

static const struct option options[] = {
#define RMX_REQUEST(name, option, key, kind, example, help)                                        \
    { option, RMX_REQUEST_##kind == RMX_REQUEST_FLAG ? no_argument : required_argument, NULL,      \
        RMX_ARGS_REQUEST + RMX_REQUEST_##name },
#include "clients/rmx_request.def"
#undef RMX_REQUEST
    { "no-wait", no_argument, NULL, OPT_NO_WAIT },
    RMX_MANNER_ROWS,
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static int take(void *to, int option, char why[RMX_ARGS_WHY_BYTES])
{
    struct request *request = to;

    if (option == OPT_NO_WAIT) {
        request->no_wait = true;
        return 0;
    }
    if (option >= RMX_ARGS_REQUEST) {
        return rmx_request_take(&request->remux, (uint32_t)option - RMX_ARGS_REQUEST, optarg, why);
    }
    return rmx_manner_take(&request->manner, option, why);
}

static const struct rmx_args args = { ":h", options, help, take, 2, "one input and one output" };

/* Returns -1 when there is work to do, else what to exit with. */
static int parse(struct request *request, int argc, char **argv)
{
    char why[RMX_ARGS_WHY_BYTES];
    int status = rmx_args_read(argc, argv, &args, request);

    if (status >= 0) {
        return status;
    }
    uint32_t end = rmx_request_complete(&request->remux, argv[optind], argv[optind + 1], why);
    if (end != RMX_OK) {
        rmx_say("remux: %s", why);
        return rmx_end_exit(end);
    }
    return -1;
}

static int open_output(
    const struct request *request, struct rmx_output *output, struct rmx_result *result)
{
    const char *name = request->remux.names.output;
    int err = 0;

    if (strcmp(name, "-") == 0 && isatty(STDOUT_FILENO)) {
        rmx_run_failed(result, RMX_OUTPUT_IO, 0, "it is a terminal: pipe it, or name a file");
        return -ENOTTY;
    }
    err = rmx_request_open_output(&request->remux, output, !request->manner.no_clobber);
    if (err < 0) {
        rmx_run_unwritten(result, err);
    }
    return err;
}

static int open_input(const struct request *request, int *input, struct rmx_result *result)
{
    const struct rmx_report *names = &request->remux.names;

    if (rmx_output_is_input(names->output, names->input)) {
        rmx_run_failed(
            result, RMX_BAD_JOB, 0, "it is the output, too: write to another name, then rename it");
        return -EINVAL;
    }
    return rmx_input_open(input, names->input, result);
}

/* The job itself, once there is a daemon; the output is there afterwards or nothing is. */
static void remux(struct request *request, struct rmx_client *client, struct rmx_result *result)
{
    const struct rmx_run_how how = {
        .group = request->manner.group,
        .waits = !request->no_wait,
        .show_progress = rmx_manner_shows(&request->manner),
    };
    struct rmx_output output;
    struct rmx_stdio stdio;

    if (open_output(request, &output, result) < 0) {
        return;
    }
    rmx_output_attach(&output, &request->remux.job);
    rmx_stdio_attach(&stdio, client, &request->remux.job);
    rmx_run_job(client, &request->remux.job, &stdio, &how, result);
    if (result->status == RMX_OK) {
        int err = rmx_output_keep(&output);

        if (err < 0) {
            rmx_run_failed(result, RMX_OUTPUT_IO, err, "it is written, but cannot get its name");
        }
    }
    rmx_output_fini(&output);
}

static int report(const struct request *request, const struct rmx_result *result)
{
    if (request->manner.json) {
        bool is_taken = strcmp(request->remux.names.output, "-") == 0; /* the media goes there */

        rmx_report_json(is_taken ? stderr : stdout, &request->remux.names, result);
    }
    if (result->status != RMX_OK) {
        rmx_report_failure(&request->remux.names, result);
    } else if (!request->manner.json && !request->manner.quiet && isatty(STDERR_FILENO)) {
        rmx_report_success(&request->remux.names, result);
    }
    return rmx_report_exit(result);
}

int rmx_remux_main(int argc, char **argv)
{
    struct request request = { .manner = { .connect = { .may_be_private = true } } };
    struct rmx_connect *connect = &request.manner.connect;
    struct rmx_job *job = &request.remux.job;
    struct rmx_client *client = NULL;
    struct rmx_result result;
    int input = -1;

    rmx_request_init(&request.remux);
    int status = parse(&request, argc, argv);
    if (status >= 0) {
        return status;
    }
    if (request.remux.has_budget) {
        job->deadline_ns = rmx_deadline_in(request.remux.budget_ns);
    }
    int err = rmx_signal_watch();
    if (err < 0) {
        rmx_say("remux: %s", rmx_say_error(err));
        return rmx_end_exit(RMX_INTERNAL);
    }
    if (open_input(&request, &input, &result) == 0) {
        job->input = input;
        connect->waits = !request.no_wait;
        connect->until_ns = job->deadline_ns;
        err = rmx_connect_open(connect, &client, &result);
        if (err == 0) {
            remux(&request, client, &result);
        }
    }
    rmx_close(&client);
    rmx_input_close(&input);
    return report(&request, &result);
}
