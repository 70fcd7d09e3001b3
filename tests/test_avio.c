/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The two ends of a job, without a process around them: the test is the lane, and acts whenever the
 * job would sleep.
 */
#include "engine/worker/avio.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <libavutil/error.h>
#include <string.h>

#include "engine/worker/sink.h"
#include "engine/worker/source.h"
#include "ring/region.h"
#include "tests/ring_lie.h"

#define STREAM_BYTES (2u << 20)
#define CHUNK_BYTES  4096u

static struct {
    struct rmx_region region;
    struct rmx_chunk_ring lane; /* our end */
    struct rmx_avio avio;
    _Atomic uint32_t stop;
    unsigned told[RMX_NOTE_DONE + 1];
    unsigned sleeps, starved, seeks; /* seeks: seen by the feed */
    /* the feed */
    uint64_t at;
    bool ended;
    uint64_t fail_at; /* an ERROR chunk comes there */
    uint64_t lie_at;  /* a chunk with a wrong offset comes there */
    bool stop_when_asleep, late;
    /* the drain */
    unsigned char written[STREAM_BYTES];
    struct rmx_chunk last; /* that it took */
    unsigned chunks;
} test;

static unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)(offset * 2654435761u >> 13);
}

static void publish(uint64_t offset, uint32_t bytes, uint16_t flags, int error)
{
    struct rmx_chunk chunk = {
        .offset = offset,
        .bytes = bytes,
        .generation = test.lane.generation,
        .flags = flags,
        .error = error,
    };

    for (uint32_t i = 0; i < bytes; i++) {
        rmx_chunk_payload(&test.lane, 0)[i] = byte_at(offset + i);
    }
    rmx_chunk_fill(&test.lane, 0, &chunk);
    rmx_ring_publish(&test.lane.ring, 1);
}

static void feed_one(void)
{
    uint64_t left = STREAM_BYTES - test.at;
    uint32_t bytes = left < CHUNK_BYTES ? (uint32_t)left : CHUNK_BYTES;

    if (test.fail_at != 0 && test.at >= test.fail_at) {
        publish(test.at, 0, RMX_CHUNK_ERROR, -EIO);
        test.ended = true;
        return;
    }
    publish(test.at + (test.lie_at != 0 && test.at >= test.lie_at ? 1 : 0), bytes,
        bytes == left ? RMX_CHUNK_END : 0, 0);
    test.at += bytes;
    test.ended = test.at == STREAM_BYTES;
}

static void feed(void *owner, enum rmx_flow_wait what, uint64_t until_ns)
{
    uint64_t offset;
    uint32_t generation;

    cr_assert(owner == NULL && what == RMX_WAIT_INPUT && until_ns == 0);
    test.sleeps++;
    if (test.stop_when_asleep) {
        atomic_store(&test.stop, RMX_STATUS_CANCELLED);
        return;
    }
    if (rmx_chunk_seek_due(&test.lane, &offset, &generation) == 1) {
        test.seeks++;
        test.at = offset > STREAM_BYTES ? STREAM_BYTES : offset;
        test.ended = false;
    }
    while (!test.ended && rmx_ring_reserve_one(&test.lane.ring) == 1) {
        feed_one();
    }
}

static void drain(void *owner, enum rmx_flow_wait what, uint64_t until_ns)
{
    cr_assert(owner == NULL && what == RMX_WAIT_OUTPUT && until_ns == 0);
    test.sleeps++;
    if (test.stop_when_asleep) {
        atomic_store(&test.stop, RMX_STATUS_OUTPUT_FULL);
        return;
    }
    while (rmx_ring_peek_one(&test.lane.ring) == 1) {
        cr_assert_eq(rmx_chunk_read(&test.lane, 0, &test.last), 0);
        cr_assert_leq(test.last.offset + test.last.bytes, STREAM_BYTES);
        memcpy(test.written + test.last.offset, rmx_chunk_payload(&test.lane, 0), test.last.bytes);
        rmx_ring_release(&test.lane.ring, 1);
        test.chunks++;
    }
}

