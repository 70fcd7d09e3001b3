/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Text subtitles on their way through a decoder and an encoder into a muxer:
 *
 *   source 1 | target 1 | flags 1 | header's bytes 2 | header | (packet's bytes 2 | packet)...
 *
 * Whatever comes: the stream is refused with a reason, or each packet becomes one of bounded size,
 * none, or an error with a reason, and the file is finished.
 */
#include <stdio.h>
#include <string.h>

#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>

#include "engine/worker/remux.h"
#include "engine/worker/subtitle.h"
#include "engine/worker/timing.h"
#include "ring/base.h"
#include "tests/fuzz_drive.h"

#define ALLOC_MAX    ((size_t)64 << 20)
#define ENCODED_MAX  (1 << 20)
#define HEAD_BYTES   5u
#define FLAG_EXACT   1u
#define FLAG_TIMES   2u /* a packet's first bytes are when it is, too */
#define FLAG_SPARSE  4u /* no duration */
#define TARGETS      8u
#define SOURCE_COUNT 5u

static const enum AVCodecID sources[SOURCE_COUNT] = { AV_CODEC_ID_MOV_TEXT, AV_CODEC_ID_SUBRIP,
    AV_CODEC_ID_TEXT, AV_CODEC_ID_WEBVTT, AV_CODEC_ID_ASS };

static const struct {
    const char *muxer;
    const char *edit;
} targets[TARGETS] = { { "mp4", "subtitles=mov_text" }, { "matroska", "subtitles=srt" },
    { "matroska", "subtitles=ass" }, { "matroska", "subtitles=webvtt" },
    { "webm", "subtitles=webvtt" }, { "srt", "subtitles=subrip" }, { "ass", "subtitles=ass" },
    { "webvtt", "subtitles=webvtt" } };

struct journey {
    AVFormatContext *demuxer;
    AVFormatContext *muxer;
    AVStream *from;
    AVStream *to;
    struct rmx_subtitle *subtitle;
    struct rmx_words words;
    int64_t last_dts;
    uint8_t flags;
};

/* Takes up to so many bytes, as the two bytes before them say. NULL: there are no more. */
static const uint8_t *take(const uint8_t **data, const uint8_t *end, uint16_t *bytes)
{
    const uint8_t *taken = *data + 2;

    if (end - *data < 2) {
        return NULL;
    }
    *bytes = AV_RB16(*data);
    *bytes = *bytes > end - taken ? (uint16_t)(end - taken) : *bytes;
    *data = taken + *bytes;
    return taken;
}

static void describe(struct journey *journey, const uint8_t *header, uint16_t bytes)
{
    AVCodecParameters *parameters = journey->from->codecpar;

    journey->from->time_base = (AVRational){ 1, 1000 };
    parameters->codec_type = AVMEDIA_TYPE_SUBTITLE;
    parameters->extradata = av_mallocz((size_t)bytes + AV_INPUT_BUFFER_PADDING_SIZE);
    rmx_assert(parameters->extradata);
    memcpy(parameters->extradata, header, bytes);
    parameters->extradata_size = bytes;
    rmx_assert(avcodec_parameters_copy(journey->to->codecpar, parameters) >= 0);
}

static void begin(struct journey *journey, const uint8_t *head)
{
    const char *muxer = targets[head[1] % TARGETS].muxer;

    journey->flags = head[2];
    journey->last_dts = AV_NOPTS_VALUE;
    journey->demuxer = avformat_alloc_context();
    rmx_assert(journey->demuxer);
    journey->from = avformat_new_stream(journey->demuxer, NULL);
    rmx_assert(avformat_alloc_output_context2(&journey->muxer, NULL, muxer, NULL) >= 0);
    rmx_words_attach(&journey->words, journey->muxer);
    journey->muxer->flags |= head[2] & FLAG_EXACT ? AVFMT_FLAG_BITEXACT : 0;
    journey->to = avformat_new_stream(journey->muxer, NULL);
    rmx_assert(journey->from && journey->to);
    journey->from->codecpar->codec_id = sources[head[0] % SOURCE_COUNT];
    rmx_assert(avio_open_dyn_buf(&journey->muxer->pb) >= 0);
}

static void end(struct journey *journey)
{
    uint8_t *written = NULL;

    rmx_subtitle_free(&journey->subtitle);
    avio_close_dyn_buf(journey->muxer->pb, &written);
    av_free(written);
    avformat_free_context(journey->muxer);
    avformat_free_context(journey->demuxer);
}

static bool open_it(struct journey *journey, const char *edit)
{
    struct rmx_job_spec spec = { .job = 1, .kind = RMX_JOB_REMUX, .inputs = 1, .outputs = 1 };

    rmx_assert(rmx_job_add_edit(&spec, edit) == 0);
    enum rmx_status status = rmx_subtitle_open(
        &journey->subtitle, journey->muxer, journey->to, journey->from, &spec, &journey->words);

    rmx_assert(status == RMX_STATUS_OK || status == RMX_STATUS_UNSUPPORTED ||
               status == RMX_STATUS_OVER_LIMIT);
    rmx_assert((status == RMX_STATUS_OK) == (journey->subtitle != NULL));
    rmx_assert(status != RMX_STATUS_UNSUPPORTED || journey->words.text[0] != '\0');
    return status == RMX_STATUS_OK;
}

