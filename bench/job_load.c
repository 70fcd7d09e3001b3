/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Many small jobs. See job_load.h.
 */
#include "bench/job_load.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench/process.h"
#include "bench/samples.h"
#include "ring/base.h"

#define RESULTS      64
#define WAIT_MS      10000
#define LOOPS_MAX    64u
#define COMMAND_MAX  24
#define BUFFER_BYTES 65536u

/* --- ringmux's jobs ----------------------------------------------------------------------------
 */

/* A place for one job under way. */
struct place {
    const struct rmx_job_way *way;
    struct rmx_block block;
    struct rmx_source source;
    struct rmx_job_sink to;
    struct rmx_sink sink;
    uint64_t due_ns;
    int input;
    char output[112];
    struct place *next; /* free */
};

struct places {
    struct place *place;
    struct place *free;
    uint32_t used;
};

static void init_places(struct places *places, const struct rmx_job_way *way, uint32_t count)
{
    size_t room_bytes = way->media->size * 2 + 65536;

    *places = (struct places){ .place = calloc(count, sizeof(struct place)) };
    rmx_assert(places->place != NULL);
    for (uint32_t i = 0; i < count; i++) {
        struct place *place = &places->place[i];

        place->way = way;
        place->input = open(way->media->path, O_RDONLY | O_CLOEXEC);
        (void)snprintf(place->output, sizeof(place->output), "%.64s/%u", way->scene->dir, i);
        place->to = (struct rmx_job_sink){
            .room = way->means == RMX_JOB_RING ? calloc(1, room_bytes) : NULL,
            .room_bytes = room_bytes,
        };
        rmx_assert(place->input >= 0 && (place->to.room != NULL || way->means != RMX_JOB_RING));
        place->next = places->free;
        places->free = place;
    }
}

static void fini_places(struct places *places, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        close(places->place[i].input);
        free(places->place[i].to.room);
        (void)unlink(places->place[i].output);
    }
    free(places->place);
}

