/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A worker that lies into a client's rings and mailbox: the call says -EBADMSG, the job is
 * cancelled and ends PEER_CORRUPT, and the client lives on.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "clients/ringmux.h"
#include "tests/fake_worker.h"
#include "tests/ring_lie.h"

#define CHUNK 512u
#define SLOTS 16u

static struct fake_worker worker;
static struct rmx_client *client;
static struct fake_job *job;
static uint64_t id;

static void submit(struct rmx_job *ask)
{
    ask->input = RMX_RING;
    ask->output = RMX_RING;
    ask->format = "mpegts";
    ask->input_ring_bytes = SLOTS * CHUNK;
    ask->output_ring_bytes = SLOTS * CHUNK;
    cr_assert_eq(rmx_submit(client, ask, 1, &id), 1);
    job = fake_worker_job(&worker);
}

static void open_job(void)
{
    struct rmx_job ask = RMX_JOB_INIT;

    fake_worker_start(&worker);
    cr_assert_eq(rmx_open(&client, worker.daemon.path), 0);
    submit(&ask);
}

/* The job was cancelled; whatever the daemon says of it, it was the worker's fault. The next job
 * is none the worse for it. */
static void ends_corrupt(void)
{
    struct rmx_job again = RMX_JOB_INIT;
    struct rmx_result result;

    while (atomic_load(&worker.cancels) == 0) {
    }
    fake_worker_done(&worker, job, RMX_OK);
    cr_assert_eq(rmx_wait(client, &result, 1, 10000), 1);
    cr_assert_eq(result.status, RMX_PEER_CORRUPT);
    cr_assert_neq(result.text[0], '\0');
    submit(&again);
    cr_assert_eq(rmx_write(client, id, "abc", 3, 0), 3);
    rmx_close(&client);
    fake_worker_stop(&worker);
}

/* The next chunk of output, as bad as it is. */
static void offer(const struct rmx_chunk_shm *lie)
{
    struct rmx_chunk_shm *shm = rmx_ring_entry(&job->out.ring, 0);

    memcpy(shm, lie, sizeof(*shm));
    rmx_ring_publish(&job->out.ring, 1);
}

static void lie_in_the_output(const struct rmx_chunk_shm *lie)
{
    struct rmx_piece piece;

    open_job();
    offer(lie);
    cr_assert_eq(rmx_peek(client, id, &piece, -1), -EBADMSG);
    cr_assert_eq(rmx_peek(client, id, &piece, -1), -EBADMSG);
    cr_assert_eq(rmx_write(client, id, "a", 1, -1), -EBADMSG);
    ends_corrupt();
}

Test(stream_lies, a_chunk_larger_than_chunks_are)
{
    lie_in_the_output(&(struct rmx_chunk_shm){ .bytes = CHUNK + 1 });
}

Test(stream_lies, a_chunk_that_does_not_follow)
{
    lie_in_the_output(&(struct rmx_chunk_shm){ .offset = 1, .bytes = 1 });
}

Test(stream_lies, a_chunk_of_another_file)
{
    lie_in_the_output(&(struct rmx_chunk_shm){ .bytes = 1, .part = 1 });
}

Test(stream_lies, a_name_where_there_is_one_file)
{
    lie_in_the_output(&(struct rmx_chunk_shm){ .bytes = 1, .flags = RMX_CHUNK_NAME });
}

Test(stream_lies, a_chunk_of_nothing)
{
    lie_in_the_output(&(struct rmx_chunk_shm){ .flags = RMX_CHUNK_FLUSH });
}

Test(stream_lies, a_generation_nobody_asked_for)
{
    lie_in_the_output(&(struct rmx_chunk_shm){ .bytes = 1, .generation = 1 });
}

Test(stream_lies, an_error_that_is_none)
{
    lie_in_the_output(&(struct rmx_chunk_shm){ .flags = RMX_CHUNK_ERROR });
}

Test(stream_lies, more_chunks_than_there_are)
{
    struct rmx_piece piece;

    open_job();
    ring_lie(&job->out.ring, SLOTS + 1);
    cr_assert_eq(rmx_peek(client, id, &piece, -1), -EBADMSG);
    ends_corrupt();
}

Test(stream_lies, a_job_that_ends_well_without_an_end)
{
    struct rmx_result result;
    struct rmx_piece piece;

    open_job();
    fake_worker_put(job, "abc", 3, 0);
    fake_worker_done(&worker, job, RMX_OK);
    cr_assert_eq(rmx_peek(client, id, &piece, -1), 1);
    cr_assert_eq(rmx_release(client, id), 0);
    cr_assert_eq(rmx_peek(client, id, &piece, -1), -EBADMSG);
    cr_assert_eq(rmx_wait(client, &result, 1, 10000), 1);
    rmx_close(&client);
    fake_worker_stop(&worker);
}

