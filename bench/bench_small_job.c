/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What one small job costs its caller: a clip from MP4 to fragmented MP4, file to file, through the
 * C library and a warm daemon, beside an ffmpeg process that does the same.
 *
 *     rmx-bench small_job [-n ROUNDS] [-s SOCKET] [-d DIR] CLIP.mp4      prints JSON
 *
 * A round is 20 jobs (open both files, submit, wait, close), 20 empty jobs that only go to a worker
 * and back, and one ffmpeg process, in turn, so that all meet the same machine. Default: 30 rounds,
 * a private daemon, results in /tmp. Exits 1 if any job or process fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/command.h"
#include "bench/samples.h"
#include "clients/ringmux.h"

#define JOBS_PER_ROUND 20
#define WARM_UP_JOBS   200
#define ROUNDS_MAX     (RMX_SAMPLES_MAX / JOBS_PER_ROUND)
#define WAIT_MS        10000

enum measure { JOB, JOB_IN_DAEMON, JOB_RUN, NOOP, FFMPEG, MEASURES };

static struct rmx_samples measured[MEASURES] = {
    [JOB] = { .name = "ringmux_job", .unit = "us" },
    [JOB_IN_DAEMON] = { .name = "of_it_in_the_daemon", .unit = "us" },
    [JOB_RUN] = { .name = "of_it_running", .unit = "us" },
    [NOOP] = { .name = "empty_job", .unit = "us" },
    [FFMPEG] = { .name = "ffmpeg_process", .unit = "us" },
};

struct bench {
    struct rmx_client *client;
    const char *clip;
    char output[PATH_MAX];
    char ffmpeg_output[PATH_MAX];
};

extern char **environ;

_Noreturn static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench_small_job: %s: %s\n", what, why);
    exit(1);
}

/* Submits one job and waits for its end. */
static void run_job(struct bench *bench, const struct rmx_job *job, struct rmx_result *result)
{
    int got = rmx_submit(bench->client, job, 1, NULL);

    if (got != 1) {
        die("submit", strerrordesc_np(-got));
    }
    got = rmx_wait(bench->client, result, 1, WAIT_MS);
    if (got != 1) {
        die("wait", got < 0 ? strerrordesc_np(-got) : "no answer within 10 s");
    }
    if (result->status != RMX_OK) {
        die(rmx_end_name(result->status), result->text);
    }
}

static void remux(struct bench *bench, struct rmx_result *result)
{
    struct rmx_job job = RMX_JOB_INIT;

    job.input = open(bench->clip, O_RDONLY | O_CLOEXEC);
    job.output = open(bench->output, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (job.input < 0 || job.output < 0) {
        die(job.input < 0 ? bench->clip : bench->output, strerrordesc_np(errno));
    }
    job.format = "fmp4";
    run_job(bench, &job, result);
    close(job.input);
    close(job.output);
}

static void measure_job(struct bench *bench)
{
    struct rmx_result result;
    uint64_t began;

    (void)unlink(bench->output); /* a new file each time: cutting an old one is its own cost */
    began = rmx_samples_now_ns();
    remux(bench, &result);
    rmx_samples_add(&measured[JOB], (double)(rmx_samples_now_ns() - began) / 1e3);
    rmx_samples_add(&measured[JOB_IN_DAEMON], (double)result.total_ns / 1e3);
    rmx_samples_add(&measured[JOB_RUN], (double)result.run_ns / 1e3);
}

static void measure_noop(struct bench *bench)
{
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_result result;
    uint64_t began = rmx_samples_now_ns();

    job.kind = RMX_NOOP;
    run_job(bench, &job, &result);
    rmx_samples_add(&measured[NOOP], (double)(rmx_samples_now_ns() - began) / 1e3);
}

/* The command that people run today. posix_spawn(3) takes char *const[] and changes nothing. */
static void measure_ffmpeg(struct bench *bench)
{
    const char *const command[] = { "ffmpeg", "-v", "error", "-nostdin", "-y", "-i", bench->clip,
        "-c", "copy", "-movflags", "+frag_keyframe+empty_moov+default_base_moof",
        bench->ffmpeg_output, NULL };
    char *arguments[sizeof(command) / sizeof(command[0])];
    uint64_t began;
    int status = -1;
    int error;
    pid_t pid;

    memcpy(arguments, command, sizeof(command));
    (void)unlink(bench->ffmpeg_output);
    began = rmx_samples_now_ns();
    error = posix_spawnp(&pid, "ffmpeg", NULL, NULL, arguments, environ);
    if (error != 0) {
        die("ffmpeg", strerrordesc_np(error));
    }
    if (waitpid(pid, &status, 0) != pid || status != 0) {
        die("ffmpeg", "it failed");
    }
    rmx_samples_add(&measured[FFMPEG], (double)(rmx_samples_now_ns() - began) / 1e3);
}

static long long size_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (long long)st.st_size : -1;
}

