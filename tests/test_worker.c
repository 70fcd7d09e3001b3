/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The real zygote and worker, with the test as their lane.
 */
#include "engine/worker/worker.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "engine/obituary.h"
#include "engine/worker/sanitizer.h"
#include "ipc/status.h"
#include "tests/tiny_lane.h"
#include "tests/worker_limit.h"

static struct tiny_lane lane;

TestSuite(worker, .timeout = 120);

static void start(uint32_t slots, uint32_t chunk_bytes)
{
    tiny_lane_start(&lane, slots, chunk_bytes);
    tiny_lane_fork(&lane);
    tiny_lane_adopt(&lane);
}

static struct rmx_job_spec job_of(const char *format)
{
    struct rmx_job_spec spec = media_job(format);

    spec.flags |= RMX_JOB_BITEXACT;
    return spec;
}

static void expect_same(const struct media *got, const struct media *wanted)
{
    cr_assert_eq(got->size, wanted->size, "%zu bytes instead of %zu", got->size, wanted->size);
    cr_assert_eq(memcmp(got->bytes, wanted->bytes, wanted->size), 0);
}

/* Through the worker the bytes must be those of the stage called directly. */
static void expect_as_in_memory(struct media *input, const char *format, uint32_t port)
{
    struct rmx_job_spec spec = job_of(format);
    struct media wanted = { .stream = (port & RMX_PORT_SEEKABLE_OUT) == 0 };
    struct media got = { 0 };
    struct rmx_job_result direct;
    struct rmx_job_result result;

    input->stream = (port & RMX_PORT_SEEKABLE_IN) == 0;
    input->at = 0;
    direct = media_run(&spec, input, &wanted);
    result = tiny_lane_finish(&lane, tiny_lane_begin(&lane, &spec, input, &got, port));
    cr_assert_eq(
        result.status, RMX_STATUS_OK, "%s: %s", rmx_status_name(result.status), result.text);
    cr_assert_eq(result.status, direct.status);
    cr_assert_eq(result.job, spec.job);
    cr_assert_eq(result.packets_out, direct.packets_out);
    cr_assert_eq(result.bytes_out, got.size);
    cr_assert_gt(result.run_ns, 0);
    expect_same(&got, &wanted);
    media_free(&wanted);
    media_free(&got);
}

Test(worker, output_is_that_of_the_stage_through_tiny_rings_and_large)
{
    static const uint32_t shapes[][2] = { { 2, 512 }, { 2, 4096 }, { 16, 65536 } };
    struct media input = { 0 };

    media_make_mp4(&input, NULL); /* the index comes last: it has to seek */
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        start(shapes[i][0], shapes[i][1]);
        expect_as_in_memory(&input, "mpegts", RMX_PORT_SEEKABLE_IN);
        expect_as_in_memory(&input, "fmp4", RMX_PORT_SEEKABLE_IN);
        expect_as_in_memory(&input, "mp4", RMX_PORT_SEEKABLE_IN | RMX_PORT_SEEKABLE_OUT);
        expect_as_in_memory(&input, "matroska", RMX_PORT_SEEKABLE_IN | RMX_PORT_SEEKABLE_OUT);
        tiny_lane_stop(&lane);
    }
    media_free(&input);
}

Test(worker, stream_in_stream_out)
{
    struct media input = { 0 };

    start(2, 512);
    media_make_mp4(&input, "+faststart+frag_keyframe+empty_moov");
    expect_as_in_memory(&input, "mpegts", 0);
    expect_as_in_memory(&input, "fmp4", 0);
    tiny_lane_stop(&lane);
    media_free(&input);
}

Test(worker, random_ids_need_no_file)
{
    struct rmx_job_spec spec = media_job("matroska");
    struct media input = { 0 };
    struct media output = { 0 };

    start(4, 4096);
    media_make_mp4(&input, NULL);
    cr_assert_eq(tiny_lane_finish(
                     &lane, tiny_lane_begin(&lane, &spec, &input, &output, RMX_PORT_SEEKABLE_IN))
                     .status,
        RMX_STATUS_OK);
    tiny_lane_stop(&lane);
    media_free(&input);
    media_free(&output);
}

Test(worker, many_jobs_at_once_do_not_mix)
{
    static const char *const formats[] = { "mpegts", "fmp4", "matroska", "flv" };
    struct media input = { 0 };
    struct media outputs[TINY_LANE_JOBS] = { 0 };
    struct tiny_job *jobs[TINY_LANE_JOBS];

    start(2, 512);
    media_make_mp4(&input, NULL);
    for (int i = 0; i < TINY_LANE_JOBS; i++) {
        struct rmx_job_spec spec = job_of(formats[i % 4]);

        jobs[i] = tiny_lane_begin(&lane, &spec, &input, &outputs[i], RMX_PORT_SEEKABLE_IN);
    }
    for (int i = 0; i < TINY_LANE_JOBS; i++) {
        struct rmx_job_result result = tiny_lane_finish(&lane, jobs[i]);

        cr_assert_eq(
            result.status, RMX_STATUS_OK, "%s: %s", formats[i % 4], rmx_status_name(result.status));
        expect_same(&outputs[i], &outputs[i % 4]);
    }
    tiny_lane_stop(&lane);
    for (int i = 0; i < TINY_LANE_JOBS; i++) {
        media_free(&outputs[i]);
    }
    media_free(&input);
}

