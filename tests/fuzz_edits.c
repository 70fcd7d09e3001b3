/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's edits on their way into a muxer: the input is edits, each up to a newline. What the job's
 * check lets through is done to a muxer with a stream of each kind, which must say OK, or why not.
 */
#include <stdio.h>
#include <string.h>

#include "engine/worker/filters.h"
#include "engine/worker/remux.h"
#include "engine/worker/retouch.h"
#include "engine/worker/words.h"
#include "ring/base.h"
#include "tests/fuzz_drive.h"

#define ALLOC_MAX ((size_t)64 << 20)

static void add_edits(struct rmx_job_spec *spec, const uint8_t *data, size_t size)
{
    char edit[512];

    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t bytes = end == NULL ? size : (size_t)(end - data);

        if (bytes < sizeof(edit)) {
            memcpy(edit, data, bytes);
            edit[bytes] = '\0';
            (void)rmx_job_add_edit(spec, edit);
        }
        bytes += end != NULL;
        data += bytes;
        size -= bytes;
    }
}

static AVFormatContext *new_muxer(void)
{
    static const struct {
        enum AVMediaType type;
        enum AVCodecID codec;
    } kinds[] = { { AVMEDIA_TYPE_VIDEO, AV_CODEC_ID_H264 },
        { AVMEDIA_TYPE_VIDEO, AV_CODEC_ID_HEVC }, { AVMEDIA_TYPE_VIDEO, AV_CODEC_ID_VP9 },
        { AVMEDIA_TYPE_AUDIO, AV_CODEC_ID_AAC }, { AVMEDIA_TYPE_AUDIO, AV_CODEC_ID_PCM_S16LE },
        { AVMEDIA_TYPE_SUBTITLE, AV_CODEC_ID_SUBRIP } };
    AVFormatContext *muxer = NULL;

    rmx_assert(avformat_alloc_output_context2(&muxer, NULL, "matroska", NULL) >= 0);
    for (size_t slot = 0; slot < sizeof(kinds) / sizeof(*kinds); slot++) {
        AVStream *stream = avformat_new_stream(muxer, NULL);

        rmx_assert(stream);
        stream->time_base = (AVRational){ 1, 90000 };
        stream->codecpar->codec_type = kinds[slot].type;
        stream->codecpar->codec_id = kinds[slot].codec;
        stream->codecpar->sample_rate = 48000;
        stream->codecpar->ch_layout.nb_channels = 2;
    }
    return muxer;
}

static void judge(enum rmx_status status, const struct rmx_words *words)
{
    rmx_assert(status == RMX_STATUS_OK || status == RMX_STATUS_BAD_OPTION ||
               status == RMX_STATUS_UNSUPPORTED || status == RMX_STATUS_OVER_LIMIT);
    rmx_assert(status == RMX_STATUS_OK || status == RMX_STATUS_OVER_LIMIT || words->text[0]);
}

static void apply(const struct rmx_job_spec *spec)
{
    AVFormatContext *muxer = new_muxer();
    struct rmx_words words = { 0 };

    judge(rmx_retouch_streams(muxer, spec, &words), &words);
    for (unsigned slot = 0; slot < muxer->nb_streams; slot++) {
        AVBSFContext *filter = NULL;

        judge(rmx_filters_open(&filter, muxer, muxer->streams[slot], spec, &words), &words);
        av_bsf_free(&filter);
    }
    judge(rmx_retouch_tags(muxer, spec, &words), &words);
    avformat_free_context(muxer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    struct rmx_job_spec spec = {
        .job = 1, .kind = RMX_JOB_REMUX, .inputs = 1, .outputs = 1, .format = "matroska"
    };
    const char *why;

    if (!ready) {
        rmx_remux_init_process(ALLOC_MAX);
        ready = true;
    }
    add_edits(&spec, data, size);
    if (rmx_job_check(&spec, &why) == 0) {
        apply(&spec);
    }
    return 0;
}

size_t fuzz_seed(unsigned n, uint8_t *data)
{
    static const char *const seeds[] = { "start=1:30\nend=01:02:03.5\ncopyts=1",
        "metadata=title=x\nmetadata:s:a:0=language=eng\nmetadata:c:0=title=y",
        "map_metadata=-1\nmap_chapters=-1\nmetadata:s:v=rotate=90",
        "disposition:a=default+forced\ndisposition:s:0=0\ndisposition:v=-default+dub",
        "rotate:v:0=90\nrotate=-12.5\noutput_offset=-1.5",
        "bsf:v=h264_metadata=level=4.1:crop_left=4:sample_aspect_ratio=4/3,dump_extra=freq=all",
        "bsf:v:0=filter_units=remove_types=6-8|9\nbsf:v:1=hevc_metadata=tick_rate=25",
        "bsf=setts=ts='if(gt(N\\,5),TS,TS+1)':time_base=1/1000,null\nbsf:a=noise=amount=3:drop=n",
        "bsf:4=pcm_rechunk=n=500:pad=0\nbsf:2=vp9_superframe_split", "duration=500ms\nshortest=0",
        "subtitles=mov_text\nsubtitles:s:0=copy\nsubtitles:5=none" };
    const char *seed = seeds[n % (sizeof(seeds) / sizeof(*seeds))];

    (void)snprintf((char *)data, FUZZ_SEED_BYTES_MAX, "%s", seed);
    return strlen(seed);
}
