/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One job of a race. See race_job.h.
 */
#include "tests/race_job.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring/base.h"

#define FNV_BASIS  14695981039346656037ull
#define FNV_PRIME  1099511628211ull
#define OUTPUT_MAX (64u << 20)
#define BIT(end)   (UINT32_C(1) << (end))

/* A worker that does not stop a job is ended after a second, and dies in less than another; under
 * the shim, each call of the daemon waits for a core on top, while others have them. */
#define LATE_NS     UINT64_C(3000000000)
#define LATE_NS_MAX UINT64_C(10000000000)

const char *const race_format[RACE_FORMATS] = { "fmp4", "mpegts", "matroska", "mp4", "flv" };

static uint64_t hash_on(uint64_t hash, const void *bytes, size_t count)
{
    const unsigned char *byte = bytes;

    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ byte[i]) * FNV_PRIME;
    }
    return hash;
}

static int or_die(const struct race *race, int fd, const char *what)
{
    if (fd < 0) {
        race_fail(race, "%s: %s", what, strerrordesc_np(errno));
    }
    return fd;
}

/* --- making ----------------------------------------------------------------------------------- */

static void open_pipe(const struct race *race, int *theirs, int *ours, bool we_write)
{
    int ends[2];

    or_die(race, pipe2(ends, O_CLOEXEC), "pipe");
    *theirs = ends[we_write ? 0 : 1];
    *ours = ends[we_write ? 1 : 0];
    or_die(race, fcntl(*ours, F_SETFL, O_NONBLOCK), "pipe");
}

static void open_input(struct race_job *job, const struct race *race)
{
    switch (job->kind) {
    case RACE_NOOP:
        job->job.kind = RMX_NOOP;
        return;
    case RACE_PIPE:
    case RACE_STALL:
        open_pipe(race, &job->job.input, &job->feed, true);
        return;
    case RACE_RING:
        job->block = (struct rmx_block){ .bytes = job->clip->bytes, .size = job->clip->size };
        rmx_block_source(&job->block, &job->source);
        job->job.source = &job->source;
        job->job.input = RMX_RING;
        return;
    case RACE_RING_STALL:
        job->job.input = RMX_RING;
        return;
    default:
        job->job.input = or_die(race, open(job->clip->path, O_RDONLY | O_CLOEXEC), job->clip->path);
    }
}

static void open_output(struct race_job *job, const struct race *race)
{
    switch (job->kind) {
    case RACE_NOOP:
        return;
    case RACE_TO_PIPE:
    case RACE_CLOSED:
        open_pipe(race, &job->job.output, &job->output, false);
        return;
    case RACE_FULL:
        job->job.output = or_die(race, open("/dev/full", O_WRONLY | O_CLOEXEC), "/dev/full");
        return;
    case RACE_RING:
    case RACE_RING_STALL:
        job->buffer.max = OUTPUT_MAX;
        rmx_buffer_sink(&job->buffer, &job->sink);
        job->job.sink = &job->sink;
        job->job.output = RMX_RING;
        job->job.flags |= RMX_POSITIONAL;
        return;
    default:
        job->output = or_die(race, memfd_create("race", MFD_CLOEXEC), "memfd");
        job->job.output = or_die(race, fcntl(job->output, F_DUPFD_CLOEXEC, 0), "memfd");
    }
}

static void open_tee(struct race_job *job, const struct race *race)
{
    static const char *const edits[] = { "format:1=matroska", "when_slow:1=drop", NULL };

    open_pipe(race, &job->tee_theirs, &job->tee, false);
    job->job.edits = edits;
    job->job.more_outputs = &job->tee_theirs;
    job->job.more_output_count = 1;
}

