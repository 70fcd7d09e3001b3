/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The real worker with jobs whose rings lie in clients' channels, with the test as its lane, which
 * errs now and then, and as its clients, who are honest.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "engine/obituary.h"
#include "engine/worker/worker.h"
#include "ipc/status.h"
#include "tests/channel_jobs.h"

static struct tiny_lane lane;

TestSuite(worker_channel, .timeout = 120);

Test(worker_channel, output_is_that_of_the_stage_on_all_sides_and_in_all_shapes)
{
    static const uint32_t sides[] = { RMX_PORT_CHANNEL_IN, RMX_PORT_CHANNEL_OUT,
        CHANNEL_JOBS_BOTH };
    const struct rmx_job_ring *const shapes[] = { &channel_jobs_small, &channel_jobs_middling,
        &channel_jobs_large };
    const uint32_t in = RMX_PORT_SEEKABLE_IN;
    struct tiny_channel *channel;
    struct media input = { 0 };

    media_make_mp4(&input, NULL); /* the index comes last: it has to seek */
    channel_jobs_start(&lane, 4, 4096);
    channel = tiny_lane_share(&lane, 1, CHANNEL_JOBS_ARENA_BYTES);
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 3; j++) {
            channel_jobs_expect(&lane, channel, &input, "mpegts", in | sides[i], shapes[j]);
            channel_jobs_expect(&lane, channel, &input, "fmp4", in | sides[i], shapes[j]);
            channel_jobs_expect(
                &lane, channel, &input, "mp4", in | RMX_PORT_SEEKABLE_OUT | sides[i], shapes[j]);
        }
    }
    tiny_lane_unshare(&lane, channel);
    tiny_lane_stop(&lane);
    media_free(&input);
}

Test(worker_channel, stream_in_stream_out_with_pauses)
{
    struct rmx_job_spec spec = channel_jobs_spec("mpegts");
    struct tiny_channel *channel;
    struct media input = { 0 };
    struct media wanted;
    struct media got = { 0 };
    struct tiny_job *job;

    media_make_mp4(&input, "+faststart+frag_keyframe+empty_moov");
    wanted = channel_jobs_made_of(&input, "mpegts", 0);
    channel_jobs_start(&lane, 4, 4096);
    channel = tiny_lane_share(&lane, 0, CHANNEL_JOBS_ARENA_BYTES);
    job = tiny_lane_begin_in(
        &lane, channel, &spec, &input, &got, CHANNEL_JOBS_BOTH, &channel_jobs_small);
    for (int i = 0; i < 10; i++) {
        job->starve = i % 2 == 0;
        tiny_lane_serve(&lane, 10);
    }
    cr_assert_eq(tiny_lane_finish(&lane, job).status, RMX_STATUS_OK);
    channel_jobs_expect_same(&got, &wanted);
    tiny_lane_stop(&lane);
    media_free(&input);
    media_free(&wanted);
    media_free(&got);
}

Test(worker_channel, many_jobs_in_two_channels_do_not_mix)
{
    static const char *const formats[] = { "mpegts", "fmp4", "matroska", "flv" };
    const uint32_t port = CHANNEL_JOBS_SEEKING;
    struct media input = { 0 };
    struct media got[TINY_LANE_JOBS] = { 0 };
    struct tiny_job *jobs[TINY_LANE_JOBS];
    struct tiny_channel *channels[2];

    media_make_mp4(&input, NULL);
    channel_jobs_start(&lane, 4, 4096);
    channels[0] = tiny_lane_share(&lane, 0, CHANNEL_JOBS_ARENA_BYTES);
    channels[1] = tiny_lane_share(&lane, 3, CHANNEL_JOBS_ARENA_BYTES);
    for (int i = 0; i < TINY_LANE_JOBS; i++) {
        struct rmx_job_spec spec = channel_jobs_spec(formats[i % 4]);

        jobs[i] = tiny_lane_begin_in(&lane, channels[i / 4 % 2], &spec, &input, &got[i], port,
            i < 8 ? &channel_jobs_small : &channel_jobs_middling);
    }
    for (int i = 0; i < TINY_LANE_JOBS; i++) {
        struct rmx_job_result result = tiny_lane_finish(&lane, jobs[i]);

        cr_assert_eq(result.status, RMX_STATUS_OK, "%s", rmx_status_name(result.status));
        channel_jobs_expect_same(&got[i], &got[i % 4]);
    }
    tiny_lane_unshare(&lane, channels[0]);
    tiny_lane_unshare(&lane, channels[1]);
    tiny_lane_stop(&lane);
    for (int i = 0; i < TINY_LANE_JOBS; i++) {
        media_free(&got[i]);
    }
    media_free(&input);
}

