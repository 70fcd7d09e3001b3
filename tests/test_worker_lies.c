/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The real worker, and clients that lie to it in their channels, or disturb it by them: their own
 * jobs end, the others do not notice.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ipc/status.h"
#include "tests/channel_jobs.h"
#include "tests/ring_lie.h"

static struct tiny_lane lane;

TestSuite(worker_lies, .timeout = 120);

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* --- clients that lie ------------------------------------------------------------------------ */

/* A job that waits for its client, of a channel of its own: to be lied to. */
static struct tiny_job *begin_victim_of(const struct rmx_job_spec *spec,
    struct tiny_channel *channel, uint32_t port, struct media *input, struct media *got)
{
    struct tiny_job *job;

    channel->next_at = RMX_CHANNEL_RINGS_AT;
    job = tiny_lane_begin_in(
        &lane, channel, spec, input, got, port | RMX_PORT_SEEKABLE_IN, &channel_jobs_small);
    job->starve = true;
    channel_jobs_starve(&lane, job);
    return job;
}

static struct tiny_job *begin_victim(
    struct tiny_channel *channel, uint32_t port, struct media *input, struct media *got)
{
    const struct rmx_job_spec spec = channel_jobs_spec("mpegts");

    return begin_victim_of(&spec, channel, port, input, got);
}

static void wake_worker(void)
{
    tiny_channel_ring(&lane.channels[0]);
    (void)rmx_bell_ring(&lane.channels[0].worker_bell);
}

