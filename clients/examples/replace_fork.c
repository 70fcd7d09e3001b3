/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Example: where a program ran "ffmpeg -i IN -c copy OUT" as a child process, it asks ringmux. The
 * same packets arrive without a process, and what went wrong is a value to switch on.
 *
 *     cc replace_fork.c $(pkg-config --cflags --libs ringmux) -o replace_fork
 *     ./replace_fork talk.mp4 talk.ts mpegts
 */
#include <errno.h>
#include <fcntl.h>
#include <ringmux.h>
#include <stdio.h>
#include <unistd.h>

static int complain(const char *what, int err)
{
    errno = -err;
    perror(what);
    return 1;
}

/* Was: fork(), execlp("ffmpeg", ...), waitpid(). Returns RMX_OK, or why not, and has said so. */
static uint32_t remux(struct rmx_client *client, int in, int out, const char *format)
{
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_result result;
    const char *why;

    job.input = in; /* a file, a pipe or a socket, as is out; both stay yours */
    job.output = out;
    job.format = format;
    job.deadline_ns = rmx_deadline_in(60 * 1000000000ULL);
    int status = rmx_check(&job, &why);
    if (status != RMX_OK) { /* no such format, for one */
        fprintf(stderr, "remux: %s\n", why);
        return (uint32_t)status;
    }
    int err = rmx_run(client, &job, &result, 61 * 1000); /* a daemon that is stuck is not yours */
    if (err < 0) {
        complain("remux", err);
        return RMX_DAEMON_LOST;
    }
    if (result.status != RMX_OK) { /* rmx_end_retry() tells if to try again */
        const char *text = *result.text != '\0' ? result.text : rmx_end_text(result.status);

        fprintf(stderr, "remux: %s: %s\n", rmx_end_name(result.status), text);
    }
    return result.status;
}

int main(int argc, char **argv)
{
    struct rmx_client *client;

    if (argc != 4) {
        fputs("usage: replace_fork IN OUT FORMAT\n", stderr);
        return 2;
    }
    int in = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (in < 0) {
        return complain(argv[1], -errno);
    }
    int out = open(argv[2], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (out < 0) {
        return complain(argv[2], -errno);
    }
    int err = rmx_open(&client, NULL); /* the host's daemon, once for all jobs of a program */
    if (err == -ENOENT || err == -ECONNREFUSED) {
        err = rmx_open_private(&client, NULL); /* or one of our own */
    }
    if (err < 0) {
        return complain("ringmuxd", err);
    }
    uint32_t status = remux(client, in, out, argv[3]);
    rmx_close(&client);
    return rmx_end_exit(status);
}
