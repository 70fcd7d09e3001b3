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
#include "clients/rmx_files.h"
#include "clients/rmx_manner.h"
#include "clients/rmx_report.h"
#include "clients/rmx_request.h"
#include "clients/rmx_run.h"
#include "clients/rmx_say.h"
#include "clients/rmx_secret.h"
#include "clients/rmx_signal.h"
#include "clients/rmx_stdio.h"

struct request {
    struct rmx_manner manner;
    struct rmx_request remux;
    struct rmx_secrets secrets;
    const char *more_outputs[RMX_REQUEST_FILES_MAX];
    size_t more_output_count;
    bool no_wait;
};

static const char help[] =
    "usage: rmx remux [OPTION...] IN... OUT\n"
    "\n"
    "Puts the streams of IN into another container, as 'ffmpeg -i IN -c copy OUT' does. '-' is\n"
    "standard input or output. OUT shows under its name only when it is complete. Several IN are\n"
    "merged, or joined; what is read may go to several outputs: see ringmux-join(7).\n"
    "\n"
#define RMX_REQUEST(name, option, key, kind, example, help) help
#include "clients/rmx_request.def"
#undef RMX_REQUEST
    "  --output FILE        one output more, numbered from 1; up to 7\n"
    "  --no-wait            end BUSY where the daemon has no room now; default: "
    "wait\n" RMX_MANNER_TEXT "\n"
    "examples:\n"
    "  rmx remux talk.mp4 talk.ts\n"
    "  rmx remux --format fmp4 talk.mkv - | player\n"
    "  camera | rmx remux --live --format fmp4 - - | player\n"
    "  curl -s https://example.org/talk.mp4 | rmx remux --spool - talk.ts\n"
    "  rmx remux --join concat one.mp4 two.mp4 both.mp4\n"
    "  rmx remux --map 0:v --map 1:a pictures.mp4 sound.m4a film.mp4\n"
    "  rmx remux --output talk.mkv --output talk.ts talk.mp4 talk-copy.mp4\n"
    "  rmx remux --opt movflags=+use_metadata_tags --all-streams in.mov out.mp4\n";

enum { OPT_NO_WAIT = RMX_ARGS_OWN, OPT_OUTPUT };

