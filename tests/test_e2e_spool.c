/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs that keep their input or output in a file of the daemon's meanwhile: what comes out of them,
 * and that nothing is left of the file however they end.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/spool_case.h"

static void set_up(void)
{
    static const char *const settings[] = { "--flows-small=8", "--flows-bulk=4", "--workers=1",
        "--credits=32", "--spool-bytes=256MiB", "--spool-total-bytes=1GiB", NULL };

    spool_start(settings);
}

TestSuite(e2e_spool, .init = set_up, .fini = spool_stop, .timeout = 180);

/* The name of the box at `at`; moves on to the next. */
static void next_box(int file, uint64_t *at, char name[5])
{
    unsigned char head[8];

    cr_assert_eq(pread(file, head, sizeof(head), (off_t)*at), (ssize_t)sizeof(head));
    memcpy(name, head + 4, 4);
    name[4] = 0;
    *at += (uint64_t)head[0] << 24 | (uint64_t)head[1] << 16 | (uint64_t)head[2] << 8 | head[3];
}

static bool index_is_first(int file)
{
    uint64_t at = 0;
    char name[5];

    do {
        next_box(file, &at, name);
    } while (strcmp(name, "moov") != 0 && strcmp(name, "mdat") != 0);
    return strcmp(name, "moov") == 0;
}

Test(e2e_spool, index_at_the_end_of_a_pipe_is_reached_with_a_spool_and_only_so)
{
    int plain = harness_output(&spool_harness, "plain");
    int piped = harness_output(&spool_harness, "piped");
    const char *path = harness_media("large.mp4");
    struct rmx_result result = spool_run(path, false, plain, false, "fmp4", 0, NULL);

    spool_expect(&result, RMX_OK);
    result = spool_run(path, true, piped, false, "fmp4", 0, NULL);
    spool_expect(&result, RMX_NEEDS_SEEKABLE_INPUT);
    cr_assert_lt(result.bytes_in, spool_size(plain) / 4, "it is told before all is read");
    result = spool_run(path, true, piped, false, "fmp4", RMX_SPOOL, NULL);
    spool_expect(&result, RMX_OK);
    spool_expect_same(piped, plain);
    cr_assert_eq(result.bytes_out, spool_size(plain));
    cr_assert_gt(result.packets_out, 1000);
    cr_assert_eq(result.bytes_in, spool_size(harness_input(path)));
    close(plain);
    close(piped);
}

Test(e2e_spool, stream_that_need_not_go_back_goes_straight_through)
{
    int plain = harness_output(&spool_harness, "plain");
    int piped = harness_output(&spool_harness, "piped");
    const char *path = harness_media("live.ts");
    struct rmx_result result = spool_run(path, true, plain, true, "fmp4", 0, NULL);

    spool_expect(&result, RMX_OK);
    result = spool_run(path, true, piped, true, "fmp4", RMX_SPOOL, NULL);
    spool_expect(&result, RMX_OK);
    spool_expect_same(piped, plain);
    cr_assert_eq(result.bytes_in, spool_size(harness_input(path)));
    cr_assert_eq(result.bytes_out, spool_size(plain));
    close(plain);
    close(piped);
}

Test(e2e_spool, progressive_mp4_leaves_through_a_pipe_as_it_would_be_in_a_file)
{
    int plain = harness_output(&spool_harness, "plain");
    int piped = harness_output(&spool_harness, "piped");
    const char *path = harness_media("live.ts");
    struct rmx_result result = spool_run(path, false, plain, false, "mp4", 0, NULL);
    uint64_t bytes_in = result.bytes_in;

    spool_expect(&result, RMX_OK);
    result = spool_run(path, true, piped, true, "mp4", 0, NULL);
    spool_expect(&result, RMX_NEEDS_SEEKABLE_OUTPUT);
    result = spool_run(path, true, piped, true, "mp4", RMX_SPOOL, NULL);
    spool_expect(&result, RMX_OK);
    spool_expect_same(piped, plain);
    cr_assert_eq(result.bytes_in, spool_size(harness_input(path)));
    cr_assert_eq(result.bytes_out, spool_size(plain));
    result = spool_run(path, false, piped, true, "mp4", 0, NULL); /* read twice */
    spool_expect(&result, RMX_OK);
    spool_expect_same(piped, plain);
    cr_assert_geq(result.bytes_in, 2 * bytes_in);
    cr_assert_eq(result.bytes_out, spool_size(plain));
    close(plain);
    close(piped);
}

