/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Many paced live streams at once. See herd.h.
 */
#include "bench/herd.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/cut.h"
#include "bench/process.h"
#include "bench/samples.h"
#include "ring/base.h"

#define RATE           25u
#define EVENTS         64
#define SUBMIT_TRIES   500
#define SUBMIT_WAIT_MS 10
#define OUTPUT_MAX     (64u << 20)
#define QUIET_MS       20 /* so long after a write nothing more comes out of it */
#define CHANNEL_BYTES  (128u << 20)
#define SLOW_WRITES    150u /* of the plan's, given one by one; the rest follows their pattern */

struct rmx_herd_job {
    struct rmx_client *client;
    uint64_t id;
    uint64_t written; /* bytes */
    uint64_t read;
    size_t write;    /* the one under way, or next */
    size_t trigger;  /* the fragment whose trigger is the next to be written */
    size_t fragment; /* the fragment that comes next */
    uint64_t trigger_ns[RMX_HERD_FRAGMENTS_MAX];
    unsigned skip; /* turns until its first: so that their keyframes do not all come at once */
    bool silent;   /* nothing is written to it */
    bool deaf;     /* nothing is read from it */
};

static void die(const char *what, int error)
{
    rmx_process_die(what, strerrordesc_np(-error));
}

static void submit(struct rmx_herd_job *herd_job)
{
    struct rmx_job job = RMX_JOB_INIT;
    int got;

    job.input = RMX_RING;
    job.output = RMX_RING;
    job.flags = RMX_LIVE;
    job.input_format = "mpegts";
    job.format = "fmp4";
    job.user = herd_job;
    got = rmx_submit(herd_job->client, &job, 1, &herd_job->id);
    for (int i = 0; i < SUBMIT_TRIES && got == -EAGAIN; i++) {
        struct pollfd credit = { .fd = rmx_fd(herd_job->client), .events = POLLIN };
        struct rmx_result result;

        (void)poll(&credit, 1, SUBMIT_WAIT_MS);
        if (rmx_wait(herd_job->client, &result, 1, 0) == 1) {
            rmx_process_die(rmx_end_name(result.status), result.text);
        }
        got = rmx_submit(herd_job->client, &job, 1, &herd_job->id);
    }
    if (got != 1) {
        die("rmx_submit", got);
    }
}

static struct rmx_client *connect_to(const char *socket)
{
    struct rmx_client *client = NULL;
    int error = rmx_open(&client, socket);

    error = error < 0 ? error : rmx_memory(client, CHANNEL_BYTES);
    if (error < 0) {
        die(socket, error);
    }
    return client;
}

/* --- one job ---------------------------------------------------------------------------------- */

/* Goes on with the write under way. Returns true when it is done. */
static bool go_on(const struct rmx_herd_plan *plan, struct rmx_herd_job *job)
{
    uint64_t left = plan->write_end[job->write] - job->written;
    ptrdiff_t n = rmx_write(job->client, job->id, plan->clip + job->written, left, 0);

    if (n < 0 && n != -EAGAIN) {
        die("rmx_write", (int)n);
    }
    job->written += n > 0 ? (uint64_t)n : 0;
    if (job->written < plan->write_end[job->write]) {
        return false;
    }
    job->write++;
    return true;
}

static void begin_write(const struct rmx_herd_plan *plan, struct rmx_herd_job *job, uint64_t now)
{
    while (job->trigger < plan->fragments && plan->fragment[job->trigger].trigger <= job->write) {
        job->trigger_ns[job->trigger++] = now;
    }
    (void)go_on(plan, job);
}

static void hear(struct rmx_herd *herd, struct rmx_herd_job *job, size_t bytes)
{
    const struct rmx_herd_plan *plan = herd->plan;

    job->read += bytes;
    while (job->fragment < plan->fragments && plan->fragment[job->fragment].end <= job->read) {
        if (job->fragment < job->trigger) {
            rmx_histogram_add(
                &herd->latency_ns, rmx_samples_now_ns() - job->trigger_ns[job->fragment]);
        }
        job->fragment++;
    }
}