static int fill_job(struct place *place, struct rmx_job *job)
{
    rmx_job_init(job);
    job->format = place->way->target->name;
    job->user = place;
    if (place->way->means == RMX_JOB_RING) {
        place->block = (struct rmx_block){ .bytes = place->way->media->bytes,
            .size = place->way->media->size };
        place->to.first_ns = 0;
        rmx_block_source(&place->block, &place->source);
        rmx_job_means_sink(&place->to, &place->sink);
        job->input = RMX_RING;
        job->output = RMX_RING;
        job->source = &place->source;
        job->sink = &place->sink;
        return -1;
    }
    (void)unlink(place->output);
    job->input = place->input;
    job->output = open(place->output, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (job->output < 0) {
        rmx_process_die(place->output, strerrordesc_np(errno));
    }
    return job->output;
}

/* Sends a job from a free place. Returns false if the client has no credit, or memory, for it. */
static bool submit(struct places *places, uint64_t due_ns)
{
    struct place *place = places->free;
    struct rmx_client *client = place->way->scene->client;
    struct rmx_job job;
    int output = fill_job(place, &job);
    int got = rmx_submit(client, &job, 1, NULL);

    if (output >= 0) {
        close(output);
    }
    if (got != 1) {
        if (got != -EAGAIN) {
            rmx_process_die("rmx_submit", strerrordesc_np(-got));
        }
        return false;
    }
    place->due_ns = due_ns;
    places->free = place->next;
    places->used++;
    return true;
}

/* Takes the results there are, at most RESULTS. */
static uint32_t collect(
    struct places *places, struct rmx_client *client, int wait_ms, struct rmx_job_load_open *seen)
{
    struct rmx_result results[RESULTS];
    int got = rmx_wait(client, results, RESULTS, wait_ms);

    if (got < 0 || (got == 0 && wait_ms > 0)) {
        rmx_process_die("rmx_wait", got < 0 ? strerrordesc_np(-got) : "no end came");
    }
    for (int i = 0; i < got; i++) {
        struct place *place = results[i].user;

        rmx_job_means_check(&results[i]);
        if (seen != NULL) {
            rmx_histogram_add(&seen->first, place->to.first_ns - place->due_ns);
            rmx_histogram_add(&seen->last, rmx_samples_now_ns() - place->due_ns);
        }
        place->next = places->free;
        places->free = place;
        places->used--;
    }
    return (uint32_t)got;
}

/* The time begins when as many are under way as shall be, or as the client has credits for. */
static double closed_ours(const struct rmx_job_load *load)
{
    struct rmx_client *client = load->way.scene->client;
    uint64_t jobs = 0;
    uint64_t from_ns;
    uint64_t until_ns;
    uint64_t now;
    struct places places;

    init_places(&places, &load->way, load->concurrency);
    rmx_spin(client, 0);
    while (places.free != NULL && submit(&places, 0)) {
    }
    now = rmx_samples_now_ns();
    from_ns = now + load->ns / 4;
    until_ns = now + load->ns;
    while (now < until_ns) {
        uint32_t ended = collect(&places, client, WAIT_MS, NULL);

        now = rmx_samples_now_ns();
        jobs += now >= from_ns ? ended : 0;
        while (places.free != NULL && submit(&places, now)) {
        }
    }
    while (places.used > 0) {
        (void)collect(&places, client, WAIT_MS, NULL);
    }
    fini_places(&places, load->concurrency);
    return (double)jobs * 1e9 / (double)(now - from_ns);
}

/* --- others: closed loop -----------------------------------------------------------------------
 */

/* A loop for each core. */
static double closed_loops(const struct rmx_job_load *load)
{
    struct rmx_rivals_loop loops[LOOPS_MAX];
    struct rmx_order order;
    double rate = 0;

    rmx_assert(load->concurrency <= LOOPS_MAX);
    rmx_job_means_order(&load->way, &order);
    order.jobs = UINT64_MAX;
    order.ns = load->ns;
    for (uint32_t i = 0; i < load->concurrency; i++) {
        (void)rmx_rivals_loop_start(&loops[i]);
    }
    for (uint32_t i = 0; i < load->concurrency; i++) {
        rmx_rivals_loop_tell(&loops[i], &order);
    }
    for (uint32_t i = 0; i < load->concurrency; i++) {
        struct rmx_answer answer = rmx_rivals_loop_hear(&loops[i]);

        rate += (double)answer.jobs * 1e9 / (double)answer.ns;
    }
    for (uint32_t i = 0; i < load->concurrency; i++) {
        rmx_rivals_loop_end(&loops[i]);
    }
    return rate;
}

static pid_t start_ffmpeg(const struct rmx_job_way *way, uint32_t number)
{
    const char *command[COMMAND_MAX];
    char output[112];

    (void)snprintf(output, sizeof(output), "%.64s/%u", way->scene->dir, number);
    (void)unlink(output);
    rmx_job_means_command(way, command, way->media->path, output);
    return rmx_rivals_spawn(command, -1, -1);
}

static double closed_ffmpeg(const struct rmx_job_load *load)
{
    struct pollfd polls[LOOPS_MAX];
    pid_t pids[LOOPS_MAX];
    uint64_t began = rmx_samples_now_ns();
    uint64_t last = began;
    uint64_t jobs = 0;
    uint32_t running = load->concurrency;

    rmx_assert(running <= LOOPS_MAX);
    for (uint32_t i = 0; i < running; i++) {
        pids[i] = start_ffmpeg(&load->way, i);
        polls[i] =
            (struct pollfd){ .fd = (int)syscall(SYS_pidfd_open, pids[i], 0), .events = POLLIN };
    }
    while (running > 0) {
        (void)poll(polls, load->concurrency, WAIT_MS);
        for (uint32_t i = 0; i < load->concurrency; i++) {
            if (polls[i].fd < 0 || polls[i].revents == 0) {
                continue;
            }
            close(polls[i].fd);
            polls[i].fd = -1;
            rmx_rivals_reap(pids[i]);
            last = rmx_samples_now_ns();
            jobs++;
            if (last - began < load->ns) {
                pids[i] = start_ffmpeg(&load->way, i);
                polls[i].fd = (int)syscall(SYS_pidfd_open, pids[i], 0);
            } else {
                char output[112];

                (void)snprintf(output, sizeof(output), "%.64s/%u", load->way.scene->dir, i);
                (void)unlink(output);
                running--;
            }
        }
    }
    return (double)jobs * 1e9 / (double)(last - began);
}

/* A caller of the Go service: what it has written. */
struct caller {
    size_t written;
    uint64_t came;
};

static void call(const struct rmx_job_way *way, struct pollfd *poll, struct caller *caller)
{
    *caller = (struct caller){ .written = 0 };
    poll->fd = rmx_rivals_forks_call(&way->scene->forks);
    poll->events = POLLIN | POLLOUT;
    (void)fcntl(poll->fd, F_SETFL, O_NONBLOCK);
}

/* Returns true at the end. */
static bool go_on(const struct rmx_job_media *media, struct pollfd *poll, struct caller *caller)
{
    static unsigned char buffer[BUFFER_BYTES];
    ssize_t n;

    if ((poll->revents & POLLOUT) != 0 && caller->written < media->size) {
        n = write(poll->fd, media->bytes + caller->written, media->size - caller->written);
        caller->written += n > 0 ? (size_t)n : 0;
        if (caller->written == media->size) {
            (void)shutdown(poll->fd, SHUT_WR);
            poll->events = POLLIN;
        }
    }
    if ((poll->revents & (POLLIN | POLLHUP)) == 0) {
        return false;
    }
    n = read(poll->fd, buffer, sizeof(buffer));
    caller->came += n > 0 ? (uint64_t)n : 0;
    if (n == 0 && caller->came == 0) {
        rmx_process_die("the Go service", "it made nothing of its input");
    }
    return n == 0;
}

static double closed_forks(const struct rmx_job_load *load)
{
    struct pollfd polls[LOOPS_MAX];
    struct caller callers[LOOPS_MAX];
    uint64_t began = rmx_samples_now_ns();
    uint64_t last = began;
    uint64_t jobs = 0;
    uint32_t running = load->concurrency;

    rmx_assert(running <= LOOPS_MAX);
    for (uint32_t i = 0; i < running; i++) {
        call(&load->way, &polls[i], &callers[i]);
    }
    while (running > 0) {
        (void)poll(polls, load->concurrency, WAIT_MS);
        for (uint32_t i = 0; i < load->concurrency; i++) {
            if (polls[i].fd < 0 || polls[i].revents == 0 ||
                !go_on(load->way.media, &polls[i], &callers[i])) {
                continue;
            }
            close(polls[i].fd);
            polls[i].fd = -1;
            last = rmx_samples_now_ns();
            jobs++;
            if (last - began < load->ns) {
                call(&load->way, &polls[i], &callers[i]);
            } else {
                running--;
            }
        }
    }
    return (double)jobs * 1e9 / (double)(last - began);
}

double rmx_job_load_closed(void *user)
{
    const struct rmx_job_load *load = user;

    switch (load->way.means) {
    case RMX_JOB_LOOP:
        return closed_loops(load);
    case RMX_JOB_FFMPEG:
        return closed_ffmpeg(load);
    case RMX_JOB_FORKS:
        return closed_forks(load);
    default:
        return closed_ours(load);
    }
}

/* --- open loop ---------------------------------------------------------------------------------
 */

/* xorshift: so that each run has the same times. */
static uint64_t random_gap(uint64_t *seed, double mean_ns)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (uint64_t)(-log(((double)(*seed >> 11) + 1) / 9007199254740993.0) * mean_ns);
}

