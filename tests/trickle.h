/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A live input in memory: made packet by packet, given to a job packet by packet, with a note of
 * what had come out each time the job asked for more.
 */
#ifndef RMX_TESTS_TRICKLE_H
#define RMX_TESTS_TRICKLE_H

#include "engine/worker/outlet.h"
#include "tests/media.h"

#define TRICKLE_WRITES_MAX 512

struct trickle {
    struct media input;
    struct media output;
    size_t ends[TRICKLE_WRITES_MAX];  /* of the input, after each packet was written */
    size_t seen[TRICKLE_WRITES_MAX];  /* of the output, when all until there was read */
    size_t later[TRICKLE_WRITES_MAX]; /* and after a pause, when that was given nothing */
    struct rmx_idle idle;
    unsigned writes;
    unsigned asked;       /* of seen: how many are known */
    unsigned pause_us;    /* before each of them is given */
    bool latm;            /* the sound of an MPEG-TS */
    bool torn;            /* the sound is no frames */
    bool mute;            /* there is no sound, and none is announced */
    enum AVCodecID codec; /* of the sound, before the beginning; NONE = AAC */
    const char *movflags; /* of an MP4, others than usual */
    uint8_t tables;       /* the version of an MPEG-TS's */
    bool reordered;       /* pictures are shown in another order */
    int most;             /* bytes are given at once; 0 = a packet */
    AVFormatContext *muxer;
    struct rmx_job_result result;
};

/* libavformat's name of a container; H.264 and AAC, or AAC alone in ADTS. In a TS, pts starts at
 * start_s. Later ones go on where the input ends. level: of the pictures, 13 as ever. */
void trickle_begin(struct trickle *trickle, const char *muxer, int64_t start_s, uint8_t level);

/* The count-th picture (of 25 a second) and sound (of 44100 / 1024, or 1536 for (E-)AC-3). */
void trickle_picture(struct trickle *trickle, unsigned count, bool key);
void trickle_sound(struct trickle *trickle, unsigned count);
void trickle_end(struct trickle *trickle);

/* Pictures and sounds, 25 of each a second, every 12th picture a key. */
void trickle_make(struct trickle *trickle, const char *muxer, unsigned pictures);

void trickle_run(struct trickle *trickle, const struct rmx_job_spec *spec);

/* How many packets are in the first bytes, or in all there are. */
unsigned trickle_count(const struct media *media, size_t bytes);

void trickle_free(struct trickle *trickle);

#endif
