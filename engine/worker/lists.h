/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The length of the last segment in a playlist of HLS. hlsenc states the sum of what packets say
 * they last, which is not how long they are shown where pictures come at uneven times or out of
 * order. Here it is from where the segment begins to the latest end of a packet. Worker process, a
 * job's fiber. Does no I/O.
 */
#ifndef RMX_ENGINE_WORKER_LISTS_H
#define RMX_ENGINE_WORKER_LISTS_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>
#include <libavutil/bprint.h>

struct rmx_lists {
    bool begun;         /* a packet of the stream that lengths are of */
    bool vague;         /* the one that ends last does not say how long it lasts */
    bool ending;        /* the next list is the last */
    bool counted;       /* there was a list before it */
    int64_t first_us;   /* where the first packet is shown */
    int64_t end_us;     /* the latest end */
    int64_t counted_us; /* all lengths that lists stated */
};

/* A packet the muxer is given, and how long it will have it last. */
void rmx_lists_note(struct rmx_lists *lists, const AVFormatContext *muxer, const AVPacket *packet,
    int64_t duration);

/* A whole playlist, NUL-terminated, as it is to be. */
void rmx_lists_edit(struct rmx_lists *lists, const char *text, AVBPrint *edited);

#endif