static void make(
    struct race_job *job, const struct race *race, size_t clip, size_t format, enum race_kind kind)
{
    *job = (struct race_job){ .kind = kind,
        .clip = &race->clip[clip],
        .feed = -1,
        .output = -1,
        .tee = -1,
        .tee_theirs = -1,
        .hash = FNV_BASIS,
        .fed_most = race->clip[clip].size };
    rmx_job_init(&job->job);
    job->job.kind = kind == RACE_PROBE ? RMX_PROBE : RMX_REMUX;
    job->job.flags = RMX_BITEXACT;
    job->job.format = kind == RACE_PROBE ? NULL : race_format[format];
    job->job.user = job;
    open_input(job, race);
    open_output(job, race);
    if (job->job.kind == RMX_NOOP) {
        job->job.format = NULL;
        job->job.flags = 0;
    }
    if (kind < RACE_WAYS) {
        job->reference = &race->reference[clip][format][kind];
    }
    if (kind == RACE_TEE) {
        open_tee(job, race);
        job->reference = &race->reference[clip][format][RACE_FILE];
    }
}

void race_job_make_way(
    struct race_job *job, struct race *race, size_t clip, size_t format, enum race_kind way)
{
    make(job, race, clip, format, way);
}

/* Around the time it takes, and now and then before it begins. */
static uint64_t draw_deadline(const struct race_job *job, struct dice *dice)
{
    uint64_t takes_ns = job->reference != NULL ? job->reference->total_ns : 3000000;

    return rmx_deadline_in(dice_one_in(dice, 8) ? 0 : dice_below(dice, 3 * takes_ns + 1));
}

void race_job_make(struct race_job *job, const struct race *race, struct dice *dice)
{
    static const enum race_kind kinds[] = { RACE_FILE, RACE_FILE, RACE_FILE, RACE_FILE, RACE_FILE,
        RACE_PIPE, RACE_PIPE, RACE_RING, RACE_RING, RACE_RING, RACE_TO_PIPE, RACE_TO_PIPE,
        RACE_PROBE, RACE_NOOP, RACE_NOOP, RACE_STALL, RACE_STALL, RACE_RING_STALL, RACE_CLOSED,
        RACE_FULL, RACE_NONSENSE, RACE_TEE, RACE_TEE };
    enum race_kind kind = kinds[dice_below(dice, sizeof(kinds) / sizeof(kinds[0]))];

    make(job, race, dice_below(dice, race->clips), dice_below(dice, RACE_FORMATS), kind);
    job->job.job_class = (uint32_t)dice_below(dice, 3);
    if (dice_one_in(dice, race->calm ? 24 : 3)) {
        job->job.deadline_ns = draw_deadline(job, dice);
    }
    if (kind == RACE_STALL || kind == RACE_RING_STALL) {
        job->fed_most = dice_below(dice, job->clip->size);
    } else if (kind == RACE_CLOSED) {
        rmx_base_close(&job->output);
        job->left = true;
    } else if (kind == RACE_NONSENSE) {
        job->job.format = "nonsense";
    } else if (kind == RACE_TEE && dice_one_in(dice, 2)) {
        rmx_base_close(&job->tee);
    }
}

void race_job_sent(struct race_job *job, uint64_t id)
{
    job->id = id;
    job->submitted_ns = race_now_ns();
    job->starved_ns = race_starved_ns();
    rmx_base_close(&job->job.input);
    rmx_base_close(&job->job.output);
    rmx_base_close(&job->tee_theirs);
}

/* --- moving ----------------------------------------------------------------------------------- */

static void feed(struct race_job *job)
{
    ssize_t n = 1;

    while (job->feed >= 0 && job->fed < job->fed_most && n > 0) {
        n = write(job->feed, job->clip->bytes + job->fed, job->fed_most - job->fed);
        job->fed += n > 0 ? (size_t)n : 0;
    }
    if (job->feed >= 0 && job->fed == job->clip->size) {
        rmx_base_close(&job->feed);
    }
}

static void feed_ring(struct race_job *job, struct rmx_client *client)
{
    ptrdiff_t n = 1;

    while (job->kind == RACE_RING_STALL && job->fed < job->fed_most && n > 0) {
        n = rmx_write(client, job->id, job->clip->bytes + job->fed, job->fed_most - job->fed, 0);
        job->fed += n > 0 ? (size_t)n : 0;
    }
}

