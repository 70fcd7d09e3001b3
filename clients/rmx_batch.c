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
#include "clients/rmx_connect.h"
#include "clients/rmx_files.h"
#include "clients/rmx_manner.h"
#include "clients/rmx_names.h"
#include "clients/rmx_report.h"
#include "clients/rmx_run.h"
#include "clients/rmx_say.h"
#include "clients/rmx_script.h"
#include "clients/rmx_shift.h"
#include "clients/rmx_signal.h"

#define DRAW_NS  UINT64_C(200000000) /* five times a second */
#define BADS_MAX 20                  /* lines to complain of */

struct batch {
    struct rmx_manner manner;
    struct rmx_shift_how how;
    const char *path; /* of the script */
    uint64_t budget_ns;
    bool has_budget;
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
    "keys of a line; the first two are required, the others as the options of 'rmx remux':\n"
    "  \"input\": \"a.mp4\"\n"
    "  \"output\": \"a.ts\"\n"
#define RMX_REQUEST(name, option, key, kind, example, help) "  \"" key "\": " example "\n"
#include "clients/rmx_request.def"
#undef RMX_REQUEST
    "\n"
    "  --jobs N             at once at most; default: as many as the daemon allows\n"
    "  --keep-going         when one fails, go on with the others\n"
    "  --deadline D         give all of it up after 500ms, 2s, 1m, 1h...\n" RMX_MANNER_TEXT "\n"
    "examples:\n"
    "  rmx batch jobs.jsonl\n"
    "  echo '{\"input\":\"a.mp4\",\"output\":\"a.ts\",\"options\":{\"muxrate\":400000}}' | rmx "
    "batch -\n"
    "  jq -nc '$ARGS.positional[]|{input:.,output:(.+\".mkv\")}' --args *.mp4 | rmx batch "
    "--keep-going -\n";

enum { OPT_JOBS = RMX_ARGS_OWN, OPT_KEEP_GOING, OPT_DEADLINE };

static const struct option options[] = {
    { "jobs", required_argument, NULL, OPT_JOBS },
    { "keep-going", no_argument, NULL, OPT_KEEP_GOING },
    { "deadline", required_argument, NULL, OPT_DEADLINE },
    RMX_MANNER_ROWS,
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static int take(void *to, int option, char why[RMX_ARGS_WHY_BYTES])
{
    struct batch *batch = to;

    switch (option) {
    case OPT_JOBS:
        return rmx_args_count(optarg, RMX_SHIFT_SEATS, &batch->how.jobs, why);
    case OPT_KEEP_GOING:
        batch->how.keep_going = true;
        return 0;
    case OPT_DEADLINE:
        batch->has_budget = true;
        return rmx_args_duration(optarg, &batch->budget_ns, why);
    default:
        return rmx_manner_take(&batch->manner, option, why);
    }
}

static const struct rmx_args args = { ":h", options, help, take, 1, "one file of jobs, or -" };

/* --- its lines ----------------------------------------------------------------------------- */

/* Reads the line at hand. Returns 0, or -errno and says why. */
static int read_task(struct batch *batch, struct rmx_task *task, int got, const char *line,
    size_t bytes, char why[RMX_ARGS_WHY_BYTES])
{
    if (got == -E2BIG) {
        snprintf(why, RMX_ARGS_WHY_BYTES, "it is longer than %d KiB: no more is read",
            RMX_SCRIPT_LINE_MAX >> 10);
        return got;
    }
    int err = rmx_task_read(task, line, bytes, batch->script.line, why);
    if (err == 0 && rmx_files_clash(&task->request, why)) {
        rmx_task_fini(task);
        err = -EBADMSG;
    }
    return err;
}

/* Likewise, of a file, where no two jobs may have the same output. */
static int check_task(
    struct batch *batch, int got, const char *line, size_t bytes, char why[RMX_ARGS_WHY_BYTES])
{
    struct rmx_task task;
    int err = read_task(batch, &task, got, line, bytes, why);

    if (err < 0) {
        return err;
    }
    for (size_t i = 0; i < task.request.output_count && err == 0; i++) {
        const char *name = task.request.outputs[i];
        uint64_t other = rmx_names_add(&batch->names, name, batch->script.line);

        if (other != 0) {
            snprintf(why, RMX_ARGS_WHY_BYTES,
                "line %" PRIu64 " has the same output, \"%.500s\": give each its own", other, name);
            err = -EBADMSG;
        }
    }
    rmx_task_fini(&task);
    return err;
}

/* Reads a file to its end, so that nothing starts that has a bad line. Returns how many jobs it
 * has; or -errno, and has said why. */
static int64_t check_file(struct batch *batch)
{
    char why[RMX_ARGS_WHY_BYTES];
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
    char why[RMX_ARGS_WHY_BYTES];
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
    if (!batch->manner.quiet) {
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

    if (rmx_connect_open(&batch->manner.connect, &client, &result) < 0) {
        rmx_report_failure(&nameless, &result);
        return rmx_report_exit(&result);
    }
    rmx_shift_start(&shift, client, &batch->how, jobs, rmx_manner_shows(&batch->manner));
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
        .manner = { .connect = { .may_be_private = true, .waits = true } },
        .how = { .jobs = RMX_SHIFT_SEATS, .manner = &batch.manner },
        .script = RMX_SCRIPT_INIT,
    };
    int status = rmx_args_read(argc, argv, &args, &batch);

    if (status >= 0) {
        return status;
    }
    batch.path = argv[optind];
    if (batch.has_budget) {
        batch.how.deadline_ns = rmx_deadline_in(batch.budget_ns);
        batch.manner.connect.until_ns = batch.how.deadline_ns;
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
