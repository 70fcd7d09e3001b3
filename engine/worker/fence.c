/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The fence around libavformat. See fence.h.
 */
#include "engine/worker/fence.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/avstring.h>
#include <libavutil/mem.h>

/* What one byte stream can hold completely. Left out: playlists and everything else that names
 * other files (hls, dash, concat, sdp, imf, vobsub), devices, picture sequences, raw samples that
 * only a command line could describe, and formats that other libraries parse. */
static const char demuxers[] =
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,asf_o,ass,au,av1,avi,caf,cavsvideo,dirac,dnxhd,dts,dtshd,"
    "dv,eac3,flac,flv,live_flv,gxf,h261,h263,h264,hevc,ivf,loas,m4v,matroska,webm,mjpeg,mlp,mov,"
    "mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,mpegvideo,mxf,nut,obu,ogg,oma,rm,srt,sup,tak,"
    "truehd,tta,vc1,vc1test,voc,w64,wav,webvtt,wtv,wv,xwma";

/* What the codecs of those containers are looked into with, where the container does not say what a
 * muxer wants to know. Left out: other libraries but AV1's, which has no replacement, and all that
 * only games, screen recorders and picture files use. A stream of theirs is copied as well. */
static const char decoders[] =
    "h264,hevc,vp8,vp9,libdav1d,mpeg1video,mpeg2video,mpegvideo,mpeg4,msmpeg4v1,msmpeg4v2,msmpeg4,"
    "h261,h263,h263i,h263p,flv,mjpeg,png,vc1,wmv1,wmv2,wmv3,theora,vp3,vp6,vp6a,vp6f,cavs,dirac,"
    "dnxhd,dvvideo,ffv1,huffyuv,prores,rawvideo,rv10,rv20,rv30,rv40,"
    "aac,aac_latm,ac3,eac3,alac,als,amrnb,amrwb,ape,atrac3,atrac3plus,cook,dca,dvaudio,flac,g722,"
    "g723_1,g726,g729,gsm,gsm_ms,ilbc,mlp,mp1,mp1float,mp2,mp2float,mp3,mp3float,mpc7,mpc8,"
    "nellymoser,opus,qdm2,real_144,real_288,s302m,sipr,speex,tak,truehd,tta,vorbis,wavpack,"
    "wmalossless,wmapro,wmav1,wmav2,wmavoice,"
    "adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,adpcm_swf,adpcm_yamaha,pcm_alaw,pcm_bluray,pcm_dvd,"
    "pcm_f32be,pcm_f32le,pcm_f64be,pcm_f64le,pcm_mulaw,pcm_s16be,pcm_s16be_planar,pcm_s16le,"
    "pcm_s16le_planar,pcm_s24be,pcm_s24le,pcm_s24le_planar,pcm_s32be,pcm_s32le,pcm_s32le_planar,"
    "pcm_s8,pcm_s8_planar,pcm_u16be,pcm_u16le,pcm_u24be,pcm_u24le,pcm_u32be,pcm_u32le,pcm_u8,"
    "ass,cc_dec,dvbsub,dvdsub,mov_text,pgssub,srt,ssa,subrip,text,webvtt,xsub";

/* --- what it may open ------------------------------------------------------------------------ */

static int refuse_open(
    AVFormatContext *context, AVIOContext **io, const char *url, int flags, AVDictionary **options)
{
    (void)context;
    (void)io;
    (void)url;
    (void)flags;
    (void)options;
    return AVERROR(EACCES);
}

/* An open that goes past io_open is stopped by the protocols' list, on which there is none; nested
 * contexts get all three lists from this one. */
int rmx_fence_close(AVFormatContext *context)
{
    context->io_open = refuse_open;
    context->format_whitelist = av_strdup(demuxers);
    context->protocol_whitelist = av_strdup("none");
    context->codec_whitelist = av_strdup(decoders);
    context->max_streams = RMX_FENCE_STREAMS_MAX;
    return context->format_whitelist && context->protocol_whitelist && context->codec_whitelist
               ? 0
               : AVERROR(ENOMEM);
}

/* Off by default, and to stay so: an MP4 names the files its samples are in. */
void rmx_fence_add_options(AVDictionary **options)
{
    av_dict_set(options, "enable_drefs", "0", 0);
    av_dict_set(options, "use_absolute_path", "0", 0);
}

