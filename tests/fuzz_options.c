/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's options on their way into a muxer: the input is a format's number, then options, each up
 * to a newline. What the job's check lets through is set on a real muxer, which must say OK or
 * BAD_OPTION, and why.
 */
#include <stdio.h>
#include <string.h>

#include "engine/worker/options.h"
#include "engine/worker/remux.h"
#include "engine/worker/words.h"
#include "ipc/format.h"
#include "ring/base.h"
#include "tests/fuzz_drive.h"

#define ALLOC_MAX ((size_t)64 << 20)

static void add_options(struct rmx_job_spec *spec, const uint8_t *data, size_t size)
{
    char option[512];

    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t bytes = end == NULL ? size : (size_t)(end - data);

        if (bytes < sizeof(option)) {
            memcpy(option, data, bytes);
            option[bytes] = '\0';
            (void)rmx_job_add_option(spec, option);
        }
        bytes += end != NULL;
        data += bytes;
        size -= bytes;
    }
}

static void apply(const struct rmx_job_spec *spec, const struct rmx_format *format)
{
    struct rmx_words words = { 0 };
    AVFormatContext *muxer = NULL;

    rmx_assert(avformat_alloc_output_context2(&muxer, NULL, format->muxer, NULL) >= 0);
    enum rmx_status status = rmx_options_apply(muxer, format->options, spec, &words);
    rmx_assert(status == RMX_STATUS_OK || status == RMX_STATUS_BAD_OPTION);
    rmx_assert(status == RMX_STATUS_OK || words.text[0] != '\0');
    avformat_free_context(muxer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "mp4", "fmp4", "mov", "mpegts", "matroska", "flv", "hls",
        "dash", "mp3", "ogg" };
    static bool ready;
    struct rmx_job_spec spec = { .job = 1, .kind = RMX_JOB_REMUX, .inputs = 1, .outputs = 1 };
    const char *why;

    if (size == 0) {
        return 0;
    }
    if (!ready) {
        rmx_remux_init_process(ALLOC_MAX);
        ready = true;
    }
    const char *name = names[data[0] % (sizeof(names) / sizeof(*names))];
    rmx_assert(rmx_job_set_name(&spec.format, name) == 0);
    add_options(&spec, data + 1, size - 1);
    if (rmx_job_check(&spec, &why) == 0) {
        apply(&spec, rmx_format_find(name));
    }
    return 0;
}

size_t fuzz_seed(unsigned n, uint8_t *data)
{
    static const char *const seeds[] = { "movflags=+faststart\nbrand=isom\nuse_editlist=1",
        "movflags=+frag_keyframe+empty_moov\nfrag_duration=1000000\nmin_frag_duration=5",
        "video_track_timescale=90000\nmovie_timescale=600\nwrite_tmcd=0",
        "mpegts_service_id=0x123\nmuxrate=4000000\npcr_period=20\nmpegts_flags=+resend_headers",
        "cluster_time_limit=5000\ncluster_size_limit=5242880\nreserve_index_space=1024",
        "flvflags=+no_duration_filesize",
        "hls_time=2.5\nhls_list_size=0\nhls_flags=+round_durations",
        "seg_duration=4\nuse_template=1\nstreaming=0", "id3v2_version=3\nwrite_xing=0",
        "serial_offset=3\npage_duration=1000000" };
    const char *seed = seeds[n % (sizeof(seeds) / sizeof(*seeds))];

    data[0] = (uint8_t)n;
    (void)snprintf((char *)data + 1, FUZZ_SEED_BYTES_MAX - 1, "%s", seed);
    return 1 + strlen(seed);
}
