/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One file remuxed by each means there is, ringmux's and others'; and the media. Each means is
 * timed as its caller sees it. For benchmarks: a failure ends the program. One thread.
 */
#ifndef RMX_BENCH_JOB_MEANS_H
#define RMX_BENCH_JOB_MEANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/histogram.h"
#include "bench/rivals.h"
#include "clients/ringmux.h"

enum rmx_job_means {
    RMX_JOB_RING,        /* from memory to memory, through rings */
    RMX_JOB_RING_POLLS,  /* the same, by a caller that polls (rmx_spin()) */
    RMX_JOB_FD,          /* ringmux, file to file */
    RMX_JOB_LOOP,        /* libavformat in process, memory to memory, demuxer named */
    RMX_JOB_LOOP_LOOKS,  /* the same, looking at the streams as ffmpeg does */
    RMX_JOB_LOOP_FILE,   /* file to file, demuxer named */
    RMX_JOB_FFMPEG,      /* a process, file to file */
    RMX_JOB_FFMPEG_PIPE, /* a process, through two pipes */
    RMX_JOB_FORKS,       /* the Go service */
    RMX_JOB_MKVMERGE,    /* a process, file to file */
    RMX_JOB_GST,         /* gst-launch-1.0, file to file */
    RMX_JOB_CP,          /* copy_file_range(2): no remuxing at all */
    RMX_JOB_MEMCPY,      /* in and out of a block that stays in the cache: neither */
    RMX_JOB_MEANS,
};

extern const char *const rmx_job_means_name[RMX_JOB_MEANS];

struct rmx_job_media {
    const char *name;
    char path[96];
    unsigned char *bytes; /* the same in memory */
    size_t size;
};

struct rmx_job_target {
    const char *name;     /* ringmux's format */
    const char *muxer;    /* ffmpeg's */
    const char *movflags; /* ffmpeg's, or NULL */
};

/* What all means share. */
struct rmx_job_scene {
    struct rmx_client *client; /* of whichever daemon runs now */
    char dir[64];
    char output[96];
    unsigned char *room; /* for an output in memory */
    size_t room_bytes;
    struct rmx_rivals_loop loop;
    struct rmx_rivals_forks forks;
    const char *lacks[RMX_JOB_MEANS]; /* why it cannot be had here, or NULL */
};

/* How one entrant does it. */
struct rmx_job_way {
    enum rmx_job_means means;
    struct rmx_job_scene *scene;
    const struct rmx_job_media *media;
    const struct rmx_job_target *target;
    double unit_ns; /* of what is returned */
    uint32_t batch; /* so many, one after the other, by ringmux or in process; else one */
    struct rmx_histogram *first_ns; /* RING: submit to the first byte; or NULL */
    struct rmx_histogram *last_ns;  /* and to the result */
    struct rmx_histogram *run_ns;   /* of that, in the worker, as the result says */
};

/* A folder beneath `dir`, and the peers; says what is not there. */
void rmx_job_means_init(struct rmx_job_scene *scene, const char *dir, size_t room_bytes);
void rmx_job_means_fini(struct rmx_job_scene *scene);

/* Makes the media's file: MP4 with H.264 and AAC, index in front, of about so many bytes. */
void rmx_job_means_make(
    const struct rmx_job_scene *scene, struct rmx_job_media *media, uint64_t bytes);
void rmx_job_means_unmake(struct rmx_job_media *media);

/* Where an output in memory goes. */
struct rmx_job_sink {
    unsigned char *room;
    size_t room_bytes;
    size_t size;
    uint64_t first_ns; /* when its first byte came; 0 = not yet */
};
void rmx_job_means_sink(struct rmx_job_sink *to, struct rmx_sink *sink);

/* It must have gone well. */
void rmx_job_means_check(const struct rmx_result *result);

/* Does it once, or `batch` times: the median, in the way's unit. way: struct rmx_job_way. */
double rmx_job_means_run(void *way);

/* The order for the libavformat loop; jobs and ns are left for the caller. */
void rmx_job_means_order(const struct rmx_job_way *way, struct rmx_order *order);

/* The arguments of an ffmpeg process that does it, NULL-ended: pipes or files. `command` has room
 * for 24. */
void rmx_job_means_command(
    const struct rmx_job_way *way, const char **command, const char *input, const char *output);

#endif