Test(stream_lies, more_room_than_there_is)
{
    size_t bytes;
    void *to;

    open_job();
    for (uint32_t i = 0; i < SLOTS; i++) {
        cr_assert_eq(rmx_write(client, id, "a", 1, 0), 1);
    }
    atomic_store(&job->in.ring.shm->released, SLOTS + 1);
    cr_assert_eq(rmx_reserve(client, id, &to, &bytes, -1), -EBADMSG);
    cr_assert_eq(rmx_reserve(client, id, &to, &bytes, -1), -EBADMSG);
    ends_corrupt();
}

Test(stream_lies, a_seek_where_the_input_only_goes_forward)
{
    struct rmx_chunk chunk;

    open_job();
    cr_assert_eq(rmx_write(client, id, "abc", 3, 0), 3);
    fake_worker_take(job, &chunk);
    (void)rmx_chunk_seek(&job->in, 0);
    cr_assert_eq(rmx_write(client, id, "abc", 3, -1), -EBADMSG);
    ends_corrupt();
}

Test(stream_lies, a_mailbox_that_overflows_costs_every_job_of_the_channel)
{
    struct rmx_piece piece;
    struct rmx_event event;

    open_job();
    cr_assert_eq(rmx_peek(client, id, &piece, 0), -EAGAIN);
    ring_lie(&job->channel->to_client.ring, 100000);
    (void)rmx_bell_ring(&job->channel->client_bell);
    cr_assert_eq(rmx_events(client, &event, 1, 10000), 1);
    cr_assert_eq(event.kinds, RMX_CAN_READ);
    cr_assert_eq(rmx_peek(client, id, &piece, -1), -EBADMSG);
    ends_corrupt();
    cr_assert_eq(worker.channels, 2, "the next job had a channel of its own");
}

Test(stream_lies, notes_about_nothing_mean_nothing)
{
    struct rmx_note notes[] = { { .kind = 99, .flow = 0 }, { .kind = RMX_NOTE_INPUT, .flow = 5 },
        { .kind = RMX_NOTE_OUTPUT, .flow = UINT32_MAX }, { .kind = RMX_NOTE_OUTPUT } };
    struct rmx_event event;

    open_job();
    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
        cr_assert_eq(rmx_mail_post(&job->channel->to_client, &notes[i]), 0);
        (void)rmx_bell_ring(&job->channel->client_bell);
    }
    cr_assert_eq(rmx_events(client, &event, 1, 50), 0);
    cr_assert_eq(rmx_write(client, id, "abc", 3, 0), 3);
    rmx_close(&client);
    fake_worker_stop(&worker);
}

Test(stream_lies, mail_that_is_not_read_is_a_lie_of_its_own)
{
    struct rmx_chunk chunk;
    ptrdiff_t err = 0;

    open_job();
    for (int i = 0; i < 20000 && err >= 0; i++) { /* asks, and looks without being told */
        rmx_ring_ask(&job->in.ring.shm->consumer_asks);
        err = rmx_write(client, id, "a", 1, 0);
        if (err >= 0) {
            fake_worker_take(job, &chunk);
            fake_worker_give_back(job);
        }
    }
    cr_assert_eq(err, -EBADMSG);
    ends_corrupt();
}

/* --- sources and sinks --------------------------------------------------------------------- */

static int takes_all(void *user, const struct rmx_piece *piece)
{
    (void)user;
    (void)piece;
    return 0;
}

static void open_pumped(struct rmx_job *ask)
{
    static const struct rmx_sink sink = { .write = takes_all };

    fake_worker_start(&worker);
    cr_assert_eq(rmx_open(&client, worker.daemon.path), 0);
    ask->sink = &sink;
    submit(ask);
}

Test(stream_lies, a_sink_is_spared_them)
{
    struct rmx_job ask = RMX_JOB_INIT;
    struct rmx_event event;

    open_pumped(&ask);
    offer(&(struct rmx_chunk_shm){ .offset = 1, .bytes = 1 });
    cr_assert_eq(rmx_events(client, &event, 1, 50), 0);
    ends_corrupt();
}

Test(stream_lies, a_sink_that_got_no_end_fails_the_job)
{
    struct rmx_job ask = RMX_JOB_INIT;
    struct rmx_result result;

    open_pumped(&ask);
    fake_worker_put(job, "abc", 3, 0);
    fake_worker_done(&worker, job, RMX_OK);
    cr_assert_eq(rmx_wait(client, &result, 1, 10000), 1);
    cr_assert_eq(result.status, RMX_PEER_CORRUPT);
    rmx_close(&client);
    fake_worker_stop(&worker);
}

Test(stream_lies, a_seek_beyond_the_end_of_a_source)
{
    struct rmx_block block = { .bytes = "abc", .size = 3 };
    struct rmx_job ask = RMX_JOB_INIT;
    struct rmx_source source;
    struct rmx_event event;

    rmx_block_source(&block, &source);
    ask.source = &source;
    open_pumped(&ask);
    (void)rmx_chunk_seek(&job->in, 4);
    cr_assert_eq(rmx_events(client, &event, 1, 50), 0);
    ends_corrupt();
}