Test(e2e_spool, faststart_puts_the_index_first_in_a_pipe_and_in_a_file)
{
    static const char *const options[] = { "movflags=+faststart", NULL };
    int plain = harness_output(&spool_harness, "plain");
    int fast = harness_output(&spool_harness, "fast");
    int piped = harness_output(&spool_harness, "piped");
    const char *path = harness_media("large.mp4");
    struct rmx_result result = spool_run(path, false, plain, false, "mp4", 0, NULL);

    spool_expect(&result, RMX_OK);
    cr_assert_not(index_is_first(plain));
    result = spool_run(path, false, fast, false, "mp4", 0, options);
    spool_expect(&result, RMX_OK);
    cr_assert(index_is_first(fast));
    result = spool_run(path, false, piped, true, "mp4", 0, options);
    spool_expect(&result, RMX_OK);
    spool_expect_same(piped, fast);
    result = spool_run(path, true, piped, true, "mp4", RMX_SPOOL, options); /* two passes */
    spool_expect(&result, RMX_OK);
    spool_expect_same(piped, fast);
    cr_assert_eq(result.bytes_in, spool_size(harness_input(path)));
    cr_assert_eq(result.bytes_out, spool_size(fast));
    cr_assert_gt(result.packets_out, 1000);
    close(plain);
    close(fast);
    close(piped);
}

Test(e2e_spool, empty_and_broken_inputs_end_as_they_do_without)
{
    int output = harness_output(&spool_harness, "out");
    struct rmx_result result = spool_run("/dev/null", true, output, true, "mp4", RMX_SPOOL, NULL);

    spool_expect(&result, RMX_BAD_MEDIA);
    result = spool_run(spool_harness.log, true, output, true, "mp4", RMX_SPOOL, NULL);
    cr_assert(result.status == RMX_BAD_MEDIA || result.status == RMX_UNSUPPORTED, "%s",
        rmx_end_name(result.status));
    cr_assert_eq(result.bytes_out, 0);
    close(output);
}

Test(e2e_spool, many_at_once_do_not_mix)
{
    enum { JOBS = 8 };
    struct spool_pump in[JOBS];
    struct spool_pump out[JOBS];
    int files[JOBS];
    int plain = harness_output(&spool_harness, "plain");
    struct rmx_result result =
        spool_run(harness_media("large.mp4"), false, plain, false, "mp4", 0, NULL);

    spool_expect(&result, RMX_OK);
    for (int i = 0; i < JOBS; i++) {
        char name[32];
        int input = spool_pipe_from(&in[i], harness_media("large.mp4"));
        int output;

        (void)snprintf(name, sizeof(name), "piped%d", i);
        files[i] = harness_output(&spool_harness, name);
        output = spool_pipe_into(&out[i], files[i]);
        (void)spool_submit(input, output, "mp4", RMX_SPOOL, NULL);
        close(input);
        close(output);
    }
    for (int i = 0; i < JOBS; i++) {
        result = harness_wait(spool_client);
        spool_expect(&result, RMX_OK);
    }
    for (int i = 0; i < JOBS; i++) {
        cr_assert_eq(pthread_join(in[i].thread, NULL), 0);
        cr_assert_eq(pthread_join(out[i].thread, NULL), 0);
        spool_expect_same(files[i], plain);
        close(files[i]);
    }
    close(plain);
}

/* --- ends ------------------------------------------------------------------------------------- */

Test(e2e_spool, cancelled_job_leaves_nothing_in_any_pass)
{
    for (enum spool_pass pass = IN_SPOOL; pass < SPOOL_PASSES; pass++) {
        struct spool_stalled stalled;
        struct rmx_result result;

        spool_stall(pass, &stalled);
        cr_assert_eq(rmx_cancel(spool_client, stalled.id), 0);
        result = harness_wait(spool_client);
        spool_expect(&result, RMX_CANCELLED);
        spool_let_go(&stalled);
    }
}

