/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What an index in front costs: a large MP4 to MP4, as it is and with +faststart, through a daemon
 * of its own and by an ffmpeg process.
 *
 *     rmx-bench faststart [-n ROUNDS] [-m MEBIBYTES] [-d DIR]      prints JSON
 *
 * A round is each of the four, in turn, from a file in the page cache to a new file in DIR, with
 * nothing else of ours to be written to disk. `seconds` end when the file is complete, `on_disk`
 * when the file system has it all; `cpu` is the daemon's, with its workers, or ffmpeg's, in
 * seconds; `written` is what the calls wrote, in sizes of the output. The daemon goes before
 * nobody, nor after: on a machine with much else to do that would be all one sees. Default: 5
 * rounds of 1024 MiB in /tmp, which takes a minute or three. DIR needs room for the input and an
 * output. Exits 1 if any job or process fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/command.h"
#include "bench/daemon.h"
#include "bench/process.h"
#include "bench/samples.h"
#include "clients/ringmux.h"

#define ROUNDS_MAX   1000
#define MIB_MAX      65536
#define CLIP_SECONDS "20"
#define WAIT_MS      600000
#define WORKERS_MAX  8

enum way { RINGMUX_COPY, RINGMUX_FASTSTART, FFMPEG_COPY, FFMPEG_FASTSTART, WAYS };

static const char *const names[WAYS] = { "ringmux_copy", "ringmux_faststart", "ffmpeg_copy",
    "ffmpeg_faststart" };

static struct rmx_samples seconds[WAYS];
static struct rmx_samples on_disk[WAYS];
static struct rmx_samples cpu[WAYS];
static struct rmx_samples written[WAYS];

static struct {
    struct rmx_daemon daemon;
    struct rmx_client *client;
    char input[PATH_MAX];
    char output[PATH_MAX];
    long rounds;
    long mebibytes;
    const char *folder;
} bench = { .rounds = 5, .mebibytes = 1024, .folder = "/tmp" };

extern char **environ;

static bool is_fast(enum way way)
{
    return way == RINGMUX_FASTSTART || way == FFMPEG_FASTSTART;
}

static double size_of(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0) {
        rmx_process_die(path, strerrordesc_np(errno));
    }
    return (double)st.st_size;
}

/* A noisy clip, looped without encoding it again until it has the size. */
static void make_input(void)
{
    char clip[PATH_MAX];
    char loops[32];

    (void)snprintf(clip, sizeof(clip), "%.4000s.clip.mp4", bench.input);
    rmx_process_ffmpeg((const char *const[]){ "-f", "lavfi", "-i",
        "testsrc2=size=1280x720:rate=25,noise=alls=30:allf=t", "-f", "lavfi", "-i",
        "sine=frequency=440:sample_rate=48000", "-t", CLIP_SECONDS, "-c:v", "libx264", "-preset",
        "ultrafast", "-b:v", "12M", "-g", "50", "-c:a", "aac", "-b:a", "128k", clip, NULL });
    (void)snprintf(
        loops, sizeof(loops), "%.0f", (double)bench.mebibytes * (1 << 20) / size_of(clip));
    rmx_process_ffmpeg((const char *const[]){
        "-stream_loop", loops, "-i", clip, "-c", "copy", bench.input, NULL });
    (void)unlink(clip);
}

/* Returns the bytes it wrote. */
static double run_ringmux(bool fast)
{
    static const char *const faststart[] = { "movflags=+faststart", NULL };
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_result result;
    int got;

    job.input = open(bench.input, O_RDONLY | O_CLOEXEC);
    job.output = open(bench.output, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (job.input < 0 || job.output < 0) {
        rmx_process_die("open", strerrordesc_np(errno));
    }
    job.format = "mp4";
    job.options = fast ? faststart : NULL;
    got = rmx_submit(bench.client, &job, 1, NULL);
    got = got == 1 ? rmx_wait(bench.client, &result, 1, WAIT_MS) : got;
    if (got != 1) {
        rmx_process_die("job", got < 0 ? strerrordesc_np(-got) : "no answer");
    }
    if (result.status != RMX_OK) {
        rmx_process_die(rmx_end_name(result.status), result.text);
    }
    (void)close(job.input);
    (void)close(job.output);
    return (double)result.bytes_out;
}

/* What the calls of a process that has ended, and was not waited for yet, have written. */
static double bytes_written_by(pid_t pid)
{
    char path[64];
    char line[128];
    double bytes = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/io", (int)pid);
    file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "wchar: ", 7) == 0) {
            bytes = strtod(line + 7, NULL);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return bytes;
}

/* posix_spawn(3) takes char *const[] and changes nothing. */
static double run_ffmpeg(bool fast)
{
    const char *const command[] = { "ffmpeg", "-v", "error", "-nostdin", "-y", "-i", bench.input,
        "-c", "copy", "-movflags", fast ? "+faststart" : "-faststart", bench.output, NULL };
    char *arguments[sizeof(command) / sizeof(command[0])];
    siginfo_t ended;
    double bytes;
    int status = -1;
    pid_t pid;

    memcpy(arguments, command, sizeof(command));
    status = posix_spawnp(&pid, "ffmpeg", NULL, NULL, arguments, environ);
    if (status != 0) {
        rmx_process_die("ffmpeg", strerrordesc_np(status));
    }
    (void)waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT);
    bytes = bytes_written_by(pid);
    if (waitpid(pid, &status, 0) != pid || status != 0) {
        rmx_process_die("ffmpeg", "it failed");
    }
    return bytes;
}

