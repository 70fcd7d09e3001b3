/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One job from submit to its end (see rmx_run.h). Runs in the process rmx.
 */
#include "clients/rmx_run.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "clients/clock.h"
#include "clients/rmx_connect.h"
#include "clients/rmx_progress.h"
#include "clients/rmx_say.h"
#include "clients/rmx_signal.h"

#define DRAW_MS   200                   /* five times a second */
#define CANCEL_NS UINT64_C(2000000000)  /* one that takes longer to be cancelled is left alone */
#define BUSY_NS   UINT64_C(10000000000) /* a worker that starts has room within that, if ever */
#define NS_PER_MS UINT64_C(1000000)
#define MOVE_MS   10000 /* so long another daemon is looked for */

struct run {
    struct rmx_client *client;
    struct rmx_job job;
    struct rmx_stdio *stdio;
    const struct rmx_run_how *how;
    uint64_t id; /* 0 = not submitted yet */
    uint64_t busy_until_ns;
    uint64_t give_up_ns;
    int give_up_err; /* -ETIME: the job's deadline and the patience after it are over */
    struct rmx_progress_line line;
};

void rmx_run_failed(struct rmx_result *result, uint32_t status, int cause, const char *format, ...)
{
    va_list arguments;

    *result = (struct rmx_result){ .status = status, .cause = cause };
    va_start(arguments, format);
    vsnprintf(result->text, sizeof(result->text), format, arguments);
    va_end(arguments);
}

void rmx_run_unwritten(struct rmx_result *result, int err)
{
    rmx_run_failed(result, err == -ENOSPC || err == -EDQUOT ? RMX_OUTPUT_FULL : RMX_OUTPUT_IO, err,
        "cannot open it for writing");
}

static uint64_t retry_ns(const struct rmx_result *result)
{
    return result->retry_after_ns != 0 ? result->retry_after_ns : RMX_RUN_RETRY_NS;
}

void rmx_run_refused(struct rmx_result *result, uint64_t deadline_ns, bool waits)
{
    bool is_late = deadline_ns != 0 && rmx_clock_in(retry_ns(result)) >= deadline_ns;
    uint64_t ms = retry_ns(result) / NS_PER_MS;

    if (waits && is_late) {
        snprintf(result->text, sizeof(result->text),
            "the daemon is busy; the next try, in %" PRIu64 " ms, would come after the deadline",
            ms);
    } else {
        snprintf(result->text, sizeof(result->text),
            "the daemon is busy: try again in %" PRIu64 " ms%s", ms,
            waits ? "" : ", or without --no-wait rmx waits");
    }
}

/* The reader went away when the deadline had passed: that is what ended the job. */
static void say_late(struct rmx_result *result)
{
    uint64_t waits_ns = result->queued_ns + result->input_wait_ns + result->output_wait_ns;
    uint64_t ran_ns = result->total_ns > waits_ns ? result->total_ns - waits_ns : 0;
    char parts[4][RMX_SAY_BYTES];

    result->status = RMX_DEADLINE;
    result->cause = 0;
    snprintf(result->text, sizeof(result->text),
        "the deadline passed: queued %s, waited %s for input and %s for output, ran %s",
        rmx_say_time(parts[0], result->queued_ns), rmx_say_time(parts[1], result->input_wait_ns),
        rmx_say_time(parts[2], result->output_wait_ns), rmx_say_time(parts[3], ran_ns));
}

/* Sleeps until the client, a stream or a signal has something to say, or it is time to draw. */
static void rest(struct run *run)
{
    struct pollfd watched[] = {
        { .fd = rmx_fd(run->client), .events = POLLIN },
        { .fd = rmx_signal_seen() == 0 ? rmx_signal_fd() : -1, .events = POLLIN },
        { .fd = -1 },
        { .fd = -1 },
    };
    struct pollfd *ends = &watched[2];
    bool has_timer = run->id == 0 || run->line.is_wanted || rmx_signal_seen() != 0 ||
                     run->give_up_ns != RMX_CLOCK_NEVER;

    if (run->id != 0) {
        rmx_stdio_watch(run->stdio, ends);
    }
    int ready = poll(watched, 2 + RMX_STDIO_ENDS, has_timer ? DRAW_MS : -1);
    if (ready > 0 && run->id != 0) { /* EINTR: the signal is seen on the way round */
        rmx_stdio_heed(run->stdio, ends, run->client, run->id);
    }
}

static void draw(struct run *run)
{
    struct rmx_progress_bytes progress;

    if (rmx_progress(run->client, run->id, &progress) == 0) {
        rmx_progress_draw(&run->line, &progress);
    }
}

static void heed_signal(struct run *run)
{
    if (rmx_signal_seen() == 0 || run->give_up_err == -ECANCELED) {
        return;
    }
    if (run->id != 0) {
        rmx_stdio_stop(run->stdio, -ECANCELED, run->client, run->id);
    }
    if (run->id == 0 || rmx_cancel(run->client, run->id) == 0) {
        run->give_up_err = -ECANCELED;
        run->give_up_ns = rmx_clock_in(run->id == 0 ? 0 : CANCEL_NS);
    }
}

static int open_group(struct run *run)
{
    struct rmx_group_options options = RMX_GROUP_OPTIONS_INIT;

    options.name = run->how->group;
    options.flags = RMX_COLLECT_ALL; /* a job that was refused may be sent again */
    return rmx_group_open(run->client, &options, &run->job.group);
}

