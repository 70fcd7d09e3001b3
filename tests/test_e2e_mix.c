/* SPDX-License-Identifier: BSD-2-Clause
 *
 * All that ends a worker, or keeps a job waiting, at once: workers that are replaced after twenty
 * jobs, isolated jobs, jobs that crash or loop and are tried alone, cancels and deadlines, of
 * several sessions. Every job has one end, and none of them is forgotten where it waits. The
 * workers' program is stuck-worker, in which WAV has three bugs.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/bad_wav.h"
#include "tests/dice.h"

#define SESSIONS     4u
#define JOBS         5000u
#define IN_FLIGHT    16u /* of a session */
#define NS_PER_MS    UINT64_C(1000000)
#define SILENCE_NS   (20000 * NS_PER_MS) /* from one end to the next of any session */
#define DEADLINE_MAX 4u                  /* ms */
#define RESULTS_MAX  16

enum kind {
    KIND_NOOP,
    KIND_REMUX,
    KIND_OF_CLIENT, /* isolated */
    KIND_OF_JOB,
    KIND_LATE,
    KIND_CANCELLED,
    KIND_CRASHES,
    KIND_LOOPS,
    KINDS,
};

static const struct {
    uint32_t of_thousand;
    uint32_t ends[4]; /* that it may have, and RMX_BUSY, since deaths of workers are on its bill */
} kinds[KINDS] = {
    [KIND_NOOP] = { 600, { RMX_OK } },
    [KIND_REMUX] = { 180, { RMX_OK } },
    [KIND_OF_CLIENT] = { 80, { RMX_OK } },
    [KIND_OF_JOB] = { 20, { RMX_OK } },
    [KIND_LATE] = { 60, { RMX_OK, RMX_DEADLINE } },
    [KIND_CANCELLED] = { 54, { RMX_OK, RMX_CANCELLED } },
    [KIND_CRASHES] = { 4, { RMX_POISON } },
    [KIND_LOOPS] = { 2, { RMX_DEADLINE } },
};

struct slot {
    uint64_t id; /* 0 = free */
    enum kind kind;
};

struct session {
    struct rmx_client *client;
    struct slot slots[IN_FLIGHT];
};

static struct harness harness;
static struct session sessions[SESSIONS];
static struct dice dice = { 5 };
static int input;
static int output;
static int bad[2];
static uint32_t ended_as[KINDS];

static void set_up(void)
{
    static const char worker[] = "--worker-program=" RMX_BUILD_DIR "/tests/stuck-worker";
    static const char *const settings[] = { "--workers=2", "--flows-small=4", "--flows-bulk=2",
        "--isolated-workers=2", "--worker-jobs-max=20", "--stop-grace=20ms", "--silent-cpu=1h",
        "--overload-queue=0", "--overload-cpu=0", "--overload-rings=0", worker, NULL };

    char path[128];

    (void)signal(SIGPIPE, SIG_IGN);
    harness_start(&harness, settings);
    input = harness_input(harness_media("small.mp4"));
    output = harness_output(&harness, "out");
    bad[0] = bad_wav_open(&harness, BAD_WAV_CRASHES);
    (void)snprintf(path, sizeof(path), "%s/wav", harness.dir);
    cr_assert_eq(unlink(path), 0); /* or it would become the other */
    bad[1] = bad_wav_open(&harness, BAD_WAV_LOOPS);
    for (uint32_t i = 0; i < SESSIONS; i++) {
        sessions[i] = (struct session){ .client = harness_client(&harness) };
    }
}

static void tear_down(void)
{
    static const char *const nothing_of[] = { "jobs_in_flight", "jobs_queued", "jobs_running",
        "jobs_isolated", "jobs_on_trial", "fds_open", "pairs_small_used", "pairs_bulk_used" };

    for (size_t i = 0; i < sizeof(nothing_of) / sizeof(nothing_of[0]); i++) {
        harness_counter_becomes(sessions[0].client, nothing_of[i], 0);
    }
    for (uint32_t i = 0; i < SESSIONS; i++) {
        rmx_close(&sessions[i].client);
    }
    close(input);
    close(output);
    close(bad[0]);
    close(bad[1]);
    harness_stop(&harness);
}

