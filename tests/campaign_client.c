/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The hostile side of a campaign (campaign.py): sends mutants of media files to a daemon, many at
 * once, and counts how each ended.
 *
 *   campaign_client SOCKET SEED FIRST COUNT LIST
 *   campaign_client --save FILE SEED INDEX LIST
 *
 * LIST names the media files, one a line. Mutant number n of a seed is always the same file in the
 * same job, whatever ran before. Prints a line of JSON each second, {"done": N}, and one with the
 * counts at the end. Ends 1 where a job had no end, two, or one that there is not. --save writes
 * the mutant's bytes to FILE and says on stdout what its job is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "clients/ringmux.h"
#include "ring/base.h"
#include "tests/campaign_mutant.h"

#define PIPE_BYTES  (1 << 20)
#define SLOTS       24 /* jobs in flight */
#define STATUSES    64
#define NOTED_MAX   4096 /* jobs worth another look */
#define PATIENCE_MS 120000
#define SECOND_NS   UINT64_C(1000000000)
#define SLOW_NS     SECOND_NS /* on the core */
#define DEADLINE_NS (60 * SECOND_NS)

struct slot {
    bool busy;
    bool made; /* the mutant is there, and waits to be sent */
    uint64_t id;
    struct campaign_mutant mutant;
    uint8_t *bytes; /* CAMPAIGN_ROOM_BYTES */
    int input;
    int output;
    int output_reader; /* the far end of a pipe */
    struct rmx_block block;
    struct rmx_buffer buffer;
    struct rmx_source source;
    struct rmx_sink sink;
};

static struct {
    uint64_t seed;
    uint64_t next; /* index of the mutant to be made next */
    uint64_t until;
    uint64_t sent;
    uint64_t done;
    uint64_t again; /* BUSY: sent once more */
    uint64_t not_before_ns;
    uint64_t ended[STATUSES];
    struct {
        uint64_t index;
        uint32_t status;
        uint64_t run_ns;
    } noted[NOTED_MAX];
    uint32_t noted_count;
    struct slot slots[SLOTS];
} campaign;

_Noreturn static void fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "campaign_client: seed %llu, %llu done: %s %s\n",
        (unsigned long long)campaign.seed, (unsigned long long)campaign.done, what, why);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* --- a job's two ends ------------------------------------------------------------------------- */

static int open_memory(void)
{
    int fd = memfd_create("campaign", MFD_CLOEXEC);

    if (fd < 0) {
        fail("no memory file:", strerror(errno));
    }
    return fd;
}

static void open_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES) < 0) {
        fail("no pipe:", strerror(errno));
    }
}

static void write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t wrote = write(fd, bytes, size);

        if (wrote <= 0) {
            fail("cannot write a mutant:", strerror(errno));
        }
        bytes += wrote;
        size -= (size_t)wrote;
    }
}

/* A pipe holds the whole of it, so that nobody need write later. */
static void open_input(struct slot *slot)
{
    int ends[2];

    switch (slot->mutant.input) {
    case CAMPAIGN_BY_FILE:
        slot->input = open_memory();
        write_all(slot->input, slot->bytes, slot->mutant.size);
        (void)lseek(slot->input, 0, SEEK_SET);
        break;
    case CAMPAIGN_BY_PIPE:
        open_pipe(ends);
        write_all(ends[1], slot->bytes, slot->mutant.size);
        (void)close(ends[1]);
        slot->input = ends[0];
        break;
    case CAMPAIGN_BY_RING:
        slot->block = (struct rmx_block){ .bytes = slot->bytes, .size = slot->mutant.size };
        rmx_block_source(&slot->block, &slot->source);
        slot->input = RMX_RING;
        break;
    }
}

static void open_output(struct slot *slot)
{
    int ends[2];

    slot->output_reader = -1;
    switch (slot->mutant.output) {
    case CAMPAIGN_BY_FILE:
        slot->output = open_memory();
        break;
    case CAMPAIGN_BY_PIPE:
        open_pipe(ends);
        slot->output = ends[1];
        slot->output_reader = ends[0];
        break;
    case CAMPAIGN_BY_RING:
        slot->buffer = (struct rmx_buffer){ .max = 16u << 20 };
        rmx_buffer_sink(&slot->buffer, &slot->sink);
        slot->output = RMX_RING;
        break;
    }
}

