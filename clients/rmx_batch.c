/* SPDX-License-Identifier: BSD-2-Clause
 *
 * `rmx batch`: many files, one command. Runs in the process rmx.
 */
#include "clients/rmx.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clients/clock.h"
#include "clients/rmx_args.h"
#include "clients/rmx_choice.h"
#include "clients/rmx_connect.h"
#include "clients/rmx_names.h"
#include "clients/rmx_output.h"
#include "clients/rmx_report.h"
#include "clients/rmx_run.h"
#include "clients/rmx_say.h"
#include "clients/rmx_script.h"
#include "clients/rmx_shift.h"
#include "clients/rmx_signal.h"
#include "ipc/quantity.h"

#define DRAW_NS  UINT64_C(200000000) /* five times a second */
#define BADS_MAX 20                  /* lines to complain of */

struct batch {
    struct rmx_connect connect;
    struct rmx_shift_how how;
    const char *path; /* of the script */
    uint64_t deadline_ns;
    bool has_deadline;
    bool show_progress;
    struct rmx_script script;
    struct rmx_names names; /* while a file is checked */
    bool is_read;           /* the script is at its end, or broken: then */
    int broken;             /* is why */
};

static struct rmx_shift shift; /* large, and there is one */

static const char help[] =
    "usage: rmx batch [OPTION...] FILE|-\n"
    "\n"
    "Runs a list of jobs: one JSON object a line, in FILE or on standard input, from where they\n"
    "start as they come. Each does what 'rmx remux' does. If one fails, the others are cancelled.\n"
    "\n"
    "keys of a line: input, output (required), format, input_format, options, map, all_streams,\n"
    "bitexact, allow_truncated, spool, deadline, class\n"
    "\n"
    "  --jobs N             at once at most; default: as many as the daemon allows\n"
    "  --keep-going         when one fails, go on with the others\n"
    "  --deadline D         give all of it up after 500ms, 2s, 1m...\n"
    "  --group NAME         what operators may call it: see 'rmx help cancel'\n"
    "  --no-clobber         a job fails if its output exists\n"
    "  --socket P           use the daemon that listens there\n"
    "  --private            use a daemon of this command's own\n"
    "  --json               print each result as one line of JSON\n"
    "  --quiet              print nothing but errors\n"
    "  --[no-]progress      show how far it is; default: on a terminal\n"
    "\n"
    "examples:\n"
    "  rmx batch jobs.jsonl\n"
    "  echo '{\"input\":\"a.mp4\",\"output\":\"a.ts\",\"options\":{\"muxrate\":400000}}' | rmx "
    "batch -\n"
    "  jq -nc '$ARGS.positional[]|{input:.,output:(.+\".mkv\")}' --args *.mp4 | rmx batch "
    "--keep-going -\n";

enum {
    OPT_JOBS = 256,
    OPT_KEEP_GOING,
    OPT_DEADLINE,
    OPT_GROUP,
    OPT_NO_CLOBBER,
    OPT_SOCKET,
    OPT_PRIVATE,
    OPT_JSON,
    OPT_QUIET,
    OPT_PROGRESS,
    OPT_NO_PROGRESS,
};

