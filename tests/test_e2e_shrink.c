/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job runs again, over an input that has become shorter: of what the first attempt wrote nothing
 * is left.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness.h"

#define HALF_BYTES    (188 * 2048)
#define WRITTEN_BYTES (HALF_BYTES * 3 / 2)

static struct harness harness;
static struct rmx_client *client;

static void set_up(void)
{
    static const char *const settings[] = { "--workers=1", "--flows-small=8", "--flows-bulk=16",
        "--ring-bulk-bytes=128KiB", "--chunk-bulk-bytes=16KiB", NULL };

    harness_start(&harness, settings);
    client = harness_client(&harness);
}

static void tear_down(void)
{
    rmx_close(&client);
    harness_stop(&harness);
}

TestSuite(e2e_shrink, .init = set_up, .fini = tear_down, .timeout = 120);

static off_t size_of(int fd)
{
    struct stat st;

    cr_assert_eq(fstat(fd, &st), 0);
    return st.st_size;
}

/* Returns the size of its input. */
static off_t make_job(struct rmx_job *job)
{
    int media = harness_input(harness_media("live.ts"));
    off_t whole = size_of(media);
    off_t at = 0;

    job->input = harness_output(&harness, "shrinks.ts");
    job->output = harness_output(&harness, "shrunk.ts");
    job->format = "mpegts";
    cr_assert_gt(whole, 2 * WRITTEN_BYTES);
    while (at < whole) {
        cr_assert_gt(sendfile(job->input, media, &at, (size_t)(whole - at)), 0);
    }
    cr_assert_eq(lseek(job->input, 0, SEEK_SET), 0);
    close(media);
    return whole;
}

/* Runs the job until it has written so much that it has more left than its rings hold, with its
 * worker standing still; again, if it was done before that was seen. */
static uint64_t stop_halfway(const struct rmx_job *job, pid_t worker, off_t whole)
{
    uint64_t id;
    bool done;

    do {
        cr_assert_eq(ftruncate(job->output, 0), 0);
        cr_assert_eq(rmx_submit(client, job, 1, &id), 1);
        do {
            cr_assert_eq(kill(worker, SIGCONT), 0);
            (void)poll(NULL, 0, 1);
            cr_assert_eq(kill(worker, SIGSTOP), 0);
        } while (size_of(job->output) < WRITTEN_BYTES);
        done = size_of(job->output) > whole - HALF_BYTES;
        if (done) {
            cr_assert_eq(kill(worker, SIGCONT), 0);
            cr_assert_eq(harness_wait(client).status, RMX_OK);
        }
    } while (done);
    return id;
}

Test(e2e_shrink, bytes_of_an_earlier_attempt_behind_the_end_are_cut_off)
{
    struct rmx_job job = RMX_JOB_INIT;
    off_t whole = make_job(&job);
    struct rmx_result result;
    uint64_t id;
    pid_t worker;

    cr_assert_eq(harness_workers(&harness, &worker, 1), 1);
    id = stop_halfway(&job, worker, whole);
    cr_assert_eq(ftruncate(job.input, HALF_BYTES), 0);
    cr_assert_eq(kill(worker, SIGKILL), 0);
    result = harness_wait(client);
    cr_assert_eq(result.id, id);
    cr_assert_eq(result.status, RMX_OK, "%s: %s", rmx_end_name(result.status), result.text);
    cr_assert_eq(size_of(job.output), (off_t)result.bytes_out);
    cr_assert_lt(size_of(job.output), WRITTEN_BYTES);
    close(job.input);
    close(job.output);
}
