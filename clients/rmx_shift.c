/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Works off the jobs of a batch (see rmx_shift.h). Runs in the process rmx.
 */
#include "clients/rmx_shift.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

#include "clients/clock.h"
#include "clients/rmx_connect.h"
#include "clients/rmx_run.h"
#include "clients/rmx_signal.h"
#include "ring/base.h"

#define RESULTS    64
#define LOSSES_MAX 1
#define CANCEL_NS  UINT64_C(2000000000)  /* what takes longer to be cancelled is left alone */
#define MOVE_NS    UINT64_C(10000000000) /* so long another daemon is looked for */
#define PAUSE_NS   UINT64_C(50000000)    /* in between, and for a descriptor */

void rmx_shift_start(struct rmx_shift *shift, struct rmx_client *client,
    const struct rmx_shift_how *how, uint64_t lines, bool show_progress)
{
    rmx_assert(how->jobs > 0 && how->jobs <= RMX_SHIFT_SEATS);
    *shift = (struct rmx_shift){ .client = client, .how = how };
    rmx_tally_start(&shift->tally, lines);
    rmx_progress_start(&shift->line, show_progress);
}

/* --- the end of a job ---------------------------------------------------------------------- */

static void report(
    struct rmx_shift *shift, const struct rmx_report *names, const struct rmx_result *result)
{
    bool is_ours = result->status == RMX_CANCELLED && shift->is_stopping; /* that is no news */

    rmx_tally_add(&shift->tally, result);
    shift->has_failed |= result->status != RMX_OK && !shift->how->keep_going;
    if (shift->how->manner->json) {
        rmx_report_json(stdout, names, result);
    }
    if (result->status != RMX_OK && !is_ours) {
        rmx_progress_wipe(&shift->line);
        rmx_report_failure(names, result);
    }
    if (result->status == RMX_OK) {
        rmx_progress_wipe(&shift->line);
        rmx_report_dropped(names, result);
    }
}

/* The job has ended, and that is what came of it. */
static void finish(struct rmx_shift *shift, struct rmx_seat *seat, struct rmx_result *result)
{
    rmx_files_measure(&seat->files, seat->task.request.output_bytes);
    if (result->status == RMX_OK) {
        int err = rmx_files_keep(&seat->files, result);

        if (err < 0) {
            rmx_run_failed(result, RMX_OUTPUT_IO, err, "it is written, but cannot get its name");
        }
    }
    rmx_files_close(&seat->files);
    report(shift, &seat->task.request.names, result);
    rmx_task_fini(&seat->task);
    seat->state = RMX_SEAT_FREE;
    shift->taken--;
}

static void finish_unsent(
    struct rmx_shift *shift, struct rmx_seat *seat, uint32_t status, const char *why)
{
    struct rmx_result result;

    rmx_run_failed(&result, status, 0, "%s", why);
    finish(shift, seat, &result);
}

/* Was something written to where it shows at once? */
static bool is_spoilt(const struct rmx_seat *seat, const struct rmx_result *result)
{
    return result->bytes_out > 0 && rmx_files_show_at_once(&seat->files);
}

/* Is the job to be sent again, and when? */
static bool is_again(const struct rmx_shift *shift, struct rmx_seat *seat,
    const struct rmx_result *result, uint64_t *again_ns)
{
    uint64_t hint_ns = result->retry_after_ns != 0 ? result->retry_after_ns : RMX_RUN_RETRY_NS;
    uint64_t deadline_ns = seat->task.request.job.deadline_ns;
    bool is_refused = result->status == RMX_BUSY || result->status == RMX_DRAINING;
    bool is_lost = result->status == RMX_DAEMON_LOST || result->status == RMX_WORKER_LOST;

    *again_ns = result->status == RMX_BUSY ? rmx_clock_in(hint_ns) : rmx_clock_ns();
    if (shift->has_failed || shift->is_stopping || is_spoilt(seat, result) ||
        (deadline_ns != 0 && *again_ns >= deadline_ns)) {
        return false;
    }
    seat->losses += is_lost;
    return is_refused || (is_lost && seat->losses <= LOSSES_MAX);
}