static void clear(struct slot *slot)
{
    int *fds[] = { &slot->input, &slot->output, &slot->output_reader };

    for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
        if (*fds[i] >= 0) {
            (void)close(*fds[i]);
        }
        *fds[i] = -1;
    }
    if (slot->mutant.output == CAMPAIGN_BY_RING) {
        rmx_buffer_free(&slot->buffer);
    }
}

/* --- the jobs --------------------------------------------------------------------------------- */

static void prepare(struct slot *slot)
{
    if (!slot->made) {
        slot->mutant = campaign_mutant_make(campaign.seed, campaign.next++, slot->bytes);
        slot->made = true;
    }
    open_input(slot);
    open_output(slot);
}

/* False: the daemon takes no more now. */
static bool send(struct rmx_client *client, struct slot *slot)
{
    const struct campaign_mutant *mutant = &slot->mutant;
    struct rmx_job job = RMX_JOB_INIT;
    const char *why;

    prepare(slot);
    job.kind = mutant->kind;
    job.flags = mutant->flags;
    job.format = mutant->format;
    job.input = slot->input;
    job.output = slot->output;
    job.source = mutant->input == CAMPAIGN_BY_RING ? &slot->source : NULL;
    job.sink = mutant->output == CAMPAIGN_BY_RING ? &slot->sink : NULL;
    job.deadline_ns = rmx_deadline_in(DEADLINE_NS);
    job.user = slot;
    if (rmx_check(&job, &why) != 0) {
        fail("a job makes no sense:", why);
    }
    int took = rmx_submit(client, &job, 1, &slot->id);
    if (took == 1) {
        slot->busy = true;
        campaign.sent++;
        return true;
    }
    clear(slot);
    if (took != -EAGAIN && took != -EBUSY) {
        fail("cannot submit:", strerror(-took));
    }
    return false;
}

static void note(const struct slot *slot, const struct rmx_result *result)
{
    bool telling = result->status == RMX_WORKER_LOST || result->status > RMX_INTERNAL ||
                   result->status == RMX_INTERNAL || result->status == RMX_PEER_CORRUPT ||
                   result->status == RMX_DEADLINE || result->run_ns > SLOW_NS;

    if (telling && campaign.noted_count < NOTED_MAX) {
        campaign.noted[campaign.noted_count].index = slot->mutant.index;
        campaign.noted[campaign.noted_count].status = result->status;
        campaign.noted[campaign.noted_count].run_ns = result->run_ns;
        campaign.noted_count++;
    }
}

static void take(const struct rmx_result *result)
{
    struct slot *slot = result->user;

    if (slot == NULL || !slot->busy || slot->id != result->id) {
        fail("an end of a job that has ended:", rmx_end_name(result->status));
    }
    slot->busy = false;
    clear(slot);
    if (result->status == RMX_BUSY) {
        campaign.again++;
        campaign.not_before_ns = now_ns() + result->retry_after_ns;
        return;
    }
    if (result->status >= STATUSES || strcmp(rmx_end_name(result->status), "UNKNOWN") == 0 ||
        result->status == RMX_DAEMON_LOST) {
        fail("an end that must not be:", rmx_end_name(result->status));
    }
    slot->made = false;
    campaign.ended[result->status]++;
    campaign.done++;
    note(slot, result);
}

/* A pipe that is full has its job wait for ever. */
static void relieve(void)
{
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &campaign.slots[i];
        char bytes[65536];

        if (slot->busy && slot->output_reader >= 0) {
            (void)fcntl(slot->output_reader, F_SETFL, O_NONBLOCK);
            while (read(slot->output_reader, bytes, sizeof(bytes)) > 0) {
            }
        }
    }
}

static void report(void)
{
    (void)printf("{\"done\": %llu}\n", (unsigned long long)campaign.done);
    (void)fflush(stdout);
}

static bool fill(struct rmx_client *client)
{
    bool any = false;

    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &campaign.slots[i];
        bool more = slot->made || campaign.next < campaign.until;

        if (!slot->busy && more && now_ns() >= campaign.not_before_ns && !send(client, slot)) {
            campaign.not_before_ns = now_ns() + SECOND_NS / 1000;
        }
        any = any || slot->busy || slot->made;
    }
    return any || campaign.next < campaign.until;
}

