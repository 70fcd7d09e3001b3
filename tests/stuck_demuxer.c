/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A demuxer with two bugs, in a worker that is otherwise the real one: the one for WAV never comes
 * back with a packet, or aborts if there are two channels. Link with --wrap=av_read_frame.
 */
#include <libavformat/avformat.h>
#include <stdlib.h>
#include <string.h>

int __real_av_read_frame(AVFormatContext *demuxer, AVPacket *packet);
int __wrap_av_read_frame(AVFormatContext *demuxer, AVPacket *packet);

int __wrap_av_read_frame(AVFormatContext *demuxer, AVPacket *packet)
{
    volatile unsigned turns = 0;

    while (strcmp(demuxer->iformat->name, "wav") == 0) {
        if (demuxer->streams[0]->codecpar->ch_layout.nb_channels == 2) {
            abort();
        }
        turns = turns + 1;
    }
    return __real_av_read_frame(demuxer, packet);
}
