/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job that a demuxer's bug keeps on the core for ever: it ends when it is to, by the loss of its
 * worker, and jobs of other workers do not notice. The workers' program is stuck-worker, in which
 * WAV has that bug.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bad_wav.h"

#define NEIGHBOURS      8u
#define BEGINNING_BYTES 65536u /* of a neighbour's input, that it gets before it has to wait */
#define GRACE_MS        20u
#define NS_PER_MS       UINT64_C(1000000)

/* What a busy machine may add. */
#define SLACK_MS 3000u

static struct harness harness;
static struct rmx_client *client;
static unsigned char *clip;
static size_t clip_bytes;

/* A job whose input stops in the middle. */
static struct neighbour {
    uint64_t id;
    int feed; /* writes the rest */
    int output;
    struct rmx_result result;
} neighbours[NEIGHBOURS];

static void read_clip(void)
{
    int input = harness_input(harness_media("small.ts"));
    off_t size = lseek(input, 0, SEEK_END);

    cr_assert_gt(size, (off_t)BEGINNING_BYTES);
    clip_bytes = (size_t)size;
    clip = malloc(clip_bytes);
    cr_assert_eq(pread(input, clip, clip_bytes, 0), size);
    close(input);
}

static void set_up(void)
{
    static const char worker[] = "--worker-program=" RMX_BUILD_DIR "/tests/stuck-worker";
    static const char *const settings[] = { "--workers=2", "--flows-small=16", "--flows-bulk=4",
        "--stop-grace=20ms", worker, NULL };

    (void)signal(SIGPIPE, SIG_IGN);
    harness_start(&harness, settings);
    client = harness_client(&harness);
    read_clip();
}

static void tear_down(void)
{
    harness_counter_becomes(client, "fds_open", 0);
    harness_counter_becomes(client, "pairs_small_used", 0);
    harness_counter_becomes(client, "pairs_bulk_used", 0);
    rmx_close(&client);
    harness_stop(&harness);
    free(clip);
}

TestSuite(e2e_stuck, .init = set_up, .fini = tear_down, .timeout = 120);

/* --- those beside it ------------------------------------------------------------------------- */

static void submit_neighbour(struct neighbour *neighbour)
{
    struct rmx_job job = RMX_JOB_INIT;
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    cr_assert_eq(write(ends[1], clip, BEGINNING_BYTES), (ssize_t)BEGINNING_BYTES);
    neighbour->feed = ends[1];
    neighbour->output = harness_output(&harness, "neighbour");
    neighbour->result.id = 0;
    job.input = ends[0];
    job.output = neighbour->output;
    job.format = "mpegts";
    cr_assert_eq(rmx_submit(client, &job, 1, &neighbour->id), 1);
    close(ends[0]);
}

static void feed_rest(struct neighbour *neighbour)
{
    size_t at = BEGINNING_BYTES;

    while (at < clip_bytes) {
        ssize_t written = write(neighbour->feed, clip + at, clip_bytes - at);

        if (written < 0) { /* its job is gone */
            cr_assert_eq(errno, EPIPE);
            break;
        }
        at += (size_t)written;
    }
    close(neighbour->feed);
}

static void note_result(const struct rmx_result *result)
{
    for (uint32_t i = 0; i < NEIGHBOURS; i++) {
        if (neighbours[i].id == result->id) {
            cr_assert_eq(neighbours[i].result.id, 0, "one end each");
            neighbours[i].result = *result;
            return;
        }
    }
    cr_assert_fail("nobody knows job %llu", (unsigned long long)result->id);
}

static void expect_same(int output, int wanted)
{
    off_t size = lseek(wanted, 0, SEEK_END);
    unsigned char *bytes[2] = { malloc((size_t)size), malloc((size_t)size) };

    cr_assert_gt(size, 0);
    cr_assert_eq(lseek(output, 0, SEEK_END), size);
    cr_assert_eq(pread(wanted, bytes[0], (size_t)size, 0), size);
    cr_assert_eq(pread(output, bytes[1], (size_t)size, 0), size);
    cr_assert_eq(memcmp(bytes[0], bytes[1], (size_t)size), 0);
    free(bytes[0]);
    free(bytes[1]);
}