/* Takes all there is, in place. */
static void read_all(struct rmx_herd *herd, struct rmx_herd_job *job)
{
    struct rmx_piece piece;
    int got = job->deaf ? -EAGAIN : rmx_peek(job->client, job->id, &piece, 0);

    while (got == 1) {
        size_t bytes = piece.size;

        (void)rmx_release(job->client, job->id);
        hear(herd, job, bytes);
        got = rmx_peek(job->client, job->id, &piece, 0);
    }
    if (got != -EAGAIN) {
        struct rmx_result result;

        if (rmx_wait(job->client, &result, 1, 1000) == 1) {
            rmx_process_die(rmx_end_name(result.status), result.text);
        }
        die("rmx_peek", got);
    }
}

/* --- all of them ------------------------------------------------------------------------------ */

/* Returns whether anything happened. */
static bool serve_client(struct rmx_herd *herd, struct rmx_client *client)
{
    struct rmx_event events[EVENTS];
    int count = rmx_events(client, events, EVENTS, 0);

    if (count < 0) {
        die("rmx_events", count);
    }
    for (int i = 0; i < count; i++) {
        struct rmx_herd_job *job = events[i].user;

        if ((events[i].kinds & RMX_CAN_WRITE) != 0 && !job->silent && job->write > 0 &&
            job->written > herd->plan->write_end[job->write - 1]) {
            (void)go_on(herd->plan, job);
        }
        if ((events[i].kinds & (RMX_CAN_READ | RMX_HAS_ENDED)) != 0) {
            read_all(herd, job);
        }
    }
    return count > 0;
}

static void serve_until(struct rmx_herd *herd, uint64_t due)
{
    struct pollfd polls[RMX_HERD_CLIENTS_MAX];
    uint64_t now;

    do {
        bool busy = false;

        for (size_t i = 0; i < herd->clients; i++) {
            polls[i] = (struct pollfd){ .fd = rmx_fd(herd->client[i]), .events = POLLIN };
            busy = serve_client(herd, herd->client[i]) || busy;
        }
        now = rmx_samples_now_ns();
        if (!busy && now < due) {
            struct timespec left = { .tv_sec = (time_t)((due - now) / 1000000000),
                .tv_nsec = (long)((due - now) % 1000000000) };

            (void)ppoll(polls, herd->clients, &left, NULL);
        }
    } while (now < due);
}

/* The job's turn: its next picture, unless it is still at the one before. */
static void take_turn(struct rmx_herd *herd, struct rmx_herd_job *job, uint64_t due)
{
    uint64_t now = rmx_samples_now_ns();
    uint64_t before = job->write == 0 ? 0 : herd->plan->write_end[job->write - 1];

    rmx_histogram_add(&herd->late_ns, now > due ? now - due : 0);
    if (job->silent || job->skip > 0) {
        job->skip -= job->skip > 0;
        return;
    }
    if (job->written != before && !go_on(herd->plan, job)) {
        herd->missed += !job->deaf; /* which is stopped, and shall be */
        return;
    }
    begin_write(herd->plan, job, now);
}

bool rmx_herd_run(struct rmx_herd *herd, uint64_t ns)
{
    size_t jobs = herd->jobs;
    uint64_t gap;
    uint64_t due = rmx_samples_now_ns();
    uint64_t end = due + ns;

    rmx_assert(jobs > 0);
    gap = herd->frame_ns / jobs;
    for (; due < end; due += gap) {
        struct rmx_herd_job *job = &herd->job[herd->turns++ % jobs];

        if (job->write + 1 >= herd->plan->writes) {
            return false;
        }
        serve_until(herd, due);
        take_turn(herd, job, due);
    }
    return true;
}

void rmx_herd_open(
    struct rmx_herd *herd, const struct rmx_herd_plan *plan, const char *socket, size_t jobs)
{
    size_t clients = (jobs + RMX_HERD_CLIENT_JOBS - 1) / RMX_HERD_CLIENT_JOBS;

