/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Moves a job's bytes as they are. See copy.h.
 */
#include "engine/worker/copy.h"

#include <errno.h>
#include <stdio.h>

#include <libavutil/error.h>

#include "engine/worker/faststart.h"
#include "engine/worker/index.h"
#include "engine/worker/remux.h"

/* Copies from where the source is up to `end`, or to the end of the stream. Returns 0 or an AVERROR
 * of one of the two. */
static int copy_up_to(struct rmx_source *source, struct rmx_sink *sink, uint64_t end)
{
    while (source->now->at < end) {
        const unsigned char *bytes;
        uint64_t left = end - source->now->at;
        int n = rmx_source_hold(source, &bytes);
        int error;

        if (n < 0) {
            return n == AVERROR_EOF ? 0 : n;
        }
        n = (uint64_t)n < left ? n : (int)left;
        error = rmx_sink_write(sink, bytes, n);
        if (error < 0) {
            return error;
        }
        rmx_source_advance(source, (uint32_t)n);
        rmx_remux_breathe();
    }
    return 0;
}

/* An error of the two ends has its reason in their rmx_avio. */
static enum rmx_status status_of(int error)
{
    return error < 0 ? RMX_STATUS_CANCELLED : RMX_STATUS_OK;
}

void rmx_copy_spool(struct rmx_source *source, struct rmx_sink *sink, struct rmx_job_result *result)
{
    int follows = rmx_index_follows(source);

    result->status = status_of(follows == 1 ? copy_up_to(source, sink, UINT64_MAX) : follows);
}

/* --- delivery -------------------------------------------------------------------------------- */

static void say(struct rmx_job_result *result, enum rmx_status status, const char *sentence)
{
    result->status = status;
    (void)snprintf(result->text, sizeof(result->text), "%s", sentence);
}

/* Why the index stays where it is: the job ends. */
static void refuse(struct rmx_job_result *result, int error)
{
    switch (error) {
    case -ENOMEM:
        say(result, RMX_STATUS_OVER_LIMIT, "faststart: the index is larger than a job may hold");
        break;
    case -EOVERFLOW:
        say(result, RMX_STATUS_UNSUPPORTED,
            "faststart: behind its index the media would end beyond 4 GiB, which the index cannot "
            "say: use fmp4, or mp4 without faststart");
        break;
    case -EBADMSG:
        say(result, RMX_STATUS_INTERNAL, "faststart: the index that was written makes no sense");
        break;
    default:
        result->status = status_of(error);
    }
}

static int write_moved(
    const struct rmx_faststart *plan, struct rmx_source *source, struct rmx_sink *sink)
{
    uint64_t written = 0;
    int error;

    source->now->at = 0;
    error = copy_up_to(source, sink, plan->front);
    while (error >= 0 && written < plan->moov_bytes) {
        uint64_t left = plan->moov_bytes - written;
        int n = left < RMX_CHUNK_BYTES_MAX ? (int)left : (int)RMX_CHUNK_BYTES_MAX;

        error = rmx_sink_write(sink, plan->moov + written, n);
        written += (uint64_t)n;
        rmx_remux_breathe();
    }
    if (error >= 0) {
        error = copy_up_to(source, sink, plan->moov_at);
    }
    if (error >= 0) {
        source->now->at = plan->moov_at + plan->moov_bytes;
        error = copy_up_to(source, sink, source->now->size);
    }
    return error;
}

void rmx_copy_deliver(const struct rmx_job_spec *spec, struct rmx_source *source,
    struct rmx_sink *sink, struct rmx_job_result *result)
{
    struct rmx_faststart plan = { 0 };
    int error = 1;

    if (rmx_job_wants_faststart(spec)) {
        /* a spool is neither */
        if (source->now->context->seek == NULL || source->now->size > INT64_MAX) {
            (void)rmx_avio_end(source->avio, RMX_STATUS_PEER_CORRUPT, 0);
            return;
        }
        error = rmx_faststart_plan(&plan, source);
    }
    if (error == 0) {
        result->status = status_of(write_moved(&plan, source, sink));
    } else if (error == 1) {
        source->now->at = 0;
        result->status = status_of(copy_up_to(source, sink, source->now->size));
    } else {
        refuse(result, error);
    }
    if (result->status == RMX_STATUS_OK && source->now->at < source->now->size &&
        source->now->size != RMX_SOURCE_SIZE_UNKNOWN) { /* a part of the file is gone */
        (void)rmx_avio_end(source->avio, RMX_STATUS_INPUT_IO, -EIO);
    }
    rmx_faststart_fini(&plan);
}
