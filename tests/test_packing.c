/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Pictures of a live MPEG-TS, however they lie in its PES packets: what comes of them is what
 * libavformat makes of a file, and no byte is lost.
 */
#include "engine/worker/packing.h"

#include <criterion/criterion.h>
#include <string.h>

#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>

#include "engine/worker/split.h"
#include "engine/worker/tap.h"
#include "engine/worker/words.h"
#include "tests/packed_ts.h"

#define LARGE 70000

/* What came of it. */
struct got {
    uint8_t bytes[PACKED_BYTES_MAX];
    size_t size;
    unsigned packets;
    size_t ends[PACKED_PES_MAX];
    int64_t pts[PACKED_PES_MAX];
    bool key[PACKED_PES_MAX];
    struct rmx_words words;
};

static struct got file;
static struct got live;

TestSuite(packing, .timeout = 120);

/* --- reading --------------------------------------------------------------------------------- */

/* The stream comes PES packet by PES packet. */
struct input {
    size_t at;
    unsigned steady; /* from this one on, when more is asked for, */
    unsigned behind; /* so many pictures are still inside, at most */
    bool is_live;
};

static void assert_prompt(const struct input *input)
{
    unsigned came = 0;
    unsigned in = 0;
    unsigned out = 0;

    while (came < packed.packets && packed.ends[came] <= input->at) {
        came++;
    }
    if (came <= input->steady || input->steady == 0) {
        return;
    }
    while (in < packed.pictures && packed.begins[in + 1] <= packed.ends_coded[came - 1]) {
        in++;
    }
    while (out < packed.pictures && packed.begins[out + 1] <= live.size) {
        out++;
    }
    cr_assert_leq(in, out + input->behind, "%u came, %u are out", in, out);
}

static int read_input(void *opaque, uint8_t *buffer, int wanted)
{
    struct input *input = opaque;
    unsigned packet = 0;

    if (input->is_live) {
        assert_prompt(input);
    }
    while (packet < packed.packets && packed.ends[packet] <= input->at) {
        packet++;
    }
    if (packet == packed.packets) {
        return AVERROR_EOF;
    }
    size_t count = FFMIN((size_t)wanted, packed.ends[packet] - input->at);

    memcpy(buffer, packed.ts + input->at, count);
    input->at += count;
    return (int)count;
}

static void keep(struct got *got, const AVPacket *packet)
{
    cr_assert_lt(got->packets, PACKED_PES_MAX);
    cr_assert_leq(got->size + (size_t)packet->size, PACKED_BYTES_MAX);
    memcpy(got->bytes + got->size, packet->data, (size_t)packet->size);
    got->size += (size_t)packet->size;
    got->pts[got->packets] = packet->pts;
    got->key[got->packets] = packet->flags & AV_PKT_FLAG_KEY;
    got->ends[got->packets++] = got->size;
}

static AVFormatContext *open_demuxer(struct got *got, AVIOContext *io)
{
    AVFormatContext *demuxer = avformat_alloc_context();

    demuxer->pb = io;
    rmx_words_attach(&got->words, demuxer);
    cr_assert_geq(avformat_open_input(&demuxer, "", av_find_input_format("mpegts"), NULL), 0);
    return demuxer;
}

static AVIOContext *open_io(struct input *input)
{
    return avio_alloc_context(av_malloc(4096), 4096, 0, input, read_input, NULL, NULL);
}

static void close_io(AVIOContext **io)
{
    av_freep((void *)&(*io)->buffer);
    avio_context_free(io);
}

static void read_file(void)
{
    struct input input = { 0 };
    AVIOContext *io = open_io(&input);
    AVPacket *packet = av_packet_alloc();

    memset(&file, 0, sizeof(file));
    AVFormatContext *demuxer = open_demuxer(&file, io);

    while (av_read_frame(demuxer, packet) >= 0) {
        keep(&file, packet);
        av_packet_unref(packet);
    }
    av_packet_free(&packet);
    avformat_close_input(&demuxer);
    close_io(&io);
}

