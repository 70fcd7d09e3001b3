/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Files of the size, or the number of samples, that rmx-bench growth asks for: a clip repeated
 * without encoding it again, in a folder of its own that goes with the program.
 */
#ifndef RMX_BENCH_GROWTH_MEDIA_H
#define RMX_BENCH_GROWTH_MEDIA_H

#include <stdint.h>

#include "clients/ringmux.h"

struct rmx_growth_media {
    char dir[128];
    char clip[160]; /* a small one: 2 s of H.264 and AAC */
    char path[160]; /* the file made last; each replaces the one before */
    uint64_t bytes; /* of it */
    uint64_t clip_bytes;
};

void rmx_growth_media_make(struct rmx_growth_media *media, const char *dir);
void rmx_growth_media_end(struct rmx_growth_media *media);

/* MP4 of about so many bytes, at least the clip's. Returns its path. */
const char *rmx_growth_media_bytes(struct rmx_growth_media *media, uint64_t bytes);

/* MP4 of about so many tiny samples. */
const char *rmx_growth_media_samples(struct rmx_growth_media *media, uint64_t samples);

/* Waits until the daemon says that so many jobs run and it has read nothing new for a while. */
void rmx_growth_media_settle(struct rmx_client *client, uint32_t jobs);

#endif
