/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the two ends of a job share. See avio.h.
 */
#include "engine/worker/avio.h"

#include <errno.h>

#include <libavutil/error.h>

bool rmx_avio_stopped(struct rmx_avio *avio)
{
    /* Relaxed: the word stands for itself, and a sleeper is sent a note after it was set. */
    uint32_t stop = atomic_load_explicit(avio->stop, memory_order_relaxed);

    stop = stop == RMX_STATUS_OK && *avio->late ? RMX_STATUS_DEADLINE : stop;
    if (stop != RMX_STATUS_OK && avio->status == RMX_STATUS_OK) {
        avio->status = rmx_status_known(stop) ? (enum rmx_status)stop : RMX_STATUS_INTERNAL;
    }
    return stop != RMX_STATUS_OK || avio->forsaken;
}

bool rmx_avio_over(struct rmx_avio *avio)
{
    return rmx_avio_stopped(avio) || (avio->status != RMX_STATUS_OK && !avio->ending);
}

int rmx_avio_end(struct rmx_avio *avio, enum rmx_status status, int cause)
{
    if (avio->status == RMX_STATUS_OK) {
        avio->status = status;
        avio->cause = cause;
    }
    return AVERROR_EXIT;
}
