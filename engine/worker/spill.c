/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The muxer's end of a live job. Worker process, a job's fiber.
 */
#include "engine/worker/spill.h"

#include <errno.h>

#include <libavutil/avstring.h>
#include <libavutil/mathematics.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>

#include "engine/worker/foreword.h"
#include "engine/worker/options.h"

#define FRAGMENT_BYTES_MAX "16777216" /* without a keyframe in it */

/* Each is known to one muxer and no news to the others. */
void rmx_spill_set_options(AVFormatContext *context)
{
    static const char *const options[][2] = {
        { "pes_payload_size", "0" },             /* MPEG-TS: each frame has a PES packet */
        { "live", "1" },                         /* Matroska: no sizes, no cues */
        { "frag_size", FRAGMENT_BYTES_MAX },     /* MP4 */
        { "movflags", "+skip_trailer" },         /* MP4: a list of all fragments */
        { "flvflags", "+no_duration_filesize" }, /* FLV: neither is ever known */
    };

    for (size_t slot = 0; slot < sizeof(options) / sizeof(*options); slot++) {
        av_opt_set(context, options[slot][0], options[slot][1], AV_OPT_SEARCH_CHILDREN);
    }
}

static bool has_pictures(const AVFormatContext *context)
{
    for (unsigned slot = 0; slot < context->nb_streams; slot++) {
        if (context->streams[slot]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO) {
            return true;
        }
    }
    return false;
}

/* Who gathers packets has to be asked for them: MP4 for fragments, Matroska for clusters, Ogg for
 * pages. Not a muxer of several files, which says it can be asked and falls over it. */
static bool can_be_asked(const AVFormatContext *context)
{
    return (context->oformat->flags & AVFMT_ALLOW_FLUSH) &&
           !(context->oformat->flags & AVFMT_NOFILE);
}

/* Sound alone has nothing but keyframes. */
int rmx_spill_begin(struct rmx_spill *spill, AVFormatContext *context, struct rmx_pace *pace,
    struct rmx_cuts *cuts, const struct rmx_job_spec *spec)
{
    bool fragments = rmx_options_has_flag(context, "movflags", "frag_keyframe");
    bool by_packet = spec->fragment_us == RMX_JOB_FRAGMENT_PACKET ||
                     (spec->fragment_us == 0 && !has_pictures(context));

    *spill = (struct rmx_spill){
        .context = context,
        .pace = pace,
        .cuts = cuts,
        .packet = av_packet_alloc(),
        .said = av_calloc(context->nb_streams, sizeof(bool)),
        .each = can_be_asked(context) && (!fragments || by_packet),
        .header_due = rmx_foreword_is_due(context),
        .keeps_sound = av_match_name(context->oformat->name, "matroska,webm"),
        .cut_us = fragments && !by_packet ? spec->fragment_us : 0,
        .begun_us = AV_NOPTS_VALUE,
    };
    if (!spill->packet || !spill->said) {
        return AVERROR(ENOMEM);
    }
    int err = rmx_weave_init(&spill->weave, context->nb_streams, spec->interleave_us);

    spill->weave.holding = true;
    return err;
}

void rmx_spill_fini(struct rmx_spill *spill)
{
    av_packet_free(&spill->packet);
    av_freep(&spill->said);
    rmx_weave_fini(&spill->weave);
}

/* Is the fragment as long as it should be with this packet? */
static bool fills_fragment(struct rmx_spill *spill, const AVPacket *packet)
{
    const AVStream *stream = spill->context->streams[packet->stream_index];
    bool keyframe =
        stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO && (packet->flags & AV_PKT_FLAG_KEY);
    int64_t dts_us = av_rescale_q(packet->dts, stream->time_base, AV_TIME_BASE_Q);
    int64_t end_us = av_rescale_q(
        av_sat_add64(packet->dts, packet->duration), stream->time_base, AV_TIME_BASE_Q);

    if (keyframe || spill->begun_us == AV_NOPTS_VALUE) { /* the muxer cuts before a keyframe */
        spill->begun_us = dts_us;
    }
    return av_sat_sub64(end_us, spill->begun_us) >= spill->cut_us;
}