Test(e2e_spool, client_that_goes_away_leaves_nothing_in_any_pass)
{
    for (enum spool_pass pass = IN_SPOOL; pass < SPOOL_PASSES; pass++) {
        struct spool_stalled stalled;

        spool_stall(pass, &stalled);
        rmx_close(&spool_client);
        spool_client = harness_client(&spool_harness);
        spool_let_go(&stalled);
    }
}

Test(e2e_spool, worker_that_dies_leaves_nothing_in_any_pass)
{
    for (enum spool_pass pass = IN_SPOOL; pass < SPOOL_PASSES; pass++) {
        struct spool_stalled stalled;
        struct rmx_result result;
        pid_t worker;

        spool_stall(pass, &stalled);
        while (harness_workers(&spool_harness, &worker, 1) != 1) {
            (void)poll(NULL, 0, 5);
        }
        cr_assert_eq(kill(worker, SIGKILL), 0);
        result = harness_wait(spool_client);
        spool_expect(&result, RMX_WORKER_LOST);
        spool_let_go(&stalled);
    }
}

Test(e2e_spool, reader_that_goes_away_ends_it_in_its_last_pass)
{
    struct spool_stalled stalled;
    struct rmx_result result;

    spool_stall(IN_DELIVER, &stalled);
    close(stalled.held[0]);
    stalled.held[0] = -1;
    result = harness_wait(spool_client);
    spool_expect(&result, RMX_OUTPUT_CLOSED);
    cr_assert_eq(result.cause, -EPIPE);
    spool_let_go(&stalled);
}

/* --- limits ----------------------------------------------------------------------------------- */

TestSuite(e2e_spool_limits, .timeout = 180);

/* Of its input, or of its output. */
static void expect_no_room(bool of_input, enum rmx_end status, const char *named)
{
    int output = harness_output(&spool_harness, "out");
    struct rmx_result result = spool_run(harness_media(of_input ? "large.mp4" : "large.ts"), true,
        output, true, of_input ? "fmp4" : "mp4", RMX_SPOOL, NULL);

    spool_expect(&result, status);
    cr_assert_not_null(strstr(result.text, named), "%s", result.text);
    cr_assert_eq(result.cause, 0);
    cr_assert_eq(result.bytes_out, 0);
    result = spool_run(harness_media("live.ts"), true, output, true, "fmp4", RMX_SPOOL, NULL);
    spool_expect(&result, RMX_OK);
    close(output);
}

Test(e2e_spool_limits, job_that_wants_more_than_spool_bytes_is_OVER_LIMIT)
{
    static const char *const settings[] = { "--workers=1", "--spool-bytes=2MiB", NULL };

    spool_start(settings);
    expect_no_room(true, RMX_OVER_LIMIT, "spool_bytes");
    expect_no_room(false, RMX_OVER_LIMIT, "spool_bytes");
    spool_stop();
}

Test(e2e_spool_limits, both_spools_of_a_job_count)
{
    static const char *const settings[] = { "--workers=1", "--spool-bytes=8MiB", NULL };
    struct rmx_result result;
    int output;

    spool_start(settings);
    output = harness_output(&spool_harness, "out");
    result = spool_run(harness_media("sound.mov"), true, output, true, "mov", RMX_SPOOL, NULL);
    spool_expect(&result, RMX_OK); /* one, which is read twice */
    result = spool_run(harness_media("sound.mov"), true, output, true, "caf", RMX_SPOOL, NULL);
    spool_expect(&result, RMX_OVER_LIMIT);
    close(output);
    spool_stop();
}

