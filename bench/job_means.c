/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One file remuxed by each means there is. See job_means.h.
 */
#include "bench/job_means.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/process.h"
#include "bench/samples.h"
#include "ring/base.h"

#define WAIT_MS       60000
#define BATCH_MAX     1000u
#define COMMAND_MAX   24
#define MEMCPY_BYTES  65536u
#define POLL_NS       UINT64_C(10000000)
#define SECOND_BYTES  75000u /* of the small clip, about */
#define LOOP_BYTES    15500000u
#define LOOPED_CLIP_S "10"

const char *const rmx_job_means_name[RMX_JOB_MEANS] = {
    [RMX_JOB_RING] = "ring",
    [RMX_JOB_RING_POLLS] = "ring_caller_polls",
    [RMX_JOB_FD] = "fd",
    [RMX_JOB_LOOP] = "libavformat",
    [RMX_JOB_LOOP_LOOKS] = "libavformat_looks",
    [RMX_JOB_LOOP_FILE] = "libavformat_file",
    [RMX_JOB_FFMPEG] = "ffmpeg",
    [RMX_JOB_FFMPEG_PIPE] = "ffmpeg_pipes",
    [RMX_JOB_FORKS] = "go_service",
    [RMX_JOB_MKVMERGE] = "mkvmerge",
    [RMX_JOB_GST] = "gst_launch",
    [RMX_JOB_CP] = "copy_file_range",
    [RMX_JOB_MEMCPY] = "memcpy_twice",
};

/* --- the scene ---------------------------------------------------------------------------------
 */

static struct rmx_job_scene *to_clear; /* whatever way this program ends */

static void clear(void)
{
    DIR *dir = to_clear != NULL ? opendir(to_clear->dir) : NULL;
    const struct dirent *entry;

    if (to_clear != NULL) {
        rmx_rivals_forks_end(&to_clear->forks);
    }
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir != NULL) {
        (void)closedir(dir);
        (void)rmdir(to_clear->dir);
    }
}

void rmx_job_means_init(struct rmx_job_scene *scene, const char *dir, size_t room_bytes)
{
    static const char *const forked[] = { "-v", "error", "-i", "pipe:0", "-c", "copy", "-movflags",
        "+frag_keyframe+empty_moov+default_base_moof", "-f", "mp4", "pipe:1", NULL };

    *scene = (struct rmx_job_scene){ .room_bytes = room_bytes };
    (void)snprintf(scene->dir, sizeof(scene->dir), "%.40s/rmx-bench.XXXXXX", dir);
    if (mkdtemp(scene->dir) == NULL) {
        rmx_process_die(dir, strerrordesc_np(errno));
    }
    to_clear = scene;
    (void)atexit(clear);
    (void)snprintf(scene->output, sizeof(scene->output), "%s/output", scene->dir);
    scene->room = malloc(room_bytes);
    rmx_assert(scene->room != NULL);
    memset(scene->room, 1, room_bytes); /* its pages are there */
    if (!rmx_rivals_loop_start(&scene->loop)) {
        scene->lacks[RMX_JOB_LOOP] = "bench/peers/libavformat was not built";
    }
    scene->lacks[RMX_JOB_LOOP_LOOKS] = scene->lacks[RMX_JOB_LOOP];
    scene->lacks[RMX_JOB_LOOP_FILE] = scene->lacks[RMX_JOB_LOOP];
    if (!rmx_rivals_forks_start(&scene->forks, scene->dir, forked)) {
        scene->lacks[RMX_JOB_FORKS] = "built without Go (golang-go)";
    }
    if (!rmx_rivals_have("mkvmerge")) {
        scene->lacks[RMX_JOB_MKVMERGE] = "no mkvmerge here (mkvtoolnix)";
    }
    if (!rmx_rivals_have("gst-launch-1.0")) {
        scene->lacks[RMX_JOB_GST] = "no gst-launch-1.0 here (gstreamer1.0-tools)";
    }
}

void rmx_job_means_fini(struct rmx_job_scene *scene)
{
    rmx_rivals_loop_end(&scene->loop);
    clear();
    to_clear = NULL;
    free(scene->room);
}

/* A small one is coded as long as it is; a larger one is a small one with more bits, again and
 * again. */
void rmx_job_means_make(
    const struct rmx_job_scene *scene, struct rmx_job_media *media, uint64_t bytes)
{
    bool looped = bytes > LOOP_BYTES / 10;
    char seconds[32];
    char loops[32];
    char coded[96];

    (void)snprintf(media->path, sizeof(media->path), "%.60s/%s.mp4", scene->dir, media->name);
    (void)snprintf(coded, sizeof(coded), "%.60s/coded.mp4", scene->dir);
    (void)snprintf(seconds, sizeof(seconds), "%g", (double)bytes / SECOND_BYTES);
    (void)snprintf(loops, sizeof(loops), "%d", (int)(bytes / LOOP_BYTES));
    rmx_process_ffmpeg((const char *const[]){ "-f", "lavfi", "-i",
        looped ? "testsrc2=size=1280x720:rate=25,noise=alls=40:allf=t"
               : "testsrc2=size=640x360:rate=25",
        "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t",
        looped ? LOOPED_CLIP_S : seconds, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt",
        "yuv420p", "-g", looped ? "50" : "25", "-b:v", looped ? "12M" : "500k", "-c:a", "aac",
        "-b:a", "96k", "-movflags", "+faststart", coded, NULL });
    rmx_process_ffmpeg((const char *const[]){ "-stream_loop", looped ? loops : "0", "-i", coded,
        "-c", "copy", "-movflags", "+faststart", media->path, NULL });
    (void)unlink(coded);
    media->bytes = rmx_process_slurp(media->path, &media->size);
}