static AVPacket *make_packet(
    const struct journey *journey, const uint8_t *data, uint16_t bytes, int64_t now)
{
    AVPacket *packet = av_packet_alloc();

    rmx_assert(packet && av_new_packet(packet, bytes) >= 0);
    memcpy(packet->data, data, bytes);
    packet->pts = packet->dts = now * 700;
    packet->duration = journey->flags & FLAG_SPARSE ? 0 : 900;
    if (journey->flags & FLAG_TIMES && bytes >= 8) {
        packet->pts = packet->dts = (int64_t)AV_RB64(data) >> (journey->flags & 56);
        packet->duration = packet->pts / 3;
    }
    return packet;
}

/* Returns whether the muxer goes on. */
static bool put(struct journey *journey, AVPacket *packet)
{
    int got = rmx_subtitle_convert(journey->subtitle, packet);

    rmx_assert(got <= 1);
    rmx_assert(got == 1 || packet->size == 0 || got < 0);
    rmx_assert(got >= 0 || got == AVERROR(ENOMEM) || journey->words.text[0] != '\0');
    if (got <= 0) {
        return got == 0;
    }
    rmx_assert(packet->size <= ENCODED_MAX && packet->pts == packet->dts);
    rmx_timing_settle(
        packet, journey->muxer->oformat->flags, AVMEDIA_TYPE_SUBTITLE, &journey->last_dts);
    return av_interleaved_write_frame(journey->muxer, packet) >= 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    struct journey journey = { 0 };
    const uint8_t *last = data + size;
    const uint8_t *head = data;
    const uint8_t *text;
    uint16_t bytes = 0;
    bool more = true;

    if (size < HEAD_BYTES) {
        return 0;
    }
    if (!ready) {
        rmx_remux_init_process(ALLOC_MAX);
        ready = true;
    }
    data += HEAD_BYTES - 2;
    text = take(&data, last, &bytes);
    begin(&journey, head);
    describe(&journey, text, bytes);
    if (open_it(&journey, targets[head[1] % TARGETS].edit) &&
        avformat_write_header(journey.muxer, NULL) >= 0) {
        for (int64_t now = 0; more && (text = take(&data, last, &bytes)); now++) {
            AVPacket *packet = make_packet(&journey, text, bytes, now);

            more = put(&journey, packet);
            av_packet_free(&packet);
        }
        (void)av_write_trailer(journey.muxer);
    }
    end(&journey);
    return 0;
}

/* --- seeds ----------------------------------------------------------------------------------- */

static const char styles[] =
    "[Script Info]\nScriptType: v4.00+\nPlayResX: 640\nPlayResY: 360\n\n[V4+ Styles]\n"
    "Format: Name, Fontname, Fontsize, PrimaryColour, Bold, Italic, Underline, Alignment\n"
    "Style: Default,Arial,20,&H00FFFFFF,0,0,0,2\nStyle: Sign,Times,28,&H0000FFFF,-1,-1,0,8\n\n"
    "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n";

static const char sample_entry[] =
    "\0\0\0\0\1\377\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\22\377\377\377\377\0\0\0\25ftab\0\1\0\1"
    "\5Serif";

static const char styled_sample[] =
    "\0\13hello world\0\0\0\42styl\0\2\0\0\0\5\0\1\1\22\377\0\0\377\0\6\0\13\0\1\2\30\0\377\0\377"
    "\0\0\0\14hlit\0\1\0\4\0\0\0\14hclr\1\2\3\4\0\0\0\11twrp\1";

#define WORDS(text)                                                                                \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static const struct {
    const char *bytes;
    size_t count;
} texts[SOURCE_COUNT][3] = {
    { WORDS(styled_sample), WORDS("\0\0"), WORDS("\0\5plain") },
    { WORDS("<font color=\"red\" size=\"20\"><b>bold</b> <i>it</i></font> {\\an8}top"),
        WORDS("two\nlines <font face=\"Courier\">x<br/>"), WORDS("<< a < b {\\pos(1,2)}{\\b1}") },
    { WORDS("plain {text}\\N"), WORDS("a\r\nb"), WORDS("") },
    { WORDS("<v Bob>Hi <c.red>there</c> &amp; <i>you</i>"), WORDS("&lt;a&gt;&nbsp;{b}"),
        WORDS("a\nb") },
    { WORDS("0,0,Default,,0,0,0,,{\\i1}a{\\i0} {\\c&HFF&}red {\\fnX\\fs40}big {\\rSign}s\\Nb"),
        WORDS("2,0,Sign,,0,0,0,,{\\1a&H80&}{\\move(1,2,3,4)}{\\an5}x{\\k20}"),
        WORDS("1,0,None,,0,0,0,,{unclosed \\n {\\b1\\u1\\s1}all") },
};

static size_t put_text(uint8_t *data, const char *text, size_t bytes)
{
    data[0] = (uint8_t)(bytes >> 8);
    data[1] = (uint8_t)bytes;
    memcpy(data + 2, text, bytes);
    return bytes + 2;
}

size_t fuzz_seed(unsigned n, uint8_t *data)
{
    unsigned source = n % SOURCE_COUNT;
    size_t used = HEAD_BYTES - 2;

    data[0] = (uint8_t)source;
    data[1] = (uint8_t)(n / SOURCE_COUNT);
    data[2] = (uint8_t)(n / (SOURCE_COUNT * TARGETS));
    if (sources[source] == AV_CODEC_ID_MOV_TEXT) {
        used += put_text(data + used, sample_entry, sizeof(sample_entry) - 1);
    } else {
        used += put_text(
            data + used, styles, sources[source] == AV_CODEC_ID_ASS ? sizeof(styles) - 1 : 0);
    }
    for (size_t slot = 0; slot < 3; slot++) {
        used += put_text(data + used, texts[source][slot].bytes, texts[source][slot].count);
    }
    return used;
}