static void run(struct rmx_client *client)
{
    struct rmx_result results[SLOTS];
    uint64_t reported_ns = now_ns();
    uint64_t ended_ns = reported_ns;

    while (fill(client)) {
        int got = rmx_wait(client, results, SLOTS, 10);

        if (got < 0) {
            fail("cannot wait:", strerror(-got));
        }
        for (int i = 0; i < got; i++) {
            take(&results[i]);
        }
        relieve();
        uint64_t now = now_ns();
        ended_ns = got > 0 ? now : ended_ns;
        if (now - ended_ns > PATIENCE_MS * UINT64_C(1000000)) {
            fail("no job has ended for", "two minutes");
        }
        if (now - reported_ns >= SECOND_NS) {
            report();
            reported_ns = now;
        }
    }
}

static void print_counts(void)
{
    const char *comma = "";

    report();
    (void)printf("{\"sent\": %llu, \"done\": %llu, \"sent_again\": %llu, \"ended\": {",
        (unsigned long long)campaign.sent, (unsigned long long)campaign.done,
        (unsigned long long)campaign.again);
    for (uint32_t status = 0; status < STATUSES; status++) {
        if (campaign.ended[status] > 0) {
            (void)printf("%s\"%s\": %llu", comma, rmx_end_name(status),
                (unsigned long long)campaign.ended[status]);
            comma = ", ";
        }
    }
    (void)printf("}, \"noted\": [");
    for (uint32_t i = 0; i < campaign.noted_count; i++) {
        (void)printf("%s{\"index\": %llu, \"status\": \"%s\", \"run_ms\": %.0f}", i ? ", " : "",
            (unsigned long long)campaign.noted[i].index, rmx_end_name(campaign.noted[i].status),
            (double)campaign.noted[i].run_ns / 1e6);
    }
    (void)printf("]}\n");
}

static int save(const char *path, uint64_t index)
{
    static const char *const names[] = { "file", "pipe", "ring" };
    uint8_t *bytes = malloc(CAMPAIGN_ROOM_BYTES);
    rmx_autofd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    if (fd < 0 || bytes == NULL) {
        fail("cannot write", path);
    }
    struct campaign_mutant mutant = campaign_mutant_make(campaign.seed, index, bytes);
    write_all(fd, bytes, mutant.size);
    (void)printf("%s of %s to %s, flags %u, from %s to %s\n",
        mutant.kind == RMX_PROBE ? "probe" : "remux", campaign_mutant_name(&mutant),
        mutant.format ? mutant.format : "JSON", mutant.flags, names[mutant.input],
        names[mutant.output]);
    free(bytes);
    return 0;
}

int main(int argc, char **argv)
{
    struct rmx_client *client = NULL;

    if (argc != 6) {
        (void)fprintf(stderr, "usage: campaign_client SOCKET SEED FIRST COUNT LIST\n"
                              "       campaign_client --save FILE SEED INDEX LIST\n");
        return 2;
    }
    bool saves = strcmp(argv[1], "--save") == 0;
    int loaded = campaign_mutant_load(argv[5]);
    if (loaded <= 0) {
        fail("cannot use the media in", argv[5]);
    }
    campaign.seed = strtoull(argv[saves ? 3 : 2], NULL, 10);
    if (saves) {
        return save(argv[2], strtoull(argv[4], NULL, 10));
    }
    campaign.next = strtoull(argv[3], NULL, 10);
    campaign.until = campaign.next + strtoull(argv[4], NULL, 10);
    for (size_t i = 0; i < SLOTS; i++) {
        campaign.slots[i].input = campaign.slots[i].output = campaign.slots[i].output_reader = -1;
        campaign.slots[i].bytes = malloc(CAMPAIGN_ROOM_BYTES);
        rmx_assert(campaign.slots[i].bytes != NULL);
    }
    int error = rmx_open(&client, argv[1]);
    if (error < 0) {
        fail("cannot connect:", strerror(-error));
    }
    run(client);
    rmx_close(&client);
    print_counts();
    return 0;
}