void rmx_job_means_unmake(struct rmx_job_media *media)
{
    (void)unlink(media->path);
    free(media->bytes);
    media->bytes = NULL;
}

/* --- ringmux -----------------------------------------------------------------------------------
 */

void rmx_job_means_check(const struct rmx_result *result)
{
    if (result->status != RMX_OK) {
        rmx_process_die(rmx_end_name(result->status), result->text);
    }
}

static int take(void *user, const struct rmx_piece *piece)
{
    struct rmx_job_sink *to = user;

    if (to->first_ns == 0) {
        to->first_ns = rmx_samples_now_ns();
    }
    if (piece->offset + piece->size > to->room_bytes) {
        return -EFBIG;
    }
    memcpy(to->room + piece->offset, piece->bytes, piece->size);
    to->size = piece->offset + piece->size;
    return 0;
}

void rmx_job_means_sink(struct rmx_job_sink *to, struct rmx_sink *sink)
{
    *sink = (struct rmx_sink){ .write = take, .user = to };
}

/* Returns how long it ran in the worker. */
static uint64_t run_ours(const struct rmx_job_way *way, struct rmx_job *job)
{
    struct rmx_result result;
    int error;

    job->format = way->target->name;
    error = rmx_run(way->scene->client, job, &result, WAIT_MS);
    if (error < 0) {
        rmx_process_die("rmx_run", strerrordesc_np(-error));
    }
    rmx_job_means_check(&result);
    return result.run_ns;
}

static void run_ring(const struct rmx_job_way *way)
{
    struct rmx_block block = { .bytes = way->media->bytes, .size = way->media->size };
    struct rmx_job_sink to = { .room = way->scene->room, .room_bytes = way->scene->room_bytes };
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_source source;
    struct rmx_sink sink;
    uint64_t began = rmx_samples_now_ns();
    uint64_t ran_ns;

    rmx_spin(way->scene->client, way->means == RMX_JOB_RING_POLLS ? POLL_NS : 0);
    rmx_block_source(&block, &source);
    rmx_job_means_sink(&to, &sink);
    job.input = RMX_RING;
    job.output = RMX_RING;
    job.source = &source;
    job.sink = &sink;
    ran_ns = run_ours(way, &job);
    if (way->first_ns != NULL) {
        rmx_histogram_add(way->run_ns, ran_ns);
        rmx_histogram_add(way->first_ns, to.first_ns - began);
        rmx_histogram_add(way->last_ns, rmx_samples_now_ns() - began);
    }
}