static void read_live(unsigned steady, unsigned behind)
{
    struct input input = { .steady = steady, .behind = behind, .is_live = true };
    AVIOContext *io = open_io(&input);
    AVPacket *packet = av_packet_alloc();
    struct rmx_tap tap;
    struct rmx_split split;

    memset(&live, 0, sizeof(live));
    cr_assert_eq(rmx_tap_init(&tap, io), 0);
    rmx_tap_watch(&tap);
    AVFormatContext *demuxer = open_demuxer(&live, tap.context);

    rmx_tap_forget(&tap);
    cr_assert_eq(rmx_split_begin(&split, demuxer, &tap), 0);
    while (rmx_split_read(&split, packet) >= 0) {
        keep(&live, packet);
        av_packet_unref(packet);
    }
    rmx_split_fini(&split);
    av_packet_free(&packet);
    avformat_close_input(&demuxer);
    rmx_tap_fini(&tap);
    close_io(&io);
}

static void assert_nothing_lost(const char *what)
{
    cr_assert_eq(live.size, packed.coded_bytes, "%s: %zu bytes, not %zu", what, live.size,
        packed.coded_bytes);
    cr_assert_eq(memcmp(live.bytes, packed.coded, live.size), 0, "%s", what);
}

/* libavformat's parser of H.265 takes the first of four bytes 00 00 00 01 for the last one of the
 * picture before. */
static void assert_end(const char *what, unsigned slot)
{
    size_t zero = slot + 1 < live.packets && packed.codec == AV_CODEC_ID_HEVC &&
                  AV_RB32(packed.coded + live.ends[slot]) == 1;

    cr_assert(live.ends[slot] == file.ends[slot] || live.ends[slot] + zero == file.ends[slot],
        "%s: packet %u ends at %zu, not %zu", what, slot, live.ends[slot], file.ends[slot]);
}

static void assert_as_file(const char *what)
{
    assert_nothing_lost(what);
    cr_assert_eq(
        live.packets, file.packets, "%s: %u packets, not %u", what, live.packets, file.packets);
    for (unsigned slot = 0; slot < live.packets; slot++) {
        assert_end(what, slot);
        cr_assert_eq(live.pts[slot], file.pts[slot], "%s: packet %u: %lld, not %lld", what, slot,
            (long long)live.pts[slot], (long long)file.pts[slot]);
        cr_assert_eq(live.key[slot], file.key[slot], "%s: packet %u: %d, not %d", what, slot,
            live.key[slot], file.key[slot]);
    }
    cr_assert_eq(live.words.warning[0], 0, "%s: %s", what, live.words.warning);
}

static const enum AVCodecID codecs[] = { AV_CODEC_ID_H264, AV_CODEC_ID_HEVC };

/* --- as a file ------------------------------------------------------------------------------- */

Test(packing, pictures_are_those_of_a_file_however_they_lie)
{
    char what[64];

    for (unsigned variant = 0; variant < 8; variant++) {
        for (enum packed_way way = 0; way < PACKED_WAYS; way++) {
            packed_describe(codecs[variant & 1], 1200);
            packed.delimited = !(variant & 2) || way == PACKED_EARLY_DELIMITER;
            packed.slices = variant & 4 && way != PACKED_BY_SLICE && way != PACKED_BY_SLICE_MEASURED
                                ? 1
                                : PACKED_SLICES;
            packed_make(way, 100, way, 0);
            read_file();
            read_live(0, 0);
            snprintf(what, sizeof(what), "%s, variant %u", packed_way_names[way], variant);
            assert_as_file(what);
            cr_assert_eq(live.packets, 100, "%s: %u", what, live.packets);
        }
    }
}

/* Apple's segmenter stuffs while pictures are small, then never again. */
Test(packing, way_may_change_at_any_time)
{
    static const enum packed_way ways[] = { PACKED_EACH, PACKED_MEASURED, PACKED_FULL,
        PACKED_IN_PAIRS, PACKED_EARLY_DELIMITER };
    static const unsigned leads[] = { 1, 10, 30, 100 };
    char what[64];

    for (unsigned codec = 0; codec < 2; codec++) {
        for (size_t pair = 0; pair < 25; pair++) {
            for (size_t slot = 0; slot < 4; slot++) {
                packed_describe(codecs[codec], 900);
                packed_make(ways[pair / 5], leads[slot], ways[pair % 5], 60);
                read_file();
                read_live(0, 0);
                snprintf(what, sizeof(what), "%s %s, then %s after %u", codec ? "hevc" : "h264",
                    packed_way_names[ways[pair / 5]], packed_way_names[ways[pair % 5]],
                    leads[slot]);
                assert_as_file(what);
            }
        }
    }
}

