/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One client, many threads: two streams written and read by four of them, then by one that only
 * waits for events, then by sources and sinks that say -EAGAIN now and then, while others wait for
 * results, ask for progress and ping. The worker echoes. Then threads run jobs, alone and in
 * groups, while their daemon is replaced again and again. Every byte is checked; a wake-up that is
 * lost stops the program, which the test's time limit finds. Plain program, because Criterion does
 * not run under TSan.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/ringmux.h"
#include "tests/fake_worker.h"

#define JOBS       2
#define BYTES      (UINT64_C(4) << 20) /* through each stream */
#define RING_BYTES 8192u

#define check(cond)                                                                                \
    ((cond) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond), exit(1)))

static struct fake_worker worker;
static struct fake_job *jobs[JOBS];
static struct rmx_client *client;
static uint64_t ids[JOBS];
static _Atomic bool over;

/* --- the worker ---------------------------------------------------------------------------- */

struct echo {
    struct fake_job *job;
    bool done;
};

/* Moves what can be moved. Returns true if that was anything. */
static bool echo_some(struct echo *echo)
{
    struct rmx_chunk chunk;
    bool moved = false;

    while (!echo->done && fake_worker_has(echo->job) && fake_worker_room(echo->job)) {
        const unsigned char *from = fake_worker_take(echo->job, &chunk);

        fake_worker_put(echo->job, from, chunk.bytes, chunk.flags);
        fake_worker_give_back(echo->job);
        moved = true;
        if ((chunk.flags & RMX_CHUNK_END) != 0) {
            echo->done = true;
            fake_worker_done(&worker, echo->job, RMX_OK);
        }
    }
    return moved;
}

/* May it sleep as far as this job is concerned? */
static bool may_sleep(const struct echo *echo)
{
    struct fake_job *job = echo->job;

    return echo->done || (!fake_worker_has(job) ? rmx_ring_consumer_ask(&job->in.ring)
                                                : rmx_ring_producer_ask(&job->out.ring));
}

static void *echoes(void *arg)
{
    struct echo echo[JOBS];
    struct rmx_note note;
    const struct fake_channel *channel = jobs[0]->channel;
    struct pollfd watched = { .fd = channel->worker_bell.fd, .events = POLLIN };

    for (int i = 0; i < JOBS; i++) {
        echo[i] = (struct echo){ .job = jobs[i] };
    }
    while (!echo[0].done || !echo[1].done) {
        bool moved = echo_some(&echo[0]);

        moved = echo_some(&echo[1]) || moved;
        rmx_bell_arm(&channel->worker_bell);
        while (rmx_mail_take(&jobs[0]->channel->to_worker, &note) > 0) {
        }
        if (!moved && may_sleep(&echo[0]) && may_sleep(&echo[1])) {
            check(poll(&watched, 1, 20000) == 1); /* else a wake-up was lost */
        }
        (void)rmx_bell_hear(&channel->worker_bell);
    }
    return arg;
}

/* --- the client's threads ------------------------------------------------------------------ */

static unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)(offset * 31 + offset / 509);
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static size_t fill(unsigned char *to, uint64_t at, uint32_t *state)
{
    size_t bytes = 1 + next_random(state) % 3000;

    bytes = at + bytes > BYTES ? (size_t)(BYTES - at) : bytes;
    for (size_t i = 0; i < bytes; i++) {
        to[i] = byte_at(at + i);
    }
    return bytes;
}

static void compare(const unsigned char *got, uint64_t at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        check(got[i] == byte_at(at + i));
    }
}

static void *writes(void *arg)
{
    uint64_t id = *(uint64_t *)arg;
    uint32_t state = (uint32_t)id;
    unsigned char buffer[3000];
    uint64_t at = 0;

    while (at < BYTES) {
        size_t bytes = fill(buffer, at, &state);

        check(rmx_write(client, id, buffer, bytes, -1) == (ptrdiff_t)bytes);
        at += bytes;
    }
    check(rmx_finish(client, id, -1) == 0);
    return NULL;
}

