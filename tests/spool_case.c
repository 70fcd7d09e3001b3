/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs over pipes that may be spooled. See spool_case.h.
 */
#include "tests/spool_case.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct harness spool_harness;
struct rmx_client *spool_client;

void spool_start(const char *const *settings)
{
    (void)signal(SIGPIPE, SIG_IGN);
    harness_start(&spool_harness, settings);
    spool_client = harness_client(&spool_harness);
}

void spool_stop(void)
{
    harness_counter_becomes(spool_client, "jobs_in_flight", 0);
    harness_counter_becomes(spool_client, "spools_open", 0);
    harness_counter_becomes(spool_client, "spool_bytes", 0);
    harness_counter_becomes(spool_client, "fds_open", 0);
    rmx_close(&spool_client);
    harness_stop(&spool_harness);
}

/* --- pipes ------------------------------------------------------------------------------------ */

/* Moves bytes until either end is over, then closes both. */
static void *move(void *argument)
{
    static _Thread_local char buffer[65536];
    struct spool_pump *pump = argument;
    ssize_t got = 0;

    do {
        got = read(pump->from, buffer, sizeof(buffer));
        for (ssize_t at = 0; at < got;) {
            ssize_t put = write(pump->to, buffer + at, (size_t)(got - at));

            at += put > 0 ? put : got;
        }
    } while (got > 0);
    close(pump->from);
    close(pump->to);
    return NULL;
}

/* A pipe that brings the file's bytes; returns its reading end. */
int spool_pipe_from(struct spool_pump *pump, const char *path)
{
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    *pump = (struct spool_pump){ .from = harness_input(path), .to = ends[1] };
    cr_assert_eq(pthread_create(&pump->thread, NULL, move, pump), 0);
    return ends[0];
}

/* A pipe whose bytes end up in the file; returns its writing end. */
int spool_pipe_into(struct spool_pump *pump, int file)
{
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    *pump = (struct spool_pump){ .from = ends[0], .to = fcntl(file, F_DUPFD_CLOEXEC, 0) };
    cr_assert_eq(pthread_create(&pump->thread, NULL, move, pump), 0);
    return ends[1];
}

/* --- jobs ------------------------------------------------------------------------------------- */

uint64_t spool_submit(
    int input, int output, const char *format, uint32_t flags, const char *const *options)
{
    struct rmx_job job = RMX_JOB_INIT;
    uint64_t id;

    job.input = input;
    job.output = output;
    job.format = format;
    job.flags = flags | RMX_BITEXACT;
    job.options = options;
    cr_assert_eq(rmx_submit(spool_client, &job, 1, &id), 1);
    return id;
}

/* Runs a job over pipes, in and out as wanted; its output comes to lie in `file`. */
struct rmx_result spool_run(const char *path, bool pipe_in, int file, bool pipe_out,
    const char *format, uint32_t flags, const char *const *options)
{
    struct rmx_result result;
    struct spool_pump in;
    struct spool_pump out;
    int input = pipe_in ? spool_pipe_from(&in, path) : harness_input(path);
    int output = pipe_out ? spool_pipe_into(&out, file) : fcntl(file, F_DUPFD_CLOEXEC, 0);

    cr_assert_eq(ftruncate(file, 0), 0);
    cr_assert_eq(lseek(file, 0, SEEK_SET), 0);
    (void)spool_submit(input, output, format, flags, options);
    close(input);
    close(output);
    result = harness_wait(spool_client);
    if (pipe_in) {
        cr_assert_eq(pthread_join(in.thread, NULL), 0);
    }
    if (pipe_out) {
        cr_assert_eq(pthread_join(out.thread, NULL), 0);
    }
    return result;
}

void spool_expect(const struct rmx_result *result, uint32_t status)
{
    cr_assert_eq(result->status, status, "%s, not %s: %s", rmx_end_name(result->status),
        rmx_end_name(status), result->text);
}

uint64_t spool_size(int file)
{
    struct stat st;

    cr_assert_eq(fstat(file, &st), 0);
    return (uint64_t)st.st_size;
}

void spool_expect_same(int file, int other)
{
    static unsigned char bytes[2][65536];
    uint64_t size = spool_size(file);

    cr_assert_eq(size, spool_size(other));
    for (uint64_t at = 0; at < size; at += sizeof(bytes[0])) {
        ssize_t got = pread(file, bytes[0], sizeof(bytes[0]), (off_t)at);

        cr_assert_gt(got, 0);
        cr_assert_eq(pread(other, bytes[1], sizeof(bytes[1]), (off_t)at), got);
        cr_assert_eq(
            memcmp(bytes[0], bytes[1], (size_t)got), 0, "differs after %ju", (uintmax_t)at);
    }
}

/* --- jobs that stand still in a pass ---------------------------------------------------------- */

static void write_part(int fd, const char *path, size_t bytes)
{
    static char buffer[4096];
    int from = harness_input(path);

    for (size_t at = 0; at < bytes; at += sizeof(buffer)) {
        cr_assert_eq(read(from, buffer, sizeof(buffer)), (ssize_t)sizeof(buffer));
        cr_assert_eq(write(fd, buffer, sizeof(buffer)), (ssize_t)sizeof(buffer));
    }
    close(from);
}

/* Starts a job that comes as far as this pass and no farther, and waits until it is there. */
void spool_stall(enum spool_pass pass, struct spool_stalled *stalled)
{
    const char *path = harness_media(pass == IN_DELIVER ? "large.ts" : "large.mp4");
    struct pollfd ready = { .events = POLLIN };
    int in[2] = { -1, -1 };
    int out[2];

    *stalled = (struct spool_stalled){ .held = { -1, -1 } };
    cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
    if (pass == IN_SPOOL) {
        cr_assert_eq(pipe2(in, O_CLOEXEC), 0);
    } else {
        in[0] = spool_pipe_from(&stalled->in, path);
    }
    stalled->id = spool_submit(in[0], out[1], pass == IN_JOB ? "fmp4" : "mp4", RMX_SPOOL, NULL);
    close(in[0]);
    close(out[1]);
    stalled->held[0] = out[0];
    stalled->held[1] = in[1];
    if (pass == IN_SPOOL) {
        write_part(in[1], path, 8u << 20);
        while (harness_counter(spool_client, "spool_bytes") == 0) {
            (void)poll(NULL, 0, 5);
        }
    } else {
        ready.fd = out[0]; /* it comes that far only in this pass */
        cr_assert_eq(poll(&ready, 1, 20000), 1);
        (void)poll(NULL, 0, 20);
    }
    if (pass != IN_SPOOL) {
        cr_assert_eq(pthread_join(stalled->in.thread, NULL), 0);
    }
    cr_assert_eq(harness_counter(spool_client, "spools_open"), 1);
    cr_assert_gt(harness_counter(spool_client, "spool_bytes"), 0);
}

void spool_let_go(struct spool_stalled *stalled)
{
    harness_counter_becomes(spool_client, "spools_open", 0);
    harness_counter_becomes(spool_client, "spool_bytes", 0);
    for (int i = 0; i < 2; i++) {
        if (stalled->held[i] >= 0) {
            close(stalled->held[i]);
        }
    }
}
