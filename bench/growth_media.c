/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Files of the size, or the number of samples, wanted. See growth_media.h.
 */
#include "bench/growth_media.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench/daemon.h"
#include "bench/process.h"

#define COUNTERS_MAX 256
#define LOOK_NS      20000000
#define QUIET_LOOKS  5   /* the same this often: it has come to rest */
#define LOOKS_MAX    500 /* 10 s */
/* 1024 samples of sound a packet: 7.8 packets a second. */
#define TINY_SOUND   "anullsrc=channel_layout=mono:sample_rate=8000"
#define TINY_SECONDS "128"
#define TINY_PACKETS 1000u

static struct rmx_growth_media *to_remove;

static void clean_up(void)
{
    if (to_remove != NULL) {
        (void)unlink(to_remove->clip);
        (void)unlink(to_remove->path);
        (void)rmdir(to_remove->dir);
        to_remove = NULL;
    }
}

static uint64_t size_of(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0) {
        rmx_process_die(path, strerrordesc_np(errno));
    }
    return (uint64_t)st.st_size;
}

void rmx_growth_media_make(struct rmx_growth_media *media, const char *dir)
{
    (void)snprintf(media->dir, sizeof(media->dir), "%s/rmx-growth-XXXXXX", dir);
    if (mkdtemp(media->dir) == NULL) {
        rmx_process_die(media->dir, strerrordesc_np(errno));
    }
    (void)snprintf(media->clip, sizeof(media->clip), "%s/clip.mp4", media->dir);
    (void)snprintf(media->path, sizeof(media->path), "%s/long.mp4", media->dir);
    to_remove = media;
    (void)atexit(clean_up);
    rmx_daemon_clip(media->clip, "2");
    media->clip_bytes = size_of(media->clip);
}

void rmx_growth_media_end(struct rmx_growth_media *media)
{
    (void)media;
    clean_up();
}

static const char *repeat(struct rmx_growth_media *media, const char *clip, uint64_t times)
{
    char loops[24];

    (void)snprintf(loops, sizeof(loops), "%llu", (unsigned long long)(times > 0 ? times - 1 : 0));
    rmx_process_ffmpeg((const char *const[]){
        "-stream_loop", loops, "-i", clip, "-c", "copy", "-f", "mp4", media->path, NULL });
    media->bytes = size_of(media->path);
    return media->path;
}

/* From a clip of some size, not from the small one: ffmpeg opens it anew each time. */
const char *rmx_growth_media_bytes(struct rmx_growth_media *media, uint64_t bytes)
{
    char longer[192];
    const char *path;

    if (bytes < 100 * media->clip_bytes) {
        return repeat(media, media->clip, (bytes + media->clip_bytes / 2) / media->clip_bytes);
    }
    (void)snprintf(longer, sizeof(longer), "%s.100", media->clip);
    (void)repeat(media, media->clip, 100);
    if (rename(media->path, longer) < 0) {
        rmx_process_die(longer, strerrordesc_np(errno));
    }
    path = repeat(media, longer, bytes / media->bytes + 1);
    (void)unlink(longer);
    return path;
}

const char *rmx_growth_media_samples(struct rmx_growth_media *media, uint64_t samples)
{
    char tiny[192];
    const char *path;

    (void)snprintf(tiny, sizeof(tiny), "%s.tiny", media->clip);
    rmx_process_ffmpeg((const char *const[]){ "-f", "lavfi", "-i", TINY_SOUND, "-t", TINY_SECONDS,
        "-c:a", "aac", "-b:a", "8k", "-f", "mp4", tiny, NULL });
    path = repeat(media, tiny, samples / TINY_PACKETS);
    (void)unlink(tiny);
    return path;
}

static uint64_t counter(const struct rmx_counter *counters, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(counters[i].name, name) == 0) {
            return counters[i].value;
        }
    }
    rmx_process_die(name, "the daemon has no such counter");
}

void rmx_growth_media_settle(struct rmx_client *client, uint32_t jobs)
{
    const struct timespec time = { .tv_nsec = LOOK_NS };
    struct rmx_counter counters[COUNTERS_MAX];
    uint64_t last = 0;
    int quiet = 0;

    for (int look = 0; look < LOOKS_MAX && quiet < QUIET_LOOKS; look++) {
        int count = rmx_stats(client, counters, COUNTERS_MAX);
        uint64_t bytes = counter(counters, count, "bytes_in");

        quiet = bytes == last && counter(counters, count, "jobs_in_flight") == jobs ? quiet + 1 : 0;
        last = bytes;
        (void)nanosleep(&time, NULL);
    }
}