static void take_result(struct rmx_shift *shift, struct rmx_result *result)
{
    struct rmx_seat *seat = result->user;
    uint64_t again_ns;

    rmx_assert(seat->state == RMX_SEAT_SENT);
    shift->sent--;
    if (!is_again(shift, seat, result, &again_ns)) {
        if (result->status == RMX_BUSY) {
            rmx_run_refused(result, seat->task.request.job.deadline_ns, true);
        }
        finish(shift, seat, result);
        return;
    }
    rmx_files_close(&seat->files);
    seat->state = RMX_SEAT_DUE;
    seat->again_ns = again_ns;
    if (result->status == RMX_BUSY) { /* others need not ask before that either */
        shift->hold_ns = again_ns > shift->hold_ns ? again_ns : shift->hold_ns;
    }
}

static void collect(struct rmx_shift *shift)
{
    static struct rmx_result results[RESULTS];
    int count = RESULTS;

    while (shift->sent > 0 && count == RESULTS) {
        count = rmx_wait(shift->client, results, RESULTS, 0);
        for (int i = 0; i < count; i++) {
            take_result(shift, &results[i]);
        }
    }
    if (shift->how->manner->json) {
        fflush(stdout);
    }
}

/* --- its start ----------------------------------------------------------------------------- */

/* Nobody may have to wait for a fifo's other end while the others' jobs go on. */
static bool has_fifo(const char *const *paths, size_t count)
{
    struct stat st;

    for (size_t i = 0; i < count; i++) {
        if (stat(paths[i], &st) == 0 && S_ISFIFO(st.st_mode)) {
            return true;
        }
    }
    return false;
}

static bool is_for_later(const struct rmx_shift *shift, int err)
{
    return shift->sent > 0 && (err == -EMFILE || err == -ENFILE);
}

/* Returns 0; -EAGAIN: there are no descriptors left, but there will be; or -errno with *result. */
static int open_files(struct rmx_shift *shift, struct rmx_seat *seat, struct rmx_result *result)
{
    const struct rmx_request *request = &seat->task.request;

    if (has_fifo(request->inputs, request->input_count) ||
        has_fifo(request->outputs, request->output_count)) {
        rmx_run_failed(result,
            has_fifo(request->inputs, request->input_count) ? RMX_INPUT_IO : RMX_OUTPUT_IO, 0,
            "it is a fifo: the jobs of a batch go from file to file");
        return -EINVAL;
    }
    int err = rmx_files_open_inputs(&seat->files, request, result);
    if (err == 0) {
        err =
            rmx_files_open_outputs(&seat->files, request, !shift->how->manner->no_clobber, result);
    }
    return is_for_later(shift, err) ? -EAGAIN : err;
}

static int open_group(struct rmx_shift *shift)
{
    struct rmx_group_options options = RMX_GROUP_OPTIONS_INIT;

    options.flags = RMX_COLLECT_ALL;
    options.jobs_max = shift->how->jobs;
    options.deadline_ns = shift->how->deadline_ns;
    options.name = shift->how->manner->group;
    return rmx_group_open(shift->client, &options, &shift->group);
}

/* Returns 1, or as rmx_submit(). */
static int submit(struct rmx_shift *shift, struct rmx_seat *seat)
{
    struct rmx_job *job = &seat->task.request.job;
    int err = shift->group == 0 ? open_group(shift) : 0;

    if (err < 0) {
        return err;
    }
    rmx_files_attach(&seat->files, job);
    job->group = shift->group;
    job->user = seat;
    return rmx_submit(shift->client, job, 1, NULL);
}

/* The daemon does not take it, or no more of any: `err` says why. */
static void heed_refusal(struct rmx_shift *shift, struct rmx_seat *seat, int err)
{
    struct rmx_result result;

    switch (err) {
    case -EAGAIN:
    case -EINTR:
        shift->is_blocked = true;
        return;
    case -ESHUTDOWN:
    case -ECONNRESET:
    case -EPROTO:
        shift->move_until_ns = rmx_deadline_within(shift->how->deadline_ns, MOVE_NS);
        return;
    case -ETOOMANYREFS:
    case -ENOMEM:
        if (shift->sent > 0) {
            shift->is_blocked = true;
            return;
        }
        break;
    default:
        break;
    }
    rmx_connect_failed(&result, err);
    finish(shift, seat, &result);
}

