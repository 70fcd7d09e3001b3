/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs of several inputs and outputs through a real daemon: what each output gets, who is dropped,
 * and that nothing is left of their descriptors however they end.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/harness.h"

static struct harness harness;
static struct rmx_client *client;

static void set_up(void)
{
    static const char *const settings[] = { "--workers=1", "--drop-after=50ms", NULL };

    harness_start(&harness, settings);
    client = harness_client(&harness);
}

static void tear_down(void)
{
    harness_counter_becomes(client, "fds_open", 0);
    rmx_close(&client);
    harness_stop(&harness);
}

TestSuite(e2e_ports, .init = set_up, .fini = tear_down, .timeout = 180);

static struct rmx_result run(const struct rmx_job *job)
{
    uint64_t id;

    cr_assert_eq(rmx_submit(client, job, 1, &id), 1);
    return harness_wait(client);
}

static void expect(const struct rmx_result *result, uint32_t status)
{
    cr_assert_eq(result->status, status, "%s: %s", rmx_end_name(result->status), result->text);
}

/* What a job with this output alone makes of the input: its hash. */
static uint64_t alone(const char *input, const char *format, const char *const *maps)
{
    struct rmx_job job = RMX_JOB_INIT;
    uint64_t hash;

    job.input = harness_input(input);
    job.output = harness_output(&harness, "alone");
    job.format = format;
    job.maps = maps;
    job.flags = RMX_BITEXACT;
    struct rmx_result result = run(&job);
    expect(&result, RMX_OK);
    hash = harness_hash(job.output);
    close(job.input);
    close(job.output);
    return hash;
}

static void close_all(const struct rmx_job *job)
{
    close(job->input);
    close(job->output);
    for (uint32_t i = 0; i < job->more_input_count; i++) {
        close(job->more_inputs[i]);
    }
    for (uint32_t i = 0; i < job->more_output_count; i++) {
        close(job->more_outputs[i]);
    }
}

Test(e2e_ports, each_output_is_what_a_job_of_its_own_would_make)
{
    static const char *const edits[] = { "format:1=mpegts", "format:2=matroska", "map:2=a",
        "format:3=mp4", NULL };
    static const char *const sound[] = { "a", NULL };
    const char *input = harness_media("large.mp4");
    const int more[] = { harness_output(&harness, "1"), harness_output(&harness, "2"),
        harness_output(&harness, "3") };
    struct rmx_job job = RMX_JOB_INIT;

    job.input = harness_input(input);
    job.output = harness_output(&harness, "0");
    job.format = "fmp4";
    job.edits = edits;
    job.flags = RMX_BITEXACT;
    job.more_outputs = more;
    job.more_output_count = 3;
    struct rmx_result result = run(&job);

    expect(&result, RMX_OK);
    cr_assert_eq(harness_hash(job.output), alone(input, "fmp4", NULL));
    cr_assert_eq(harness_hash(more[0]), alone(input, "mpegts", NULL));
    cr_assert_eq(harness_hash(more[1]), alone(input, "matroska", sound));
    cr_assert_eq(harness_hash(more[2]), alone(input, "mp4", NULL));
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(result.output_status[i], RMX_OK);
    }
    close_all(&job);
}

Test(e2e_ports, two_inputs_are_merged)
{
    static const char *const maps[] = { "0:v", "1:a", NULL };
    const char *input = harness_media("large.mp4");
    const int more = harness_input(input);
    struct rmx_job job = RMX_JOB_INIT;

    job.input = harness_input(input);
    job.more_inputs = &more;
    job.more_input_count = 1;
    job.output = harness_output(&harness, "merged");
    job.format = "mpegts";
    job.maps = maps;
    job.flags = RMX_BITEXACT;
    struct rmx_result result = run(&job);

    expect(&result, RMX_OK);
    cr_assert_eq(harness_hash(job.output), alone(input, "mpegts", NULL));
    close_all(&job);
}

/* A pipe that the file goes into, by a process of its own. */
static int piped(const char *path)
{
    int fds[2];

    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        char bytes[4096];
        int file = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        close(fds[0]);
        while ((n = read(file, bytes, sizeof(bytes))) > 0 && write(fds[1], bytes, (size_t)n) == n) {
        }
        _exit(0);
    }
    close(fds[1]);
    return fds[0];
}