Test(worker_channel, index_that_follows_is_told_before_anything_is_consumed)
{
    struct rmx_job_spec spec = channel_jobs_spec("fmp4");
    struct media input = { 0 };
    struct media got = { 0 };
    struct tiny_job *job;
    struct rmx_job_result result;

    media_make_mp4(&input, NULL);
    channel_jobs_start(&lane, 4, 4096);
    job = tiny_lane_begin_in(&lane, tiny_lane_share(&lane, 0, CHANNEL_JOBS_ARENA_BYTES), &spec,
        &input, &got, CHANNEL_JOBS_BOTH, &channel_jobs_middling);
    result = tiny_lane_finish(&lane, job);
    cr_assert_eq(result.status, RMX_STATUS_NEEDS_SEEKABLE_INPUT);
    cr_assert_not_null(strstr(result.text, "spool"));
    cr_assert_eq(result.bytes_in, 0);
    cr_assert_eq(got.size, 0);
    cr_assert(job->ended, "who reads the output is told, too");
    tiny_lane_stop(&lane);
    media_free(&input);
}

Test(worker_channel, place_that_was_given_back_is_good_for_another)
{
    struct media input = { 0 };

    media_make_mp4(&input, NULL);
    channel_jobs_start(&lane, 4, 4096);
    for (int i = 0; i < 100; i++) {
        struct tiny_channel *channel = tiny_lane_share(&lane, 2, CHANNEL_JOBS_ARENA_BYTES);

        if (i % 10 == 0) {
            channel_jobs_expect(
                &lane, channel, &input, "mpegts", CHANNEL_JOBS_SEEKING, &channel_jobs_middling);
        }
        tiny_lane_unshare(&lane, channel);
    }
    tiny_lane_stop(&lane);
    media_free(&input);
}

Test(worker_channel, two_jobs_of_one_number_are_one_too_many)
{
    struct rmx_job_spec spec = channel_jobs_spec("mpegts");
    const uint32_t port = CHANNEL_JOBS_SEEKING;
    struct media input = { 0 };
    struct media got[2] = { 0 };
    struct tiny_channel *channel;
    struct tiny_job *jobs[2];

    media_make_mp4(&input, NULL);
    channel_jobs_start(&lane, 4, 4096);
    channel = tiny_lane_share(&lane, 0, CHANNEL_JOBS_ARENA_BYTES);
    jobs[0] = tiny_lane_begin_in(&lane, channel, &spec, &input, &got[0], port, &channel_jobs_small);
    jobs[0]->starve = true;
    channel_jobs_starve(&lane, jobs[0]);
    channel->flows = jobs[0]->channel_flow;
    jobs[1] = tiny_lane_begin_in(&lane, channel, &spec, &input, &got[1], port, &channel_jobs_small);
    cr_assert_eq(tiny_lane_finish(&lane, jobs[1]).status, RMX_STATUS_PEER_CORRUPT);
    jobs[0]->starve = false;
    cr_assert_eq(tiny_lane_finish(&lane, jobs[0]).status, RMX_STATUS_OK);
    tiny_lane_stop(&lane);
    media_free(&input);
    media_free(&got[0]);
    media_free(&got[1]);
}

/* --- the lane's mistakes --------------------------------------------------------------------- */

static void expect_end_with(const char *reason)
{
    struct rmx_last_words words;
    int status = tiny_lane_wait_exit(&lane);

    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == RMX_WORKER_PROTOCOL);
    rmx_obituary_read(&lane.berth.shm->last_words, lane.berth.pairs_count, &words);
    cr_assert_not_null(strstr(words.text, reason), "%s", words.text);
    tiny_lane_stop(&lane);
}

Test(worker_channel, message_that_was_announced_and_is_not_there_ends_the_worker)
{
    channel_jobs_start(&lane, 4, 4096);
    tiny_lane_post(&lane, RMX_NOTE_CTL, 0);
    expect_end_with("not there");
}

Test(worker_channel, place_that_is_taken_cannot_be_shared_again)
{
    channel_jobs_start(&lane, 4, 4096);
    (void)tiny_lane_share(&lane, 0, CHANNEL_JOBS_ARENA_BYTES);
    tiny_channel_free(&lane.channels[0]);
    (void)tiny_lane_share(&lane, 0, CHANNEL_JOBS_ARENA_BYTES);
    expect_end_with("nonsense");
}

Test(worker_channel, channel_with_a_job_cannot_be_taken_back)
{
    struct rmx_job_spec spec = channel_jobs_spec("mpegts");
    struct media input = { 0 };
    struct media got = { 0 };
    struct tiny_channel *channel;
    struct tiny_job *job;

    media_make_mp4(&input, NULL);
    channel_jobs_start(&lane, 4, 4096);
    channel = tiny_lane_share(&lane, 0, CHANNEL_JOBS_ARENA_BYTES);
    job = tiny_lane_begin_in(
        &lane, channel, &spec, &input, &got, CHANNEL_JOBS_SEEKING, &channel_jobs_small);
    job->starve = true;
    channel_jobs_starve(&lane, job);
    struct rmx_lane_msg unshare = { .type = RMX_LANE_UNSHARE, .version = RMX_LANE_WIRE_VERSION };

    cr_assert_eq(send(lane.worker_ctl, &unshare, sizeof(unshare), 0), (ssize_t)sizeof(unshare));
    tiny_lane_post(&lane, RMX_NOTE_CTL, 0);
    expect_end_with("nonsense");
    media_free(&input);
}
