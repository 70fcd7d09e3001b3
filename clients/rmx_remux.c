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
#include "clients/rmx_choice.h"
#include "clients/rmx_connect.h"
#include "clients/rmx_input.h"
#include "clients/rmx_output.h"
#include "clients/rmx_report.h"
#include "clients/rmx_run.h"
#include "clients/rmx_say.h"
#include "clients/rmx_signal.h"
#include "clients/rmx_stdio.h"
#include "ipc/job.h"
#include "ipc/quantity.h"

#define LIST_MAX 64 /* --opt and --map; a job carries fewer maps, and says so itself */

enum progress_choice { PROGRESS_AUTO, PROGRESS_ON, PROGRESS_OFF };

struct request {
    struct rmx_connect connect;
    struct rmx_job job;
    struct rmx_report names;
    const char *options[LIST_MAX + 1]; /* NULL-ended, as is maps */
    size_t option_count;
    const char *maps[LIST_MAX + 1];
    size_t map_count;
    const char *group;    /* NULL = none */
    uint64_t deadline_ns; /* from now on; 0 = none */
    enum progress_choice progress;
    bool has_deadline;
    bool no_clobber;
    bool no_wait;
    bool json;
    bool quiet;
};

static const char help[] =
    "usage: rmx remux [OPTION...] IN OUT\n"
    "\n"
    "Puts the streams of IN into another container, as 'ffmpeg -i IN -c copy OUT' does. '-' is\n"
    "standard input or output. OUT shows under its name only when it is complete.\n"
    "\n"
    "  --format F           container to write; default: by OUT's extension ('rmx formats')\n"
    "  --input-format F     container to read; default: recognised from the bytes\n"
    "  --opt K=V            an option of the container, e.g. movie_timescale=90000; repeatable\n"
    "  --map S              a stream to take: v, a:1, s?, or one to leave: -d; repeatable\n"
    "  --all-streams        take every stream, not the best of each kind\n"
    "  --bitexact           no encoder names, dates or random numbers in OUT\n"
    "  --allow-truncated    a cut-off IN is no failure: keep what there is\n"
    "  --spool              the daemon may use a temporary file where a pipe would have to be\n"
    "                       read or written out of order\n"
    "  --live               packet in, packet out: wait for nothing; into fmp4, cmaf, mpegts, flv\n"
    "                       or matroska\n"
    "  --interleave D       --live: but for packets of other streams, at most 200ms, 1s...\n"
    "  --fragment F         --live, MP4: a fragment for each keyframe (default), packet, or "
    "500ms...\n"
    "  --deadline D         give up after 500ms, 2s, 1m...\n"
    "  --class C            critical, normal or background\n"
    "  --group NAME         what operators may call this job and others: see 'rmx help cancel'\n"
    "  --no-wait            end BUSY where the daemon has no room now; default: wait\n"
    "  --no-clobber         fail if OUT exists\n"
    "  --socket P           use the daemon that listens there\n"
    "  --private            use a daemon of this command's own\n"
    "  --json               print the result as one line of JSON\n"
    "  --quiet              print nothing but errors\n"
    "  --[no-]progress      show how far it is; default: on a terminal\n"
    "\n"
    "examples:\n"
    "  rmx remux talk.mp4 talk.ts\n"
    "  rmx remux --format fmp4 talk.mkv - | player\n"
    "  camera | rmx remux --live --format fmp4 - - | player\n"
    "  curl -s https://example.org/talk.mp4 | rmx remux --spool - talk.ts\n"
    "  rmx remux --opt movflags=+use_metadata_tags --all-streams in.mov out.mp4\n";

