/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An output stream made after an input stream. Worker process, a job's fiber.
 */
#include "engine/worker/track.h"

#include <string.h>

#include "engine/worker/avshim.h"

/* DASH hands the tag on to an MP4 muxer without a look. */
static const struct AVCodecTag *const *target_tags(const AVOutputFormat *muxer)
{
    const AVOutputFormat *inner =
        strcmp(muxer->name, "dash") == 0 ? av_guess_format("mp4", NULL, NULL) : muxer;

    return inner ? inner->codec_tag : NULL;
}

/* The tag is kept where the target knows it for this codec, or knows no other. */
static uint32_t target_tag(const AVOutputFormat *muxer, const AVCodecParameters *from)
{
    const struct AVCodecTag *const *tags = target_tags(muxer);
    uint32_t other;

    if (!tags || av_codec_get_id(tags, from->codec_tag) == from->codec_id ||
        !av_codec_get_tag2(tags, from->codec_id, &other)) {
        return from->codec_tag;
    }
    return 0;
}

/* MP3 in WAV carries a block size that is true of no other container; AC-3's never is. */
static void drop_false_block_align(AVCodecParameters *parameters)
{
    int align = parameters->block_align;

    if (parameters->codec_id == AV_CODEC_ID_AC3 ||
        (parameters->codec_id == AV_CODEC_ID_MP3 &&
            (align == 1 || align == 576 || align == 1152))) {
        parameters->block_align = 0;
    }
}

static void copy_picture_shape(AVStream *to, const AVStream *from)
{
    AVRational aspect = from->sample_aspect_ratio.num != 0 ? from->sample_aspect_ratio
                                                           : from->codecpar->sample_aspect_ratio;

    to->sample_aspect_ratio = aspect;
    to->codecpar->sample_aspect_ratio = aspect;
    to->r_frame_rate = from->r_frame_rate;
}

int rmx_track_copy(AVStream *to, const AVStream *from, const AVOutputFormat *muxer, bool tags)
{
    int err = avcodec_parameters_copy(to->codecpar, from->codecpar);

    if (err < 0) {
        return err;
    }
    to->codecpar->codec_tag = target_tag(muxer, from->codecpar);
    to->avg_frame_rate = from->avg_frame_rate;
    to->disposition = from->disposition;
    err = rmx_avshim_copy_timing(muxer, to, from);
    if (err < 0) {
        return err;
    }
    if (from->duration > 0) { /* a hint for headers written before the packets */
        to->duration = av_rescale_q(from->duration, from->time_base, to->time_base);
    }
    if (to->codecpar->codec_type == AVMEDIA_TYPE_AUDIO) {
        drop_false_block_align(to->codecpar);
    }
    if (to->codecpar->codec_type == AVMEDIA_TYPE_VIDEO) {
        copy_picture_shape(to, from);
    }
    if (tags) {
        err = av_dict_copy(&to->metadata, from->metadata, AV_DICT_DONT_OVERWRITE);
    }
    return err < 0 ? err : rmx_avshim_copy_side_data(to, from);
}