static void send_one(struct rmx_shift *shift, struct rmx_seat *seat)
{
    struct rmx_result result;

    if (seat->state == RMX_SEAT_DUE) {
        int err = open_files(shift, seat, &result);

        if (err == -EAGAIN) {
            seat->again_ns = rmx_clock_in(PAUSE_NS);
            shift->is_blocked = true;
            return;
        }
        if (err < 0) {
            finish(shift, seat, &result);
            return;
        }
        seat->state = RMX_SEAT_OPEN;
    }
    int taken = submit(shift, seat);
    if (taken != 1) {
        heed_refusal(shift, seat, taken);
        return;
    }
    rmx_files_close_inputs(&seat->files); /* the daemon has its own */
    seat->state = RMX_SEAT_SENT;
    shift->sent++;
}

static bool may_send(const struct rmx_shift *shift)
{
    return !shift->is_blocked && !shift->has_failed && !shift->is_stopping &&
           shift->move_until_ns == 0 && rmx_clock_ns() >= shift->hold_ns;
}

static bool is_waiting(const struct rmx_seat *seat)
{
    return seat->state == RMX_SEAT_DUE || seat->state == RMX_SEAT_OPEN;
}

static void send_all(struct rmx_shift *shift)
{
    uint32_t left = shift->taken - shift->sent;

    for (uint32_t i = 0; left > 0 && i < RMX_SHIFT_SEATS && may_send(shift); i++) {
        struct rmx_seat *seat = &shift->seats[i];

        if (is_waiting(seat)) {
            left--;
            if (rmx_clock_ns() >= seat->again_ns) {
                send_one(shift, seat);
            }
        }
    }
}

struct rmx_seat *rmx_shift_seat(struct rmx_shift *shift)
{
    if (shift->taken >= shift->how->jobs || !may_send(shift)) {
        return NULL;
    }
    for (uint32_t i = 0; i < RMX_SHIFT_SEATS; i++) {
        if (shift->seats[i].state == RMX_SEAT_FREE) {
            return &shift->seats[i];
        }
    }
    return NULL;
}

void rmx_shift_take(struct rmx_shift *shift, struct rmx_seat *seat)
{
    struct rmx_request *request = &seat->task.request;
    uint64_t deadline_ns = shift->how->deadline_ns;

    rmx_assert(seat->state == RMX_SEAT_FREE);
    request->job.deadline_ns =
        request->has_budget ? rmx_deadline_within(deadline_ns, request->budget_ns) : deadline_ns;
    seat->state = RMX_SEAT_DUE;
    seat->again_ns = 0;
    seat->losses = 0;
    shift->taken++;
    send_one(shift, seat);
}

void rmx_shift_refuse(struct rmx_shift *shift, uint64_t line, const char *why)
{
    const struct rmx_report names = { .line = line };
    struct rmx_result result;

    rmx_run_failed(&result, RMX_BAD_JOB, 0, "%s", why);
    report(shift, &names, &result);
}

/* --- another daemon, or an end ------------------------------------------------------------- */

/* Nobody is there to go on with. */
static void fail_all(struct rmx_shift *shift, int err)
{
    struct rmx_result result;

    rmx_connect_failed(&result, err);
    for (uint32_t i = 0; i < RMX_SHIFT_SEATS; i++) {
        if (is_waiting(&shift->seats[i])) {
            finish_unsent(shift, &shift->seats[i], result.status, result.text);
        }
    }
    shift->has_failed = true; /* what is to come has nowhere to go either */
}

static bool may_pass(int err)
{
    return err == -ENOENT || err == -ECONNREFUSED || err == -EBUSY || err == -ESHUTDOWN ||
           err == -ECONNRESET || err == -EINPROGRESS || err == -ETIMEDOUT || err == -EINTR ||
           err == -EMFILE || err == -ENFILE;
}