static void take(struct race_job *job)
{
    unsigned char bytes[16384];
    ssize_t n = 1;

    while (job->kind == RACE_TO_PIPE && job->output >= 0 && n > 0) {
        n = read(job->output, bytes, sizeof(bytes));
        if (n > 0) {
            job->hash = hash_on(job->hash, bytes, (size_t)n);
            job->size += (uint64_t)n;
        }
    }
}

void race_job_move(struct race_job *job, struct rmx_client *client)
{
    feed(job);
    feed_ring(job, client);
    take(job);
}

void race_job_release(struct race_job *job, struct rmx_client *client)
{
    race_job_move(job, client);
    if (job->kind == RACE_STALL && job->feed >= 0 && job->fed == job->fed_most) {
        job->cut = true;
        rmx_base_close(&job->feed);
    }
    if (job->kind == RACE_RING_STALL && !job->cut) {
        job->cut = rmx_finish(client, job->id, 0) == 0;
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

static void hash_file(struct race_job *job)
{
    unsigned char bytes[16384];
    ssize_t n;

    while ((n = pread(job->output, bytes, sizeof(bytes), (off_t)job->size)) > 0) {
        job->hash = hash_on(job->hash, bytes, (size_t)n);
        job->size += (uint64_t)n;
    }
}

static void hash_output(struct race_job *job)
{
    if (job->kind == RACE_TO_PIPE) {
        take(job);
    } else if (job->output >= 0) {
        hash_file(job);
    } else {
        job->hash = hash_on(job->hash, job->buffer.bytes, job->buffer.size);
        job->size = job->buffer.size;
    }
}

/* Those that belong to what it is. */
static uint32_t own_ends(const struct race_job *job)
{
    switch (job->kind) {
    case RACE_NOOP:
        return BIT(RMX_OK);
    case RACE_STALL: /* a part of a clip: whatever can be made of it */
    case RACE_RING_STALL:
        return BIT(RMX_OK) | BIT(RMX_BAD_MEDIA) | BIT(RMX_TRUNCATED) | BIT(RMX_UNSUPPORTED) |
               BIT(RMX_NO_STREAMS) | BIT(RMX_NEEDS_SEEKABLE_INPUT) | BIT(RMX_NEEDS_SEEKABLE_OUTPUT);
    case RACE_CLOSED:
        return BIT(RMX_OUTPUT_CLOSED) | BIT(RMX_UNSUPPORTED) | BIT(RMX_NEEDS_SEEKABLE_OUTPUT) |
               BIT(RMX_NO_STREAMS);
    case RACE_FULL:
        return BIT(RMX_OUTPUT_FULL) | BIT(RMX_UNSUPPORTED) | BIT(RMX_NEEDS_SEEKABLE_OUTPUT) |
               BIT(RMX_NO_STREAMS);
    case RACE_NONSENSE:
        return BIT(RMX_BAD_JOB) | BIT(RMX_UNSUPPORTED);
    default:
        return BIT(job->reference->status);
    }
}

/* Its own or its group's, whichever comes first; UINT64_MAX = neither has one. */
static uint64_t deadline_of(const struct race_job *job)
{
    uint64_t own_ns = job->job.deadline_ns == 0 ? UINT64_MAX : job->job.deadline_ns;
    uint64_t group_ns = job->group == NULL ? 0 : job->group->options.deadline_ns;

    return group_ns != 0 && group_ns < own_ns ? group_ns : own_ns;
}

/* A sibling's end may come to us later than what it brought about. */
static bool may_be_cancelled(const struct race_job *job)
{
    return job->stopped_ns != 0 ||
           (job->group != NULL &&
               (job->group->cancelled || (job->group->options.flags & RMX_COLLECT_ALL) == 0));
}

/* Those that what happened to it allows. */
static uint32_t possible_ends(const struct race_job *job, const struct race *race)
{
    uint64_t drain_ns = atomic_load_explicit(&race->drain_ns, memory_order_relaxed);
    uint32_t ends = own_ends(job) | BIT(RMX_BUSY);

    ends |= may_be_cancelled(job) ? BIT(RMX_CANCELLED) : 0;
    ends |= race_now_ns() >= deadline_of(job) ? BIT(RMX_DEADLINE) : 0;
    ends |= race->kills ? BIT(RMX_WORKER_LOST) | BIT(RMX_POISON) : 0;
    ends |= drain_ns != 0 ? BIT(RMX_DRAINING) | BIT(RMX_DAEMON_LOST) : 0;
    if (atomic_load_explicit(&race->hasty, memory_order_relaxed)) {
        ends |= BIT(RMX_DAEMON_LOST); /* it did not wait for a socket that was full */
    }
    return ends;
}

static uint64_t most_late_ns(const struct race_job *job)
{
    uint64_t most_ns = LATE_NS + race_starved_ns() - job->starved_ns;

    return most_ns < LATE_NS_MAX ? most_ns : LATE_NS_MAX;
}

/* What counts is when its client looked for an end and saw none, not when it took it: until then it
 * may have been in a call, as for a channel while no worker lives, or not on a core. */
static void check_since(
    struct race_job *job, struct race *race, uint64_t since_ns, const char *what)
{
    uint64_t due_ns = since_ns > job->submitted_ns ? since_ns : job->submitted_ns;
    uint64_t late_ns = job->waited_ns > due_ns ? job->waited_ns - due_ns : 0;
    uint64_t latest_ns = atomic_load_explicit(&race->latest_ns, memory_order_relaxed);

    while (
        latest_ns < late_ns && !atomic_compare_exchange_weak_explicit(&race->latest_ns, &latest_ns,
                                   late_ns, memory_order_relaxed, memory_order_relaxed)) {
    }
    if (late_ns > LATE_NS && late_ns > most_late_ns(job)) {
        race_fail(race, "job %llu (kind %d) had not ended %llu ms after %s",
            (unsigned long long)job->id, (int)job->kind, (unsigned long long)late_ns / 1000000,
            what);
    }
}

static void check_time(struct race_job *job, struct race *race)
{
    check_since(job, race, deadline_of(job), "its deadline");
    if (job->stopped_ns != 0) {
        check_since(job, race, job->stopped_ns, "it was cancelled");
    }
    if (job->group != NULL && job->group->stopped_ns > job->submitted_ns) {
        check_since(job, race, job->group->stopped_ns, "its group was stopped");
    }
}

void race_job_end(struct race_job *job, struct race *race, const struct rmx_result *result)
{
    if (result->user != job || result->status >= 32 ||
        (possible_ends(job, race) & BIT(result->status)) == 0) {
        race_fail(race, "job %llu (kind %d, %s to %s) ended %s: %s; fed %zu of %zu",
            (unsigned long long)job->id, (int)job->kind, job->clip->path,
            job->job.format ? job->job.format : "nothing", rmx_end_name(result->status),
            result->text, job->fed, job->clip->size);
    }
    check_time(job, race);
    if (result->status == RMX_OK && job->reference != NULL) {
        hash_output(job);
        if (job->hash != job->reference->hash) {
            race_fail(race, "job %llu (kind %d, %s to %s): other bytes, %llu of them",
                (unsigned long long)job->id, (int)job->kind, job->clip->path, job->job.format,
                (unsigned long long)job->size);
        }
    }
    atomic_fetch_add_explicit(&race->ended[result->status], 1, memory_order_relaxed);
    if (job->group != NULL) {
        race_group_note(job->group, race, result->status);
    }
    race_job_free(job);
}

void race_job_learn(
    struct race_job *job, const struct rmx_result *result, struct race_reference *reference)
{
    hash_output(job);
    *reference = (struct race_reference){
        .status = result->status,
        .hash = job->hash,
        .total_ns = result->total_ns,
    };
    race_job_free(job);
}

void race_job_free(struct race_job *job)
{
    rmx_base_close(&job->job.input);
    rmx_base_close(&job->job.output);
    rmx_base_close(&job->feed);
    rmx_base_close(&job->output);
    rmx_base_close(&job->tee);
    rmx_base_close(&job->tee_theirs);
    rmx_buffer_free(&job->buffer);
    job->id = 0;
}