const AVCodec *rmx_fence_decoder(enum AVCodecID id)
{
    const AVCodec *codec = avcodec_find_decoder(id);

    return codec && av_match_list(codec->name, decoders, ',') > 0 ? codec : NULL;
}

/* --- what names others ----------------------------------------------------------------------- */

#define HEAD_BYTES 1024

/* A text's first word, or what it is all about; blanks do not count, nor does the case. */
struct lure {
    const char *begins;
    const char *contains; /* further on; NULL = that is enough */
    const char *what;
};

static const struct lure lures[] = {
    { "#EXTM3U", NULL, "an HLS or M3U playlist" },
    { "ffconcat version", NULL, "a concat script" },
    { "<?xml", "<MPD", "a DASH manifest" },
    { "<MPD", NULL, "a DASH manifest" },
    { "<?xml", "<SmoothStreamingMedia", "a Smooth Streaming manifest" },
    { "<SmoothStreamingMedia", NULL, "a Smooth Streaming manifest" },
    { "<?xml", "<CompositionPlaylist", "an IMF playlist" },
    { "<?xml", "<AssetMap", "an IMF asset map" },
    { "<?xml", "<smil", "a SMIL playlist" },
    { "<smil", NULL, "a SMIL playlist" },
    { "<?xml", "<playlist", "an XSPF playlist" },
    { "<asx", NULL, "an ASX playlist" },
    { "[playlist]", NULL, "a PLS playlist" },
    { "[Reference]", NULL, "an ASF redirector" },
    { "v=0", "\nm=", "an SDP description" },
    { "v=0", "\no=", "an SDP description" },
    { "RTSPtext", NULL, "an RTSP redirector" },
    { "# VobSub index file", NULL, "a VobSub index" },
    { "file '", NULL, "a concat script" },
    { "file:", NULL, "a list of files" },
    { "rtsp://", NULL, "a list of addresses" },
    { "rtmp://", NULL, "a list of addresses" },
    { "http://", NULL, "a list of addresses" },
    { "https://", NULL, "a list of addresses" },
};

static bool fits(const struct lure *lure, const char *text)
{
    size_t length = strlen(lure->begins);

    return av_strncasecmp(text, lure->begins, length) == 0 &&
           (!lure->contains || av_stristr(text + length, lure->contains));
}

static const char *after_mark(const char *text)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";

    if (strncmp(text, byte_order_mark, strlen(byte_order_mark)) == 0) {
        text += strlen(byte_order_mark);
    }
    return text + strspn(text, " \t\r\n");
}

enum rmx_status rmx_fence_look(AVIOContext *input, struct rmx_words *words)
{
    char head[HEAD_BYTES + 1] = "";
    int count = avio_read(input, (unsigned char *)head, HEAD_BYTES);
    const char *text = after_mark(head);

    head[count > 0 ? count : 0] = '\0';
    if (avio_seek(input, 0, SEEK_SET) < 0) {
        return RMX_STATUS_OK; /* whoever reads next finds out why */
    }
    for (size_t slot = 0; slot < sizeof(lures) / sizeof(*lures); slot++) {
        if (fits(&lures[slot], text)) {
            rmx_words_say(words,
                "the input is %s: it names others, which are never opened; give the media itself",
                lures[slot].what);
            return RMX_STATUS_UNSUPPORTED;
        }
    }
    return RMX_STATUS_OK;
}

/* --- what reads it --------------------------------------------------------------------------- */

static bool is_picture(const char *name)
{
    return av_match_name(name, "image2,image2pipe,alias_pix,brender_pix,gif,apng,webp") ||
           strstr(name, "_pipe");
}

enum rmx_status rmx_fence_admit(const AVInputFormat *format, struct rmx_words *words)
{
    if (av_match_list(format->name, demuxers, ',') > 0) {
        return RMX_STATUS_OK;
    }
    if (is_picture(format->name)) {
        rmx_words_say(
            words, "%s is not read: pictures and lists of them are no media here", format->name);
    } else {
        rmx_words_say(
            words, "%s is not read: it may name other files, or is not media", format->name);
    }
    return RMX_STATUS_UNSUPPORTED;
}