/* Leaves a daemon that drains or is gone, `why`, for the next one. Returns 0 or -errno. */
static int move_on(struct run *run, int why)
{
    uint64_t deadline_ns = run->job.deadline_ns;
    uint64_t until_ns = rmx_clock_in(NS_PER_MS * MOVE_MS);

    if (deadline_ns != 0 && deadline_ns < until_ns) {
        until_ns = deadline_ns;
    }
    int err = rmx_reconnect(run->client, rmx_clock_left_ms(until_ns));
    if (err == -EISCONN) {
        return 0;
    }
    return err == -EINTR ? -ECANCELED
           : err < 0     ? why
                         : 0; /* what went away matters, not who else */
}

/* Sends the job, if the daemon has room for it. Returns 0 or -errno. */
static int submit(struct run *run)
{
    int err = 0;

    if (run->how->group != NULL && run->job.group == 0) {
        err = open_group(run);
    }
    if (err == 0) {
        err = rmx_submit(run->client, &run->job, 1, &run->id);
    }
    bool is_for_later = err == -EAGAIN || (err == -EBUSY && rmx_clock_ns() < run->busy_until_ns);
    return err < 0 && !is_for_later ? err : 0;
}

/* One turn of the loop. Returns 1 when *result is there, 0 to go on, or -errno. */
static int step(struct run *run, struct rmx_result *result)
{
    int count = run->id == 0 ? submit(run) : 0;

    if (count == 0) {
        count = rmx_wait(run->client, result, 1, 0); /* and moves what there is to move */
    }
    if (run->id == 0 && (count == -ESHUTDOWN || count == -ECONNRESET)) {
        return move_on(run, count);
    }
    if (count != 0 && count != -EINTR) {
        return count;
    }
    heed_signal(run);
    if (rmx_clock_ns() >= run->give_up_ns) {
        return run->give_up_err;
    }
    rest(run);
    draw(run);
    return 0;
}

static void explain(const struct run *run, int err, struct rmx_result *result)
{
    const char *why = "";

    if (err == -EINVAL) {
        int status = rmx_check(&run->job, &why);

        rmx_run_failed(result, (uint32_t)status, 0, "%s", why);
    } else if (err == -EBUSY) {
        rmx_run_failed(result, RMX_BUSY, 0, "no worker has room for another stream: try again");
    } else if (err == -ECANCELED) {
        rmx_run_failed(result, RMX_CANCELLED, 0, "interrupted");
    } else {
        rmx_connect_failed(result, err);
    }
}

/* From submit to an end, this or another daemon's. */
static void run_once(struct run *run, struct rmx_result *result)
{
    int done = 0;

    run->id = 0;
    run->busy_until_ns = run->how->waits ? rmx_clock_in(BUSY_NS) : 0;
    while (done == 0) {
        done = step(run, result);
    }
    rmx_progress_wipe(&run->line);
    if (done < 0) {
        explain(run, done, result);
    }
}

static bool is_file(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* Is the job as it was before it was sent? A file is read where it stands; a pipe is not. */
static bool is_untouched(struct run *run, const struct rmx_result *result)
{
    bool is_again = run->job.input < 0 || is_file(run->job.input);

    for (uint32_t i = 0; i < run->job.more_input_count; i++) {
        is_again = is_again && is_file(run->job.more_inputs[i]);
    }
    bool was_read = result->bytes_in > 0 && !is_again;

    return !was_read && result->bytes_out == 0 && rmx_stdio_rewind(run->stdio);
}

/* The daemon did not take the job. Waits until it is worth another try, and says if it is. */
static bool try_again(struct run *run, const struct rmx_result *result)
{
    uint64_t again_ns = rmx_clock_in(retry_ns(result));
    bool is_busy = result->status == RMX_BUSY && run->how->waits;
    bool is_late = run->job.deadline_ns != 0 && again_ns >= run->job.deadline_ns;

    if (result->id == 0 || (!is_busy && result->status != RMX_DRAINING) || rmx_signal_seen() != 0) {
        return false;
    }
    if (is_late || !is_untouched(run, result)) {
        return false;
    }
    if (!is_busy) {
        return move_on(run, -ESHUTDOWN) == 0;
    }
    rmx_progress_say(&run->line, "the daemon is busy: waiting for it");
    return rmx_signal_sleep(again_ns) == 0;
}

void rmx_run_job(struct rmx_client *client, const struct rmx_job *job, struct rmx_stdio *stdio,
    const struct rmx_run_how *how, struct rmx_result *result)
{
    struct run run = {
        .client = client,
        .job = *job,
        .stdio = stdio,
        .how = how,
        .give_up_ns = RMX_CLOCK_NEVER,
    };

    if (job->deadline_ns != 0) { /* the daemon keeps it; this is for one that is wedged */
        run.give_up_ns = job->deadline_ns + CANCEL_NS;
        run.give_up_err = -ETIME;
    }
    rmx_progress_start(&run.line, how->show_progress);
    do {
        run_once(&run, result);
    } while (try_again(&run, result));
    rmx_progress_wipe(&run.line);
    if (rmx_signal_seen() != 0 && (result->status == RMX_BUSY || result->status == RMX_DRAINING)) {
        rmx_run_failed(result, RMX_CANCELLED, 0, "interrupted");
    }
    rmx_stdio_settle(stdio, result);
    if (result->status == RMX_BUSY && result->id != 0) {
        rmx_run_refused(result, job->deadline_ns, how->waits);
    }
    if (result->status == RMX_OUTPUT_CLOSED && job->deadline_ns != 0 &&
        rmx_clock_ns() >= job->deadline_ns) {
        say_late(result);
    }
}
