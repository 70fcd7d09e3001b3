/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The real worker when its memory is used up: who is told what.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/worker/sanitizer.h"
#include "ipc/status.h"
#include "tests/tiny_lane.h"
#include "tests/worker_limit.h"

#define LARGE_BYTES (8u << 20)

static struct tiny_lane lane;
static struct media small;
static struct media large;

TestSuite(worker_memory, .timeout = 60, .disabled = RMX_WITH_SANITIZER); /* without our heap */

static struct tiny_job *begin(struct media *input, struct media *output, uint32_t flags)
{
    struct rmx_job_spec spec = media_job("mpegts");

    spec.flags |= flags;
    return tiny_lane_begin(&lane, &spec, input, output, RMX_PORT_SEEKABLE_IN);
}

static struct rmx_job_result run(struct media *input)
{
    struct media output = { 0 };
    struct rmx_job_result result = tiny_lane_finish(&lane, begin(input, &output, 0));

    media_free(&output);
    return result;
}

static void expect(const struct rmx_job_result *result, enum rmx_status status, const char *text)
{
    cr_assert_eq(result->status, status, "%s: %s", rmx_status_name(result->status), result->text);
    cr_assert_not_null(strstr(result->text, text), "%s", result->text);
}

static void start(void)
{
    media_make_mp4(&small, "+frag_keyframe+empty_moov"); /* good for a live job */
    media_make_large_mp4(&large, LARGE_BYTES);
    tiny_lane_start(&lane, 16, 65536);
    tiny_lane_fork(&lane);
    tiny_lane_adopt(&lane);
}

static void stop(void)
{
    tiny_lane_stop(&lane);
    media_free(&small);
    media_free(&large);
}

Test(worker_memory, job_that_finds_what_others_left_too_little_is_BUSY_and_good_later)
{
    struct media outputs[2] = { 0 };
    struct tiny_job *live[2];
    struct rmx_job_result result;

    start();
    for (int i = 0; i < 2; i++) {
        live[i] = begin(&small, &outputs[i], RMX_JOB_LIVE);
        live[i]->starve = true;
    }
    result = run(&small); /* what it needed is there for the next */
    expect(&result, RMX_STATUS_OK, "");
    worker_limit_set(lane.worker, RLIMIT_DATA, 1);
    result = run(&large);
    expect(&result, RMX_STATUS_BUSY, "try again");
    worker_limit_set(lane.worker, RLIMIT_DATA, RLIM_INFINITY);
    result = run(&large);
    expect(&result, RMX_STATUS_OK, "");
    for (int i = 0; i < 2; i++) {
        live[i]->starve = false;
        result = tiny_lane_finish(&lane, live[i]);
        expect(&result, RMX_STATUS_OK, "");
        media_free(&outputs[i]);
    }
    stop();
}

Test(worker_memory, job_that_needs_more_than_there_is_without_others_is_OVER_LIMIT)
{
    struct rmx_job_result result;

    start();
    result = run(&small);
    expect(&result, RMX_STATUS_OK, "");
    worker_limit_set(lane.worker, RLIMIT_DATA, 1);
    result = run(&large);
    expect(&result, RMX_STATUS_OVER_LIMIT, "more memory");
    worker_limit_set(lane.worker, RLIMIT_DATA, RLIM_INFINITY);
    result = run(&large);
    expect(&result, RMX_STATUS_OK, "");
    stop();
}
