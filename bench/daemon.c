/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A daemon of a benchmark's own. See daemon.h.
 */
#include "bench/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/process.h"
#include "bench/samples.h"

#define ARGUMENTS_MAX 32
#define WORKERS_MAX   64
#define COUNTERS_MAX  256
#define PATIENCE_NS   UINT64_C(10000000000)

extern char **environ;

static struct rmx_daemon *to_end; /* whatever way this program ends */

static void clean_up(void)
{
    if (to_end != NULL) {
        (void)kill(to_end->pid, SIGTERM);
        (void)unlink(to_end->clip);
        (void)unlink(to_end->socket);
        (void)rmdir(to_end->dir);
    }
}

/* SIGCHLD: a benchmark that waits for a daemon which is gone would wait for ever. */
static void heed_child(int signal_number)
{
    static const char words[] = "the daemon died: no figures\n";
    siginfo_t gone = { .si_pid = 0 };

    (void)signal_number;
    if (to_end == NULL ||
        waitid(P_PID, (id_t)to_end->pid, &gone, WEXITED | WNOHANG | WNOWAIT) < 0 ||
        gone.si_pid == 0) {
        return; /* another child, as ffmpeg */
    }
    ssize_t said = write(STDERR_FILENO, words, sizeof(words) - 1);
    (void)said; /* where nobody reads, the exit code is enough */
    (void)unlink(to_end->clip);
    (void)unlink(to_end->socket);
    (void)rmdir(to_end->dir);
    _exit(EXIT_FAILURE);
}

void rmx_daemon_clip(const char *path, const char *seconds)
{
    rmx_process_ffmpeg((const char *const[]){ "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25",
        "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", seconds, "-c:v",
        "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25", "-b:v", "700k",
        "-minrate", "700k", "-maxrate", "700k", "-bufsize", "350k", "-c:a", "aac", "-b:a", "96k",
        "-movflags", "+faststart", "-f", "mp4", path, NULL });
}

static void nap(void)
{
    const struct timespec time = { .tv_nsec = 1000000 };

    (void)nanosleep(&time, NULL);
}

void rmx_daemon_start(
    struct rmx_daemon *daemon, const char *clip_seconds, const char *const *settings)
{
    const char *program = getenv("RINGMUX_DAEMON");
    char socket[128];
    const char *command[ARGUMENTS_MAX] = { program == NULL ? RMX_BENCH_DAEMON : program, socket,
        "--log-level=error" };
    char *arguments[ARGUMENTS_MAX]; /* the same, typed as posix_spawn(3) wants it */
    const struct sigaction action = { .sa_handler = heed_child, .sa_flags = SA_RESTART };
    int error;

    *daemon = (struct rmx_daemon){ .dir = "/tmp/ringmux-bench-XXXXXX" };
    if (mkdtemp(daemon->dir) == NULL) {
        rmx_process_die(daemon->dir, strerrordesc_np(errno));
    }
    (void)snprintf(daemon->socket, sizeof(daemon->socket), "%s/socket", daemon->dir);
    (void)snprintf(daemon->clip, sizeof(daemon->clip), "%s/clip.mp4", daemon->dir);
    (void)snprintf(socket, sizeof(socket), "--socket=%s", daemon->socket);
    for (size_t i = 3; *settings != NULL && i < ARGUMENTS_MAX - 1; i++) {
        command[i] = *settings++;
    }
    rmx_daemon_clip(daemon->clip, clip_seconds);
    memcpy(arguments, command, sizeof(arguments));
    error = posix_spawn(&daemon->pid, command[0], NULL, NULL, arguments, environ);
    if (error != 0) {
        rmx_process_die(command[0], strerrordesc_np(error));
    }
    to_end = daemon;
    (void)atexit(clean_up);
    (void)sigaction(SIGCHLD, &action, NULL);
    heed_child(SIGCHLD); /* it may have died before */
}

