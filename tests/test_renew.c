/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A live MP4 in fragments is read by one demuxer after the other: what comes out is what one alone
 * would make of it, and a job holds no more in the end than in the beginning.
 */
#include <criterion/criterion.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>

#include "engine/worker/fragments.h"
#include "engine/worker/remux.h"
#include "engine/worker/sanitizer.h"
#include "ipc/status.h"
#include "tests/trickle.h"

#define PICTURES 120
#define NEVER    UINT32_MAX

static struct trickle trickle;

static void free_trickle(void)
{
    trickle_free(&trickle);
}

TestSuite(renew, .fini = free_trickle, .timeout = 120);

/* --- the same packets ------------------------------------------------------------------------ */

static struct media run(const char *format, unsigned samples, int most)
{
    struct rmx_job_spec spec = media_job(format);
    struct media output;

    spec.flags |= RMX_JOB_LIVE | RMX_JOB_BITEXACT;
    rmx_fragments_samples = samples;
    trickle.most = most;
    trickle_run(&trickle, &spec);
    cr_assert_eq(trickle.result.status, RMX_STATUS_OK, "%s: %s",
        rmx_status_name(trickle.result.status), trickle.result.text);
    cr_assert_eq(trickle.result.packets_out, 2 * PICTURES);
    output = trickle.output;
    trickle.output = (struct media){ 0 };
    return output;
}

/* By demuxers that read so many samples each. */
static void assert_same(const char *what)
{
    static const char *const formats[] = { "matroska", "fmp4" };
    static const unsigned samples[] = { 13, 20, 50 };
    static const int pieces[] = { 0, 7, 100000 };

    for (size_t format = 0; format < sizeof(formats) / sizeof(*formats); format++) {
        struct media alone = run(formats[format], NEVER, 0);

        for (size_t slot = 0; slot < sizeof(samples) / sizeof(*samples); slot++) {
            struct media many = run(formats[format], samples[slot], pieces[slot]);

            cr_assert_eq(
                many.size, alone.size, "%s to %s by %u", what, formats[format], samples[slot]);
            cr_assert_arr_eq(many.bytes, alone.bytes, alone.size, "%s to %s by %u", what,
                formats[format], samples[slot]);
            media_free(&many);
        }
        media_free(&alone);
    }
}

static void make(const char *movflags)
{
    trickle_free(&trickle);
    trickle.movflags = movflags;
    trickle.reordered = true;
    trickle_make(&trickle, "mp4", PICTURES);
}

/* No fragment says any more when it begins. */
static void forget_times(void)
{
    for (size_t at = 0; at + 4 <= trickle.input.size; at++) {
        if (memcmp(trickle.input.bytes + at, "tfdt", 4) == 0) {
            memcpy(trickle.input.bytes + at, "free", 4);
        }
    }
}

Test(renew, many_demuxers_read_what_one_alone_reads)
{
    static const char *const kinds[] = {
        "frag_custom+empty_moov+default_base_moof",
        "frag_custom+empty_moov",
        "frag_custom+empty_moov+cmaf",
        "frag_custom+empty_moov+default_base_moof+negative_cts_offsets",
        "frag_custom+empty_moov+separate_moof",
        "frag_custom+dash",
        "frag_custom",
    };

    for (size_t kind = 0; kind < sizeof(kinds) / sizeof(*kinds); kind++) {
        make(kinds[kind]);
        assert_same(kinds[kind]);
    }
}

Test(renew, and_do_so_where_fragments_do_not_say_when_they_begin)
{
    static const char *const kinds[] = { "frag_custom+empty_moov",
        "frag_custom+empty_moov+default_base_moof+negative_cts_offsets" };

    for (size_t kind = 0; kind < sizeof(kinds) / sizeof(*kinds); kind++) {
        make(kinds[kind]);
        forget_times();
        assert_same(kinds[kind]);
    }
}

/* --- nothing grows --------------------------------------------------------------------------- */

#define EARLY  20000 /* packets */
#define LATE   100000
#define GROWTH 65536 /* bytes */
#define IO     4096

static const uint8_t silence[] = { 0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c };

/* A stream that is made as it is read. */
struct stream {
    AVFormatContext *muxer;
    AVPacket *packet;
    struct media pending;
    unsigned packets;
    size_t early; /* bytes on the heap */
    size_t late;
};

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void make_packet(struct stream *stream)
{
    AVPacket *packet = stream->packet;

    cr_assert_eq(av_new_packet(packet, sizeof(silence)), 0);
    memcpy(packet->data, silence, sizeof(silence));
    packet->dts = (int64_t)stream->packets++ * 1024;
    packet->pts = packet->dts;
    packet->duration = 1024;
    packet->flags = AV_PKT_FLAG_KEY;
    cr_assert_geq(av_write_frame(stream->muxer, packet), 0);
    cr_assert_geq(av_write_frame(stream->muxer, NULL), 0);
    av_packet_unref(packet);
    avio_flush(stream->muxer->pb);
}