static void tell(void *owner, enum rmx_note_kind kind)
{
    (void)owner;
    test.told[kind]++;
}

static uint64_t starve(void *owner)
{
    (void)owner;
    test.starved++;
    return 0;
}

static struct rmx_chunk_ring make_ring(
    uint32_t slots, void (*sleep)(void *, enum rmx_flow_wait, uint64_t))
{
    struct rmx_chunk_ring ring;

    test.region = (struct rmx_region)RMX_REGION_INIT;
    cr_assert_eq(
        rmx_region_create(&test.region, "test", rmx_chunk_ring_bytes(slots, CHUNK_BYTES), 0), 0);
    cr_assert_eq(rmx_chunk_ring_init(&test.region, 0, slots, CHUNK_BYTES, UINT64_MAX - 5), 0);
    cr_assert_eq(rmx_chunk_ring_attach(&test.lane, &test.region, 0, slots, CHUNK_BYTES), 0);
    cr_assert_eq(rmx_chunk_ring_attach(&ring, &test.region, 0, slots, CHUNK_BYTES), 0);
    test.avio = (struct rmx_avio){ &test.stop, &test.late, sleep, starve, tell, NULL, 0, 0, 0, 0 };
    return ring;
}

static void open_source(struct rmx_source *source, uint32_t slots, bool seekable)
{
    struct rmx_chunk_ring ring = make_ring(slots, feed);
    rmx_source_init(source, &test.avio, &ring, false);
    cr_assert_eq(
        rmx_source_add(source, seekable ? STREAM_BYTES : RMX_SOURCE_SIZE_UNKNOWN, seekable), 0);
}

static void open_sink(struct rmx_sink *sink, uint32_t slots, bool seekable)
{
    struct rmx_chunk_ring ring = make_ring(slots, drain);
    rmx_sink_init(sink, &test.avio, &ring);
    cr_assert_eq(rmx_sink_add(sink, seekable, RMX_SINK_FORWARD), 0);
}

static void close_all(struct rmx_source *source, struct rmx_sink *sink)
{
    if (source != NULL) {
        rmx_source_fini(source);
    }
    if (sink != NULL) {
        rmx_sink_fini(sink);
    }
    rmx_region_fini(&test.region);
}

/* Reads `bytes` at the current position and checks each. */
static void expect(struct rmx_source *source, uint32_t bytes)
{
    static unsigned char buffer[STREAM_BYTES];
    uint64_t at = (uint64_t)avio_tell(source->input[0].context);

    cr_assert_eq(avio_read(source->input[0].context, buffer, (int)bytes), (int)bytes);
    for (uint32_t i = 0; i < bytes; i++) {
        cr_assert_eq(buffer[i], byte_at(at + i), "byte %llu", (unsigned long long)(at + i));
    }
}

TestSuite(source, .timeout = 30);
TestSuite(sink, .timeout = 30);

Test(source, gives_every_byte_in_order_through_two_slots)
{
    struct rmx_source source;

    open_source(&source, 2, false);
    for (uint32_t bytes = 1, left = STREAM_BYTES; left > 0; bytes = bytes * 3 + 1) {
        bytes = bytes < left ? bytes : left;
        expect(&source, bytes);
        left -= bytes;
        bytes = bytes > 100000 ? 0 : bytes;
    }
    cr_assert_eq(avio_r8(source.input[0].context), 0);
    cr_assert(avio_feof(source.input[0].context));
    cr_assert_eq(source.input[0].context->error, 0);
    cr_assert_eq(source.bytes, STREAM_BYTES);
    cr_assert_gt(test.starved, 0);
    cr_assert_eq(source.input[0].context->seekable, 0);
    close_all(&source, NULL);
}