/* An empty packet makes room as well as any other. */
static int dislodge_sound(struct rmx_spill *spill, AVPacket *packet)
{
    const AVStream *stream = spill->context->streams[packet->stream_index];

    if (!spill->keeps_sound || stream->codecpar->codec_type != AVMEDIA_TYPE_AUDIO) {
        return 0;
    }
    av_buffer_unref(&packet->buf);
    av_packet_free_side_data(packet);
    packet->data = NULL;
    packet->size = 0;
    return av_write_frame(spill->context, packet);
}

/* A fragment's last sample lasts as long as its packet says, so it had better say it exactly, and
 * not in milliseconds. */
static void refine_duration(AVPacket *packet, const AVStream *stream)
{
    const AVCodecParameters *parameters = stream->codecpar;

    if (parameters->codec_id == AV_CODEC_ID_AAC && parameters->frame_size > 0 &&
        parameters->sample_rate > 0) {
        packet->duration = av_rescale_q(
            parameters->frame_size, (AVRational){ 1, parameters->sample_rate }, stream->time_base);
    }
}

/* How long a fragment's last sample lasts is a guess when it is written. The next fragment of MP4
 * would begin where that guess ends; told so each time, it begins where its first packet does. */
static void begin_where_it_begins(struct rmx_spill *spill)
{
    if (rmx_pace_is_exact(spill->pace)) {
        av_opt_set(spill->context->priv_data, "movflags", "+frag_discont", 0);
    }
}

/* Has the muxer seen of this track what it needs for its header? What came before, it dropped. */
static bool is_described(const struct rmx_spill *spill, unsigned slot)
{
    const AVStream *stream = spill->context->streams[slot];

    return spill->said[slot] ||
           (stream->nb_frames > 0 && !rmx_foreword_needs_packet(spill->context, stream->codecpar));
}

/* A header that was held back waits for the first packet of each track that has one in the queue:
 * those it was to wait for were waited for already. */
static int write_header_if_due(struct rmx_spill *spill)
{
    for (unsigned slot = 0; slot < spill->context->nb_streams; slot++) {
        const AVStream *stream = spill->context->streams[slot];

        if (!is_described(spill, slot) &&
            (spill->weave.waiting[slot] > 0 || stream->nb_frames > 0)) {
            return 0;
        }
    }
    int err = rmx_foreword_write(spill->context);

    spill->header_due = err < 0;
    return err;
}

/* Leaves the packet empty. */
static int write_packet(struct rmx_spill *spill, AVPacket *packet)
{
    begin_where_it_begins(spill);

    const AVStream *stream = spill->context->streams[packet->stream_index];
    refine_duration(packet, stream);
    int err = rmx_pace_keep(spill->pace, packet);

    err = err < 0 ? err : rmx_cuts_note(spill->cuts, packet);

    spill->said[packet->stream_index] |=
        spill->header_due && rmx_foreword_says(stream->codecpar->codec_id, packet);
    bool cut = spill->each || (spill->cut_us > 0 && fills_fragment(spill, packet));

    if (err >= 0) {
        err = av_write_frame(spill->context, packet);
    }
    if (err >= 0 && spill->header_due) {
        err = write_header_if_due(spill);
        cut = cut && !spill->header_due;
    }
    if (err >= 0 && cut) {
        err = dislodge_sound(spill, packet);
    }
    av_packet_unref(packet);
    if (err < 0 || !cut) {
        return FFMIN(err, 0);
    }
    spill->begun_us = AV_NOPTS_VALUE;
    return FFMIN(av_write_frame(spill->context, NULL), 0);
}

int rmx_spill_put(struct rmx_spill *spill, AVPacket *packet)
{
    if (!spill->weave.holding && spill->weave.limit_us == 0) { /* nothing is ever queued */
        return write_packet(spill, packet);
    }
    return rmx_weave_put(
        &spill->weave, packet, spill->context->streams[packet->stream_index]->time_base);
}

int rmx_spill_release(struct rmx_spill *spill, bool all)
{
    int err = 0;

    spill->weave.holding = false;
    while (err >= 0 && rmx_weave_take(&spill->weave, spill->packet, all)) {
        err = write_packet(spill, spill->packet);
    }
    return err;
}