static int read_stream(void *opaque, uint8_t *buffer, int wanted)
{
    struct stream *stream = opaque;
    struct media *pending = &stream->pending;
    static size_t given;

    if (given == pending->size) {
        given = 0;
        pending->at = 0;
        pending->size = 0;
        if (stream->packets == LATE) {
            stream->late = heap_bytes();
            return AVERROR_EOF;
        }
        make_packet(stream);
        stream->early = stream->packets == EARLY ? heap_bytes() : stream->early;
    }
    size_t got = FFMIN((size_t)wanted, pending->size - given);

    memcpy(buffer, pending->bytes + given, got);
    given += got;
    return (int)got;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): it is libavformat's to call */
static int swallow(void *opaque, uint8_t *buffer, int count)
{
    (void)opaque;
    (void)buffer;
    return count;
}

static void begin_stream(struct stream *stream)
{
    static const uint8_t asc[] = { 0x12, 0x10 };
    AVDictionary *options = NULL;

    stream->pending.stream = true;
    stream->packet = av_packet_alloc();
    cr_assert_geq(avformat_alloc_output_context2(&stream->muxer, NULL, "mp4", NULL), 0);
    stream->muxer->pb = media_open_io(&stream->pending, true);

    AVCodecParameters *parameters = avformat_new_stream(stream->muxer, NULL)->codecpar;

    stream->muxer->streams[0]->time_base = (AVRational){ 1, 44100 };
    parameters->codec_type = AVMEDIA_TYPE_AUDIO;
    parameters->codec_id = AV_CODEC_ID_AAC;
    parameters->sample_rate = 44100;
    parameters->frame_size = 1024;
    av_channel_layout_default(&parameters->ch_layout, 2);
    parameters->extradata = av_mallocz(sizeof(asc) + AV_INPUT_BUFFER_PADDING_SIZE);
    memcpy(parameters->extradata, asc, sizeof(asc));
    parameters->extradata_size = sizeof(asc);
    av_dict_set(&options, "movflags", "frag_custom+empty_moov+default_base_moof+skip_trailer", 0);
    cr_assert_geq(avformat_write_header(stream->muxer, &options), 0);
    av_dict_free(&options);
    avio_flush(stream->muxer->pb);
}

static void end_stream(struct stream *stream)
{
    media_close_io(&stream->muxer->pb);
    avformat_free_context(stream->muxer);
    av_packet_free(&stream->packet);
    media_free(&stream->pending);
}

static void assert_flat(const char *format)
{
    struct stream stream = { 0 };
    struct rmx_outlet outlet = { 0 };
    struct rmx_job_spec spec = media_job(format);
    struct rmx_job_result result = { .job = spec.job };

    begin_stream(&stream);
    AVIOContext *in = avio_alloc_context(av_malloc(IO), IO, 0, &stream, read_stream, NULL, NULL);

    const struct rmx_inlet inlet = { .io = { in } };

    outlet.io[0] = avio_alloc_context(av_malloc(IO), IO, 1, NULL, NULL, swallow, NULL);
    in->seekable = 0;
    outlet.io[0]->seekable = 0;
    spec.flags |= RMX_JOB_LIVE;
    spec.fragment_us = RMX_JOB_FRAGMENT_PACKET;
    rmx_remux_run(&spec, &inlet, &outlet, &result);
    cr_assert_eq(result.status, RMX_STATUS_OK, "%s", result.text);
    cr_assert_eq(result.packets_out, LATE);
    cr_assert_leq(stream.late, stream.early + GROWTH, "%s: %zu bytes after %u packets, then %zu",
        format, stream.early, EARLY, stream.late);
    media_close_io(&in);
    media_close_io(&outlet.io[0]);
    end_stream(&stream);
}

Test(renew, a_job_holds_no_more_after_many_packets_than_after_some)
{
    assert_flat("mpegts");
    assert_flat("fmp4");
    assert_flat("cmaf");
}

/* --- fragments made by hand ------------------------------------------------------------------ */

#define FRAGMENTS 60
#define RUN       10     /* samples */
#define PIECE     7      /* bytes are read at once */
#define RUNS      65000  /* of a fragment that claims much */
#define CLAIMED   65536  /* by each of them */
#define MADE      120000 /* bytes: room for what is made */

/* Boxes at the end of the trickle's input. */
static void put_32(uint32_t value)
{
    AV_WB32(trickle.input.bytes + trickle.input.size, value);
    trickle.input.size += 4;
}

static size_t begin_box(const char *type)
{
    size_t at = trickle.input.size;

    put_32(0);
    put_32(AV_RB32(type));
    return at;
}

static void end_box(size_t at)
{
    AV_WB32(trickle.input.bytes + at, (uint32_t)(trickle.input.size - at));
}