static void move_on(struct rmx_shift *shift)
{
    int err = rmx_reconnect(shift->client, 0);

    shift->hold_ns = rmx_clock_in(PAUSE_NS);
    if (err == 0 || err == -EISCONN) {
        shift->move_until_ns = 0;
        shift->hold_ns = 0;
    } else if (err == -EAGAIN) { /* jobs are in flight at too many daemons: they end */
        shift->move_until_ns = rmx_clock_in(MOVE_NS);
    } else if (!may_pass(err) || rmx_clock_ns() >= shift->move_until_ns) {
        shift->move_until_ns = 0;
        fail_all(shift, err == -EOPNOTSUPP ? -ECONNRESET : err);
    }
}

/* Cancels all. */
static void stop(struct rmx_shift *shift)
{
    const char *why = rmx_signal_seen() != 0 ? "interrupted" : "another job of the batch failed";
    shift->is_stopping = true;
    shift->move_until_ns = 0;
    shift->give_up_ns = rmx_clock_in(CANCEL_NS);
    if (shift->group != 0) {
        rmx_group_cancel(shift->client, shift->group);
    }
    for (uint32_t i = 0; i < RMX_SHIFT_SEATS; i++) {
        if (is_waiting(&shift->seats[i])) {
            finish_unsent(shift, &shift->seats[i], RMX_CANCELLED, why);
        }
    }
}

/* Is there a job that the daemon, were it well, had ended by now? */
static bool is_wedged(const struct rmx_shift *shift)
{
    uint64_t now = rmx_clock_ns();

    for (uint32_t i = 0; shift->sent > 0 && i < RMX_SHIFT_SEATS; i++) {
        const struct rmx_seat *seat = &shift->seats[i];
        uint64_t deadline_ns = seat->task.request.job.deadline_ns;

        if (seat->state == RMX_SEAT_SENT && deadline_ns != 0 && now > deadline_ns + CANCEL_NS) {
            return true;
        }
    }
    return shift->is_stopping && now >= shift->give_up_ns;
}

static void give_up(struct rmx_shift *shift)
{
    for (uint32_t i = 0; i < RMX_SHIFT_SEATS; i++) {
        struct rmx_seat *seat = &shift->seats[i];

        if (seat->state == RMX_SEAT_SENT) {
            shift->sent--;
            finish_unsent(shift, seat, shift->is_stopping ? RMX_CANCELLED : RMX_DEADLINE,
                "the daemon does not answer: " RMX_CONNECT_HELP);
        }
    }
    shift->is_over = true;
}

void rmx_shift_turn(struct rmx_shift *shift)
{
    shift->is_blocked = false;
    collect(shift);
    if (shift->move_until_ns != 0 && rmx_clock_ns() >= shift->hold_ns) {
        move_on(shift);
    }
    send_all(shift);
    if ((shift->has_failed || rmx_signal_seen() != 0) && !shift->is_stopping) {
        stop(shift);
    }
    if (shift->sent > 0 && is_wedged(shift)) {
        give_up(shift);
    }
    rmx_tally_draw(&shift->tally, &shift->line, shift->sent);
}

uint64_t rmx_shift_wakes_ns(const struct rmx_shift *shift)
{
    uint64_t wakes_ns = RMX_CLOCK_NEVER;

    if (shift->is_stopping) {
        return shift->give_up_ns;
    }
    if (shift->has_failed) {
        return 0;
    }
    if (shift->move_until_ns != 0 || rmx_clock_ns() < shift->hold_ns) {
        wakes_ns = shift->hold_ns;
    }
    for (uint32_t i = 0; i < RMX_SHIFT_SEATS; i++) {
        const struct rmx_seat *seat = &shift->seats[i];
        uint64_t deadline_ns = seat->task.request.job.deadline_ns;
        uint64_t then_ns = RMX_CLOCK_NEVER;

        if (seat->state == RMX_SEAT_SENT && deadline_ns != 0) {
            then_ns = deadline_ns + CANCEL_NS + 1;
        } else if (is_waiting(seat) && shift->move_until_ns == 0) {
            then_ns = seat->again_ns > rmx_clock_ns() ? seat->again_ns : rmx_clock_in(PAUSE_NS);
        }
        wakes_ns = then_ns < wakes_ns ? then_ns : wakes_ns;
    }
    return wakes_ns;
}