/* Two fields are two packets, as a parser sees it. */
Test(packing, two_fields_in_a_packet_are_taken_apart)
{
    for (unsigned lead = 0; lead <= 100; lead += 50) {
        packed_describe(AV_CODEC_ID_H264, 600);
        packed.fields = true;
        packed_make(PACKED_EACH, lead, PACKED_EACH, 60);
        read_file();
        read_live(0, 0);
        assert_as_file("fields");
        cr_assert_eq(live.packets, 2 * (lead + 60));
    }
}

/* What a PES packet can say of its length is less. */
Test(packing, large_picture_takes_several_packets_that_say_how_long_they_are)
{
    size_t at = 0;

    for (unsigned codec = 0; codec < 2; codec++) {
        packed_describe(codecs[codec], 1000);
        packed_make(PACKED_MEASURED, 40, PACKED_MEASURED, 0);
        packed.picture_bytes = LARGE;
        packed_code(true);
        packed.picture_bytes = 1000;
        packed_code(false);
        packed_add_pieces(40, UINT16_MAX - 8);
        at = packed.begins[41];
        packed_add(PACKED_MEASURED, 41, 42, &at);
        read_file();
        read_live(0, 0);
        assert_as_file("large");
        cr_assert_eq(live.packets, 42);
    }
}

/* --- at once --------------------------------------------------------------------------------- */

Test(packing, whole_pictures_do_not_wait_once_their_habits_are_known)
{
    for (unsigned codec = 0; codec < 2; codec++) {
        packed_describe(codecs[codec], 1200);
        packed_make(PACKED_EACH, 150, PACKED_EACH, 0);
        read_live(RMX_PACKING_HABIT + 3, 0);
        assert_nothing_lost("each");
        packed_make(PACKED_MEASURED, 150, PACKED_MEASURED, 0);
        read_live(RMX_PACKING_HABIT, 0);
        assert_nothing_lost("measured");
    }
}

Test(packing, until_then_they_wait_for_the_next_one_only)
{
    packed_describe(AV_CODEC_ID_H264, 1200);
    packed_make(PACKED_EACH, 30, PACKED_EACH, 0);
    read_live(1, 1);
    packed_make(PACKED_MEASURED, 30, PACKED_MEASURED, 0);
    read_live(1, 1);
}

/* --- against all signs ----------------------------------------------------------------------- */

/* No rule can see this coming: a hundred pictures were whole, and the next one is not. */
Test(packing, what_was_taken_for_whole_and_was_not_is_said_and_nothing_is_lost)
{
    static const enum packed_way ways[][2] = { { PACKED_EACH, PACKED_BY_SLICE },
        { PACKED_MEASURED, PACKED_BY_SLICE_MEASURED }, { PACKED_MEASURED, PACKED_IN_PIECES },
        { PACKED_EACH, PACKED_IN_PIECES } };

    for (unsigned codec = 0; codec < 2; codec++) {
        for (size_t slot = 0; slot < 4; slot++) {
            packed_describe(codecs[codec], 1200);
            packed_make(ways[slot][0], 100, ways[slot][1], 60);
            read_live(0, 0);
            assert_nothing_lost(packed_way_names[ways[slot][1]]);
            cr_assert_geq(live.packets, 160);
            cr_assert_leq(live.packets, 161, "one picture in two: %u", live.packets);
            cr_assert_neq(live.words.warning[0], 0, "%s", packed_way_names[ways[slot][1]]);
        }
    }
}

/* A multiplexer that takes over has its own habits. */
Test(packing, after_a_gap_habits_are_to_be_shown_again)
{
    size_t at = 0;

    packed_describe(AV_CODEC_ID_H264, 1200);
    packed_make(PACKED_MEASURED, 100, PACKED_MEASURED, 0);
    for (unsigned count = 0; count < 60; count++) {
        packed_code(count % 12 == 0);
    }
    packed.counters[2] = (uint8_t)(packed.counters[2] + 5);
    at = packed.begins[100];
    packed_add(PACKED_IN_PIECES, 100, 160, &at);
    read_file();
    read_live(0, 0);
    assert_as_file("after a gap");
}