/* All samples are alike. Not described: of a description that there is none of, so that a demuxer
 * leaves them out. */
static size_t begin_moof(bool described)
{
    size_t moof = begin_box("moof");
    (void)begin_box("traf");
    size_t tfhd = begin_box("tfhd");

    put_32(described ? 0x20018 : 0x2001a); /* offsets from here; duration, size */
    put_32(1);
    if (!described) {
        put_32(2);
    }
    put_32(1024);
    put_32(sizeof(silence));
    end_box(tfhd);
    return moof;
}

static void end_moof(size_t moof)
{
    end_box(moof + 8);
    end_box(moof);
}

static void put_trun(uint32_t flags, uint32_t entries, uint32_t offset)
{
    size_t trun = begin_box("trun");

    put_32(flags);
    put_32(entries);
    if (flags & 1) {
        put_32(offset);
    }
    end_box(trun);
}

static void put_silence(void)
{
    size_t mdat = begin_box("mdat");

    for (unsigned sample = 0; sample < RUN; sample++) {
        memcpy(trickle.input.bytes + trickle.input.size, silence, sizeof(silence));
        trickle.input.size += sizeof(silence);
    }
    end_box(mdat);
}

/* Two runs of samples, each in an mdat of its own, and something between the two. */
static void put_torn_fragment(void)
{
    const uint32_t moof_bytes = 8 + 8 + 24 + 2 * 20;
    const uint32_t mdat_bytes = 8 + RUN * sizeof(silence);
    size_t moof = begin_moof(true);

    put_trun(1, RUN, moof_bytes + 8);
    put_trun(1, RUN, moof_bytes + mdat_bytes + 12 + 8);
    end_moof(moof);
    put_silence();
    size_t between = begin_box("free");
    put_32(0);
    end_box(between);
    put_silence();
}

static void begin_made(size_t room)
{
    struct stream stream = { 0 };

    begin_stream(&stream);
    trickle_free(&trickle);
    trickle.input.bytes = realloc(stream.pending.bytes, stream.pending.size + room);
    trickle.input.size = stream.pending.size;
    stream.pending = (struct media){ 0 };
    end_stream(&stream);
    cr_assert_not_null(trickle.input.bytes);
}

static void run_made(unsigned samples)
{
    struct rmx_job_spec spec = media_job("matroska");

    spec.flags |= RMX_JOB_LIVE;
    rmx_fragments_samples = samples;
    trickle.ends[0] = trickle.input.size;
    trickle.writes = 1;
    trickle_run(&trickle, &spec);
}

Test(renew, no_sample_is_lost_where_those_of_a_fragment_are_in_two_places)
{
    static const unsigned samples[] = { NEVER, 10, 15, 50 };

    begin_made(MADE);
    for (unsigned fragment = 0; fragment < FRAGMENTS; fragment++) {
        put_torn_fragment();
    }
    for (size_t slot = 0; slot < sizeof(samples) / sizeof(*samples); slot++) {
        trickle.most = PIECE;
        run_made(samples[slot]);
        cr_assert_eq(trickle.result.status, RMX_STATUS_OK, "%s", trickle.result.text);
        cr_assert_eq(
            trickle.result.packets_out, 2 * RUN * FRAGMENTS, "by %u samples", samples[slot]);
    }
}

Test(renew, a_fragment_that_claims_billions_of_samples_costs_next_to_nothing)
{
    begin_made(MADE + RUNS * 16);
    put_torn_fragment();
    size_t moof = begin_moof(false);

    for (unsigned run = 0; run < RUNS; run++) {
        put_trun(0, CLAIMED, 0);
    }
    end_moof(moof);
    put_torn_fragment();
    clock_t begun = clock();

    run_made(NEVER);
    cr_assert_lt(clock() - begun, CLOCKS_PER_SEC / 2);
    cr_assert_eq(trickle.result.status, RMX_STATUS_OK, "%s", trickle.result.text);
    cr_assert_eq(trickle.result.packets_out, 4 * RUN);
}

Test(renew, a_track_without_an_id_is_refused_before_it_costs_seconds)
{
    static const int pieces[] = { 0, PIECE };

    for (size_t slot = 0; slot < sizeof(pieces) / sizeof(*pieces); slot++) {
        begin_made(MADE);
        for (size_t at = 0; at + 4 <= trickle.input.size; at++) {
            if (memcmp(trickle.input.bytes + at, "tkhd", 4) == 0) {
                memcpy(trickle.input.bytes + at, "free", 4);
            }
        }
        put_torn_fragment();
        clock_t begun = clock();

        trickle.most = pieces[slot];
        run_made(NEVER);
        cr_assert_lt(clock() - begun, CLOCKS_PER_SEC / 2);
        cr_assert_eq(trickle.result.status, RMX_STATUS_BAD_MEDIA);
        cr_assert_not_null(strstr(trickle.result.text, "without an id"), "%s", trickle.result.text);
    }
}
