/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The length of a playlist's last segment (see lists.h). Worker process, a job's fiber.
 */
#include "engine/worker/lists.h"

#include <stdlib.h>
#include <string.h>

#include <libavutil/mathematics.h>

#define LENGTH    "#EXTINF:"
#define LONGEST   "#EXT-X-TARGETDURATION:"
#define LONGEST_S 1e9
#define NEAR_US   500 /* as ffmpeg's own sums are, through the muxer's units */

/* --- packets --------------------------------------------------------------------------------- */

/* The first with pictures; where there is none, all are. */
static bool is_measured(const AVFormatContext *muxer, int stream)
{
    for (int slot = 0; slot < (int)muxer->nb_streams; slot++) {
        if (muxer->streams[slot]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO) {
            return slot == stream;
        }
    }
    return true;
}

void rmx_lists_note(
    struct rmx_lists *lists, const AVFormatContext *muxer, const AVPacket *packet, int64_t duration)
{
    AVRational unit = muxer->streams[packet->stream_index]->time_base;

    if (packet->pts == AV_NOPTS_VALUE || !is_measured(muxer, packet->stream_index)) {
        return;
    }
    int64_t end_us = av_rescale_q(av_sat_add64(packet->pts, duration), unit, AV_TIME_BASE_Q);

    if (!lists->begun) {
        lists->begun = true;
        lists->first_us = av_rescale_q(packet->pts, unit, AV_TIME_BASE_Q);
        lists->end_us = INT64_MIN;
    }
    if (end_us > lists->end_us) {
        lists->end_us = end_us;
        lists->vague = duration <= 0;
    }
}

/* --- text ------------------------------------------------------------------------------------ */

/* No list states less than nothing. */
static int64_t length_at(const char *line)
{
    double s = strtod(line + strlen(LENGTH), NULL);

    return s > 0 && s < LONGEST_S ? (int64_t)(s * AV_TIME_BASE + 0.5) : 0;
}

/* As the muxer rounds. */
static int64_t whole_seconds(int64_t us)
{
    int64_t s = us / AV_TIME_BASE;
    int64_t rest = us % AV_TIME_BASE;

    return s + (rest > AV_TIME_BASE / 2 || (rest == AV_TIME_BASE / 2 && (s & 1)));
}

struct lengths {
    const char *last; /* its line, or NULL */
    int64_t before_us;
    int64_t longest_s; /* without the last */
};

static struct lengths measure(const char *text)
{
    struct lengths found = { .last = NULL };

    for (const char *line = strstr(text, LENGTH); line; line = strstr(line + 1, LENGTH)) {
        if (found.last) {
            int64_t us = length_at(found.last);

            found.before_us += us;
            found.longest_s = FFMAX(found.longest_s, whole_seconds(us));
        }
        found.last = line;
    }
    return found;
}

static void replace(const char *text, const struct lengths *found, int64_t us, AVBPrint *edited)
{
    double s = (double)us / AV_TIME_BASE;
    const char *longest = strstr(text, LONGEST);
    const char *rest = text;

    if (longest && longest < found->last) {
        longest += strlen(LONGEST);
        av_bprint_append_data(edited, text, (unsigned)(longest - text));
        av_bprintf(edited, "%ld", (long)FFMAX(found->longest_s, whole_seconds(us)));
        rest = longest + strspn(longest, "0123456789");
    }
    av_bprint_append_data(edited, rest, (unsigned)(found->last - rest));
    av_bprintf(edited, LENGTH "%f%s", s, found->last + strcspn(found->last, ","));
}

void rmx_lists_edit(struct rmx_lists *lists, const char *text, AVBPrint *edited)
{
    struct lengths found = measure(text);
    bool whole = found.last && !memchr(found.last, '.', strcspn(found.last, ","));

    if (!found.last || !lists->begun || lists->vague || whole) { /* seconds do not add up */
        av_bprintf(edited, "%s", text);
        return;
    }
    int64_t stated_us = length_at(found.last);

    if (!lists->counted) {
        lists->counted_us = found.before_us;
    }
    int64_t us = lists->end_us - lists->first_us - lists->counted_us;

    if (lists->ending && us > 0 && llabs(us - stated_us) > NEAR_US) {
        replace(text, &found, us, edited);
    } else {
        av_bprintf(edited, "%s", text);
    }
    lists->counted = true;
    lists->counted_us += stated_us;
}
