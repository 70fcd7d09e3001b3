/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The honest side of a campaign (campaign.py): eight jobs that run again and again, each the same
 * remux every time, through files, pipes and shared memory.
 *
 *   campaign_honest SOCKET MP4 TS WEBM
 *
 * Runs each job twice with nobody beside it: what comes out is what shall come out ever after. Then
 * prints "ready", goes on until its standard input ends, and prints as JSON what became of the
 * jobs. Ends 1 where one came out with other bytes, had no end or two; how one ended is the
 * reader's to judge.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clients/ringmux.h"
#include "ring/base.h"

#define JOBS        8
#define CLIPS       3
#define PIPE_BYTES  (1 << 20)
#define STATUSES    64
#define PATIENCE_MS 120000
#define SECOND_NS   UINT64_C(1000000000)

enum way { BY_FILE, BY_PIPE, BY_RING };

static const char *const way_names[] = { "file", "pipe", "ring" };

enum clip { MP4, TS, WEBM };

static const struct {
    enum clip clip;
    const char *format;
    enum way input;
    enum way output;
} plan[JOBS] = {
    { MP4, "mpegts", BY_FILE, BY_FILE },
    { MP4, "matroska", BY_FILE, BY_FILE },
    { TS, "mp4", BY_FILE, BY_FILE },
    { WEBM, "matroska", BY_FILE, BY_FILE },
    { TS, "fmp4", BY_FILE, BY_PIPE },
    { TS, "matroska", BY_PIPE, BY_FILE },
    { TS, "flv", BY_PIPE, BY_PIPE },
    { MP4, "mov", BY_RING, BY_RING },
};

struct job {
    bool busy;
    uint64_t id;
    int input;
    int output;
    int output_reader;
    uint64_t not_before_ns;
    uint64_t sum; /* of what shall come out; 0 = not known yet */
    uint64_t ended[STATUSES];
    uint64_t total_ns_max;
    struct rmx_block block;
    struct rmx_buffer buffer;
    struct rmx_source source;
    struct rmx_sink sink;
};

static struct {
    uint8_t *at;
    size_t size;
    int fd;
} clips[CLIPS];

static struct job jobs[JOBS];

_Noreturn static void fail(const struct job *job, const char *what, const char *why)
{
    (void)fprintf(stderr, "campaign_honest: job %td: %s %s\n", job - jobs, what, why);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static void load(enum clip clip, const char *path)
{
    struct stat st;

    clips[clip].fd = open(path, O_RDONLY | O_CLOEXEC);
    if (clips[clip].fd < 0 || fstat(clips[clip].fd, &st) < 0) {
        fail(jobs, "cannot read", path);
    }
    clips[clip].size = (size_t)st.st_size;
    clips[clip].at = mmap(NULL, clips[clip].size, PROT_READ, MAP_PRIVATE, clips[clip].fd, 0);
    if (clips[clip].at == MAP_FAILED || clips[clip].size > PIPE_BYTES) {
        fail(jobs, "cannot use", path);
    }
}

/* FNV-1a; never 0. */
static uint64_t sum_of(const uint8_t *bytes, size_t size)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < size; i++) {
        sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return sum | 1;
}

/* --- a job's ends ----------------------------------------------------------------------------- */

static void open_pipe(const struct job *job, int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES) < 0) {
        fail(job, "no pipe:", strerror(errno));
    }
}

static void open_input(struct job *job, enum way way, enum clip clip)
{
    int ends[2];

    job->input = RMX_RING;
    if (way == BY_FILE) {
        char path[64];

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", clips[clip].fd);
        job->input = open(path, O_RDONLY | O_CLOEXEC);
    } else if (way == BY_PIPE) {
        open_pipe(job, ends);
        if (write(ends[1], clips[clip].at, clips[clip].size) != (ssize_t)clips[clip].size) {
            fail(job, "a pipe is too small:", strerror(errno));
        }
        (void)close(ends[1]);
        job->input = ends[0];
    } else {
        job->block = (struct rmx_block){ .bytes = clips[clip].at, .size = clips[clip].size };
        rmx_block_source(&job->block, &job->source);
    }
}

static void open_output(struct job *job, enum way way)
{
    int ends[2];

    job->output = RMX_RING;
    job->output_reader = -1;
    if (way == BY_FILE) {
        job->output = memfd_create("honest", MFD_CLOEXEC);
    } else if (way == BY_PIPE) {
        open_pipe(job, ends);
        job->output = ends[1];
        job->output_reader = ends[0];
    } else {
        job->buffer = (struct rmx_buffer){ 0 };
        rmx_buffer_sink(&job->buffer, &job->sink);
    }
}

static uint64_t sum_of_output(struct job *job, enum way way)
{
    static uint8_t bytes[4 << 20];
    size_t size = 0;
    ssize_t got;

    if (way == BY_RING) {
        return sum_of(job->buffer.bytes, job->buffer.size);
    }
    if (way == BY_PIPE) {
        rmx_base_close(&job->output); /* its end is seen then */
    } else {
        (void)lseek(job->output, 0, SEEK_SET);
    }
    int fd = way == BY_PIPE ? job->output_reader : job->output;
    while ((got = read(fd, bytes + size, sizeof(bytes) - size)) > 0) {
        size += (size_t)got;
    }
    return sum_of(bytes, size);
}