Test(worker_lies, impossible_mailbox_ends_its_jobs_and_no_other)
{
    static const uint32_t sides[] = { RMX_PORT_CHANNEL_IN, RMX_PORT_CHANNEL_OUT,
        CHANNEL_JOBS_BOTH };
    struct media input = { 0 };

    media_make_mp4(&input, NULL);
    channel_jobs_start(&lane, 4, 4096);
    (void)tiny_lane_share(&lane, 1, CHANNEL_JOBS_ARENA_BYTES);
    for (size_t i = 0; i < 3; i++) {
        struct tiny_channel *channel = tiny_lane_share(&lane, 0, CHANNEL_JOBS_ARENA_BYTES);
        struct media got = { 0 };
        struct tiny_job *job = begin_victim(channel, sides[i], &input, &got);

        ring_lie(&channel->to_worker.ring, UINT64_MAX / 2);
        wake_worker();
        cr_assert_eq(tiny_lane_finish(&lane, job).status, RMX_STATUS_PEER_CORRUPT);
        cr_assert((sides[i] & RMX_PORT_CHANNEL_OUT) != 0 || job->ended,
            "the lane waits for the end of what it drains");
        channel_jobs_expect(&lane, &lane.channels[1], &input, "mpegts", CHANNEL_JOBS_SEEKING,
            &channel_jobs_middling);
        struct rmx_job_spec spec = channel_jobs_spec("mpegts");

        channel->next_at = RMX_CHANNEL_RINGS_AT;
        cr_assert_eq(
            tiny_lane_finish(&lane, tiny_lane_begin_in(&lane, channel, &spec, &input, &got,
                                        sides[i] | RMX_PORT_SEEKABLE_IN, &channel_jobs_small))
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

Test(worker_lies, mailbox_that_nobody_empties_ends_the_job_that_needs_it)
{
    static const uint64_t taken[] = { 0, UINT64_MAX / 2 }; /* nothing; what cannot be */
    struct rmx_job_spec spec = channel_jobs_spec("mpegts");
    struct media input = { 0 };

    cr_assert_eq(
        rmx_job_set_name(&spec.input_format, "aac"), 0); /* who knows need not look ahead */
    media_make_mp4(&input, NULL);
    channel_jobs_start(&lane, 4, 4096);
    (void)tiny_lane_share(&lane, 1, CHANNEL_JOBS_ARENA_BYTES);
    for (size_t i = 0; i < 2; i++) {
        struct tiny_channel *channel = tiny_lane_share(&lane, 0, CHANNEL_JOBS_ARENA_BYTES);
        struct media got = { 0 };
        struct tiny_job *job = begin_victim_of(&spec, channel, CHANNEL_JOBS_BOTH, &input, &got);

        channel->wild = true;
        atomic_store(&channel->to_client.ring.shm->released, taken[i]);
        pester(channel, job);
        cr_assert_eq(tiny_lane_finish(&lane, job).status, RMX_STATUS_PEER_CORRUPT);
        channel_jobs_expect(&lane, &lane.channels[1], &input, "mpegts", CHANNEL_JOBS_SEEKING,
            &channel_jobs_middling);
        tiny_lane_unshare(&lane, channel);
        media_free(&got);
    }
    tiny_lane_stop(&lane);
    media_free(&input);
}

Test(worker_lies, lie_in_a_ring_ends_the_job)
{
    static const uint32_t sides[] = { RMX_PORT_CHANNEL_IN, RMX_PORT_CHANNEL_OUT,
        CHANNEL_JOBS_BOTH };
    struct media input = { 0 };

    media_make_mp4(&input, NULL);
    channel_jobs_start(&lane, 4, 4096);
    for (size_t i = 0; i < 3; i++) {
        struct tiny_channel *channel = tiny_lane_share(&lane, 0, CHANNEL_JOBS_ARENA_BYTES);
        struct media got = { 0 };
        struct tiny_job *job = begin_victim(channel, sides[i], &input, &got);

        if ((sides[i] & RMX_PORT_CHANNEL_IN) != 0) {
            ring_lie(&job->input_ring.ring, 1000);
        } else {
            job->stalled = true;
            job->starve = false;
            channel_jobs_fill(&lane, job);
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

Test(worker_lies, job_of_a_corrupt_channel_waits_for_the_lane_in_peace)
{
    struct media input = { 0 };
    struct media got = { 0 };
    struct tiny_channel *channel;
    struct tiny_job *job;

    media_make_mp4(&input, NULL);
    channel_jobs_start(&lane, 2, 512);
    channel = tiny_lane_share(&lane, 0, CHANNEL_JOBS_ARENA_BYTES);
    (void)tiny_lane_share(&lane, 1, CHANNEL_JOBS_ARENA_BYTES);
    job = begin_victim(channel, RMX_PORT_CHANNEL_IN, &input, &got);
    job->stalled = true;
    job->starve = false;
    channel_jobs_fill(&lane, job);
    cr_assert_not(job->done);
    ring_lie(&channel->to_worker.ring, UINT64_MAX / 2);
    wake_worker();
    channel_jobs_expect(
        &lane, &lane.channels[1], &input, "mpegts", CHANNEL_JOBS_SEEKING, &channel_jobs_middling);
    cr_assert_not(job->done, "the lane shall get what was made, and its end");
    job->starve = true;
    job->stalled = false;
    cr_assert_eq(tiny_lane_finish(&lane, job).status, RMX_STATUS_PEER_CORRUPT);
    cr_assert(job->ended);
    tiny_lane_stop(&lane);
    media_free(&input);
    media_free(&got);
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

Test(worker_lies, bell_that_rings_for_nothing_is_not_listened_to)
{
    struct media input = { 0 };
    struct media got = { 0 };
    struct tiny_channel *channel;
    struct tiny_job *job;
    pthread_t thread;
    uint64_t before;

    media_make_mp4(&input, NULL);
    channel_jobs_start(&lane, 4, 4096);
    channel = tiny_lane_share(&lane, 0, CHANNEL_JOBS_ARENA_BYTES);
    (void)tiny_lane_share(&lane, 1, CHANNEL_JOBS_ARENA_BYTES);
    job = begin_victim(channel, CHANNEL_JOBS_BOTH, &input, &got);
    thread = disturb(storm, channel);
    before = sleeps();
    tiny_lane_serve(&lane, 500);
    cr_expect_leq(sleeps() - before, 1500, "%llu", (unsigned long long)(sleeps() - before));
    channel_jobs_expect(
        &lane, &lane.channels[1], &input, "mpegts", CHANNEL_JOBS_SEEKING, &channel_jobs_small);
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

Test(worker_lies, flood_of_notes_keeps_nobody_else_from_the_core)
{
    struct media input = { 0 };
    struct media got[4] = { 0 };
    struct tiny_channel *channel;
    pthread_t thread;
    uint64_t began;

    media_make_mp4(&input, NULL);
    channel_jobs_start(&lane, 4, 4096);
    channel = tiny_lane_share(&lane, 0, CHANNEL_JOBS_ARENA_BYTES);
    (void)tiny_lane_share(&lane, 1, CHANNEL_JOBS_ARENA_BYTES);
    for (int i = 0; i < 4; i++) {
        struct rmx_job_spec spec = channel_jobs_spec("mpegts");

        tiny_lane_begin_in(
            &lane, channel, &spec, &input, &got[i], CHANNEL_JOBS_SEEKING, &channel_jobs_small)
            ->starve = true;
    }
    tiny_lane_serve(&lane, 20);
    thread = disturb(flood, channel);
    began = now_ns();
    for (int i = 0; i < 20; i++) {
        channel_jobs_expect(&lane, &lane.channels[1], &input, "mpegts", CHANNEL_JOBS_SEEKING,
            &channel_jobs_middling);
    }
    cr_expect_lt(now_ns() - began, UINT64_C(20000000000));
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
    size_t ring_bytes =
        rmx_chunk_ring_bytes(channel_jobs_small.slots, channel_jobs_small.chunk_bytes);

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
            scribble_word(scribbler, base + ring_at,
                sizeof(struct rmx_ring_shm) + 2 * sizeof(struct rmx_row_shm));
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
    static const uint32_t sides[] = { CHANNEL_JOBS_BOTH, CHANNEL_JOBS_SEEKING };
    struct rmx_job_spec spec = channel_jobs_spec("mpegts");
    struct tiny_job *jobs[2];
    struct media got[2] = { 0 };
    uint32_t corrupt = 0;

    channel->next_at = RMX_CHANNEL_RINGS_AT;
    for (int i = 0; i < 2; i++) {
        jobs[i] = tiny_lane_begin_in(
            &lane, channel, &spec, input, &got[i], sides[i], &channel_jobs_small);
        jobs[i]->starve = jobs[i]->stalled = true;
    }
    channel_jobs_expect(
        &lane, &lane.channels[1], input, "mpegts", CHANNEL_JOBS_SEEKING, &channel_jobs_middling);
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

Test(worker_lies, client_that_rewrites_every_word_at_random_hurts_only_itself)
{
    const uint64_t until = now_ns() + UINT64_C(5000000000);
    uint32_t corrupt = 0;
    uint32_t rounds = 0;
    struct media input = { 0 };

    media_make_mp4(&input, NULL);
    channel_jobs_start(&lane, 4, 4096);
    (void)tiny_lane_share(&lane, 1, CHANNEL_JOBS_ARENA_BYTES);
    while (now_ns() < until) {
        struct tiny_channel *channel = tiny_lane_share(&lane, 0, CHANNEL_JOBS_ARENA_BYTES);
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