Test(source, seeks_anywhere_even_after_the_end)
{
    struct rmx_source source;
    uint64_t at = 12345;

    open_source(&source, 4, true);
    cr_assert_eq(avio_size(source.input[0].context), STREAM_BYTES);
    expect(&source, 1000);
    for (int i = 0; i < 500; i++) {
        uint32_t bytes = (uint32_t)(at % 9000) + 1;

        at = at * 6364136223846793005u + 1442695040888963407u;
        cr_assert_geq(
            avio_seek(source.input[0].context, (int64_t)(at % (STREAM_BYTES - 9001)), SEEK_SET), 0);
        expect(&source, bytes);
        if (i % 50 == 0) {
            cr_assert_eq(
                avio_seek(source.input[0].context, STREAM_BYTES - 10, SEEK_SET), STREAM_BYTES - 10);
            expect(&source, 10);
            cr_assert_eq(avio_r8(source.input[0].context), 0);
            cr_assert(avio_feof(source.input[0].context));
        }
    }
    cr_assert_gt(test.seeks, 100);
    cr_assert_eq(test.avio.status, RMX_STATUS_OK);
    close_all(&source, NULL);
}

Test(source, skips_a_short_way_and_asks_for_a_long_one)
{
    struct rmx_source source;

    open_source(&source, 8, true);
    expect(&source, 100);
    cr_assert_eq(avio_seek(source.input[0].context, 300 * 1024, SEEK_SET), 300 * 1024);
    expect(&source, 100);
    cr_assert_eq(test.seeks, 0, "it was on its way");
    cr_assert_eq(avio_seek(source.input[0].context, 1500 * 1024, SEEK_SET), 1500 * 1024);
    expect(&source, 100);
    cr_assert_eq(test.seeks, 1);
    cr_assert_eq(avio_seek(source.input[0].context, 5, SEEK_SET), 5);
    cr_assert_eq(avio_seek(source.input[0].context, 1510 * 1024, SEEK_SET), 1510 * 1024);
    expect(&source, 100);
    cr_assert_eq(test.seeks, 1, "a seek costs nothing until the next read");
    close_all(&source, NULL);
}

Test(source, failed_input_is_an_error_with_its_cause)
{
    struct rmx_source source;
    unsigned char buffer[64];

    test.fail_at = 8 * CHUNK_BYTES;
    open_source(&source, 2, false);
    expect(&source, 8 * CHUNK_BYTES);
    cr_assert_eq(avio_read(source.input[0].context, buffer, sizeof(buffer)), AVERROR(EIO));
    cr_assert_eq(test.avio.status, RMX_STATUS_INPUT_IO);
    cr_assert_eq(test.avio.cause, -EIO);
    close_all(&source, NULL);
}

Test(source, stop_word_ends_a_wait)
{
    struct rmx_source source;
    unsigned char buffer[64];

    test.stop_when_asleep = true;
    open_source(&source, 2, false);
    cr_assert_eq(avio_read(source.input[0].context, buffer, sizeof(buffer)), AVERROR_EXIT);
    cr_assert_eq(test.avio.status, RMX_STATUS_CANCELLED);
    cr_assert_eq(test.sleeps, 1);
    close_all(&source, NULL);
}

Test(source, unknown_stop_word_is_INTERNAL)
{
    struct rmx_source source;
    unsigned char buffer[64];

    atomic_store(&test.stop, 4711);
    open_source(&source, 2, false);
    cr_assert_eq(avio_read(source.input[0].context, buffer, sizeof(buffer)), AVERROR_EXIT);
    cr_assert_eq(test.avio.status, RMX_STATUS_INTERNAL);
    close_all(&source, NULL);
}

Test(source, chunk_out_of_order_is_PEER_CORRUPT)
{
    struct rmx_source source;
    unsigned char buffer[64];

    test.lie_at = 4 * CHUNK_BYTES;
    open_source(&source, 2, false);
    expect(&source, 4 * CHUNK_BYTES);
    cr_assert_eq(avio_read(source.input[0].context, buffer, sizeof(buffer)), AVERROR_EXIT);
    cr_assert_eq(test.avio.status, RMX_STATUS_PEER_CORRUPT);
    close_all(&source, NULL);
}