Test(e2e_spool_limits, job_that_finds_too_little_left_by_others_is_BUSY)
{
    static const char *const settings[] = { "--workers=1", "--lanes=1", "--spool-bytes=40MiB",
        "--spool-total-bytes=40MiB", NULL };
    struct spool_stalled stalled;
    struct rmx_result result;
    int output;

    spool_start(settings);
    output = harness_output(&spool_harness, "out");
    spool_stall(IN_JOB, &stalled);
    result = spool_run(harness_media("large.mp4"), true, output, true, "fmp4", RMX_SPOOL, NULL);
    spool_expect(&result, RMX_BUSY);
    cr_assert_not_null(strstr(result.text, "spool_total_bytes"), "%s", result.text);
    cr_assert_eq(rmx_cancel(spool_client, stalled.id), 0);
    (void)harness_wait(spool_client);
    spool_let_go(&stalled);
    result = spool_run(harness_media("large.mp4"), true, output, true, "fmp4", RMX_SPOOL, NULL);
    spool_expect(&result, RMX_OK); /* there is room again */
    close(output);
    spool_stop();
}

Test(e2e_spool_limits, full_directory_is_BUSY)
{
    char dir[] = "/tmp/ringmux-full-XXXXXX";
    char setting[64];
    const char *settings[] = { "--workers=1", setting, NULL };

    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(setting, sizeof(setting), "--spool-dir=%s", dir);
    if (mount("tmpfs", dir, "tmpfs", 0, "size=2m") < 0) {
        (void)rmdir(dir);
        cr_skip_test("mounting is not allowed here");
    }
    spool_start(settings);
    expect_no_room(true, RMX_BUSY, "spool_dir is full");
    expect_no_room(false, RMX_BUSY, "spool_dir is full");
    spool_stop();
    cr_assert_eq(umount(dir), 0);
    (void)rmdir(dir);
}

Test(e2e_spool_limits, daemon_without_a_directory_serves_all_that_need_none)
{
    static const char *const settings[] = { "--workers=1", "--spool-dir=/proc/none", NULL };
    static const char *const faststart[] = { "movflags=+faststart", NULL };
    struct rmx_result result;
    int output;

    spool_start(settings);
    output = harness_output(&spool_harness, "out");
    result = spool_run(harness_media("small.mp4"), false, output, true, "fmp4", RMX_SPOOL, NULL);
    spool_expect(&result, RMX_OK);
    result = spool_run(harness_media("live.ts"), true, output, true, "fmp4", RMX_SPOOL, NULL);
    spool_expect(&result, RMX_OK);
    result = spool_run(harness_media("live.ts"), true, output, true, "mp4", RMX_SPOOL, NULL);
    spool_expect(&result, RMX_NEEDS_SEEKABLE_OUTPUT);
    cr_assert_not_null(strstr(result.text, "spool_dir"), "%s", result.text);
    result = spool_run(harness_media("live.ts"), true, output, false, "mp4", RMX_SPOOL, faststart);
    spool_expect(&result, RMX_NEEDS_SEEKABLE_OUTPUT);
    cr_assert_not_null(strstr(result.text, "spool_dir"), "%s", result.text);
    result = spool_run(harness_media("large.mp4"), true, output, true, "fmp4", RMX_SPOOL, NULL);
    spool_expect(&result, RMX_NEEDS_SEEKABLE_INPUT);
    cr_assert_not_null(strstr(result.text, "spool_dir"), "%s", result.text);
    close(output);
    spool_stop();
}

Test(e2e_spool_limits, directory_that_goes_away_is_named)
{
    char dir[] = "/tmp/ringmux-gone-XXXXXX";
    char setting[64];
    const char *settings[] = { "--workers=1", setting, NULL };
    struct rmx_result result;
    int output;

    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(setting, sizeof(setting), "--spool-dir=%s", dir);
    spool_start(settings);
    cr_assert_eq(rmdir(dir), 0);
    output = harness_output(&spool_harness, "out");
    result = spool_run(harness_media("large.mp4"), true, output, true, "fmp4", RMX_SPOOL, NULL);
    spool_expect(&result, RMX_NEEDS_SEEKABLE_INPUT);
    cr_assert_not_null(strstr(result.text, "spool_dir"), "%s", result.text);
    result = spool_run(harness_media("small.mp4"), false, output, true, "caf", RMX_SPOOL, NULL);
    spool_expect(&result, RMX_NEEDS_SEEKABLE_OUTPUT);
    cr_assert_not_null(strstr(result.text, "spool_dir"), "%s", result.text);
    close(output);
    spool_stop();
}
