/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A demuxer with three bugs, in a worker that is otherwise the real one: the one for WAV never
 * comes back with a packet, or aborts if there are two channels, or leaves if there are four. Link
 * with
 * --wrap=av_read_frame.
 */
#include <libavformat/avformat.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int __real_av_read_frame(AVFormatContext *demuxer, AVPacket *packet);
int __wrap_av_read_frame(AVFormatContext *demuxer, AVPacket *packet);

int __wrap_av_read_frame(AVFormatContext *demuxer, AVPacket *packet)
{
    volatile unsigned turns = 0;

    while (strcmp(demuxer->iformat->name, "wav") == 0) {
        switch (demuxer->streams[0]->codecpar->ch_layout.nb_channels) {
        case 2:
            abort();
        case 4:
            _exit(0);
        default:
            break;
        }
        turns = turns + 1;
    }
    return __real_av_read_frame(demuxer, packet);
}
