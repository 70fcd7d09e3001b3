/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The real worker with jobs whose rings lie in clients' channels, with the test as its lane and as
 * its clients, honest and not.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/obituary.h"
#include "engine/worker/worker.h"
#include "ipc/status.h"
#include "tests/tiny_lane.h"

#define ARENA_BYTES (8u << 20)
#define BOTH_RINGS  (RMX_PORT_CHANNEL_IN | RMX_PORT_CHANNEL_OUT)

static const struct rmx_job_ring small = { .slots = 2, .chunk_bytes = 512 };
static const struct rmx_job_ring middling = { .slots = 16, .chunk_bytes = 4096 };
static const struct rmx_job_ring large = { .slots = 64, .chunk_bytes = 16384 };

static struct tiny_lane lane;

TestSuite(worker_channel, .timeout = 120);

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void start(void)
{
    tiny_lane_start(&lane, 4, 4096);
    tiny_lane_fork(&lane);
    tiny_lane_adopt(&lane);
}

static struct rmx_job_spec job_of(const char *format)
{
    struct rmx_job_spec spec = media_job(format);

    spec.flags |= RMX_JOB_BITEXACT;
    return spec;
}

/* What the stage by itself makes of it. */
static struct media made_of(struct media *input, const char *format, uint32_t port)
{
    struct rmx_job_spec spec = job_of(format);
    struct media wanted = { .stream = (port & RMX_PORT_SEEKABLE_OUT) == 0 };
    struct rmx_job_result result;

    input->stream = (port & RMX_PORT_SEEKABLE_IN) == 0;
    input->at = 0;
    result = media_run(&spec, input, &wanted);
    cr_assert_eq(result.status, RMX_STATUS_OK, "%s", rmx_status_name(result.status));
    return wanted;
}

static void expect_same(const struct media *got, const struct media *wanted)
{
    cr_assert_eq(got->size, wanted->size, "%zu bytes instead of %zu", got->size, wanted->size);
    cr_assert_eq(memcmp(got->bytes, wanted->bytes, wanted->size), 0);
}

static void expect_as_in_memory(struct tiny_channel *channel, struct media *input,
    const char *format, uint32_t port, const struct rmx_job_ring *shape)
{
    struct rmx_job_spec spec = job_of(format);
    struct media wanted = made_of(input, format, port);
    struct media got = { 0 };
    struct rmx_job_result result;

    channel->next_at = RMX_CHANNEL_RINGS_AT;
    result = tiny_lane_finish(
        &lane, tiny_lane_begin_in(&lane, channel, &spec, input, &got, port, shape));
    cr_assert_eq(
        result.status, RMX_STATUS_OK, "%s: %s", rmx_status_name(result.status), result.text);
    cr_assert_eq(result.bytes_out, got.size);
    expect_same(&got, &wanted);
    media_free(&wanted);
    media_free(&got);
}

Test(worker_channel, output_is_that_of_the_stage_on_all_sides_and_in_all_shapes)
{
    static const uint32_t sides[] = { RMX_PORT_CHANNEL_IN, RMX_PORT_CHANNEL_OUT, BOTH_RINGS };
    const struct rmx_job_ring *const shapes[] = { &small, &middling, &large };
    const uint32_t in = RMX_PORT_SEEKABLE_IN;
    struct tiny_channel *channel;
    struct media input = { 0 };

    media_make_mp4(&input, NULL); /* the index comes last: it has to seek */
    start();
    channel = tiny_lane_share(&lane, 1, ARENA_BYTES);
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 3; j++) {
            expect_as_in_memory(channel, &input, "mpegts", in | sides[i], shapes[j]);
            expect_as_in_memory(channel, &input, "fmp4", in | sides[i], shapes[j]);
            expect_as_in_memory(
                channel, &input, "mp4", in | RMX_PORT_SEEKABLE_OUT | sides[i], shapes[j]);
        }
    }
    tiny_lane_unshare(&lane, channel);
    tiny_lane_stop(&lane);
    media_free(&input);
}

