/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much the input promises to hold. Worker process, a job's fiber.
 */
#include "engine/worker/extent.h"

#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/intreadwrite.h>

#define BOXES_MAX 64 /* looked at in a row; a sane file has a handful after its last sample */

void rmx_extent_begin(struct rmx_extent *extent, AVIOContext *input)
{
    int got = avio_read(input, extent->head, sizeof(extent->head));

    extent->head_bytes = FFMAX(got, 0);
    extent->samples_end = 0;
    extent->torn = false;
    avio_seek(input, -extent->head_bytes, SEEK_CUR);
}

static bool is(const AVFormatContext *demuxer, const char *names)
{
    return demuxer && av_match_name(names, demuxer->iformat->name);
}

/* In MPEG streams the flag means a lost packet, which is daily bread, not the end. */
void rmx_extent_note(
    struct rmx_extent *extent, const AVFormatContext *demuxer, const AVPacket *packet)
{
    extent->torn =
        (packet->flags & AV_PKT_FLAG_CORRUPT) && !is(demuxer, "mpegts") && !is(demuxer, "mpeg");
}

int64_t rmx_extent_present(AVIOContext *input)
{
    int64_t size = input->seekable & AVIO_SEEKABLE_NORMAL ? avio_size(input) : -1;

    return size >= 0 ? size : avio_tell(input);
}

/* --- what an index promises ------------------------------------------------------------------ */

/* The end of the last sample any index knows of. */
static int64_t end_of_samples(const AVFormatContext *demuxer)
{
    int64_t end = 0;

    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        AVStream *stream = demuxer->streams[slot];
        int count = avformat_index_get_entries_count(stream);

        for (int entry = 0; entry < count; entry++) {
            const AVIndexEntry *sample = avformat_index_get_entry(stream, entry);

            end = FFMAX(end, av_sat_add64(sample->pos, sample->size));
        }
    }
    return end;
}

/* --- what boxes and chunks promise ----------------------------------------------------------- */

/* Bytes that follow a sample may be anything; only what is certainly a box is believed. */
static bool is_top_box(const uint8_t *header)
{
    static const char known[] = "ftyp styp moov moof mdat free skip wide sidx mfra meta emsg prft";
    char name[5] = { 0 };

    memcpy(name, header + 4, 4);
    return strlen(name) == 4 && av_match_list(name, known, ' ');
}

/* Follows ISO boxes from where a box starts. Returns the end of one that goes past present, or 0.
 */
static int64_t end_of_cut_box(AVIOContext *input, int64_t at, int64_t present)
{
    for (int box = 0; box < BOXES_MAX && at < present; box++) {
        uint8_t header[16] = { 0 };

        if (avio_seek(input, at, SEEK_SET) < 0) {
            return 0;
        }
        int got = avio_read(input, header, (int)FFMIN(present - at, (int64_t)sizeof(header)));

        if (got < 8 || !is_top_box(header)) {
            return 0;
        }
        uint64_t size = AV_RB32(header);

        if (size == 1) {
            size = AV_RB64(header + 8);
        }
        if (size < 8 || size > INT64_MAX) { /* 0: to the end of the file, wherever that is */
            return 0;
        }
        at = av_sat_add64(at, (int64_t)size);
    }
    return at > present ? at : 0;
}

/* RIFF: 4 bytes of size after the name. All ones or nothing means "not known when written". */
static int64_t end_of_riff(const struct rmx_extent *extent)
{
    if (extent->head_bytes < 12 || memcmp(extent->head, "RIFF", 4) != 0) {
        return 0;
    }
    uint32_t size = AV_RL32(extent->head + 4);

    return size == 0 || size > INT32_MAX ? 0 : (int64_t)size + 8;
}

/* An EBML number: its first byte's leading zeros say how long it is. Returns its length, or 0. */
static int read_vint(const uint8_t *at, int bytes, uint64_t *value)
{
    int length = 1;

    while (length <= 8 && bytes > 0 && !(at[0] & 0x80 >> (length - 1))) {
        length++;
    }
    if (length > 8 || length > bytes) {
        return 0;
    }
    *value = at[0] & (0x7f >> (length - 1));
    for (int byte = 1; byte < length; byte++) {
        *value = *value << 8 | at[byte];
    }
    return length;
}

