/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Text subtitles in another codec's words, where the job names one or the container can hold no
 * other: what ffmpeg does with -c:s. Worker process, a job's fiber. Never touches pictures: what is
 * drawn is copied or refused. Opens a codec only for a stream that needs it.
 */
#ifndef RMX_ENGINE_WORKER_SUBTITLE_H
#define RMX_ENGINE_WORKER_SUBTITLE_H

#include <stdbool.h>

#include <libavformat/avformat.h>

#include "engine/worker/words.h"
#include "ipc/job.h"
#include "ipc/status.h"

/* One output stream's converter. */
struct rmx_subtitle;

/* What a job says of all its subtitles. */
enum rmx_subtitle_wish {
    RMX_SUBTITLE_USUAL, /* nothing: the container's own are taken, if it has any */
    RMX_SUBTITLE_COPY,  /* the first there is, as it is */
    RMX_SUBTITLE_TEXT,  /* the first that can be converted */
    RMX_SUBTITLE_NONE,  /* whatever else takes them */
};

enum rmx_subtitle_wish rmx_subtitle_wish(const struct rmx_job_spec *spec);

/* Is it of a codec that others can be made of? */
bool rmx_subtitle_is_text(enum AVCodecID codec);

/* For a subtitle stream that is about to be copied, before the header: where it is to be converted,
 * to becomes a stream of the other codec; else *subtitle stays as it was. Returns OK; or
 * BAD_OPTION, UNSUPPORTED, OVER_LIMIT with the reason in words. */
enum rmx_status rmx_subtitle_open(struct rmx_subtitle **subtitle, AVFormatContext *muxer,
    AVStream *to, const AVStream *from, const struct rmx_job_spec *spec, struct rmx_words *words);

/* Once all tags are set: names the encoder, unless the job has. Returns 0 or AVERROR(ENOMEM). */
int rmx_subtitle_sign(const struct rmx_subtitle *subtitle);

/* Turns packet, in its input's time base, into one of the output stream's. Returns 1; 0 with an
 * empty packet where there is nothing to write; or AVERROR, with the reason in the muxer's words.
 */
int rmx_subtitle_convert(struct rmx_subtitle *subtitle, AVPacket *packet);

/* Takes NULL. */
void rmx_subtitle_free(struct rmx_subtitle **subtitle);

#endif
