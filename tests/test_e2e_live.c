/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A live stream through a real daemon: what came in goes out while the input pauses, not when it
 * ends.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "tests/harness.h"

#define BURST_BYTES 100000u /* more than a chunk, less than half a ring */
#define BURSTS      9
#define PROBED      6 /* bursts until libavformat has seen its 5 s of media and lets go of it */
#define PATIENCE_NS 5000000000u

/* What the demuxer and the muxer still hold: frames whose next one has not come. */
#define WITHHELD_BYTES_MAX 65536u

TestSuite(e2e_live, .timeout = 180);

/* The two pipes of a job, from outside. */
struct stream {
    int feed;
    int output;
    uint64_t fed;
    uint64_t came;
};

static void start(struct stream *stream, struct rmx_client *client)
{
    struct rmx_job job = RMX_JOB_INIT;
    int in[2];
    int out[2];

    cr_assert_eq(pipe2(in, O_CLOEXEC), 0);
    cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
    job.input = in[0];
    job.output = out[1];
    job.format = "mpegts";
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), 1);
    close(in[0]);
    close(out[1]);
    cr_assert_eq(fcntl(in[1], F_SETFL, O_NONBLOCK), 0);
    cr_assert_eq(fcntl(out[0], F_SETFL, O_NONBLOCK), 0);
    *stream = (struct stream){ .feed = in[1], .output = out[0] };
}

static void take(struct stream *stream)
{
    static unsigned char bytes[BURST_BYTES];
    ssize_t count = read(stream->output, bytes, sizeof(bytes));

    cr_assert(count > 0 || (count < 0 && errno == EAGAIN));
    stream->came += count > 0 ? (uint64_t)count : 0;
}

/* Feeds one burst of the media, then waits until so much came out in all. */
static void pass_burst(struct stream *stream, int media, uint64_t wanted)
{
    static unsigned char bytes[BURST_BYTES];
    uint64_t until = harness_now_ns() + PATIENCE_NS;
    size_t left = sizeof(bytes);

    cr_assert_eq(read(media, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
    while (left > 0 || stream->came < wanted) {
        ssize_t count = left > 0 ? write(stream->feed, bytes + sizeof(bytes) - left, left) : 0;

        left -= count > 0 ? (size_t)count : 0;
        stream->fed += count > 0 ? (uint64_t)count : 0;
        take(stream);
        cr_assert_lt(harness_now_ns(), until, "%llu bytes went in, %llu came out",
            (unsigned long long)stream->fed, (unsigned long long)stream->came);
        (void)poll(NULL, 0, 1);
    }
}

Test(e2e_live, bursts_come_out_while_the_input_pauses)
{
    struct harness harness;
    struct rmx_client *client;
    struct stream stream;
    int media = harness_input(harness_media("live.ts"));

    harness_start(&harness, NULL);
    client = harness_client(&harness);
    start(&stream, client);
    for (uint64_t burst = 1; burst <= BURSTS; burst++) {
        uint64_t wanted = burst * BURST_BYTES - WITHHELD_BYTES_MAX;

        pass_burst(&stream, media, burst >= PROBED ? wanted : 0);
        (void)poll(NULL, 0, 100); /* the input pauses */
    }
    close(stream.feed);
    close(stream.output);
    close(media);
    rmx_close(&client);
    harness_stop(&harness);
}
