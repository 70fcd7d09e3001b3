/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What libavformat's error codes mean for a job. Worker process, a job's fiber. Does no I/O.
 */
#include "engine/worker/verdict.h"

#include <errno.h>

#include <libavutil/error.h>

enum rmx_status rmx_verdict_input(int averror, const AVIOContext *input)
{
    if (input->error == AVERROR_EXIT || averror == AVERROR_EXIT) {
        return RMX_STATUS_CANCELLED;
    }
    if (input->error < 0) {
        return RMX_STATUS_INPUT_IO;
    }
    return averror == AVERROR(ENOMEM) ? RMX_STATUS_OVER_LIMIT : RMX_STATUS_BAD_MEDIA;
}

static enum rmx_status sink_status(int averror)
{
    switch (averror) {
    case AVERROR_EXIT:
        return RMX_STATUS_CANCELLED;
    case AVERROR(ENOSPC):
    case AVERROR(EDQUOT):
        return RMX_STATUS_OUTPUT_FULL;
    case AVERROR(EPIPE):
    case AVERROR(ECONNRESET):
        return RMX_STATUS_OUTPUT_CLOSED;
    default:
        return RMX_STATUS_OUTPUT_IO;
    }
}

enum rmx_status rmx_verdict_output(int averror, const AVIOContext *output)
{
    if (output->error < 0) {
        return sink_status(output->error);
    }
    switch (averror) {
    case AVERROR_EXIT:
        return RMX_STATUS_CANCELLED;
    case AVERROR(ENOMEM):
        return RMX_STATUS_OVER_LIMIT;
    case AVERROR_OPTION_NOT_FOUND:
    case AVERROR(ERANGE):
        return RMX_STATUS_BAD_OPTION;
    default:
        return RMX_STATUS_UNSUPPORTED;
    }
}