static void run_fd(const struct rmx_job_way *way)
{
    struct rmx_job job = RMX_JOB_INIT;

    job.input = open(way->media->path, O_RDONLY | O_CLOEXEC);
    job.output = open(way->scene->output, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (job.input < 0 || job.output < 0) {
        rmx_process_die(
            job.input < 0 ? way->media->path : way->scene->output, strerrordesc_np(errno));
    }
    rmx_spin(way->scene->client, 0);
    (void)run_ours(way, &job);
    close(job.input);
    close(job.output);
}

/* --- others ------------------------------------------------------------------------------------
 */

void rmx_job_means_order(const struct rmx_job_way *way, struct rmx_order *order)
{
    const char *movflags = way->target->movflags;

    *order = (struct rmx_order){ .jobs = 1, .ns = UINT64_MAX };
    (void)snprintf(order->input, sizeof(order->input), "%s", way->media->path);
    (void)snprintf(order->muxer, sizeof(order->muxer), "%s", way->target->muxer);
    (void)snprintf(order->movflags, sizeof(order->movflags), "%s", movflags ? movflags : "");
    if (way->means == RMX_JOB_LOOP_FILE) {
        (void)snprintf(order->output, sizeof(order->output), "%s", way->scene->output);
    }
    if (way->means != RMX_JOB_LOOP_LOOKS) {
        (void)snprintf(order->demuxer, sizeof(order->demuxer), "mov");
    }
}

static double run_loop(const struct rmx_job_way *way)
{
    struct rmx_order order;

    rmx_job_means_order(way, &order);
    order.jobs = way->batch;
    rmx_rivals_loop_tell(&way->scene->loop, &order);
    return (double)rmx_rivals_loop_hear(&way->scene->loop).p50_ns;
}

void rmx_job_means_command(
    const struct rmx_job_way *way, const char **command, const char *input, const char *output)
{
    const char *const head[] = { "ffmpeg", "-v", "error", "-nostdin", "-y", "-i", input, "-c",
        "copy" };
    size_t count = sizeof(head) / sizeof(head[0]);

    memcpy(command, head, sizeof(head));
    if (strcmp(input, "pipe:0") == 0) {
        command[3] = "-stdin";
    }
    if (way->target->movflags != NULL) {
        command[count++] = "-movflags";
        command[count++] = way->target->movflags;
    }
    command[count++] = "-f";
    command[count++] = way->target->muxer;
    command[count++] = output;
    command[count] = NULL;
}

static void run_ffmpeg(const struct rmx_job_way *way)
{
    const char *command[COMMAND_MAX];

    rmx_job_means_command(way, command, way->media->path, way->scene->output);
    rmx_rivals_reap(rmx_rivals_spawn(command, -1, -1));
}

static void run_ffmpeg_pipes(const struct rmx_job_way *way)
{
    const char *command[COMMAND_MAX];
    int in[2];
    int out[2];
    pid_t pid;

    rmx_job_means_command(way, command, "pipe:0", "pipe:1");
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0) {
        rmx_process_die("pipe", strerrordesc_np(errno));
    }
    pid = rmx_rivals_spawn(command, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    (void)rmx_rivals_exchange(in[1], out[0], way->media->bytes, way->media->size);
    rmx_rivals_reap(pid);
}

static void run_forks(const struct rmx_job_way *way)
{
    int fd = rmx_rivals_forks_call(&way->scene->forks);

    (void)rmx_rivals_exchange(fd, fd, way->media->bytes, way->media->size);
}

static void run_mkvmerge(const struct rmx_job_way *way)
{
    const char *const command[] = { "mkvmerge", "-q", "-o", way->scene->output, way->media->path,
        NULL };

    rmx_rivals_reap(rmx_rivals_spawn(command, -1, -1));
}

static void run_gst(const struct rmx_job_way *way)
{
    char from[160];
    char to[160];
    const char *const command[] = { "gst-launch-1.0", "-q", "filesrc", from, "!", "qtdemux",
        "name=d", "matroskamux", "name=m", "!", "filesink", to, "d.video_0", "!", "queue", "!",
        "h264parse", "!", "m.", "d.audio_0", "!", "queue", "!", "aacparse", "!", "m.", NULL };

    (void)snprintf(from, sizeof(from), "location=%s", way->media->path);
    (void)snprintf(to, sizeof(to), "location=%s", way->scene->output);
    rmx_rivals_reap(rmx_rivals_spawn(command, -1, -1));
}

static void run_cp(const struct rmx_job_way *way)
{
    int in = open(way->media->path, O_RDONLY | O_CLOEXEC);
    int out = open(way->scene->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    size_t left = way->media->size;

    while (in >= 0 && out >= 0 && left > 0) {
        ssize_t n = copy_file_range(in, NULL, out, NULL, left, 0);

        if (n <= 0) {
            rmx_process_die("copy_file_range", strerrordesc_np(errno));
        }
        left -= (size_t)n;
    }
    close(in);
    close(out);
}

static void run_memcpy(const struct rmx_job_way *way)
{
    static unsigned char block[MEMCPY_BYTES];

    for (size_t at = 0; at < way->media->size; at += MEMCPY_BYTES) {
        size_t left = way->media->size - at;
        size_t count = left < MEMCPY_BYTES ? left : MEMCPY_BYTES;

        memcpy(block, way->media->bytes + at, count);
        memcpy(way->scene->room + at, block, count);
    }
}

/* --- any ---------------------------------------------------------------------------------------
 */

static void (*const run_one[RMX_JOB_MEANS])(const struct rmx_job_way *way) = {
    [RMX_JOB_RING] = run_ring,
    [RMX_JOB_RING_POLLS] = run_ring,
    [RMX_JOB_FD] = run_fd,
    [RMX_JOB_FFMPEG] = run_ffmpeg,
    [RMX_JOB_FFMPEG_PIPE] = run_ffmpeg_pipes,
    [RMX_JOB_FORKS] = run_forks,
    [RMX_JOB_MKVMERGE] = run_mkvmerge,
    [RMX_JOB_GST] = run_gst,
    [RMX_JOB_CP] = run_cp,
    [RMX_JOB_MEMCPY] = run_memcpy,
};

double rmx_job_means_run(void *user)
{
    const struct rmx_job_way *way = user;
    struct rmx_samples times = { .name = "" };
    bool ours = way->means <= RMX_JOB_FD;
    double p50;

    rmx_assert(way->scene->lacks[way->means] == NULL);
    if (run_one[way->means] == NULL) {
        return run_loop(way) / way->unit_ns;
    }
    for (uint32_t i = 0; i < (ours ? way->batch : 1); i++) {
        uint64_t began;

        (void)unlink(way->scene->output); /* a new file: cutting an old one is a cost of its own */
        began = rmx_samples_now_ns();
        run_one[way->means](way);
        rmx_samples_add(&times, (double)(rmx_samples_now_ns() - began));
    }
    p50 = rmx_samples_percentile(&times, 0.5);
    rmx_samples_fini(&times);
    return p50 / way->unit_ns;
}