static const struct option options[] = {
    { "jobs", required_argument, NULL, OPT_JOBS },
    { "keep-going", no_argument, NULL, OPT_KEEP_GOING },
    { "deadline", required_argument, NULL, OPT_DEADLINE },
    { "group", required_argument, NULL, OPT_GROUP },
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

/* --- the command line ---------------------------------------------------------------------- */

/* An option with a value. Returns 0 or RMX_ARGS_USAGE. */
static int take_value(struct batch *batch, int option)
{
    switch (option) {
    case OPT_JOBS:
        if (rmx_args_count(optarg, RMX_SHIFT_SEATS, &batch->how.jobs) < 0) {
            rmx_say("batch: --jobs %s: give a number from 1 to %d", optarg, RMX_SHIFT_SEATS);
            return RMX_ARGS_USAGE;
        }
        return 0;
    case OPT_DEADLINE:
        batch->has_deadline = true;
        if (!rmx_quantity_duration(optarg, &batch->deadline_ns)) {
            rmx_say("batch: --deadline %s is no duration: give 500ms, 2s, 1m or the like", optarg);
            return RMX_ARGS_USAGE;
        }
        return 0;
    case OPT_GROUP:
        batch->how.group = optarg;
        if (!rmx_choice_is_group(optarg)) {
            rmx_say("batch: --group takes a name of 1 to %d ASCII characters", RMX_GROUP_NAME_MAX);
            return RMX_ARGS_USAGE;
        }
        return 0;
    default:
        batch->connect.socket = optarg;
        return 0;
    }
}

/* One without. Returns false if there is no such option. */
static bool take_flag(struct batch *batch, int option)
{
    switch (option) {
    case OPT_KEEP_GOING:
        batch->how.keep_going = true;
        return true;
    case OPT_NO_CLOBBER:
        batch->how.no_clobber = true;
        return true;
    case OPT_PRIVATE:
        batch->connect.is_private = true;
        return true;
    case OPT_JSON:
        batch->how.json = true;
        return true;
    case OPT_QUIET:
        batch->how.quiet = true;
        batch->show_progress = false;
        return true;
    case OPT_PROGRESS:
    case OPT_NO_PROGRESS:
        batch->show_progress = option == OPT_PROGRESS;
        return true;
    default:
        return false;
    }
}

/* Returns -1 when there is work to do, else what to exit with. */
static int parse(struct batch *batch, int argc, char **argv)
{
    int option;
    int status;

    batch->show_progress = isatty(STDERR_FILENO) != 0;
    while ((option = rmx_args_next(argc, argv, &args, &status)) > 0) {
        if (!take_flag(batch, option) && take_value(batch, option) != 0) {
            return RMX_ARGS_USAGE;
        }
    }
    if (option < 0) {
        return status;
    }
    if (argc - optind != 1) {
        return rmx_args_miscount(argv, "one file of jobs, or -");
    }
    batch->path = argv[optind];
    return -1;
}

/* --- its lines ----------------------------------------------------------------------------- */

/* Reads the line at hand. Returns 0, or -errno and says why. */
static int read_task(struct batch *batch, struct rmx_task *task, int got, const char *line,
    size_t bytes, char why[RMX_TASK_WHY_BYTES])
{
    if (got == -E2BIG) {
        snprintf(why, RMX_TASK_WHY_BYTES, "it is longer than %d KiB: no more is read",
            RMX_SCRIPT_LINE_MAX >> 10);
        return got;
    }
    int err = rmx_task_read(task, line, bytes, batch->script.line, why);
    if (err == 0 && rmx_output_is_input(task->names.output, task->names.input)) {
        rmx_task_fini(task);
        snprintf(why, RMX_TASK_WHY_BYTES, "its output is its input: give it another name");
        err = -EBADMSG;
    }
    return err;
}

/* Likewise, of a file, where no two jobs may have the same output. */
static int check_task(
    struct batch *batch, int got, const char *line, size_t bytes, char why[RMX_TASK_WHY_BYTES])
{
    struct rmx_task task;
    int err = read_task(batch, &task, got, line, bytes, why);

    if (err < 0) {
        return err;
    }
    uint64_t other = rmx_names_add(&batch->names, task.names.output, batch->script.line);
    if (other != 0) {
        snprintf(why, RMX_TASK_WHY_BYTES,
            "line %" PRIu64 " has the same output, \"%.500s\": give each its own", other,
            task.names.output);
        err = -EBADMSG;
    }
    rmx_task_fini(&task);
    return err;
}

/* Reads a file to its end, so that nothing starts that has a bad line. Returns how many jobs it
 * has; or -errno, and has said why. */
static int64_t check_file(struct batch *batch)
{
    char why[RMX_TASK_WHY_BYTES];
    const char *line = NULL;
    size_t bytes = 0;
    int64_t jobs = 0;
    int bads = 0;
    int got;

    while ((got = rmx_script_next(&batch->script, &line, &bytes)) >= 0 || got == -E2BIG) {
        if (got == 0) {
            continue; /* a signal; there is nothing to undo yet, so the end will tell */
        }
        if (check_task(batch, got, line, bytes, why) == 0) {
            jobs++;
            continue;
        }
        bads++;
        if (bads <= BADS_MAX) {
            rmx_say("%s: line %" PRIu64 ": %s", batch->path, batch->script.line, why);
        }
        if (got == -E2BIG) {
            break;
        }
    }
    if (bads > BADS_MAX) {
        rmx_say("%s: and %d more bad lines", batch->path, bads - BADS_MAX);
    }
    rmx_names_fini(&batch->names);
    if (got == -ENODATA) {
        got = rmx_script_rewind(&batch->script);
    }
    return bads > 0 ? -EBADMSG : got < 0 ? got : jobs;
}

/* Starts jobs while there is room, and lines are there. */
static void read_lines(struct batch *batch)
{
    char why[RMX_TASK_WHY_BYTES];
    struct rmx_seat *seat;
    const char *line = NULL;
    size_t bytes = 0;

    while (!batch->is_read && (seat = rmx_shift_seat(&shift)) != NULL) {
        int got = rmx_script_next(&batch->script, &line, &bytes);

        if (got == 0) {
            return;
        }
        if (got < 0 && got != -E2BIG) {
            batch->is_read = true;
            batch->broken = got == -ENODATA ? 0 : got;
            return;
        }
        batch->is_read = got == -E2BIG;
        if (read_task(batch, &seat->task, got, line, bytes, why) == 0) {
            rmx_shift_take(&shift, seat);
        } else {
            rmx_shift_refuse(&shift, batch->script.line, why);
        }
    }
}

/* --- the batch ----------------------------------------------------------------------------- */

/* Sleeps until a job, a line or a signal comes, or it is time for something. */
static void rest(const struct batch *batch)
{
    bool wants_line = !batch->is_read && rmx_shift_seat(&shift) != NULL;
    bool is_flying = shift.sent > 0 || shift.is_blocked;
    uint64_t wakes_ns = rmx_shift_wakes_ns(&shift);
    uint64_t draws_ns = rmx_clock_in(DRAW_NS);
    struct pollfd watched[] = {
        { .fd = is_flying ? rmx_fd(shift.client) : -1, .events = POLLIN },
        { .fd = shift.is_stopping ? -1 : rmx_signal_fd(), .events = POLLIN },
        { .fd = wants_line ? rmx_script_fd(&batch->script) : -1, .events = POLLIN },
    };

    if (shift.line.is_wanted && draws_ns < wakes_ns) {
        wakes_ns = draws_ns;
    }
    poll(watched, sizeof(watched) / sizeof(watched[0]), rmx_clock_left_ms(wakes_ns));
}

static void work(struct batch *batch)
{
    for (;;) {
        rmx_shift_turn(&shift);
        read_lines(batch);
        if (shift.is_over || (shift.taken == 0 && (batch->is_read || shift.is_stopping))) {
            break;
        }
        rest(batch);
    }
    rmx_progress_wipe(&shift.line);
    if (!batch->how.quiet) {
        rmx_tally_say(&shift.tally);
    }
}

/* What the shell gets to see: a signal, what went wrong first, or that it all went well. */
static int exit_code(const struct batch *batch)
{
    if (rmx_signal_seen() != 0 && (shift.tally.first != RMX_OK || !batch->is_read)) {
        return 128 + rmx_signal_seen();
    }
    if (batch->broken < 0) {
        rmx_say(
            "%s: %s", rmx_report_name(batch->path, "standard input"), rmx_say_error(batch->broken));
        return rmx_end_exit(shift.tally.first == RMX_OK ? RMX_INPUT_IO : shift.tally.first);
    }
    return rmx_end_exit(shift.tally.first);
}

static int run(struct batch *batch, uint64_t jobs)
{
    static const struct rmx_report nameless;
    struct rmx_client *client = NULL;
    struct rmx_result result;

    if (rmx_connect_open(&batch->connect, &client, &result) < 0) {
        rmx_report_failure(&nameless, &result);
        return rmx_report_exit(&result);
    }
    rmx_shift_start(&shift, client, &batch->how, jobs, batch->show_progress);
    work(batch);
    rmx_close(&client);
    return exit_code(batch);
}

/* Returns how many jobs the script has, 0 where that shows later; or -errno, and has said why. */
static int64_t open_script(struct batch *batch)
{
    int err = rmx_script_open(&batch->script, batch->path);
    int64_t jobs = err;

    if (err == 0 && batch->script.is_file) {
        jobs = check_file(batch);
    }
    if (jobs < 0 && jobs != -EBADMSG) {
        rmx_say("%s: %s", rmx_report_name(batch->path, "standard input"), rmx_say_error((int)jobs));
    }
    return jobs;
}

int rmx_batch_main(int argc, char **argv)
{
    struct batch batch = {
        .connect = { .may_be_private = true, .waits = true },
        .how = { .jobs = RMX_SHIFT_SEATS },
        .script = RMX_SCRIPT_INIT,
    };
    int status = parse(&batch, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (batch.has_deadline) {
        batch.how.deadline_ns = rmx_deadline_in(batch.deadline_ns);
        batch.connect.until_ns = batch.how.deadline_ns;
    }
    int err = rmx_signal_watch();
    if (err < 0) {
        rmx_say("batch: %s", rmx_say_error(err));
        return rmx_end_exit(RMX_INTERNAL);
    }
    int64_t jobs = open_script(&batch);
    status = jobs >= 0 ? run(&batch, (uint64_t)jobs)
                       : rmx_end_exit(jobs == -EBADMSG ? RMX_BAD_JOB : RMX_INPUT_IO);
    rmx_script_fini(&batch.script);
    return status;
}