TestSuite(e2e_mix, .init = set_up, .fini = tear_down, .timeout = 600);

/* --- jobs ------------------------------------------------------------------------------------ */

static enum kind any_kind(void)
{
    uint64_t left = dice_below(&dice, 1000);
    enum kind kind = KIND_NOOP;

    while (left >= kinds[kind].of_thousand) {
        left -= kinds[kind].of_thousand;
        kind++;
    }
    return kind;
}

static struct rmx_job job_of(enum kind kind)
{
    struct rmx_job job = RMX_JOB_INIT;

    if (kind == KIND_NOOP) {
        job.kind = RMX_NOOP;
        return job;
    }
    job.input = kind == KIND_CRASHES ? bad[0] : kind == KIND_LOOPS ? bad[1] : input;
    job.output = output;
    job.format = kind == KIND_CRASHES || kind == KIND_LOOPS ? "matroska" : "mpegts";
    job.job_class = (uint32_t)dice_below(&dice, 3);
    if (kind == KIND_OF_CLIENT || kind == KIND_OF_JOB) {
        job.isolation = kind == KIND_OF_CLIENT ? RMX_CLIENT_WORKER : RMX_JOB_WORKER;
    }
    if (kind == KIND_LATE || kind == KIND_LOOPS) {
        job.deadline_ns = rmx_deadline_in((1 + dice_below(&dice, DEADLINE_MAX)) * NS_PER_MS);
    }
    return job;
}

/* False: not now. */
static bool submit(struct session *session, enum kind kind)
{
    struct rmx_job job = job_of(kind);
    struct slot *slot = session->slots;

    while (slot->id != 0) {
        slot++;
        if (slot == session->slots + IN_FLIGHT) {
            return false;
        }
    }
    if (rmx_submit(session->client, &job, 1, &slot->id) != 1) {
        slot->id = 0;
        return false;
    }
    slot->kind = kind;
    if (kind == KIND_CANCELLED) {
        (void)rmx_cancel(session->client, slot->id);
    }
    return true;
}

static bool may_end_so(enum kind kind, uint32_t status)
{
    bool may = status == RMX_BUSY;

    for (size_t i = 0; i < 4; i++) {
        may = may || kinds[kind].ends[i] == status;
    }
    return may;
}

static void take(struct session *session, const struct rmx_result *result)
{
    struct slot *slot = session->slots;

    while (slot->id != result->id) {
        slot++;
        cr_assert_lt(slot, session->slots + IN_FLIGHT, "an end too many");
    }
    cr_assert(may_end_so(slot->kind, result->status), "kind %d: %s: %s", (int)slot->kind,
        rmx_end_name(result->status), result->text);
    ended_as[slot->kind]++;
    slot->id = 0;
}

/* Returns how many. */
static uint32_t take_ends(struct session *session)
{
    struct rmx_result results[RESULTS_MAX];
    int count = rmx_wait(session->client, results, RESULTS_MAX, 0);

    for (int i = 0; i < count; i++) {
        take(session, &results[i]);
    }
    return count > 0 ? (uint32_t)count : 0;
}

Test(e2e_mix, every_job_has_one_end_whatever_becomes_of_its_workers)
{
    uint64_t until = harness_now_ns() + SILENCE_NS;
    enum kind next = any_kind();
    uint32_t submitted = 0;
    uint32_t ended = 0;

    while (ended < JOBS) {
        uint32_t before = ended;

        for (uint32_t i = 0; i < SESSIONS; i++) {
            while (submitted < JOBS && submit(&sessions[i], next)) {
                next = any_kind();
                submitted++;
            }
            ended += take_ends(&sessions[i]);
        }
        if (ended > before) {
            until = harness_now_ns() + SILENCE_NS;
        } else {
            cr_assert_lt(
                harness_now_ns(), until, "%u of %u jobs have no end", submitted - ended, submitted);
            (void)poll(NULL, 0, 1);
        }
    }
    for (uint32_t kind = 0; kind < KINDS; kind++) {
        cr_assert_gt(ended_as[kind], 0);
    }
    cr_assert_gt(harness_counter(sessions[0].client, "worker_recycles"), 0);
    cr_assert_gt(harness_counter(sessions[0].client, "jobs_tried_alone"), 0);
}
