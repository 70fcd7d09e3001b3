/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A demuxer with a bug, in a worker that is otherwise the real one: the one for WAV never comes
 * back with a packet. Link with --wrap=av_read_frame.
 */
#include <libavformat/avformat.h>
#include <string.h>

int __real_av_read_frame(AVFormatContext *demuxer, AVPacket *packet);
int __wrap_av_read_frame(AVFormatContext *demuxer, AVPacket *packet);

int __wrap_av_read_frame(AVFormatContext *demuxer, AVPacket *packet)
{
    volatile unsigned turns = 0;

    while (strcmp(demuxer->iformat->name, "wav") == 0) {
        turns = turns + 1;
    }
    return __real_av_read_frame(demuxer, packet);
}