Test(worker, noop_and_nonsense_end_at_once)
{
    struct rmx_job_spec noop = { .job = 7, .kind = RMX_JOB_NOOP, .class_ = RMX_CLASS_NORMAL };
    struct rmx_job_spec nonsense = { .job = 8, .kind = 99 };
    struct rmx_job_result result;

    start(2, 512);
    result = tiny_lane_finish(&lane, tiny_lane_begin(&lane, &noop, NULL, NULL, 0));
    cr_assert_eq(result.status, RMX_STATUS_OK);
    cr_assert_eq(result.job, 7);
    result = tiny_lane_finish(&lane, tiny_lane_begin(&lane, &nonsense, NULL, NULL, 0));
    cr_assert_eq(result.status, RMX_STATUS_BAD_JOB);
    cr_assert_neq(result.text[0], 0);
    tiny_lane_stop(&lane);
}

Test(worker, output_that_cannot_be_is_refused_though_no_input_comes)
{
    struct rmx_job_spec spec = job_of("mp4");
    struct media input = { 0 };
    struct media output = { 0 };
    struct rmx_job_result result;
    struct tiny_job *job;

    start(2, 512);
    media_make_mp4(&input, NULL);
    job = tiny_lane_begin(&lane, &spec, &input, &output, 0);
    job->starve = true;
    result = tiny_lane_finish(&lane, job);
    cr_assert_eq(
        result.status, RMX_STATUS_NEEDS_SEEKABLE_OUTPUT, "%s", rmx_status_name(result.status));
    cr_assert_neq(result.text[0], 0);
    tiny_lane_stop(&lane);
    media_free(&input);
}

Test(worker, input_that_must_go_back_is_refused_with_what_to_do)
{
    struct rmx_job_spec spec = job_of("mpegts");
    struct media input = { 0 };
    struct media output = { 0 };
    struct rmx_job_result result;

    start(2, 512);
    media_make_mp4(&input, NULL);
    result = tiny_lane_finish(&lane, tiny_lane_begin(&lane, &spec, &input, &output, 0));
    cr_assert_eq(
        result.status, RMX_STATUS_NEEDS_SEEKABLE_INPUT, "%s", rmx_status_name(result.status));
    cr_assert_not_null(strstr(result.text, "spool"));
    cr_assert_eq(result.bytes_in, 0);
    tiny_lane_stop(&lane);
    media_free(&input);
}

Test(worker, job_that_finds_no_address_space_is_BUSY_and_no_other)
{
    struct rmx_job_spec spec = job_of("mpegts");
    struct media input = { 0 };
    struct media outputs[2] = { 0 };
    struct rmx_job_result result;
    struct tiny_job *first;
    struct tiny_job *second;

    start(2, 512);
    media_make_mp4(&input, NULL);
    first = tiny_lane_begin(&lane, &spec, &input, &outputs[0], RMX_PORT_SEEKABLE_IN);
    first->starve = true;
    tiny_lane_serve(&lane, 50);
    worker_limit_set(lane.worker, RLIMIT_AS, 1);
    second = tiny_lane_begin(&lane, &spec, &input, &outputs[1], RMX_PORT_SEEKABLE_IN);
    result = tiny_lane_finish(&lane, second);
    worker_limit_set(lane.worker, RLIMIT_AS, RLIM_INFINITY);

    cr_assert_eq(result.status, RMX_STATUS_BUSY, "%s", rmx_status_name(result.status));
    cr_assert_eq(result.job, spec.job);
    cr_assert_neq(result.text[0], 0);
    cr_assert(second->ended, "the lane waits for the output's end");
    first->starve = false;
    cr_assert_eq(tiny_lane_finish(&lane, first).status, RMX_STATUS_OK);
    tiny_lane_stop(&lane);
    media_free(&input);
    media_free(&outputs[0]);
    media_free(&outputs[1]);
}

Test(worker, stopped_job_ends_with_the_lanes_reason)
{
    struct rmx_job_spec spec = job_of("mpegts");
    struct media input = { 0 };
    struct media output = { 0 };
    struct tiny_job *job;

    start(2, 512);
    media_make_mp4(&input, NULL);
    job = tiny_lane_begin(&lane, &spec, &input, &output, RMX_PORT_SEEKABLE_IN);
    job->starve = true;
    tiny_lane_serve(&lane, 50);
    cr_assert_not(job->done);
    atomic_store(&rmx_berth_flow(&lane.berth, job->pair)->stop, RMX_STATUS_DEADLINE);
    tiny_lane_post(&lane, RMX_NOTE_CANCEL, job->pair->index);
    cr_assert_eq(tiny_lane_finish(&lane, job).status, RMX_STATUS_DEADLINE);
    expect_as_in_memory(&input, "mpegts", RMX_PORT_SEEKABLE_IN);
    tiny_lane_stop(&lane);
    media_free(&input);
    media_free(&output);
}