struct rmx_client *rmx_daemon_private(const char *const *settings)
{
    const struct rmx_private_options options = {
        .daemon = getenv("RINGMUX_DAEMON") != NULL ? NULL : RMX_BENCH_DAEMON, .settings = settings
    };
    struct rmx_client *client = NULL;
    int error = rmx_open_private(&client, &options);

    if (error < 0) {
        rmx_process_die("private daemon", strerrordesc_np(-error));
    }
    return client;
}

void rmx_daemon_run(struct rmx_client *client, const struct rmx_job *job, struct rmx_result *result)
{
    int got = rmx_submit(client, job, 1, NULL);

    if (got != 1) {
        rmx_process_die("submit", strerrordesc_np(-got));
    }
    got = rmx_wait(client, result, 1, (int)(PATIENCE_NS / 1000000) * 60);
    if (got != 1) {
        rmx_process_die("wait", got < 0 ? strerrordesc_np(-got) : "no answer within 10 min");
    }
    if (result->status != RMX_OK) {
        rmx_process_die(rmx_end_name(result->status), result->text);
    }
}

struct rmx_client *rmx_daemon_client(const struct rmx_daemon *daemon)
{
    uint64_t until_ns = rmx_samples_now_ns() + PATIENCE_NS;
    struct rmx_client *client = NULL;
    int error = rmx_open(&client, daemon->socket);

    while (error < 0) {
        if (rmx_samples_now_ns() > until_ns) {
            rmx_process_die(daemon->socket, strerrordesc_np(-error));
        }
        nap();
        error = rmx_open(&client, daemon->socket);
    }
    return client;
}

void rmx_daemon_stop(struct rmx_daemon *daemon)
{
    int status = -1;

    to_end = NULL;
    (void)kill(daemon->pid, SIGTERM);
    if (waitpid(daemon->pid, &status, 0) != daemon->pid || status != 0) {
        rmx_process_die("the daemon", "it did not end well");
    }
    (void)unlink(daemon->clip);
    (void)rmdir(daemon->dir);
}

uint64_t rmx_daemon_bytes(const struct rmx_daemon *daemon)
{
    pid_t workers[WORKERS_MAX];
    size_t count = rmx_process_workers(daemon->pid, workers, WORKERS_MAX);
    uint64_t bytes = rmx_process_anon_bytes(daemon->pid);

    for (size_t i = 0; i < count; i++) {
        bytes += rmx_process_anon_bytes(workers[i]);
    }
    return bytes;
}

/* The first counter that is not what it is when there are no jobs, or NULL. */
static const char *find_held(struct rmx_client *client)
{
    static const char *const names[] = { "jobs_in_flight", "jobs_queued", "fds_open",
        "pairs_small_used", "pairs_bulk_used", "pairs_bare_used" };
    struct rmx_counter counters[COUNTERS_MAX];
    int count = rmx_stats(client, counters, COUNTERS_MAX);

    if (count < 0) {
        rmx_process_die("rmx_stats", strerrordesc_np(-count));
    }
    for (int i = 0; i < count; i++) {
        for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
            if (counters[i].value != 0 && strcmp(counters[i].name, names[k]) == 0) {
                return names[k];
            }
        }
    }
    return NULL;
}

uint64_t rmx_daemon_quiet(struct rmx_client *client)
{
    uint64_t began_ns = rmx_samples_now_ns();
    const char *held = find_held(client);

    while (held != NULL) {
        if (rmx_samples_now_ns() - began_ns > PATIENCE_NS) {
            rmx_process_die(held, "it does not return to zero");
        }
        nap();
        held = find_held(client);
    }
    return rmx_samples_now_ns() - began_ns;
}

void rmx_daemon_job(const struct rmx_daemon *daemon, struct rmx_job *job)
{
    rmx_job_init(job);
    job->input = open(daemon->clip, O_RDONLY | O_CLOEXEC);
    job->output = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (job->input < 0 || job->output < 0) {
        rmx_process_die(daemon->clip, strerrordesc_np(errno));
    }
    job->format = "fmp4";
}