/* Serves the jobs under way until then. */
static void serve_until(struct places *places, struct rmx_client *client, uint64_t due_ns,
    struct rmx_job_load_open *seen)
{
    struct pollfd poll = { .fd = rmx_fd(client), .events = POLLIN };
    struct rmx_event events[RESULTS];
    uint64_t now;

    do {
        int busy = rmx_events(client, events, RESULTS, 0);

        if (busy < 0) {
            rmx_process_die("rmx_events", strerrordesc_np(-busy));
        }
        busy += (int)collect(places, client, 0, seen);
        now = rmx_samples_now_ns();
        if (busy == 0 && now < due_ns) {
            const struct timespec left = { .tv_sec = (time_t)((due_ns - now) / 1000000000),
                .tv_nsec = (long)((due_ns - now) % 1000000000) };

            (void)ppoll(&poll, 1, &left, NULL);
        }
    } while (now < due_ns);
}

void rmx_job_load_open(const struct rmx_job_way *way, double rate, uint64_t ns, uint64_t seed,
    struct rmx_job_load_open *seen)
{
    struct rmx_client *client = way->scene->client;
    uint64_t due_ns;
    uint64_t end_ns;
    struct places places;

    init_places(&places, way, RMX_JOB_LOAD_MAX);
    rmx_spin(client, 0);
    due_ns = rmx_samples_now_ns();
    end_ns = due_ns + ns;
    due_ns += random_gap(&seed, 1e9 / rate);
    while (due_ns < end_ns) {
        serve_until(&places, client, due_ns, seen);
        if (places.free == NULL || !submit(&places, due_ns)) {
            seen->refused++;
        } else {
            rmx_histogram_add(&seen->late, rmx_samples_now_ns() - due_ns);
        }
        due_ns += random_gap(&seed, 1e9 / rate);
    }
    while (places.used > 0) {
        (void)collect(&places, client, WAIT_MS, seen);
    }
    fini_places(&places, RMX_JOB_LOAD_MAX);
}