Test(worker_channel, stream_in_stream_out_with_pauses)
{
    struct rmx_job_spec spec = job_of("mpegts");
    struct tiny_channel *channel;
    struct media input = { 0 };
    struct media wanted;
    struct media got = { 0 };
    struct tiny_job *job;

    media_make_mp4(&input, "+faststart+frag_keyframe+empty_moov");
    wanted = made_of(&input, "mpegts", 0);
    start();
    channel = tiny_lane_share(&lane, 0, ARENA_BYTES);
    job = tiny_lane_begin_in(&lane, channel, &spec, &input, &got, BOTH_RINGS, &small);
    for (int i = 0; i < 10; i++) {
        job->starve = i % 2 == 0;
        tiny_lane_serve(&lane, 10);
    }
    cr_assert_eq(tiny_lane_finish(&lane, job).status, RMX_STATUS_OK);
    expect_same(&got, &wanted);
    tiny_lane_stop(&lane);
    media_free(&input);
    media_free(&wanted);
    media_free(&got);
}

Test(worker_channel, many_jobs_in_two_channels_do_not_mix)
{
    static const char *const formats[] = { "mpegts", "fmp4", "matroska", "flv" };
    const uint32_t port = BOTH_RINGS | RMX_PORT_SEEKABLE_IN;
    struct media input = { 0 };
    struct media got[TINY_LANE_JOBS] = { 0 };
    struct tiny_job *jobs[TINY_LANE_JOBS];
    struct tiny_channel *channels[2];

    media_make_mp4(&input, NULL);
    start();
    channels[0] = tiny_lane_share(&lane, 0, ARENA_BYTES);
    channels[1] = tiny_lane_share(&lane, 3, ARENA_BYTES);
    for (int i = 0; i < TINY_LANE_JOBS; i++) {
        struct rmx_job_spec spec = job_of(formats[i % 4]);

        jobs[i] = tiny_lane_begin_in(
            &lane, channels[i / 4 % 2], &spec, &input, &got[i], port, i < 8 ? &small : &middling);
    }
    for (int i = 0; i < TINY_LANE_JOBS; i++) {
        struct rmx_job_result result = tiny_lane_finish(&lane, jobs[i]);

        cr_assert_eq(result.status, RMX_STATUS_OK, "%s", rmx_status_name(result.status));
        expect_same(&got[i], &got[i % 4]);
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
    struct rmx_job_spec spec = job_of("fmp4");
    struct media input = { 0 };
    struct media got = { 0 };
    struct tiny_job *job;
    struct rmx_job_result result;

    media_make_mp4(&input, NULL);
    start();
    job = tiny_lane_begin_in(
        &lane, tiny_lane_share(&lane, 0, ARENA_BYTES), &spec, &input, &got, BOTH_RINGS, &middling);
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
    start();
    for (int i = 0; i < 100; i++) {
        struct tiny_channel *channel = tiny_lane_share(&lane, 2, ARENA_BYTES);

        if (i % 10 == 0) {
            expect_as_in_memory(
                channel, &input, "mpegts", BOTH_RINGS | RMX_PORT_SEEKABLE_IN, &middling);
        }
        tiny_lane_unshare(&lane, channel);
    }
    tiny_lane_stop(&lane);
    media_free(&input);
}

Test(worker_channel, two_jobs_of_one_number_are_one_too_many)
{
    struct rmx_job_spec spec = job_of("mpegts");
    const uint32_t port = BOTH_RINGS | RMX_PORT_SEEKABLE_IN;
    struct media input = { 0 };
    struct media got[2] = { 0 };
    struct tiny_channel *channel;
    struct tiny_job *jobs[2];

    media_make_mp4(&input, NULL);
    start();
    channel = tiny_lane_share(&lane, 0, ARENA_BYTES);
    jobs[0] = tiny_lane_begin_in(&lane, channel, &spec, &input, &got[0], port, &small);
    jobs[0]->starve = true;
    tiny_lane_serve(&lane, 20);
    channel->flows = jobs[0]->channel_flow;
    jobs[1] = tiny_lane_begin_in(&lane, channel, &spec, &input, &got[1], port, &small);
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
    start();
    tiny_lane_post(&lane, RMX_NOTE_CTL, 0);
    expect_end_with("not there");
}

Test(worker_channel, place_that_is_taken_cannot_be_shared_again)
{
    start();
    (void)tiny_lane_share(&lane, 0, ARENA_BYTES);
    tiny_channel_free(&lane.channels[0]);
    (void)tiny_lane_share(&lane, 0, ARENA_BYTES);
    expect_end_with("nonsense");
}

Test(worker_channel, channel_with_a_job_cannot_be_taken_back)
{
    struct rmx_job_spec spec = job_of("mpegts");
    struct media input = { 0 };
    struct media got = { 0 };
    struct tiny_channel *channel;

    media_make_mp4(&input, NULL);
    start();
    channel = tiny_lane_share(&lane, 0, ARENA_BYTES);
    tiny_lane_begin_in(
        &lane, channel, &spec, &input, &got, BOTH_RINGS | RMX_PORT_SEEKABLE_IN, &small)
        ->starve = true;
    tiny_lane_serve(&lane, 20);
    struct rmx_lane_msg unshare = { .type = RMX_LANE_UNSHARE, .version = RMX_LANE_WIRE_VERSION };

    cr_assert_eq(send(lane.worker_ctl, &unshare, sizeof(unshare), 0), (ssize_t)sizeof(unshare));
    tiny_lane_post(&lane, RMX_NOTE_CTL, 0);
    expect_end_with("nonsense");
    media_free(&input);
}

/* --- clients that lie ------------------------------------------------------------------------ */

/* A job that waits for its client, of a channel of its own: to be lied to. */
static struct tiny_job *begin_victim(struct tiny_channel *channel, uint32_t port,
    struct media *input, struct media *got, const char *format)
{
    struct rmx_job_spec spec = job_of(format);
    struct tiny_job *job;

    channel->next_at = RMX_CHANNEL_RINGS_AT;
    job =
        tiny_lane_begin_in(&lane, channel, &spec, input, got, port | RMX_PORT_SEEKABLE_IN, &small);
    job->starve = true;
    tiny_lane_serve(&lane, 20);
    cr_assert_not(job->done);
    return job;
}

static void wake_worker(void)
{
    tiny_channel_ring(&lane.channels[0]);
    (void)rmx_bell_ring(&lane.channels[0].worker_bell);
}

Test(worker_channel, impossible_mailbox_ends_its_jobs_and_no_other)
{
    static const uint32_t sides[] = { RMX_PORT_CHANNEL_IN, RMX_PORT_CHANNEL_OUT, BOTH_RINGS };
    struct media input = { 0 };

    media_make_mp4(&input, NULL);
    start();
    (void)tiny_lane_share(&lane, 1, ARENA_BYTES);
    for (size_t i = 0; i < 3; i++) {
        struct tiny_channel *channel = tiny_lane_share(&lane, 0, ARENA_BYTES);
        struct media got = { 0 };
        struct tiny_job *job = begin_victim(channel, sides[i], &input, &got, "mpegts");

        atomic_store(&channel->to_worker.ring.shm->published, UINT64_MAX / 2);
        wake_worker();
        cr_assert_eq(tiny_lane_finish(&lane, job).status, RMX_STATUS_PEER_CORRUPT);
        cr_assert((sides[i] & RMX_PORT_CHANNEL_OUT) != 0 || job->ended,
            "the lane waits for the end of what it drains");
        expect_as_in_memory(
            &lane.channels[1], &input, "mpegts", BOTH_RINGS | RMX_PORT_SEEKABLE_IN, &middling);
        struct rmx_job_spec spec = job_of("mpegts");

        channel->next_at = RMX_CHANNEL_RINGS_AT;
        cr_assert_eq(tiny_lane_finish(&lane, tiny_lane_begin_in(&lane, channel, &spec, &input, &got,
                                                 sides[i] | RMX_PORT_SEEKABLE_IN, &small))
                         .status,
            RMX_STATUS_PEER_CORRUPT, "nothing runs in a corrupt channel");
        tiny_lane_unshare(&lane, channel);
        media_free(&got);
    }
    tiny_lane_stop(&lane);
    media_free(&input);
}

/* Makes the job tell its client of room again and again, until its mailbox is used up. */
static void pester(struct tiny_channel *channel, struct tiny_job *job)
{
    struct rmx_note note = { .kind = RMX_NOTE_INPUT, .flow = job->channel_flow };
    const uint64_t until = now_ns() + UINT64_C(10000000000);

    while (!job->done && now_ns() < until) {
        for (int i = 0; i < 64; i++) {
            atomic_store(&job->input_ring.ring.shm->producer_asks, 1);
            (void)rmx_mail_post(&channel->to_worker, &note);
            (void)rmx_bell_ring(&channel->worker_bell);
            (void)sched_yield();
        }
        tiny_lane_serve(&lane, 1);
    }
}

Test(worker_channel, mailbox_that_nobody_empties_ends_the_job_that_needs_it)
{
    static const uint64_t taken[] = { 0, UINT64_MAX / 2 }; /* nothing; what cannot be */
    struct media input = { 0 };

    media_make_mp4(&input, NULL);
    start();
    (void)tiny_lane_share(&lane, 1, ARENA_BYTES);
    for (size_t i = 0; i < 2; i++) {
        struct tiny_channel *channel = tiny_lane_share(&lane, 0, ARENA_BYTES);
        struct media got = { 0 };
        struct tiny_job *job = begin_victim(channel, BOTH_RINGS, &input, &got, "mpegts");

        channel->wild = true;
        atomic_store(&channel->to_client.ring.shm->released, taken[i]);
        pester(channel, job);
        cr_assert_eq(tiny_lane_finish(&lane, job).status, RMX_STATUS_PEER_CORRUPT);
        expect_as_in_memory(
            &lane.channels[1], &input, "mpegts", BOTH_RINGS | RMX_PORT_SEEKABLE_IN, &middling);
        tiny_lane_unshare(&lane, channel);
        media_free(&got);
    }
    tiny_lane_stop(&lane);
    media_free(&input);
}

Test(worker_channel, lie_in_a_ring_ends_the_job)
{
    static const uint32_t sides[] = { RMX_PORT_CHANNEL_IN, RMX_PORT_CHANNEL_OUT, BOTH_RINGS };
    struct media input = { 0 };

    media_make_mp4(&input, NULL);
    start();
    for (size_t i = 0; i < 3; i++) {
        struct tiny_channel *channel = tiny_lane_share(&lane, 0, ARENA_BYTES);
        struct media got = { 0 };
        struct tiny_job *job = begin_victim(channel, sides[i], &input, &got, "mpegts");

        if ((sides[i] & RMX_PORT_CHANNEL_IN) != 0) {
            atomic_store(&job->input_ring.ring.shm->published, 1000);
        } else {
            job->stalled = true;
            job->starve = false;
            tiny_lane_serve(&lane, 20); /* its ring is full now */
            atomic_store(&job->output_ring.ring.shm->released, 1000);
        }
        tiny_channel_post(channel, RMX_NOTE_INPUT, job->channel_flow);
        cr_assert_eq(tiny_lane_finish(&lane, job).status, RMX_STATUS_PEER_CORRUPT);
        tiny_lane_unshare(&lane, channel);
        media_free(&got);
    }
    tiny_lane_stop(&lane);
    media_free(&input);
}

/* --- clients that disturb -------------------------------------------------------------------- */

static _Atomic bool disturbing;

static pthread_t disturb(void *(*how)(void *), void *what)
{
    pthread_t thread;

    atomic_store(&disturbing, true);
    cr_assert_eq(pthread_create(&thread, NULL, how, what), 0);
    return thread;
}

static void calm(pthread_t thread)
{
    atomic_store(&disturbing, false);
    cr_assert_eq(pthread_join(thread, NULL), 0);
}

static void *storm(void *channel)
{
    while (atomic_load(&disturbing)) {
        tiny_channel_ring(channel);
    }
    return NULL;
}

/* How often the worker has slept. */
static uint64_t sleeps(void)
{
    char text[256];
    FILE *file;
    uint64_t count = 0;

    (void)snprintf(text, sizeof(text), "/proc/%d/status", lane.worker);
    file = fopen(text, "r");
    cr_assert_not_null(file);
    while (fgets(text, sizeof(text), file) != NULL) {
        if (strncmp(text, "voluntary_ctxt_switches:", 24) == 0) {
            count = strtoul(text + 24, NULL, 10);
        }
    }
    (void)fclose(file);
    return count;
}

Test(worker_channel, bell_that_rings_for_nothing_is_not_listened_to)
{
    struct media input = { 0 };
    struct media got = { 0 };
    struct tiny_channel *channel;
    struct tiny_job *job;
    pthread_t thread;
    uint64_t before;

    media_make_mp4(&input, NULL);
    start();
    channel = tiny_lane_share(&lane, 0, ARENA_BYTES);
    (void)tiny_lane_share(&lane, 1, ARENA_BYTES);
    job = begin_victim(channel, BOTH_RINGS, &input, &got, "mpegts");
    thread = disturb(storm, channel);
    before = sleeps();
    tiny_lane_serve(&lane, 500);
    cr_expect_leq(sleeps() - before, 3000, "%llu", (unsigned long long)(sleeps() - before));
    expect_as_in_memory(
        &lane.channels[1], &input, "mpegts", BOTH_RINGS | RMX_PORT_SEEKABLE_IN, &small);
    job->starve = false; /* its own job gets slower, and goes on */
    cr_assert_eq(tiny_lane_finish(&lane, job).status, RMX_STATUS_OK);
    calm(thread);
    tiny_lane_stop(&lane);
    media_free(&input);
    media_free(&got);
}

static void *flood(void *argument)
{
    struct tiny_channel *channel = argument;
    uint32_t flow = 0;

    while (atomic_load(&disturbing)) {
        struct rmx_note note = { .kind = RMX_NOTE_INPUT, .flow = flow++ % 8 };

        (void)rmx_mail_post(&channel->to_worker, &note); /* full, most of the time */
        (void)rmx_bell_ring(&channel->worker_bell);
    }
    return NULL;
}

Test(worker_channel, flood_of_notes_keeps_nobody_else_from_the_core)
{
    struct media input = { 0 };
    struct media got[4] = { 0 };
    struct tiny_channel *channel;
    pthread_t thread;
    uint64_t began;

    media_make_mp4(&input, NULL);
    start();
    channel = tiny_lane_share(&lane, 0, ARENA_BYTES);
    (void)tiny_lane_share(&lane, 1, ARENA_BYTES);
    for (int i = 0; i < 4; i++) {
        struct rmx_job_spec spec = job_of("mpegts");

        tiny_lane_begin_in(
            &lane, channel, &spec, &input, &got[i], BOTH_RINGS | RMX_PORT_SEEKABLE_IN, &small)
            ->starve = true;
    }
    tiny_lane_serve(&lane, 20);
    thread = disturb(flood, channel);
    began = now_ns();
    for (int i = 0; i < 20; i++) {
        expect_as_in_memory(
            &lane.channels[1], &input, "mpegts", BOTH_RINGS | RMX_PORT_SEEKABLE_IN, &middling);
    }
    cr_expect_lt(now_ns() - began, UINT64_C(5000000000));
    calm(thread);
    tiny_lane_stop(&lane);
    media_free(&input);
}

/* Every word of a channel, at random: the bells', the mailboxes', the rings'. */
struct scribbler {
    struct tiny_channel *channel;
    uint64_t random;
};

static uint64_t draw(struct scribbler *scribbler)
{
    scribbler->random ^= scribbler->random << 13;
    scribbler->random ^= scribbler->random >> 7;
    scribbler->random ^= scribbler->random << 17;
    return scribbler->random;
}

static void scribble_word(struct scribbler *scribbler, unsigned char *base, size_t bytes)
{
    _Atomic uint32_t *words = (void *)base;
    _Atomic uint32_t *word = &words[draw(scribbler) % (bytes / sizeof(*words))];
    uint32_t old = atomic_load_explicit(word, memory_order_relaxed);
    uint32_t values[] = { 0, 1, old + 1, old - 1, old + 3, (uint32_t)draw(scribbler), UINT32_MAX };

    atomic_store_explicit(
        word, values[draw(scribbler) % (sizeof(values) / sizeof(values[0]))], memory_order_relaxed);
}

/* Mostly what lies close to the heads of things, since that is what is looked at. */
static void *scribble(void *argument)
{
    struct scribbler *scribbler = argument;
    unsigned char *base = scribbler->channel->arena.base;
    size_t ring_bytes = rmx_chunk_ring_bytes(small.slots, small.chunk_bytes);

    while (atomic_load(&disturbing)) {
        uint64_t which = draw(scribbler) % 8;
        size_t ring_at = RMX_CHANNEL_RINGS_AT + ring_bytes * (draw(scribbler) % 4);

        if (which == 0) {
            scribble_word(scribbler, base, sizeof(struct rmx_bell_shm) * 2);
        } else if (which == 1) {
            scribble_word(scribbler, scribbler->channel->shm->to_client, 1024);
        } else if (which == 2 && draw(scribbler) % 64 == 0) {
            scribble_word(scribbler, scribbler->channel->shm->to_worker, 1024);
        } else if (which < 7) {
            scribble_word(scribbler, base + ring_at, sizeof(struct rmx_ring_shm) + 64);
        } else {
            tiny_channel_ring(scribbler->channel);
        }
    }
    return NULL;
}

/* Two jobs in the channel that is scribbled in, until both are over: by themselves, or cancelled.
 * Returns how many ended PEER_CORRUPT. */
static uint32_t run_victims(struct tiny_channel *channel, struct media *input)
{
    static const uint32_t sides[] = { BOTH_RINGS, BOTH_RINGS | RMX_PORT_SEEKABLE_IN };
    struct rmx_job_spec spec = job_of("mpegts");
    struct tiny_job *jobs[2];
    struct media got[2] = { 0 };
    uint32_t corrupt = 0;

    channel->next_at = RMX_CHANNEL_RINGS_AT;
    for (int i = 0; i < 2; i++) {
        jobs[i] = tiny_lane_begin_in(&lane, channel, &spec, input, &got[i], sides[i], &small);
        jobs[i]->starve = jobs[i]->stalled = true;
    }
    expect_as_in_memory(
        &lane.channels[1], input, "mpegts", BOTH_RINGS | RMX_PORT_SEEKABLE_IN, &middling);
    for (int i = 0; i < 2; i++) {
        struct rmx_job_result result;

        if (!jobs[i]->done) {
            tiny_lane_cancel(&lane, jobs[i]);
        }
        result = tiny_lane_finish(&lane, jobs[i]);
        cr_assert_neq(result.status, RMX_STATUS_INTERNAL);
        corrupt += result.status == RMX_STATUS_PEER_CORRUPT;
    }
    return corrupt;
}

Test(worker_channel, client_that_rewrites_every_word_at_random_hurts_only_itself)
{
    const uint64_t until = now_ns() + UINT64_C(5000000000);
    uint32_t corrupt = 0;
    uint32_t rounds = 0;
    struct media input = { 0 };

    media_make_mp4(&input, NULL);
    start();
    (void)tiny_lane_share(&lane, 1, ARENA_BYTES);
    while (now_ns() < until) {
        struct tiny_channel *channel = tiny_lane_share(&lane, 0, ARENA_BYTES);
        struct scribbler scribbler = { .channel = channel, .random = 88172645463325252 + rounds };
        pthread_t thread = disturb(scribble, &scribbler);

        channel->wild = true;
        for (int i = 0; i < 4; i++) {
            corrupt += run_victims(channel, &input);
        }
        calm(thread);
        tiny_lane_unshare(&lane, channel);
        rounds++;
    }
    cr_assert_gt(corrupt, 0, "in %u rounds", rounds);
    tiny_lane_stop(&lane);
    media_free(&input);
}