/* What a neighbour's output is when nothing happens. */
static int make_wanted(void)
{
    struct neighbour alone;
    struct rmx_result result;

    submit_neighbour(&alone);
    feed_rest(&alone);
    result = harness_wait(client);
    cr_assert_eq(result.status, RMX_OK, "%s", result.text);
    return alone.output;
}

static void expect_soon_after(uint64_t then_ns)
{
    uint64_t now = harness_now_ns();

    cr_assert_geq(now, then_ns);
    cr_assert_leq(now, then_ns + (GRACE_MS + SLACK_MS) * NS_PER_MS, "%llu ms late",
        (unsigned long long)((now - then_ns) / NS_PER_MS));
}

/* Takes ends until that of the stuck job, due then, and all that come with it. Returns it. */
static struct rmx_result wait_for_stuck(uint64_t id, uint64_t due_ns)
{
    struct rmx_result stuck = { .id = 0 };
    struct rmx_result result;

    while (stuck.id == 0) {
        result = harness_wait(client);
        if (result.id == id) {
            stuck = result;
            expect_soon_after(due_ns);
        } else {
            note_result(&result);
        }
    }
    while (rmx_wait(client, &result, 1, 300) == 1) {
        note_result(&result);
    }
    return stuck;
}

/* Returns how many were lost; all others end well, with the right bytes. */
static uint32_t end_neighbours(int wanted)
{
    uint32_t lost = 0;

    for (uint32_t i = 0; i < NEIGHBOURS; i++) {
        feed_rest(&neighbours[i]);
        if (neighbours[i].result.id == 0) {
            struct rmx_result result = harness_wait(client);

            note_result(&result);
            cr_assert_eq(result.id, neighbours[i].id, "the others are not fed yet");
            cr_assert_eq(result.status, RMX_OK, "%s", result.text);
            expect_same(neighbours[i].output, wanted);
        } else {
            cr_assert_eq(neighbours[i].result.status, RMX_WORKER_LOST);
            lost++;
        }
        close(neighbours[i].output);
    }
    return lost;
}

static void begin_neighbours(void)
{
    uint64_t before = harness_counter(client, "bytes_in");

    for (uint32_t i = 0; i < NEIGHBOURS; i++) {
        submit_neighbour(&neighbours[i]);
    }
    harness_counter_becomes(client, "bytes_in", before + NEIGHBOURS * BEGINNING_BYTES);
}

/* --- together -------------------------------------------------------------------------------- */

Test(e2e_stuck, job_in_an_endless_loop_ends_at_its_deadline_and_costs_its_worker_only)
{
    int wanted = make_wanted();
    uint64_t deadline_ns;
    struct rmx_result stuck;
    uint32_t lost;

    begin_neighbours();
    deadline_ns = rmx_deadline_in(300 * NS_PER_MS);
    stuck =
        wait_for_stuck(bad_wav_submit(&harness, client, BAD_WAV_LOOPS, deadline_ns), deadline_ns);
    cr_assert_eq(stuck.status, RMX_DEADLINE, "%s: %s", rmx_end_name(stuck.status), stuck.text);
    lost = end_neighbours(wanted);
    cr_assert(lost > 0 && lost < NEIGHBOURS, "%u jobs were on its worker", lost);
    (void)harness_remux(&harness, client, harness_media("small.mp4"), "fmp4");
    close(wanted);
}

Test(e2e_stuck, and_when_it_is_cancelled)
{
    int wanted = make_wanted();
    uint64_t cancelled_ns;
    struct rmx_result stuck;
    uint64_t id;

    begin_neighbours();
    id = bad_wav_submit(&harness, client, BAD_WAV_LOOPS, 0);
    (void)poll(NULL, 0, 100);
    cancelled_ns = harness_now_ns();
    cr_assert_eq(rmx_cancel(client, id), 0);
    stuck = wait_for_stuck(id, cancelled_ns);
    cr_assert_eq(stuck.status, RMX_CANCELLED, "%s: %s", rmx_end_name(stuck.status), stuck.text);
    cr_assert_lt(end_neighbours(wanted), NEIGHBOURS);
    close(wanted);
}