static void *reads(void *arg)
{
    uint64_t id = *(uint64_t *)arg;
    struct rmx_piece piece;
    uint64_t at = 0;
    int found;

    while ((found = rmx_peek(client, id, &piece, -1)) == 1) {
        check(piece.offset == at);
        compare(piece.bytes, at, piece.size);
        at += piece.size;
        check(rmx_release(client, id) == 0);
    }
    check(found == 0 && at == BYTES);
    return NULL;
}

static void *collects(void *arg)
{
    struct rmx_result result;

    for (int i = 0; i < JOBS; i++) {
        check(rmx_wait(client, &result, 1, -1) == 1);
        check(result.status == RMX_OK);
    }
    atomic_store(&over, true);
    return arg;
}

static void *asks(void *arg)
{
    struct rmx_progress_bytes progress;
    uint64_t rtt_ns;

    while (!atomic_load(&over)) {
        int err = rmx_progress(client, ids[0], &progress);

        check(err == 0 || err == -ENOENT);
        check(err < 0 || progress.bytes_out <= BYTES);
        check(rmx_ping(client, &rtt_ns) == 0);
    }
    return arg;
}

/* --- one thread and its events -------------------------------------------------------------- */

struct flow {
    uint64_t id;
    uint64_t written;
    uint64_t read;
    uint32_t state;
    unsigned char buffer[3000];
    size_t left; /* of the buffer's end, not written yet */
    size_t bytes;
    bool finished;
    bool ended;
};

static void write_some(struct flow *flow)
{
    ptrdiff_t some = 1;

    while (some > 0 && (flow->left > 0 || flow->written < BYTES)) {
        if (flow->left == 0) {
            flow->bytes = fill(flow->buffer, flow->written, &flow->state);
            flow->left = flow->bytes;
        }
        some = rmx_write(client, flow->id, flow->buffer + flow->bytes - flow->left, flow->left, 0);
        check(some > 0 || some == -EAGAIN);
        flow->left -= some > 0 ? (size_t)some : 0;
        flow->written += some > 0 ? (uint64_t)some : 0;
    }
    if (flow->written == BYTES && !flow->finished) {
        int err = rmx_finish(client, flow->id, 0);

        check(err == 0 || err == -EAGAIN);
        flow->finished = err == 0;
    }
}

static void read_some(struct flow *flow)
{
    unsigned char buffer[1000];
    ptrdiff_t some = 0;

    while (!flow->ended && (some = rmx_read(client, flow->id, buffer, sizeof(buffer), 0)) >= 0) {
        compare(buffer, flow->read, (size_t)some);
        flow->read += (uint64_t)some;
        flow->ended = some == 0;
    }
    check(flow->ended || some == -EAGAIN);
}

static void *keeps_going(void *arg)
{
    static struct flow flows[JOBS];
    struct pollfd watched = { .fd = rmx_fd(client), .events = POLLIN };
    struct rmx_event events[1];

    for (int i = 0; i < JOBS; i++) {
        flows[i] = (struct flow){ .id = ids[i], .state = (uint32_t)i };
        write_some(&flows[i]);
        read_some(&flows[i]);
    }
    while (!flows[0].ended || !flows[1].ended) {
        check(poll(&watched, 1, 20000) == 1); /* else an event was lost */
        while (rmx_events(client, events, 1, 0) == 1) {
            struct flow *flow = &flows[events[0].id == ids[0] ? 0 : 1];

            if ((events[0].kinds & RMX_CAN_WRITE) != 0) {
                write_some(flow);
            }
            if ((events[0].kinds & RMX_CAN_READ) != 0) {
                read_some(flow);
            }
        }
    }
    check(flows[0].read == BYTES && flows[1].read == BYTES);
    return arg;
}

/* --- sources and sinks ---------------------------------------------------------------------- */

struct end { /* of one that rests now and then */
    uint64_t at;
    uint32_t state;
};

static ptrdiff_t source_read(void *user, void *to, size_t bytes)
{
    struct end *end = user;
    unsigned char *byte = to;

    if (next_random(&end->state) % 8 == 0) {
        return -EAGAIN;
    }
    bytes = bytes < BYTES - end->at ? bytes : (size_t)(BYTES - end->at);
    for (size_t i = 0; i < bytes; i++) {
        byte[i] = byte_at(end->at + i);
    }
    end->at += bytes;
    return (ptrdiff_t)bytes;
}