static void clear(struct job *job, enum way output)
{
    int *fds[] = { &job->input, &job->output, &job->output_reader };

    for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
        if (*fds[i] >= 0) {
            rmx_base_close(fds[i]);
        }
    }
    if (output == BY_RING) {
        rmx_buffer_free(&job->buffer);
    }
}

/* --- its life --------------------------------------------------------------------------------- */

static void send(struct rmx_client *client, size_t n)
{
    struct job *job = &jobs[n];
    struct rmx_job spec = RMX_JOB_INIT;

    open_input(job, plan[n].input, plan[n].clip);
    open_output(job, plan[n].output);
    spec.input = job->input;
    spec.output = job->output;
    spec.format = plan[n].format;
    spec.flags = RMX_BITEXACT;
    spec.user = job;
    if (plan[n].input == BY_RING) {
        spec.source = &job->source;
        spec.sink = &job->sink;
        spec.flags |= RMX_POSITIONAL;
    }
    int took = rmx_submit(client, &spec, 1, &job->id);
    if (took == 1) {
        job->busy = true;
        return;
    }
    clear(job, plan[n].output);
    job->not_before_ns = now_ns() + SECOND_NS / 1000;
    if (took != -EAGAIN && took != -EBUSY) {
        fail(job, "cannot submit:", strerror(-took));
    }
}

static void take(const struct rmx_result *result)
{
    struct job *job = result->user;
    enum way output = plan[job - jobs].output;

    if (!job->busy || job->id != result->id || result->status >= STATUSES) {
        fail(job, "an end that must not be:", rmx_end_name(result->status));
    }
    job->busy = false;
    job->ended[result->status]++;
    job->not_before_ns = now_ns() + result->retry_after_ns;
    if (result->status == RMX_OK) {
        uint64_t sum = sum_of_output(job, output);

        if (job->sum != 0 && job->sum != sum) {
            fail(job, "other bytes came out", "");
        }
        job->sum = sum;
        job->total_ns_max =
            result->total_ns > job->total_ns_max ? result->total_ns : job->total_ns_max;
    } else if (result->status != RMX_BUSY) {
        (void)fprintf(stderr, "campaign_honest: job %td: %s: %s\n", job - jobs,
            rmx_end_name(result->status), result->text);
    }
    clear(job, output);
}

static void wait_for_some(struct rmx_client *client)
{
    struct rmx_result results[JOBS];
    int got = rmx_wait(client, results, JOBS, 10);

    if (got < 0) {
        fail(jobs, "cannot wait:", strerror(-got));
    }
    for (int i = 0; i < got; i++) {
        take(&results[i]);
    }
}

/* One job after the other, with nobody beside it. */
static void learn(struct rmx_client *client)
{
    for (size_t n = 0; n < 2 * JOBS; n++) {
        struct job *job = &jobs[n / 2];

        send(client, n / 2);
        while (job->busy) {
            wait_for_some(client);
        }
        if (job->sum == 0) {
            fail(job, "does not end OK", "");
        }
    }
}

static bool is_over(void)
{
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

    return poll(&input, 1, 0) > 0;
}

static void go_on(struct rmx_client *client)
{
    uint64_t idle_since_ns = 0;
    bool over = false;
    bool any = true;

    while (!over || any) {
        any = false;
        over = over || is_over();
        for (size_t n = 0; n < JOBS; n++) {
            if (!over && !jobs[n].busy && now_ns() >= jobs[n].not_before_ns) {
                send(client, n);
            }
            any = any || jobs[n].busy;
        }
        wait_for_some(client);
        idle_since_ns = over && idle_since_ns == 0 ? now_ns() : idle_since_ns;
        if (over && now_ns() - idle_since_ns > PATIENCE_MS * UINT64_C(1000000)) {
            fail(jobs, "jobs do not end", "");
        }
    }
}

static void print_counts(void)
{
    (void)printf("[");
    for (size_t n = 0; n < JOBS; n++) {
        const char *comma = "";

        (void)printf("%s{\"format\": \"%s\", \"input\": \"%s\", \"output\": \"%s\", "
                     "\"max_ms\": %.1f, \"ended\": {",
            n ? ", " : "", plan[n].format, way_names[plan[n].input], way_names[plan[n].output],
            (double)jobs[n].total_ns_max / 1e6);
        for (uint32_t status = 0; status < STATUSES; status++) {
            if (jobs[n].ended[status] > 0) {
                (void)printf("%s\"%s\": %llu", comma, rmx_end_name(status),
                    (unsigned long long)jobs[n].ended[status]);
                comma = ", ";
            }
        }
        (void)printf("}}");
    }
    (void)printf("]\n");
}

int main(int argc, char **argv)
{
    struct rmx_client *client = NULL;

    if (argc != 2 + CLIPS) {
        (void)fprintf(stderr, "usage: campaign_honest SOCKET MP4 TS WEBM\n");
        return 2;
    }
    for (int i = 0; i < CLIPS; i++) {
        load((enum clip)i, argv[2 + i]);
    }
    int error = rmx_open(&client, argv[1]);
    if (error < 0) {
        fail(jobs, "cannot connect:", strerror(-error));
    }
    learn(client);
    (void)printf("ready\n");
    (void)fflush(stdout);
    go_on(client);
    rmx_close(&client);
    print_counts();
    return 0;
}