    rmx_assert(clients > 0 && clients <= RMX_HERD_CLIENTS_MAX);
    memset(herd, 0, sizeof(*herd));
    herd->plan = plan;
    herd->jobs = jobs;
    herd->frame_ns = UINT64_C(1000000000) / RATE;
    herd->clients = clients;
    herd->job = calloc(jobs, sizeof(*herd->job));
    if (herd->job == NULL) {
        rmx_process_die("jobs", "no memory");
    }
    for (size_t i = 0; i < clients; i++) {
        herd->client[i] = connect_to(socket);
    }
    for (size_t i = 0; i < jobs; i++) {
        herd->job[i].client = herd->client[i % clients];
        herd->job[i].skip = (unsigned)(i % RATE);
        submit(&herd->job[i]);
        read_all(herd, &herd->job[i]); /* so that news of it are told */
    }
}

void rmx_herd_stall(struct rmx_herd *herd, bool producer, bool consumer)
{
    herd->job[0].silent = producer;
    herd->job[herd->jobs - 1].deaf = consumer;
}

void rmx_herd_count(const struct rmx_herd *herd, uint64_t *due, uint64_t *came)
{
    uint64_t old = rmx_samples_now_ns() - herd->frame_ns;

    *due = 0;
    *came = 0;
    for (size_t i = 0; i < herd->jobs; i++) {
        const struct rmx_herd_job *job = &herd->job[i];

        for (size_t n = 0; n < job->trigger && !job->deaf; n++) {
            *due += job->trigger_ns[n] < old;
            *came += job->trigger_ns[n] < old && n < job->fragment;
        }
    }
}

void rmx_herd_close(struct rmx_herd *herd)
{
    for (size_t i = 0; i < herd->clients; i++) {
        rmx_close(&herd->client[i]);
    }
    free(herd->job);
    herd->job = NULL;
}

/* --- what comes out of which write ------------------------------------------------------------ */

static size_t read_until_quiet(
    struct rmx_client *client, uint64_t id, unsigned char *output, size_t size, int quiet_ms)
{
    ptrdiff_t n;

    do {
        n = rmx_read(client, id, output + size, OUTPUT_MAX - size, quiet_ms);
        size += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    if (n != -EAGAIN) {
        die("rmx_read", (int)n);
    }
    return size;
}

static void learn_fragments(struct rmx_herd_plan *plan, const unsigned char *output, size_t size,
    const uint64_t output_after[SLOW_WRITES])
{
    struct rmx_cut cut = { .count = 0 };
    size_t write = 0;

    rmx_cut_find(&cut, RMX_CUT_FMP4, output, size);
    for (size_t i = 0; i < cut.count && i < RMX_HERD_FRAGMENTS_MAX; i++) {
        while (write < SLOW_WRITES && output_after[write] < cut.packet[i].end) {
            write++;
        }
        if (write == SLOW_WRITES && i < 2) {
            rmx_process_die("clip", "no two fragments came out of its beginning");
        }
        plan->fragment[i].end = cut.packet[i].end;
        plan->fragment[i].trigger =
            write < SLOW_WRITES ? write
                                : 2 * plan->fragment[i - 1].trigger - plan->fragment[i - 2].trigger;
        plan->fragments = i + 1;
    }
    rmx_cut_fini(&cut);
}

void rmx_herd_learn(struct rmx_herd_plan *plan, const char *socket)
{
    struct rmx_herd_job job = { .client = connect_to(socket) };
    unsigned char *output = malloc(OUTPUT_MAX);
    uint64_t output_after[SLOW_WRITES] = { 0 };
    size_t size = 0;

    if (output == NULL || plan->writes <= SLOW_WRITES) {
        rmx_process_die("clip", "too short, or no memory");
    }
    submit(&job);
    while (job.write + 1 < plan->writes) {
        size_t number = job.write;

        while (!go_on(plan, &job)) {
            size = read_until_quiet(job.client, job.id, output, size, 1);
        }
        if (number < SLOW_WRITES) {
            size = read_until_quiet(job.client, job.id, output, size, QUIET_MS);
            output_after[number] = size;
        }
    }
    size = read_until_quiet(job.client, job.id, output, size, QUIET_MS);
    learn_fragments(plan, output, size, output_after);
    rmx_close(&job.client);
    free(output);
}