/* EBML: the header element, then the segment that holds all the rest. */
static int64_t end_of_segment(const struct rmx_extent *extent)
{
    const uint8_t *head = extent->head;
    uint64_t size = 0;

    if (extent->head_bytes < 16 || AV_RB32(head) != 0x1a45dfa3) {
        return 0;
    }
    int length = read_vint(head + 4, extent->head_bytes - 4, &size);

    if (length == 0 || size > RMX_EXTENT_HEAD_BYTES) {
        return 0;
    }
    int at = 4 + length + (int)size;

    if (at + 12 > extent->head_bytes || AV_RB32(head + at) != 0x18538067) {
        return 0;
    }
    length = read_vint(head + at + 4, extent->head_bytes - at - 4, &size);
    if (length == 0 || size == (1ULL << (7 * length)) - 1) { /* all ones: a live stream */
        return 0;
    }
    return av_sat_add64(at + 4 + length, (int64_t)size);
}

/* --- what the last bytes promise ------------------------------------------------------------- */

/* Packets of 188 bytes, or with 4 before or 16 after each: a file ends with a whole one. */
static int64_t end_of_ts_packet(int64_t present)
{
    if (present % 188 == 0 || present % 192 == 0 || present % 204 == 0) {
        return 0;
    }
    return (present / 188 + 1) * 188;
}

/* FLV: each tag is followed by its size, and carries its size less 11 itself. */
static int64_t end_of_flv_tag(AVIOContext *input, int64_t present)
{
    uint8_t bytes[4] = { 0 };

    if (!(input->seekable & AVIO_SEEKABLE_NORMAL) || present < 28 ||
        avio_seek(input, present - 4, SEEK_SET) < 0) {
        return 0;
    }
    avio_read(input, bytes, sizeof(bytes));
    int64_t tag = AV_RB32(bytes);

    if (tag < 11 || tag > present - 17 || avio_seek(input, present - 4 - tag, SEEK_SET) < 0) {
        return present + 1;
    }
    avio_read(input, bytes, sizeof(bytes));
    return AV_RB24(bytes + 1) + 11 == tag ? 0 : present + 1;
}

/* --- together -------------------------------------------------------------------------------- */

static int64_t promised_iso(
    const struct rmx_extent *extent, AVFormatContext *demuxer, AVIOContext *input, int64_t present)
{
    int64_t samples = extent->samples_end;

    if (samples == 0 && demuxer) {
        samples = end_of_samples(demuxer);
    }

    if (samples >= present || !(input->seekable & AVIO_SEEKABLE_NORMAL)) {
        return samples;
    }
    return end_of_cut_box(input, samples, present);
}

static int64_t promised(
    const struct rmx_extent *extent, AVFormatContext *demuxer, AVIOContext *input, int64_t present)
{
    if (is(demuxer, "mov") || (!demuxer && extent->head_bytes >= 8 && is_top_box(extent->head))) {
        return promised_iso(extent, demuxer, input, present);
    }
    if (is(demuxer, "avi") && end_of_samples(demuxer) > 0) {
        return end_of_samples(demuxer); /* the index is written last, so it knows best */
    }
    if (is(demuxer, "mpegts")) {
        return end_of_ts_packet(present);
    }
    if (is(demuxer, "flv")) {
        return end_of_flv_tag(input, present);
    }
    int64_t riff = end_of_riff(extent);

    return riff > 0 ? riff : end_of_segment(extent);
}

int64_t rmx_extent_missing_end(
    const struct rmx_extent *extent, AVFormatContext *demuxer, AVIOContext *input)
{
    int64_t present = rmx_extent_present(input);

    if (!(input->seekable & AVIO_SEEKABLE_NORMAL) && !avio_feof(input)) {
        return 0; /* there may be more: nobody read to the end */
    }
    int64_t end = promised(extent, demuxer, input, present);

    if (end > present) {
        return end;
    }
    return extent->torn ? present + 1 : 0;
}