static const struct option options[] = {
#define RMX_REQUEST(name, option, key, kind, example, help)                                        \
    { option, RMX_REQUEST_##kind == RMX_REQUEST_FLAG ? no_argument : required_argument, NULL,      \
        RMX_ARGS_REQUEST + RMX_REQUEST_##name },
#include "clients/rmx_request.def"
#undef RMX_REQUEST
    { "output", required_argument, NULL, OPT_OUTPUT },
    { "no-wait", no_argument, NULL, OPT_NO_WAIT },
    RMX_MANNER_ROWS,
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

/* OUT comes before them, and stands behind them. */
static int add_output(struct request *request, const char *path, char why[RMX_ARGS_WHY_BYTES])
{
    if (request->more_output_count == RMX_REQUEST_FILES_MAX - 1) {
        snprintf(why, RMX_ARGS_WHY_BYTES, "that is one output more than %d", RMX_REQUEST_FILES_MAX);
        return -EINVAL;
    }
    request->more_outputs[request->more_output_count++] = path;
    return 0;
}

static int take(void *to, int option, char why[RMX_ARGS_WHY_BYTES])
{
    struct request *request = to;

    if (option == OPT_NO_WAIT) {
        request->no_wait = true;
        return 0;
    }
    if (option == OPT_OUTPUT) {
        return add_output(request, optarg, why);
    }
    if (option >= RMX_ARGS_REQUEST) {
        uint32_t word = (uint32_t)option - RMX_ARGS_REQUEST;
        const char *value = NULL;

        if (optarg != NULL && rmx_secret_take(&request->secrets, word, optarg, &value, why) < 0) {
            return -EINVAL;
        }
        return rmx_request_take(&request->remux, word, value, why);
    }
    return rmx_manner_take(&request->manner, option, why);
}

static const struct rmx_args args = { ":h", options, help, take, -1, "" };

/* The last name is OUT's. Returns 0, or -EINVAL and says why. */
static int take_names(
    struct request *request, char **names, int count, char why[RMX_ARGS_WHY_BYTES])
{
    int err = 0;

    if (count < 2) {
        snprintf(why, RMX_ARGS_WHY_BYTES,
            "give at least one input and one output: see 'rmx help remux'");
        return -EINVAL;
    }
    for (int i = 0; i < count - 1 && err == 0; i++) {
        err = rmx_request_add_input(&request->remux, names[i], why);
    }
    if (err == 0) {
        err = rmx_request_add_output(&request->remux, names[count - 1], why);
    }
    for (size_t i = 0; i < request->more_output_count && err == 0; i++) {
        err = rmx_request_add_output(&request->remux, request->more_outputs[i], why);
    }
    return err;
}

/* Returns -1 when there is work to do, else what to exit with. */
static int parse(struct request *request, int argc, char **argv)
{
    char why[RMX_ARGS_WHY_BYTES];
    int status = rmx_args_read(argc, argv, &args, request);

    if (status >= 0) {
        return status;
    }
    if (take_names(request, argv + optind, argc - optind, why) < 0) {
        rmx_say("remux: %s", why);
        return RMX_ARGS_USAGE;
    }
    uint32_t end = rmx_request_complete(&request->remux, why);
    if (end != RMX_OK) {
        rmx_say("remux: %s", why);
        return rmx_end_exit(end);
    }
    return -1;
}

static int open_outputs(
    const struct request *request, struct rmx_files *files, struct rmx_result *result)
{
    const struct rmx_request *remux = &request->remux;

    for (size_t i = 0; i < remux->output_count; i++) {
        if (strcmp(remux->outputs[i], "-") == 0 && isatty(STDOUT_FILENO)) {
            rmx_run_failed(result, RMX_OUTPUT_IO, 0, "it is a terminal: pipe it, or name a file");
            return -ENOTTY;
        }
    }
    return rmx_files_open_outputs(files, remux, !request->manner.no_clobber, result);
}

static int open_inputs(
    const struct request *request, struct rmx_files *files, struct rmx_result *result)
{
    char why[RMX_ARGS_WHY_BYTES];

    if (rmx_files_clash(&request->remux, why)) {
        rmx_run_failed(result, RMX_BAD_JOB, 0, "%s", why);
        return -EINVAL;
    }
    return rmx_files_open_inputs(files, &request->remux, result);
}

/* The job itself, once there is a daemon; the outputs are there afterwards or nothing is. */
static void remux(struct request *request, struct rmx_client *client, struct rmx_files *files,
    struct rmx_result *result)
{
    const struct rmx_run_how how = {
        .group = request->manner.group,
        .waits = !request->no_wait,
        .show_progress = rmx_manner_shows(&request->manner),
    };
    struct rmx_job *job = &request->remux.job;
    struct rmx_stdio stdio = RMX_STDIO_NONE;

    if (open_outputs(request, files, result) < 0) {
        return;
    }
    rmx_files_attach(files, job);
    if (job->more_input_count == 0 && job->more_output_count == 0) { /* a ring carries one */
        rmx_stdio_attach(&stdio, client, job);
    }
    rmx_run_job(client, job, &stdio, &how, result);
    rmx_files_measure(files, request->remux.output_bytes);
    if (result->status == RMX_OK) {
        int err = rmx_files_keep(files, result);

        if (err < 0) {
            rmx_run_failed(result, RMX_OUTPUT_IO, err, "it is written, but cannot get its name");
        }
    }
}

static int report(const struct request *request, const struct rmx_result *result)
{
    if (request->manner.json) {
        bool is_taken = false; /* the media goes there */

        for (size_t i = 0; i < request->remux.output_count; i++) {
            is_taken = is_taken || strcmp(request->remux.outputs[i], "-") == 0;
        }

        rmx_report_json(is_taken ? stderr : stdout, &request->remux.names, result);
    }
    if (result->status != RMX_OK) {
        rmx_report_failure(&request->remux.names, result);
        return rmx_report_exit(result);
    }
    rmx_report_dropped(&request->remux.names, result);
    if (!request->manner.json && !request->manner.quiet && isatty(STDERR_FILENO)) {
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
    struct rmx_files files = { 0 };

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
    if (open_inputs(&request, &files, &result) == 0) {
        connect->waits = !request.no_wait;
        connect->until_ns = job->deadline_ns;
        err = rmx_connect_open(connect, &client, &result);
        if (err == 0) {
            remux(&request, client, &files, &result);
        }
    }
    rmx_close(&client);
    rmx_files_close(&files);
    return report(&request, &result);
}