static void sync_folder(void)
{
    int fd = open(bench.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || syncfs(fd) < 0) {
        rmx_process_die(bench.folder, strerrordesc_np(errno));
    }
    (void)close(fd);
}

/* The daemon's, with its workers, and that of every ffmpeg so far. */
static double cpu_seconds(void)
{
    pid_t workers[WORKERS_MAX];
    size_t count = rmx_process_workers(bench.daemon.pid, workers, WORKERS_MAX);
    uint64_t ns = rmx_process_cpu_ns(bench.daemon.pid);
    struct rusage used;

    for (size_t i = 0; i < count; i++) {
        ns += rmx_process_cpu_ns(workers[i]);
    }
    (void)getrusage(RUSAGE_CHILDREN, &used);
    return (double)ns / 1e9 + (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void measure(enum way way)
{
    bool fast = is_fast(way);
    double cpu_before;
    double bytes;
    uint64_t began;

    (void)unlink(bench.output);
    sync_folder();
    cpu_before = cpu_seconds();
    began = rmx_samples_now_ns();
    bytes = way < FFMPEG_COPY ? run_ringmux(fast) : run_ffmpeg(fast);
    rmx_samples_add(&seconds[way], (double)(rmx_samples_now_ns() - began) / 1e9);
    rmx_samples_add(&cpu[way], cpu_seconds() - cpu_before);
    sync_folder();
    rmx_samples_add(&on_disk[way], (double)(rmx_samples_now_ns() - began) / 1e9);
    rmx_samples_add(&written[way], bytes / size_of(bench.output));
}

static double middle(struct rmx_samples *samples)
{
    return rmx_samples_percentile(samples, 0.5);
}

static void print(void)
{
    printf("{\n  \"bench\": \"faststart\", \"rounds\": %ld, \"bytes\": %.0f,\n", bench.rounds,
        size_of(bench.input));
    for (size_t way = 0; way < WAYS; way++) {
        printf(
            "  \"%s\": {\"seconds\": %.3f, \"on_disk\": %.3f, \"cpu\": %.3f, \"written\": %.2f},\n",
            names[way], middle(&seconds[way]), middle(&on_disk[way]), middle(&cpu[way]),
            middle(&written[way]));
    }
    printf("  \"ringmux_faststart_to_copy\": %.3g, \"ffmpeg_faststart_to_copy\": %.3g,\n",
        middle(&seconds[RINGMUX_FASTSTART]) / middle(&seconds[RINGMUX_COPY]),
        middle(&seconds[FFMPEG_FASTSTART]) / middle(&seconds[FFMPEG_COPY]));
    printf("  \"ffmpeg_to_ringmux_faststart\": %.3g, \"cpu\": %.3g, \"on_disk\": %.3g\n}\n",
        middle(&seconds[FFMPEG_FASTSTART]) / middle(&seconds[RINGMUX_FASTSTART]),
        middle(&cpu[FFMPEG_FASTSTART]) / middle(&cpu[RINGMUX_FASTSTART]),
        middle(&on_disk[FFMPEG_FASTSTART]) / middle(&on_disk[RINGMUX_FASTSTART]));
}

static int usage(int code)
{
    (void)fprintf(code == 0 ? stdout : stderr,
        "usage: rmx-bench faststart [-n ROUNDS: 1 to %d] [-m MEBIBYTES: 16 to %d] [-d DIR]\n",
        ROUNDS_MAX, MIB_MAX);
    return code;
}

int rmx_bench_faststart_run(int argc, char **argv)
{
    static const char *const settings[] = { "--workers=1", "--lane-nice=0", "--worker-nice=0",
        NULL };
    static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
    int option;

    while ((option = getopt_long(argc, argv, "n:m:d:h", options, NULL)) != -1) {
        if (option == 'n') {
            bench.rounds = strtol(optarg, NULL, 10);
        } else if (option == 'm') {
            bench.mebibytes = strtol(optarg, NULL, 10);
        } else if (option == 'd') {
            bench.folder = optarg;
        } else {
            return usage(option == 'h' ? 0 : 2);
        }
    }
    if (optind != argc || bench.rounds < 1 || bench.rounds > ROUNDS_MAX || bench.mebibytes < 16 ||
        bench.mebibytes > MIB_MAX) {
        return usage(2);
    }
    (void)snprintf(bench.input, PATH_MAX, "%s/bench_faststart.%d.in.mp4", bench.folder, getpid());
    (void)snprintf(bench.output, PATH_MAX, "%s/bench_faststart.%d.out.mp4", bench.folder, getpid());
    make_input();
    rmx_daemon_start(&bench.daemon, "1", settings);
    bench.client = rmx_daemon_client(&bench.daemon);
    for (long round = 0; round < bench.rounds; round++) {
        for (enum way way = 0; way < WAYS; way++) {
            measure(way);
        }
    }
    print();
    rmx_close(&bench.client);
    rmx_daemon_stop(&bench.daemon);
    (void)unlink(bench.input);
    (void)unlink(bench.output);
    return 0;
}