static uint64_t resident_pages(pid_t pid)
{
    char text[64];
    char *end = NULL;
    FILE *file;

    (void)snprintf(text, sizeof(text), "/proc/%d/statm", pid);
    file = fopen(text, "r");
    cr_assert_not_null(file);
    cr_assert_not_null(fgets(text, sizeof(text), file));
    (void)fclose(file);
    (void)strtoul(text, &end, 10); /* the second number is it */
    return strtoul(end, NULL, 10);
}

Test(worker, thousand_jobs_leave_nothing_behind)
{
    struct rmx_job_spec spec = job_of("fmp4");
    struct media input = { 0 };
    struct media output = { 0 };
    uint64_t before = 0;
    uint64_t after;

    start(4, 65536);
    media_make_mp4(&input, NULL);
    for (int i = 0; i < 1000; i++) {
        output.size = 0;
        cr_assert_eq(tiny_lane_finish(&lane,
                         tiny_lane_begin(&lane, &spec, &input, &output, RMX_PORT_SEEKABLE_IN))
                         .status,
            RMX_STATUS_OK);
        before = i == 100 ? resident_pages(lane.worker) : before;
    }
    after = resident_pages(lane.worker);
    if (!RMX_WITH_SANITIZER) { /* whose quarantine grows */
        cr_assert_leq(after, before + 64, "%llu pages more", (unsigned long long)(after - before));
    }
    tiny_lane_stop(&lane);
    media_free(&input);
    media_free(&output);
}

Test(worker, killed_worker_is_seen_told_and_buried)
{
    start(2, 512);
    tiny_lane_serve(&lane, 20);
    cr_assert_eq(kill(lane.worker, SIGKILL), 0);
    int status = tiny_lane_wait_exit(&lane);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    cr_assert_eq(kill(lane.worker, 0), -1);
    cr_assert_eq(errno, ESRCH, "no zombie");
    rmx_berth_reset(&lane.berth);
    tiny_lane_fork(&lane); /* the same arena is good for the next */
    tiny_lane_adopt(&lane);
    struct rmx_job_spec noop = { .job = 7, .kind = RMX_JOB_NOOP, .class_ = RMX_CLASS_NORMAL };
    cr_assert_eq(tiny_lane_finish(&lane, tiny_lane_begin(&lane, &noop, NULL, NULL, 0)).status, 0);
    tiny_lane_stop(&lane);
}

Test(worker, crash_leaves_last_words)
{
    struct rmx_job_spec noop = { .job = 7, .kind = RMX_JOB_NOOP, .class_ = RMX_CLASS_NORMAL };
    struct rmx_last_words words;

    start(2, 512);
    cr_assert_eq(tiny_lane_finish(&lane, tiny_lane_begin(&lane, &noop, NULL, NULL, 0)).status, 0);
    tiny_lane_serve(&lane, 20);
    cr_assert_eq(kill(lane.worker, SIGABRT), 0);
    int status = tiny_lane_wait_exit(&lane);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    rmx_obituary_read(&lane.berth.shm->last_words, lane.berth.pairs_count, &words);
    cr_assert_eq(words.signal, SIGABRT);
    cr_assert_eq(words.jobs, 1);
    cr_assert_eq(words.flow, UINT32_MAX);
    cr_assert_str_eq(words.text, "SIGABRT");
    tiny_lane_stop(&lane);
}

Test(worker, note_about_no_flow_ends_the_worker_with_a_reason)
{
    struct rmx_last_words words;

    start(2, 512);
    tiny_lane_post(&lane, RMX_NOTE_RUN, 9999);
    int status = tiny_lane_wait_exit(&lane);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == RMX_WORKER_PROTOCOL);
    rmx_obituary_read(&lane.berth.shm->last_words, lane.berth.pairs_count, &words);
    cr_assert_not_null(strstr(words.text, "not in the table"));
    tiny_lane_stop(&lane);
}

Test(worker, spare_and_worker_end_with_a_hangup)
{
    tiny_lane_start(&lane, 2, 512);
    tiny_lane_fork(&lane);
    rmx_base_close(&lane.worker_ctl);
    int status = tiny_lane_wait_exit(&lane);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == RMX_WORKER_DONE);
    tiny_lane_fork(&lane);
    tiny_lane_adopt(&lane);
    tiny_lane_serve(&lane, 20);
    rmx_base_close(&lane.worker_ctl);
    status = tiny_lane_wait_exit(&lane);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == RMX_WORKER_DONE);
    tiny_lane_stop(&lane);
}