static void print(struct bench *bench, long rounds)
{
    double job = rmx_samples_percentile(&measured[JOB], 0.5);
    double ffmpeg = rmx_samples_percentile(&measured[FFMPEG], 0.5);

    printf("{\n  \"bench\": \"small_job\", \"rounds\": %ld, \"clip_bytes\": %lld,\n", rounds,
        size_of(bench->clip));
    printf("  \"output_bytes\": %lld, \"ffmpeg_output_bytes\": %lld,\n", size_of(bench->output),
        size_of(bench->ffmpeg_output));
    for (size_t i = 0; i < MEASURES; i++) {
        rmx_samples_print(&measured[i], ",");
    }
    printf("  \"ffmpeg_to_ringmux_p50\": %.4g\n}\n", ffmpeg / job);
}

/* To a daemon that runs, or to one of our own: $RINGMUX_DAEMON, else the one built with us. */
static void connect_to(struct bench *bench, const char *socket)
{
    /* As a host's daemon would run: its worker has a core. A private one's has not by default. */
    static const char *const settings[] = { "--log-level=error", "--workers=1", NULL };
    struct rmx_private_options options = { .daemon = RMX_BENCH_DAEMON, .settings = settings };
    int error;

    if (getenv("RINGMUX_DAEMON")) {
        options.daemon = NULL;
    }
    error = socket ? rmx_open(&bench->client, socket) : rmx_open_private(&bench->client, &options);
    if (error < 0) {
        die(socket ? socket : "private daemon", strerrordesc_np(-error));
    }
}

static int usage(void)
{
    (void)fprintf(stderr,
        "usage: rmx-bench small_job [-n ROUNDS: 1 to %d] [-s SOCKET] [-d DIR] CLIP\n", ROUNDS_MAX);
    return 2;
}

int rmx_bench_small_job_run(int argc, char **argv)
{
    struct bench bench = { .client = NULL };
    const char *socket = NULL;
    const char *directory = "/tmp";
    long rounds = 30;
    int option;

    while ((option = getopt(argc, argv, "n:s:d:")) != -1) {
        if (option == 'n') {
            rounds = strtol(optarg, NULL, 10);
        } else if (option == 's') {
            socket = optarg;
        } else if (option == 'd') {
            directory = optarg;
        } else {
            return usage();
        }
    }
    if (optind + 1 != argc || rounds < 1 || rounds > ROUNDS_MAX) {
        return usage();
    }
    bench.clip = argv[optind];
    snprintf(bench.output, PATH_MAX, "%s/bench_small_job.%d.mp4", directory, (int)getpid());
    snprintf(bench.ffmpeg_output, PATH_MAX, "%s/bench_ffmpeg.%d.mp4", directory, (int)getpid());
    connect_to(&bench, socket);
    for (int i = 0; i < WARM_UP_JOBS; i++) {
        struct rmx_result result;

        remux(&bench, &result);
    }
    for (long round = 0; round < rounds; round++) {
        for (int i = 0; i < JOBS_PER_ROUND; i++) {
            measure_job(&bench);
        }
        for (int i = 0; i < JOBS_PER_ROUND; i++) {
            measure_noop(&bench);
        }
        measure_ffmpeg(&bench);
    }
    print(&bench, rounds);
    rmx_close(&bench.client);
    unlink(bench.output);
    unlink(bench.ffmpeg_output);
    return 0;
}
