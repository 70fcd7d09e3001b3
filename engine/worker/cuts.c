/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where an output is cut into parts (see cuts.h). Worker process, a job's fiber.
 */
#include "engine/worker/cuts.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include <libavutil/bprint.h>
#include <libavutil/mathematics.h>
#include <libavutil/opt.h>

static bool is_asked_for(const struct rmx_job_spec *spec)
{
    const char *pair;
    size_t cursor = 0;
    bool asked = false;

    while (rmx_job_next_option(spec, &cursor, &pair)) {
        if (strncmp(pair, "segment_times=", strlen("segment_times=")) == 0) {
            asked = strcmp(pair, "segment_times=" RMX_CUTS_AT_CHAPTERS) == 0;
        }
    }
    return asked;
}

/* The starts of all chapters but what lies at the beginning or goes back. */
static void list_starts(const AVFormatContext *muxer, AVBPrint *times)
{
    int64_t last_us = 0;

    for (unsigned slot = 0; slot < muxer->nb_chapters; slot++) {
        const AVChapter *chapter = muxer->chapters[slot];
        int64_t us = av_rescale_q(chapter->start, chapter->time_base, AV_TIME_BASE_Q);

        if (us > last_us) {
            av_bprintf(times, "%s%" PRId64 "us", times->len > 0 ? "," : "", us);
            last_us = us;
        }
    }
}

int rmx_cuts_set(AVFormatContext *muxer, const struct rmx_job_spec *spec)
{
    AVBPrint times;
    int err = 0;

    if (!is_asked_for(spec)) {
        return 0;
    }
    av_bprint_init(&times, 0, AV_BPRINT_SIZE_UNLIMITED);
    list_starts(muxer, &times);
    if (!av_bprint_is_complete(&times)) {
        err = AVERROR(ENOMEM);
    } else { /* one chapter, or none, is one part */
        err = av_opt_set(
            muxer->priv_data, "segment_times", times.len > 0 ? times.str : "8760:00:00", 0);
    }
    av_bprint_finalize(&times, NULL);
    return err;
}
