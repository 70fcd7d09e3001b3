/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A client beside a hostile one: runs one job after the other, looks at every byte that comes out,
 * and measures how long each took.
 *
 *   honest_client SOCKET SECONDS descriptor|ring INPUT FORMAT REFERENCE
 *
 * INPUT is remuxed into FORMAT, through descriptors or through shared memory; the output must be
 * REFERENCE's bytes. Prints the times as JSON. Ends 1 if a job did not end OK, or with other bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench/histogram.h"
#include "clients/ringmux.h"
#include "ring/base.h"

#define PATIENCE_MS 60000
#define PAUSE_NS    1000000 /* between two jobs, so that what is measured is no queue of our own */

struct bytes {
    unsigned char *at;
    size_t size;
};

static struct rmx_histogram times;

_Noreturn static void fail(const char *what, const char *why)
{
    (void)fprintf(
        stderr, "honest_client: job %llu: %s %s\n", (unsigned long long)times.count, what, why);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct bytes load(const char *path)
{
    rmx_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct bytes bytes = { 0 };
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        fail("cannot read", path);
    }
    bytes.size = (size_t)st.st_size;
    bytes.at = mmap(NULL, bytes.size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (bytes.at == MAP_FAILED) {
        fail("cannot read", path);
    }
    return bytes;
}

static void run(struct rmx_client *client, const struct rmx_job *job)
{
    struct rmx_result result = { 0 };
    uint64_t started_ns = now_ns();
    int error = rmx_run(client, job, &result, PATIENCE_MS);

    if (error < 0) {
        fail("no result:", strerror(-error));
    }
    if (result.status != RMX_OK) {
        fail(rmx_end_name(result.status), result.text);
    }
    rmx_histogram_add(&times, now_ns() - started_ns);
}

static void compare(const void *got, size_t size, const struct bytes *reference)
{
    if (size != reference->size || memcmp(got, reference->at, size) != 0) {
        fail("other bytes came out", "");
    }
}

static void run_by_descriptor(
    struct rmx_client *client, struct rmx_job *job, const char *path, const struct bytes *reference)
{
    rmx_autofd int input = open(path, O_RDONLY | O_CLOEXEC);
    rmx_autofd int output = memfd_create("honest", MFD_CLOEXEC);
    struct stat st;
    void *got;

    if (input < 0 || output < 0) {
        fail("no descriptor left:", strerror(errno));
    }
    job->input = input;
    job->output = output;
    run(client, job);
    rmx_assert(fstat(output, &st) == 0);
    got = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, output, 0);
    compare(got, got == MAP_FAILED ? 0 : (size_t)st.st_size, reference);
    (void)munmap(got, (size_t)st.st_size);
}

static void run_by_ring(struct rmx_client *client, struct rmx_job *job, const struct bytes *input,
    const struct bytes *reference)
{
    struct rmx_block block = { .bytes = input->at, .size = input->size };
    struct rmx_buffer buffer = { 0 };
    struct rmx_source source;
    struct rmx_sink sink;

    rmx_block_source(&block, &source);
    rmx_buffer_sink(&buffer, &sink);
    job->input = RMX_RING;
    job->output = RMX_RING;
    job->source = &source;
    job->sink = &sink;
    job->flags |= RMX_POSITIONAL;
    run(client, job);
    job->source = NULL; /* they end here */
    job->sink = NULL;
    compare(buffer.bytes, buffer.size, reference);
    rmx_buffer_free(&buffer);
}

int main(int argc, char **argv)
{
    struct rmx_client *client = NULL;
    struct timespec pause = { .tv_nsec = PAUSE_NS };

    if (argc != 7) {
        (void)fprintf(
            stderr, "usage: honest_client SOCKET SECONDS descriptor|ring INPUT FORMAT REFERENCE\n");
        return 2;
    }
    struct bytes input = load(argv[4]);
    struct bytes reference = load(argv[6]);
    uint64_t until_ns = now_ns() + strtoul(argv[2], NULL, 10) * UINT64_C(1000000000);

    if (rmx_open(&client, argv[1]) < 0) {
        fail("cannot connect to", argv[1]);
    }
    while (now_ns() < until_ns) {
        struct rmx_job job = RMX_JOB_INIT;

        job.kind = RMX_REMUX;
        job.flags = RMX_BITEXACT;
        job.format = argv[5];
        if (strcmp(argv[3], "ring") == 0) {
            run_by_ring(client, &job, &input, &reference);
        } else {
            run_by_descriptor(client, &job, argv[4], &reference);
        }
        (void)nanosleep(&pause, NULL);
    }
    rmx_close(&client);
    rmx_histogram_print(&times, "us", 1000, stdout);
    printf("\n");
    return 0;
}