static int sink_write(void *user, const struct rmx_piece *piece)
{
    struct end *end = user;

    if (next_random(&end->state) % 8 == 0) {
        return -EAGAIN;
    }
    check(piece->offset == end->at);
    compare(piece->bytes, end->at, piece->size);
    end->at += piece->size;
    return 0;
}

static _Atomic int ended;

static void *collects_some(void *arg)
{
    struct rmx_result result;

    while (atomic_load(&ended) < JOBS) {
        int count = rmx_wait(client, &result, 1, 20);

        check(count == 0 || (count == 1 && result.status == RMX_OK));
        atomic_fetch_add(&ended, count);
    }
    return arg;
}

static void *says_ready(void *arg)
{
    while (atomic_load(&ended) < JOBS) {
        for (int i = 0; i < JOBS; i++) {
            int err = rmx_ready(client, ids[i]);

            check(err == 0 || err == -ENOENT);
        }
        (void)poll(NULL, 0, 1);
    }
    return arg;
}

/* --- all of them --------------------------------------------------------------------------- */

static void submit_all(const struct rmx_source *sources, const struct rmx_sink *sinks)
{
    struct rmx_job ask = RMX_JOB_INIT;

    ask.input = RMX_RING;
    ask.output = RMX_RING;
    ask.format = "mpegts";
    ask.input_ring_bytes = RING_BYTES;
    ask.output_ring_bytes = RING_BYTES;
    for (int i = 0; i < JOBS; i++) {
        ask.source = sources != NULL ? &sources[i] : NULL;
        ask.sink = sinks != NULL ? &sinks[i] : NULL;
        check(rmx_submit(client, &ask, 1, &ids[i]) == 1);
        jobs[i] = fake_worker_job(&worker);
    }
    atomic_store(&over, false);
}

static void start(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
    check(pthread_create(thread, NULL, run, arg) == 0);
}

static void with_four_threads(uint64_t spin_ns)
{
    pthread_t threads[7];

    rmx_spin(client, spin_ns);
    submit_all(NULL, NULL);
    start(&threads[0], echoes, NULL);
    start(&threads[1], writes, &ids[0]);
    start(&threads[2], writes, &ids[1]);
    start(&threads[3], reads, &ids[0]);
    start(&threads[4], reads, &ids[1]);
    start(&threads[5], collects, NULL);
    start(&threads[6], asks, NULL);
    for (int i = 0; i < 7; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("four threads, %" PRIu64 " ns of polling: done\n", spin_ns);
}

static void with_events(void)
{
    pthread_t threads[4];

    submit_all(NULL, NULL);
    start(&threads[0], echoes, NULL);
    start(&threads[1], keeps_going, NULL);
    start(&threads[2], collects, NULL);
    start(&threads[3], asks, NULL);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("one thread and its events: done\n");
}

static void with_sources_and_sinks(void)
{
    struct end ends[JOBS * 2] = { { .state = 1 }, { .state = 2 }, { .state = 3 }, { .state = 4 } };
    struct rmx_source sources[JOBS];
    struct rmx_sink sinks[JOBS];
    pthread_t threads[4];

    for (int i = 0; i < JOBS; i++) {
        sources[i] =
            (struct rmx_source){ .read = source_read, .size = RMX_SIZE_UNKNOWN, .user = &ends[i] };
        sinks[i] = (struct rmx_sink){ .write = sink_write, .user = &ends[JOBS + i] };
    }
    submit_all(sources, sinks);
    start(&threads[0], echoes, NULL);
    start(&threads[1], collects_some, NULL);
    start(&threads[2], collects_some, NULL);
    start(&threads[3], says_ready, NULL);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    check(ends[2].at == BYTES && ends[3].at == BYTES);
    printf("sources and sinks: done\n");
}

int main(void)
{
    fake_worker_start(&worker);
    check(rmx_open(&client, worker.daemon.path) == 0);
    with_four_threads(0);
    with_four_threads(20000);
    with_events();
    with_sources_and_sinks();
    rmx_close(&client);
    fake_worker_stop(&worker);
    return 0;
}
