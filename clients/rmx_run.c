/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One job from submit to its end (see rmx_run.h). Runs in the process rmx.
 */
#include "clients/rmx_run.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>

#include "clients/clock.h"
#include "clients/rmx_connect.h"
#include "clients/rmx_progress.h"
#include "clients/rmx_signal.h"

#define DRAW_MS   200                   /* five times a second */
#define CANCEL_NS UINT64_C(2000000000)  /* one that takes longer to be cancelled is left alone */
#define BUSY_NS   UINT64_C(10000000000) /* a worker that starts has room within that, if ever */

struct run {
    struct rmx_client *client;
    struct rmx_stdio *stdio;
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
    bool has_timer = run->id == 0 || run->line.is_wanted || run->give_up_ns != RMX_CLOCK_NEVER;

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

/* Sends the job, if the daemon has room for it. Returns 0 or -errno. */
static int submit(struct run *run, const struct rmx_job *job)
{
    int err = rmx_submit(run->client, job, 1, &run->id);
    bool is_for_later = err == -EAGAIN || (err == -EBUSY && rmx_clock_ns() < run->busy_until_ns);

    return err < 0 && !is_for_later ? err : 0;
}

/* One turn of the loop. Returns 1 when *result is there, 0 to go on, or -errno. */
static int step(struct run *run, const struct rmx_job *job, struct rmx_result *result)
{
    int err = run->id == 0 ? submit(run, job) : 0;
    if (err < 0) {
        return err;
    }
    int count = rmx_wait(run->client, result, 1, 0); /* and moves what there is to move */
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

static void explain(
    const struct run *run, const struct rmx_job *job, int err, struct rmx_result *result)
{
    const char *why = "";

    if (err == -EINVAL) {
        int status = rmx_check(job, &why);

        rmx_run_failed(result, (uint32_t)status, 0, "%s", why);
    } else if (err == -EBUSY) {
        rmx_run_failed(result, RMX_BUSY, 0, "no worker has room for another stream: try again");
    } else if (err == -ECANCELED) {
        rmx_run_failed(result, RMX_CANCELLED, 0, "interrupted");
    } else if (err == -ETIME) {
        rmx_run_failed(result, RMX_DEADLINE, 0, "the deadline passed, and %s",
            run->stdio->wants_room ? "nobody reads the output" : "the daemon does not answer");
    } else {
        rmx_connect_failed(result, err);
    }
}

void rmx_run_job(struct rmx_client *client, const struct rmx_job *job, struct rmx_stdio *stdio,
    bool show_progress, struct rmx_result *result)
{
    struct run run = {
        .client = client,
        .stdio = stdio,
        .busy_until_ns = rmx_clock_in(BUSY_NS),
        .give_up_ns = RMX_CLOCK_NEVER,
    };
    int done = 0;

    if (job->deadline_ns != 0) { /* the daemon keeps it; this is for one that is wedged */
        run.give_up_ns = job->deadline_ns + CANCEL_NS;
        run.give_up_err = -ETIME;
    }

    rmx_progress_start(&run.line, show_progress);
    while (done == 0) {
        done = step(&run, job, result);
    }
    rmx_progress_wipe(&run.line);
    if (done < 0) {
        explain(&run, job, done, result);
    }
    rmx_stdio_settle(stdio, result);
}
