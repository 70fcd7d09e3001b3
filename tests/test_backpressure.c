/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A consumer that stops reading stops the job, at constant memory; when it reads on, nothing is
 * lost. One process, one thread, one job through 2 MiB of rings.
 *
 *     test_backpressure [MIB] [STOPS]        default: 200 MiB, 8 stops
 *
 * The input is endless sound of known samples as WAV, made as it is written; the output must be the
 * same samples, checked as it is read, eight bytes by eight bytes with their place in the stream.
 * At each stop nothing is read for a while: the producer must be refused, with no more in flight
 * than the rings hold, the daemon's count of bytes must stand still, and the worker must not have
 * grown. Prints a line of JSON; exits 0 if all of that holds.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/process.h"
#include "clients/ringmux.h"

#define RING_BYTES    (1u << 20) /* each of the two */
#define HEAD_BYTES    44u
#define HEAD_MAX      4096u        /* of the output, before its samples */
#define BETWEEN_BYTES (512u << 10) /* in the worker's own buffers at most */
#define GROWTH_BYTES                                                                               \
    (4u << 20) /* of the worker, over the whole job; ASan keeps freed memory                       \
                  unless told (tests.cmake) */
#define STOP_MS 250
#define WAIT_MS 20000

/* Two channels, 16 bits, 48 kHz, of unknown length. */
static const unsigned char wav_head[HEAD_BYTES] = "RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\2\0"
                                                  "\x80\xbb\0\0\0\xee\2\0\4\0\x10\0"
                                                  "data\xff\xff\xff\xff";

struct flow {
    struct rmx_client *client;
    pid_t worker;
    uint64_t id;
    uint64_t wanted;  /* samples' bytes in all */
    uint64_t written; /* with the head */
    uint64_t read;    /* of the samples */
    uint64_t stop_at; /* when so many were read, the next stop comes */
    uint64_t stops;
    uint64_t most_in_flight;
    uint64_t anon_bytes; /* the worker's, when the job was under way */
    uint64_t most_growth;
    bool finished;
    unsigned char head[HEAD_MAX];
    size_t head_bytes; /* gathered so far, until the samples begin */
    bool in_samples;
};