Test(source, impossible_count_is_PEER_CORRUPT)
{
    struct rmx_source source;
    unsigned char buffer[64];

    open_source(&source, 2, false);
    ring_lie(&test.lane.ring, 77);
    cr_assert_eq(avio_read(source.input[0].context, buffer, sizeof(buffer)), AVERROR_EXIT);
    cr_assert_eq(test.avio.status, RMX_STATUS_PEER_CORRUPT);
    close_all(&source, NULL);
}

static void write_stream(struct rmx_sink *sink, uint64_t from, uint32_t bytes)
{
    static unsigned char buffer[STREAM_BYTES];

    for (uint32_t i = 0; i < bytes; i++) {
        buffer[i] = byte_at(from + i);
    }
    avio_write(sink->output[0].context, buffer, (int)bytes);
}

static void expect_written(uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        cr_assert_eq(test.written[i], byte_at(i), "byte %llu", (unsigned long long)i);
    }
}

Test(sink, small_writes_fill_whole_chunks_and_the_last_says_END)
{
    struct rmx_sink sink;

    open_sink(&sink, 2, false);
    for (uint64_t at = 0; at < 100000; at += 188) {
        write_stream(&sink, at, 188);
    }
    avio_flush(sink.output[0].context);
    rmx_sink_finish(&sink);
    drain(NULL, RMX_WAIT_OUTPUT, 0);
    cr_assert_eq(test.chunks, (100016 + CHUNK_BYTES - 1) / CHUNK_BYTES);
    cr_assert_eq(test.last.flags, RMX_CHUNK_END);
    cr_assert_eq(sink.end, 100016);
    expect_written(0, 100016);
    close_all(NULL, &sink);
}

Test(sink, nothing_written_is_an_empty_END)
{
    struct rmx_sink sink;

    open_sink(&sink, 2, false);
    rmx_sink_finish(&sink);
    drain(NULL, RMX_WAIT_OUTPUT, 0);
    cr_assert_eq(test.chunks, 1);
    cr_assert_eq(test.last.bytes, 0);
    cr_assert_eq(test.last.flags, RMX_CHUNK_END);
    close_all(NULL, &sink);
}

Test(sink, job_that_failed_ends_its_output_once_there_is_room)
{
    struct rmx_sink sink;

    open_sink(&sink, 2, false);
    write_stream(&sink, 0, 2 * CHUNK_BYTES);
    avio_flush(sink.output[0].context);
    cr_assert_eq(rmx_avio_end(&test.avio, RMX_STATUS_INPUT_IO, -EIO), AVERROR_EXIT);
    rmx_sink_finish(&sink);
    cr_assert_eq(test.sleeps, 1, "the ring was full");
    drain(NULL, RMX_WAIT_OUTPUT, 0);
    cr_assert_eq(test.chunks, 3);
    cr_assert_eq(test.last.flags, RMX_CHUNK_END);
    close_all(NULL, &sink);
}

Test(sink, patch_inside_the_chunk_at_hand_needs_no_chunk_of_its_own)
{
    struct rmx_sink sink;

    open_sink(&sink, 2, true);
    avio_wb32(sink.output[0].context, 0);
    write_stream(&sink, 4, 1000);
    cr_assert_eq(avio_seek(sink.output[0].context, 0, SEEK_SET), 0);
    write_stream(&sink, 0, 4);
    cr_assert_eq(avio_seek(sink.output[0].context, 1004, SEEK_SET), 1004);
    write_stream(&sink, 1004, 100);
    avio_flush(sink.output[0].context);
    rmx_sink_finish(&sink);
    drain(NULL, RMX_WAIT_OUTPUT, 0);
    cr_assert_eq(test.chunks, 1);
    cr_assert_eq(sink.end, 1104);
    expect_written(0, 1104);
    close_all(NULL, &sink);
}