static uint64_t joined(int first, int second, struct rmx_result *result)
{
    static const char *const edits[] = { "join=concat", NULL };
    struct rmx_job job = RMX_JOB_INIT;
    uint64_t hash;

    job.input = first;
    job.more_inputs = &second;
    job.more_input_count = 1;
    job.output = harness_output(&harness, "joined");
    job.format = "matroska";
    job.edits = edits;
    job.flags = RMX_BITEXACT;
    *result = run(&job);
    hash = harness_hash(job.output);
    close_all(&job);
    return hash;
}

Test(e2e_ports, pipes_are_joined_as_files_are)
{
    const char *input = harness_media("small.ts");
    struct rmx_result result;
    uint64_t files = joined(harness_input(input), harness_input(input), &result);

    expect(&result, RMX_OK);
    cr_assert_eq(joined(piped(input), piped(input), &result), files, "%s", result.text);
    expect(&result, RMX_OK);
}

Test(e2e_ports, pipes_cannot_be_merged)
{
    const char *input = harness_media("small.ts");
    const int more = piped(input);
    struct rmx_job job = RMX_JOB_INIT;

    job.input = piped(input);
    job.more_inputs = &more;
    job.more_input_count = 1;
    job.output = harness_output(&harness, "merged");
    job.format = "mpegts";
    struct rmx_result result = run(&job);

    expect(&result, RMX_NEEDS_SEEKABLE_INPUT);
    close_all(&job);
}

Test(e2e_ports, a_slow_reader_is_dropped_and_the_file_has_all)
{
    static const char *const edits[] = { "format:1=mpegts", "when_slow:1=drop", NULL };
    const char *input = harness_media("large.mp4");
    struct rmx_job job = RMX_JOB_INIT;
    int pipe_fds[2];

    cr_assert_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
    job.input = harness_input(input);
    job.output = harness_output(&harness, "0");
    job.format = "fmp4";
    job.edits = edits;
    job.flags = RMX_BITEXACT;
    job.more_outputs = &pipe_fds[1];
    job.more_output_count = 1;
    struct rmx_result result = run(&job);

    expect(&result, RMX_OK);
    cr_assert_eq(result.output_status[0], RMX_OK);
    cr_assert_eq(result.output_status[1], RMX_OUTPUT_STALLED);
    cr_assert_eq(harness_hash(job.output), alone(input, "fmp4", NULL));
    close(pipe_fds[0]);
    close_all(&job);
}

Test(e2e_ports, a_reader_who_leaves_is_dropped_or_ends_the_job)
{
    static const char *const drops[] = { "format:1=mpegts", "when_slow:1=drop", NULL };
    static const char *const blocks[] = { "format:1=mpegts", NULL };
    const char *input = harness_media("large.mp4");

    for (int i = 0; i < 2; i++) {
        struct rmx_job job = RMX_JOB_INIT;
        int pipe_fds[2];

        cr_assert_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
        close(pipe_fds[0]);
        job.input = harness_input(input);
        job.output = harness_output(&harness, "0");
        job.format = "fmp4";
        job.edits = i == 0 ? drops : blocks;
        job.more_outputs = &pipe_fds[1];
        job.more_output_count = 1;
        struct rmx_result result = run(&job);

        expect(&result, i == 0 ? RMX_OK : RMX_OUTPUT_CLOSED);
        cr_assert_eq(result.output_status[0], RMX_OK);
        cr_assert_eq(result.output_status[1], RMX_OUTPUT_CLOSED, "dropped, or to blame");
        close_all(&job);
    }
}

Test(e2e_ports, which_one_cannot_be_used_is_said)
{
    static const char *const edits[] = { "format:1=mpegts", "format:2=mpegts", NULL };
    const int more[] = { harness_output(&harness, "1"), harness_input(harness_media("small.ts")) };
    struct rmx_job job = RMX_JOB_INIT;

    job.input = harness_input(harness_media("small.ts"));
    job.output = harness_output(&harness, "0");
    job.format = "fmp4";
    job.edits = edits;
    job.more_outputs = more;
    job.more_output_count = 2;
    struct rmx_result result = run(&job);

    expect(&result, RMX_BAD_JOB);
    cr_assert_not_null(strstr(result.text, "output 2"), "%s", result.text);
    close_all(&job);
}