/* The eight bytes at `place` of the stream, a multiple of eight: a hash of it. */
static uint64_t samples_at(uint64_t place)
{
    uint64_t x = place + 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* Fills with what comes at `at`, the head's bytes included. */
static void make_input(unsigned char *to, size_t bytes, uint64_t at)
{
    size_t done = 0;

    while (done < bytes && at + done < HEAD_BYTES) {
        to[done] = wav_head[at + done];
        done++;
    }
    while (done < bytes) {
        uint64_t place = at + done - HEAD_BYTES;
        uint64_t eight = samples_at(place & ~7ull);
        size_t from = place & 7;
        size_t take = 8 - from < bytes - done ? 8 - from : bytes - done;

        memcpy(to + done, (unsigned char *)&eight + from, take);
        done += take;
    }
}

/* Returns how many of the bytes are as they must be: all, or up to the first that is not. */
static size_t check_samples(const unsigned char *bytes, size_t size, uint64_t place)
{
    size_t done = 0;

    while (done < size) {
        uint64_t eight = samples_at((place + done) & ~7ull);
        size_t from = (place + done) & 7;
        size_t take = 8 - from < size - done ? 8 - from : size - done;

        if (memcmp(bytes + done, (unsigned char *)&eight + from, take) != 0) {
            return done;
        }
        done += take;
    }
    return done;
}

_Noreturn static void fail(const struct flow *flow, const char *what)
{
    (void)fprintf(stderr, "test_backpressure: after %" PRIu64 " bytes in and %" PRIu64 " out: %s\n",
        flow->written, flow->read, what);
    exit(1);
}

/* Returns false if the ring is full, or all is written. */
static bool push(struct flow *flow)
{
    uint64_t all = flow->wanted + HEAD_BYTES;
    void *to = NULL;
    size_t room = 0;
    int error;

    if (flow->finished) {
        return false;
    }
    if (flow->written == all) {
        error = rmx_finish(flow->client, flow->id, 0);
        if (error < 0 && error != -EAGAIN) {
            fail(flow, "rmx_finish");
        }
        flow->finished = error == 0;
        return false;
    }
    error = rmx_reserve(flow->client, flow->id, &to, &room, 0);
    if (error == -EAGAIN) {
        return false;
    }
    if (error < 0) {
        fail(flow, strerrordesc_np(-error));
    }
    room = room < all - flow->written ? room : (size_t)(all - flow->written);
    make_input(to, room, flow->written);
    if (rmx_commit(flow->client, flow->id, room) < 0) {
        fail(flow, "rmx_commit");
    }
    flow->written += room;
    return true;
}

/* Gathers the output's head until its samples begin. Returns how many bytes of the piece it was. */
static size_t take_head(struct flow *flow, const unsigned char *bytes, size_t size)
{
    size_t used = 0;

    while (used < size && !flow->in_samples) {
        if (flow->head_bytes == HEAD_MAX) {
            fail(flow, "no samples in the output");
        }
        flow->head[flow->head_bytes++] = bytes[used++];
        flow->in_samples =
            flow->head_bytes >= 8 && memcmp(flow->head + flow->head_bytes - 8, "data", 4) == 0;
    }
    return used;
}

static void check_piece(struct flow *flow, const unsigned char *bytes, size_t size)
{
    size_t used = take_head(flow, bytes, size);
    uint64_t left = flow->wanted - flow->read;

    bytes += used;
    size -= used;
    size = size < left ? size : (size_t)left; /* what may come behind: a byte to make it even */
    if (check_samples(bytes, size, flow->read) != size) {
        fail(flow, "samples that are not those of this place");
    }
    flow->read += size;
}

/* Returns false if there is nothing to read now; sets *ended at the end. */
static bool pull(struct flow *flow, bool *ended)
{
    struct rmx_piece piece;
    int got = rmx_peek(flow->client, flow->id, &piece, 0);

    if (got == -EAGAIN || got == 0) {
        *ended = got == 0;
        return false;
    }
    if (got < 0) {
        fail(flow, strerrordesc_np(-got));
    }
    check_piece(flow, piece.bytes, piece.size);
    if (rmx_release(flow->client, flow->id) < 0) {
        fail(flow, "rmx_release");
    }
    return true;
}

static void nap(void)
{
    (void)poll(NULL, 0, STOP_MS);
}

/* Writes until nothing more is taken, ever. */
static void fill(struct flow *flow)
{
    uint64_t before;

    do {
        before = flow->written;
        while (push(flow)) {
        }
        nap();
    } while (flow->written != before);
}

/* Did nothing move, in or out, for a while? */
static bool stands_still(struct flow *flow)
{
    struct rmx_progress_bytes before;
    struct rmx_progress_bytes after;

    if (rmx_progress(flow->client, flow->id, &before) < 0) {
        fail(flow, "rmx_progress");
    }
    nap();
    return !push(flow) && rmx_progress(flow->client, flow->id, &after) == 0 &&
           after.bytes_in == before.bytes_in && after.bytes_out == before.bytes_out;
}

static void check_in_flight(struct flow *flow)
{
    uint64_t in_flight = flow->written - flow->read;

    if (in_flight > 2 * (uint64_t)RING_BYTES + BETWEEN_BYTES) {
        fail(flow, "more is in flight than the rings hold");
    }
    flow->most_in_flight = in_flight > flow->most_in_flight ? in_flight : flow->most_in_flight;
}

/* A slow machine takes longer to come to a stop, but what is in flight never passes the rings. */
static void stop(struct flow *flow)
{
    uint64_t anon;

    do {
        fill(flow);
        check_in_flight(flow);
    } while (!stands_still(flow));
    if (flow->worker == 0) { /* now it has worked */
        flow->worker = rmx_process_worker((pid_t)rmx_daemon_pid(flow->client));
    }
    anon = rmx_process_anon_bytes(flow->worker);
    flow->anon_bytes = flow->anon_bytes == 0 ? anon : flow->anon_bytes;
    if (anon > flow->anon_bytes + GROWTH_BYTES) {
        fail(flow, "the worker grows");
    }
    if (anon > flow->anon_bytes && anon - flow->anon_bytes > flow->most_growth) {
        flow->most_growth = anon - flow->anon_bytes;
    }
}

static void run(struct flow *flow)
{
    uint64_t step = flow->wanted / (flow->stops + 1);
    bool ended = false;

    flow->stop_at = step;
    while (!ended) {
        struct rmx_event event;
        bool moved = push(flow);

        moved = pull(flow, &ended) || moved;
        if (flow->read >= flow->stop_at && flow->stop_at < flow->wanted - step / 2) {
            stop(flow);
            flow->stop_at += step;
            moved = true;
        }
        if (!moved && !ended && rmx_events(flow->client, &event, 1, WAIT_MS) <= 0) {
            fail(flow, "nothing happens any more");
        }
    }
}

static void submit(struct flow *flow)
{
    struct rmx_job job = RMX_JOB_INIT;
    const char *why = "rmx_submit";

    job.input = RMX_RING;
    job.output = RMX_RING;
    job.input_format = "wav";
    job.format = "wav";
    job.input_ring_bytes = RING_BYTES;
    job.output_ring_bytes = RING_BYTES;
    if (rmx_submit(flow->client, &job, 1, &flow->id) != 1) {
        (void)rmx_check(&job, &why);
        fail(flow, why);
    }
}

static double seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static const char *const settings[] = { "--log-level=error", "--workers=1", NULL };
    static const struct rmx_private_options options = { .daemon = RMX_TEST_DAEMON,
        .settings = settings };
    static struct flow flow;
    struct rmx_result result;
    double began;

    flow.wanted = (argc > 1 ? strtoull(argv[1], NULL, 10) : 200) << 20;
    flow.stops = argc > 2 ? strtoull(argv[2], NULL, 10) : 8;
    if (flow.wanted == 0 || rmx_open_private(&flow.client, &options) < 0) {
        fail(&flow, "usage: test_backpressure [MIB] [STOPS]; or there is no daemon");
    }
    began = seconds();
    submit(&flow);
    run(&flow);
    if (rmx_wait(flow.client, &result, 1, WAIT_MS) != 1 || result.status != RMX_OK) {
        fail(&flow, "the job did not end OK");
    }
    if (flow.read != flow.wanted) {
        fail(&flow, "samples are missing");
    }
    printf("{\"mib\": %" PRIu64 ", \"stops\": %" PRIu64 ", \"most_in_flight\": %" PRIu64
           ", \"worker_grew\": %" PRIu64 ", \"seconds\": %.3g}\n",
        flow.wanted >> 20, flow.stops, flow.most_in_flight, flow.most_growth, seconds() - began);
    rmx_close(&flow.client);
    return 0;
}