Test(sink, patch_far_back_goes_out_with_its_own_offset)
{
    struct rmx_sink sink;

    open_sink(&sink, 4, true);
    for (int i = 0; i < 4; i++) {
        avio_w8(sink.output[0].context, 0);
    }
    write_stream(&sink, 4, 60000);
    cr_assert_eq(avio_seek(sink.output[0].context, 0, SEEK_SET), 0);
    write_stream(&sink, 0, 4);
    cr_assert_eq(avio_seek(sink.output[0].context, 60004, SEEK_SET), 60004);
    write_stream(&sink, 60004, 96);
    avio_flush(sink.output[0].context);
    rmx_sink_finish(&sink);
    drain(NULL, RMX_WAIT_OUTPUT, 0);
    cr_assert_eq(sink.end, 60100);
    cr_assert_eq(test.last.offset, 60004);
    expect_written(0, 60100);
    close_all(NULL, &sink);
}

Test(sink, stream_that_must_go_back_says_so_instead_of_writing_rubbish)
{
    struct rmx_sink sink;

    open_sink(&sink, 64, false);
    write_stream(&sink, 0, 100000);
    cr_assert_eq(avio_seek(sink.output[0].context, 99990, SEEK_SET), 99990, "still in the buffer");
    write_stream(&sink, 99990, 10);
    cr_assert_eq(test.avio.status, RMX_STATUS_OK);
    cr_assert_lt(avio_seek(sink.output[0].context, 0, SEEK_SET), 0);
    cr_assert_eq(test.avio.status, RMX_STATUS_NEEDS_SEEKABLE_OUTPUT);
    close_all(NULL, &sink);
}

Test(sink, live_output_goes_out_whatever_its_reader_has_still)
{
    struct rmx_sink sink;

    open_sink(&sink, 4, false);
    write_stream(&sink, 0, 100);
    rmx_sink_push(&sink);
    write_stream(&sink, 100, 100);
    rmx_sink_push(&sink);
    drain(NULL, RMX_WAIT_OUTPUT, 0);
    cr_assert_eq(test.chunks, 2);
    cr_assert_eq(test.last.flags, RMX_CHUNK_FLUSH);
    expect_written(0, 200);
    close_all(NULL, &sink);
}

/* Writes, pushes, and expects that a drain that sleeps is told, and finds all of it. */
static void expect_burst_told(struct rmx_sink *sink, uint64_t from, uint32_t bytes)
{
    unsigned told = test.told[RMX_NOTE_OUTPUT];

    cr_assert(rmx_ring_consumer_ask(&test.lane.ring));
    write_stream(sink, from, bytes);
    rmx_sink_push(sink);
    cr_assert_eq(test.told[RMX_NOTE_OUTPUT], told + 1);
    drain(NULL, RMX_WAIT_OUTPUT, 0);
    expect_written(0, from + bytes);
}

Test(sink, live_burst_of_many_chunks_is_told_before_a_pause)
{
    struct rmx_sink sink;

    open_sink(&sink, 64, false);
    expect_burst_told(&sink, 0, 2 * CHUNK_BYTES);
    expect_burst_told(&sink, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 100);
    cr_assert_eq(test.last.flags, RMX_CHUNK_FLUSH);
    close_all(NULL, &sink);
}

Test(sink, stop_word_ends_a_wait_for_room)
{
    struct rmx_sink sink;

    test.stop_when_asleep = true;
    open_sink(&sink, 2, false);
    write_stream(&sink, 0, 3 * CHUNK_BYTES);
    avio_flush(sink.output[0].context);
    cr_assert_eq(sink.output[0].context->error, AVERROR_EXIT);
    cr_assert_eq(test.avio.status, RMX_STATUS_OUTPUT_FULL);
    rmx_sink_finish(&sink);
    close_all(NULL, &sink);
}

Test(sink, impossible_count_is_PEER_CORRUPT)
{
    struct rmx_sink sink;

    open_sink(&sink, 2, false);
    atomic_store(&test.lane.ring.shm->released, 99);
    write_stream(&sink, 0, 3 * CHUNK_BYTES);
    avio_flush(sink.output[0].context);
    cr_assert_eq(test.avio.status, RMX_STATUS_PEER_CORRUPT);
    close_all(NULL, &sink);
}