enum {
    OPT_FORMAT = 256,
    OPT_INPUT_FORMAT,
    OPT_OPT,
    OPT_MAP,
    OPT_ALL_STREAMS,
    OPT_BITEXACT,
    OPT_ALLOW_TRUNCATED,
    OPT_SPOOL,
    OPT_LIVE,
    OPT_INTERLEAVE,
    OPT_FRAGMENT,
    OPT_DEADLINE,
    OPT_CLASS,
    OPT_GROUP,
    OPT_NO_WAIT,
    OPT_NO_CLOBBER,
    OPT_SOCKET,
    OPT_PRIVATE,
    OPT_JSON,
    OPT_QUIET,
    OPT_PROGRESS,
    OPT_NO_PROGRESS,
};

static const struct option options[] = {
    { "format", required_argument, NULL, OPT_FORMAT },
    { "input-format", required_argument, NULL, OPT_INPUT_FORMAT },
    { "opt", required_argument, NULL, OPT_OPT },
    { "map", required_argument, NULL, OPT_MAP },
    { "all-streams", no_argument, NULL, OPT_ALL_STREAMS },
    { "bitexact", no_argument, NULL, OPT_BITEXACT },
    { "allow-truncated", no_argument, NULL, OPT_ALLOW_TRUNCATED },
    { "spool", no_argument, NULL, OPT_SPOOL },
    { "live", no_argument, NULL, OPT_LIVE },
    { "interleave", required_argument, NULL, OPT_INTERLEAVE },
    { "fragment", required_argument, NULL, OPT_FRAGMENT },
    { "deadline", required_argument, NULL, OPT_DEADLINE },
    { "class", required_argument, NULL, OPT_CLASS },
    { "group", required_argument, NULL, OPT_GROUP },
    { "no-wait", no_argument, NULL, OPT_NO_WAIT },
    { "no-clobber", no_argument, NULL, OPT_NO_CLOBBER },
    { "socket", required_argument, NULL, OPT_SOCKET },
    { "private", no_argument, NULL, OPT_PRIVATE },
    { "json", no_argument, NULL, OPT_JSON },
    { "quiet", no_argument, NULL, OPT_QUIET },
    { "progress", no_argument, NULL, OPT_PROGRESS },
    { "no-progress", no_argument, NULL, OPT_NO_PROGRESS },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static const struct rmx_args args = { ":h", options, help };

static int add(const char *list[LIST_MAX + 1], size_t *count, const char *name, const char *value)
{
    if (*count == LIST_MAX) {
        rmx_say("remux: more than %d times --%s", LIST_MAX, name);
        return RMX_ARGS_USAGE;
    }
    list[(*count)++] = value;
    return 0;
}

static int set_class(struct rmx_job *job, const char *name)
{
    if (rmx_choice_class(job, name) < 0) {
        rmx_say("remux: no class '%s': give critical, normal or background", name);
        return RMX_ARGS_USAGE;
    }
    return 0;
}

static int set_group(struct request *request, const char *name)
{
    if (!rmx_choice_is_group(name)) {
        rmx_say("remux: --group takes a name of 1 to %d ASCII characters", RMX_GROUP_NAME_MAX);
        return RMX_ARGS_USAGE;
    }
    request->group = name;
    return 0;
}

static int set_deadline(struct request *request, const char *text)
{
    if (!rmx_quantity_duration(text, &request->deadline_ns)) {
        rmx_say("remux: --deadline %s is no duration: give 500ms, 2s, 1m or the like", text);
        return RMX_ARGS_USAGE;
    }
    request->has_deadline = true;
    return 0;
}

/* A time that a live job may take for something, in microseconds. */
static int set_pace(uint32_t *us, const char *name, const char *text)
{
    uint64_t ns = 0;

    if (!rmx_quantity_duration(text, &ns) || ns < 1000 || ns / 1000 > RMX_JOB_WAIT_US_MAX) {
        rmx_say("remux: --%s %s: give 200ms, 1s or the like, at most 1m", name, text);
        return RMX_ARGS_USAGE;
    }
    *us = (uint32_t)(ns / 1000);
    return 0;
}

static int set_fragment(struct rmx_job *job, const char *text)
{
    if (strcmp(text, "keyframe") == 0) {
        job->fragment_us = 0;
        return 0;
    }
    if (strcmp(text, "packet") == 0) {
        job->fragment_us = RMX_FRAGMENT_PACKET;
        return 0;
    }
    return set_pace(&job->fragment_us, "fragment", text);
}

/* An option that says how the job is to be. Returns -1 if it is none, else 0 or RMX_ARGS_USAGE. */
static int take_job_option(struct request *request, int option)
{
    struct rmx_job *job = &request->job;

    switch (option) {
    case OPT_FORMAT:
        job->format = optarg;
        return 0;
    case OPT_INPUT_FORMAT:
        job->input_format = optarg;
        return 0;
    case OPT_OPT:
        return add(request->options, &request->option_count, "opt", optarg);
    case OPT_MAP:
        return add(request->maps, &request->map_count, "map", optarg);
    case OPT_ALL_STREAMS:
        job->flags |= RMX_ALL_STREAMS;
        return 0;
    case OPT_BITEXACT:
        job->flags |= RMX_BITEXACT;
        return 0;
    case OPT_ALLOW_TRUNCATED:
        job->flags |= RMX_ALLOW_TRUNCATED;
        return 0;
    case OPT_SPOOL:
        job->flags |= RMX_SPOOL;
        return 0;
    case OPT_LIVE:
        job->flags |= RMX_LIVE;
        return 0;
    case OPT_INTERLEAVE:
        return set_pace(&job->interleave_us, "interleave", optarg);
    case OPT_FRAGMENT:
        return set_fragment(job, optarg);
    case OPT_DEADLINE:
        return set_deadline(request, optarg);
    case OPT_CLASS:
        return set_class(job, optarg);
    case OPT_GROUP:
        return set_group(request, optarg);
    default:
        return -1;
    }
}

/* One that says how rmx is to go about it. Returns as take_job_option(). */
static int take_own_option(struct request *request, int option)
{
    switch (option) {
    case OPT_NO_CLOBBER:
        request->no_clobber = true;
        return 0;
    case OPT_NO_WAIT:
        request->no_wait = true;
        return 0;
    case OPT_SOCKET:
        request->connect.socket = optarg;
        return 0;
    case OPT_PRIVATE:
        request->connect.is_private = true;
        return 0;
    case OPT_JSON:
        request->json = true;
        return 0;
    case OPT_QUIET:
        request->quiet = true;
        return 0;
    case OPT_PROGRESS:
        request->progress = PROGRESS_ON;
        return 0;
    case OPT_NO_PROGRESS:
        request->progress = PROGRESS_OFF;
        return 0;
    default:
        return -1;
    }
}

/* Which container and which streams, where that is left to us. */
static int choose(struct request *request)
{
    const char *output = request->names.output;
    const char *map = rmx_choice_map(output);
    bool says_none = request->map_count == 0 && (request->job.flags & RMX_ALL_STREAMS) == 0;
    char why[RMX_CHOICE_BYTES];

    if (map != NULL && says_none && request->job.format == NULL) {
        request->maps[request->map_count++] = map;
    }
    uint32_t status = rmx_choice_format(&request->job, output, why);
    if (status != RMX_OK) {
        rmx_say("remux: %s", why);
    }
    return rmx_end_exit(status);
}

static int check_pace(const struct rmx_job *job)
{
    if ((job->flags & RMX_LIVE) == 0 && (job->interleave_us != 0 || job->fragment_us != 0)) {
        rmx_say("remux: --%s is for --live", job->interleave_us != 0 ? "interleave" : "fragment");
        return RMX_ARGS_USAGE;
    }
    if ((job->flags & RMX_LIVE) != 0 && (job->flags & RMX_SPOOL) != 0) {
        rmx_say("remux: what is spooled cannot be live: give --spool or --live");
        return RMX_ARGS_USAGE;
    }
    return 0;
}

/* Returns true when there is work to do; if not, *status is what to exit with. */
static bool parse(struct request *request, int argc, char **argv, int *status)
{
    int option;

    while ((option = rmx_args_next(argc, argv, &args, status)) > 0) {
        int taken = take_job_option(request, option);
        if (taken < 0) {
            taken = take_own_option(request, option);
        }
        if (taken != 0) {
            *status = taken;
            return false;
        }
    }
    if (option < 0) {
        return false;
    }
    if (argc - optind != 2) {
        *status = rmx_args_miscount(argv, "one input and one output");
        return false;
    }
    request->names = (struct rmx_report){ .input = argv[optind], .output = argv[optind + 1] };
    request->job.options = request->options;
    request->job.maps = request->maps;
    request->names.allows_truncated = (request->job.flags & RMX_ALLOW_TRUNCATED) != 0;
    request->names.may_spool = (request->job.flags & (RMX_SPOOL | RMX_LIVE)) == 0;
    *status = check_pace(&request->job);
    if (*status == 0) {
        *status = choose(request);
    }
    return *status == 0;
}

static int open_output(
    const struct request *request, struct rmx_output *output, struct rmx_result *result)
{
    const char *name = request->names.output;
    int err = 0;

    if (strcmp(name, "-") == 0 && isatty(STDOUT_FILENO)) {
        rmx_run_failed(result, RMX_OUTPUT_IO, 0, "it is a terminal: pipe it, or name a file");
        return -ENOTTY;
    }
    err = rmx_output_open(output, name, !request->no_clobber);
    if (err < 0) {
        rmx_run_unwritten(result, err);
    }
    return err;
}

static bool shows_progress(const struct request *request)
{
    if (request->progress == PROGRESS_AUTO) {
        return !request->quiet && isatty(STDERR_FILENO);
    }
    return request->progress == PROGRESS_ON;
}

static int open_input(const struct request *request, int *input, struct rmx_result *result)
{
    const struct rmx_report *names = &request->names;

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
        .group = request->group,
        .waits = !request->no_wait,
        .show_progress = shows_progress(request),
    };
    struct rmx_output output;
    struct rmx_stdio stdio;

    if (open_output(request, &output, result) < 0) {
        return;
    }
    request->job.output = output.fd;
    rmx_stdio_attach(&stdio, client, &request->job);
    rmx_run_job(client, &request->job, &stdio, &how, result);
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
    if (request->json) {
        bool is_taken = strcmp(request->names.output, "-") == 0; /* the media goes there */

        rmx_report_json(is_taken ? stderr : stdout, &request->names, result);
    }
    if (result->status != RMX_OK) {
        rmx_report_failure(&request->names, result);
    } else if (!request->json && !request->quiet && isatty(STDERR_FILENO)) {
        rmx_report_success(&request->names, result);
    }
    return rmx_report_exit(result);
}

int rmx_remux_main(int argc, char **argv)
{
    struct request request = { .connect = { .may_be_private = true }, .job = RMX_JOB_INIT };
    struct rmx_client *client = NULL;
    struct rmx_result result;
    int input = -1;
    int status;

    if (!parse(&request, argc, argv, &status)) {
        return status;
    }
    if (request.has_deadline) {
        request.job.deadline_ns = rmx_deadline_in(request.deadline_ns);
    }
    int err = rmx_signal_watch();
    if (err < 0) {
        rmx_say("remux: %s", rmx_say_error(err));
        return rmx_end_exit(RMX_INTERNAL);
    }
    if (open_input(&request, &input, &result) == 0) {
        request.job.input = input;
        request.connect.waits = !request.no_wait;
        request.connect.until_ns = request.job.deadline_ns;
        err = rmx_connect_open(&request.connect, &client, &result);
        if (err == 0) {
            remux(&request, client, &result);
        }
    }
    rmx_close(&client);
    rmx_input_close(&input);
    return report(&request, &result);
}
