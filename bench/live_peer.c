/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who remuxes a live stream. See live_peer.h.
 */
#include "bench/live_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/process.h"
#include "bench/samples.h"

#define WAIT_MS 10000

extern char **environ;

/* --- ringmux ---------------------------------------------------------------------------------- */

_Noreturn static void die_of(struct rmx_client *client, const char *what, int error)
{
    struct rmx_result result;

    if (rmx_wait(client, &result, 1, 1000) == 1 && result.status != RMX_OK) {
        rmx_process_die(rmx_end_name(result.status), result.text);
    }
    rmx_process_die(what, strerrordesc_np(-error));
}

void rmx_live_peer_ringmux(
    struct rmx_live_peer *peer, struct rmx_client *client, const struct rmx_live_way *way)
{
    struct rmx_job job = RMX_JOB_INIT;
    int got;

    *peer = (struct rmx_live_peer){ .client = client, .in = -1, .out = -1 };
    job.input = RMX_RING;
    job.output = RMX_RING;
    job.flags = RMX_LIVE;
    job.input_format = way->input_format;
    job.format = way->job_format;
    job.fragment_us = way->fragment_us;
    job.input_ring_bytes = way->input_ring_bytes;
    got = rmx_submit(client, &job, 1, &peer->id);
    if (got != 1) {
        const char *why = "";

        (void)rmx_check(&job, &why);
        rmx_process_die("rmx_submit", got == -EINVAL ? why : strerrordesc_np(-got));
    }
}

static size_t write_ring(struct rmx_live_peer *peer, const void *bytes, size_t size)
{
    ptrdiff_t n = rmx_write(peer->client, peer->id, bytes, size, 0);

    if (n < 0 && n != -EAGAIN) {
        die_of(peer->client, "rmx_write", (int)n);
    }
    return n < 0 ? 0 : (size_t)n;
}

static ptrdiff_t read_ring(struct rmx_live_peer *peer, void *to, size_t size)
{
    ptrdiff_t n = rmx_read(peer->client, peer->id, to, size, 0);

    if (n == -EAGAIN) {
        return 0;
    }
    if (n < 0) {
        die_of(peer->client, "rmx_read", (int)n);
    }
    return n > 0 ? n : -1;
}

/* --- ffmpeg ----------------------------------------------------------------------------------- */

static size_t build_command(const struct rmx_live_way *way, const char **command)
{
    const char *const head[] = { "ffmpeg", "-v", "error", "-nostdin", "-fflags", "nobuffer",
        "-flush_packets", "1", "-f", way->input_format, "-i", "pipe:0", "-c", "copy" };
    size_t count = sizeof(head) / sizeof(head[0]);

    memcpy(command, head, sizeof(head));
    if (way->movflags != NULL) {
        command[count++] = "-movflags";
        command[count++] = way->movflags;
    }
    command[count++] = "-flush_packets"; /* of the output too */
    command[count++] = "1";
    command[count++] = "-f";
    command[count++] = way->output_format;
    command[count++] = "pipe:1";
    command[count] = NULL;
    return count;
}

void rmx_live_peer_ffmpeg(struct rmx_live_peer *peer, int core, const struct rmx_live_way *way)
{
    const char *command[32];
    char *spawned[32]; /* the same, typed as posix_spawn(3) wants it */
    posix_spawn_file_actions_t actions;
    int in[2];
    int out[2];
    int error;

    (void)build_command(way, command);
    memcpy(spawned, command, sizeof(spawned));
    *peer = (struct rmx_live_peer){ .in = -1 };
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0) {
        rmx_process_die("pipe", strerrordesc_np(errno));
    }
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    (void)posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    error = posix_spawnp(&peer->pid, "ffmpeg", &actions, NULL, spawned, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        rmx_process_die("ffmpeg", strerrordesc_np(error));
    }
    rmx_process_bind(peer->pid, core);
    close(in[0]);
    close(out[1]);
    peer->in = in[1];
    peer->out = out[0];
    (void)fcntl(peer->in, F_SETFL, O_NONBLOCK);
    (void)fcntl(peer->out, F_SETFL, O_NONBLOCK);
}

static size_t write_pipe(const struct rmx_live_peer *peer, const void *bytes, size_t size)
{
    ssize_t n = write(peer->in, bytes, size);

    if (n < 0 && errno != EAGAIN) {
        rmx_process_die("ffmpeg's input", strerrordesc_np(errno));
    }
    return n < 0 ? 0 : (size_t)n;
}

static ptrdiff_t read_pipe(const struct rmx_live_peer *peer, void *to, size_t size)
{
    ssize_t n = read(peer->out, to, size);

    if (n < 0 && errno != EAGAIN) {
        rmx_process_die("ffmpeg's output", strerrordesc_np(errno));
    }
    return n < 0 ? 0 : n > 0 ? n : -1;
}

/* --- either ----------------------------------------------------------------------------------- */

size_t rmx_live_peer_write(struct rmx_live_peer *peer, const void *bytes, size_t size)
{
    return peer->client != NULL ? write_ring(peer, bytes, size) : write_pipe(peer, bytes, size);
}

ptrdiff_t rmx_live_peer_read(struct rmx_live_peer *peer, void *to, size_t size)
{
    return peer->client != NULL ? read_ring(peer, to, size) : read_pipe(peer, to, size);
}

void rmx_live_peer_wait(struct rmx_live_peer *peer, uint64_t until_ns)
{
    struct pollfd poll = { .fd = peer->out, .events = POLLIN };
    uint64_t now = rmx_samples_now_ns();
    struct timespec left;

    if (peer->polling) { /* rmx_spin() lets it poll for longer than any wait here */
        struct rmx_piece piece;

        (void)rmx_peek(
            peer->client, peer->id, &piece, until_ns > now ? (int)((until_ns - now) / 1000000) : 0);
        return;
    }
    if (peer->client != NULL) {
        struct rmx_event event;
        int got = rmx_events(peer->client, &event, 1, 0);

        if (got < 0) {
            die_of(peer->client, "rmx_events", got);
        }
        if (got > 0) {
            return;
        }
        poll.fd = rmx_fd(peer->client);
    }
    if (until_ns > now) {
        left = (struct timespec){ .tv_sec = (time_t)((until_ns - now) / 1000000000),
            .tv_nsec = (long)((until_ns - now) % 1000000000) };
        (void)ppoll(&poll, 1, &left, NULL);
    }
}

void rmx_live_peer_finish(struct rmx_live_peer *peer)
{
    if (peer->client == NULL) {
        close(peer->in);
        peer->in = -1;
    } else {
        int error = rmx_finish(peer->client, peer->id, WAIT_MS);

        if (error < 0) {
            die_of(peer->client, "rmx_finish", error);
        }
    }
}

void rmx_live_peer_close(struct rmx_live_peer *peer)
{
    struct rmx_result result;
    int status = -1;

    if (peer->client == NULL) {
        close(peer->out);
        if (waitpid(peer->pid, &status, 0) != peer->pid || status != 0) {
            rmx_process_die("ffmpeg", "it failed");
        }
        return;
    }
    status = rmx_wait(peer->client, &result, 1, WAIT_MS);
    if (status != 1) {
        rmx_process_die("rmx_wait", status < 0 ? strerrordesc_np(-status) : "no end came");
    }
    if (result.status != RMX_OK) {
        rmx_process_die(rmx_end_name(result.status), result.text);
    }
}
