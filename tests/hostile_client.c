/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A client that keeps to the protocol on its socket and to nothing in the memory it shares with a
 * worker: it submits jobs whose rings lie in a channel, feeds and drains them, and all the while
 * another thread (hostile_hand.h) does evil to that memory.
 *
 *   hostile_client SOCKET SECONDS SEED DEED MEDIA...
 *
 * DEED is the one evil to do (hostile_hand.c has their names), or "all" in turns; with "nothing" it
 * is a good client with as many jobs. Rounds of a session each, until the time is over. Prints how
 * its jobs ended, as JSON. Ends 1 if one ended as none may (WORKER_LOST, INTERNAL), got no end, or
 * the daemon went away.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "ipc/sock.h"
#include "ipc/status.h"
#include "tests/hostile_hand.h"
#include "tests/hostile_job.h"

#define MEDIA_MAX    8
#define ROUND_NS     UINT64_C(300000000)
#define PATIENCE_NS  UINT64_C(60000000000) /* for what must come: a hang is a failure */
#define JOB_NS       UINT64_C(200000000)   /* then it is cancelled */
#define CORRUPT_MOST 32                    /* jobs in a row: the channel is dead, another round */
#define TURN_CHUNKS  64

static struct {
    uint64_t random;
    enum hostile_deed only; /* HOSTILE_DEEDS: all of them */
    struct hostile_media media[MEDIA_MAX];
    unsigned media_count;
    uint64_t rounds;
    uint64_t refused; /* channels that were not opened */
    uint64_t ended[RMX_STATUSES];
    uint64_t deeds[HOSTILE_DEEDS];
} all;

static struct {
    int sock;
    uint32_t credits;
    uint64_t last_job;
    unsigned corrupt; /* in a row */
    bool leaving;     /* the round is over: no new jobs */
    struct hostile_channel channel;
    struct hostile_job jobs[HOSTILE_JOBS];
    struct hostile_hand hand;
} it;

_Noreturn static void fail(const char *what, const char *which)
{
    (void)fprintf(stderr, "hostile_client: round %" PRIu64 " (%s): %s %s\n", all.rounds,
        hostile_deed_name(it.hand.deed), what, which);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t pick(uint64_t below)
{
    return hostile_pick(&all.random, below);
}

static bool one_in(uint64_t n)
{
    return pick(n) == 0;
}

/* --- the socket ------------------------------------------------------------------------------ */

static union {
    struct rmx_msg_head head;
    struct rmx_msg_welcome welcome;
    struct rmx_msg_channel_opened opened;
    struct {
        struct rmx_msg_head head; /* struct rmx_msg_done with its items */
        struct rmx_done_item items[RMX_DONE_JOBS_MAX];
    } done;
    unsigned char bytes[RMX_WIRE_BYTES_MAX];
} heard;

static void say(const void *message, size_t bytes, const int *fds, int fd_count)
{
    struct iovec part = { .iov_len = bytes };

    memcpy(&part.iov_base, &message, sizeof(message)); /* drops const: sendmsg only reads it */
    int error = rmx_sock_send(it.sock, &part, 1, fds, fd_count, 0);

    if (error < 0) {
        fail("the daemon does not listen:", strerror(-error));
    }
}

static struct hostile_job *job_of(uint64_t name)
{
    for (unsigned i = 0; i < HOSTILE_JOBS; i++) {
        if (it.jobs[i].name == name) {
            return &it.jobs[i];
        }
    }
    fail("the end of a job that is none of ours", "");
}

static void count_end(const struct rmx_done_item *item)
{
    const struct rmx_job_result *result = &item->result;
    struct hostile_job *job = job_of(result->job);

    if (!rmx_status_known(result->status) || result->status == RMX_STATUS_WORKER_LOST ||
        result->status == RMX_STATUS_INTERNAL || result->status == RMX_STATUS_DAEMON_LOST) {
        fail(rmx_status_name(result->status), result->text);
    }
    all.ended[result->status]++;
    it.corrupt = result->status == RMX_STATUS_PEER_CORRUPT ? it.corrupt + 1 : 0;
    it.credits += item->credits;
    job->name = 0;
}

/* Takes one message if there is one; returns its type, 0 if there is none. */
static uint32_t hear(struct rmx_sock_fds *fds)
{
    int bytes = rmx_sock_recv(it.sock, &heard, sizeof(heard), fds, MSG_DONTWAIT);

    if (bytes == -EAGAIN) {
        return 0;
    }
    if (bytes <= 0) {
        fail("the daemon closed", bytes < 0 ? strerror(-bytes) : "");
    }
    switch (heard.head.type) {
    case RMX_MSG_DONE:
        for (uint32_t i = 0; i < heard.head.count; i++) {
            count_end(&heard.done.items[i]);
        }
        break;
    case RMX_MSG_CHANNEL_LOST:
        fail("a worker died", "");
    case RMX_MSG_GOODBYE:
        fail("the daemon said goodbye", "");
    default:
        break;
    }
    return heard.head.type;
}

/* Waits for a message of this type. */
static void await(uint32_t type, struct rmx_sock_fds *fds)
{
    uint64_t until_ns = now_ns() + PATIENCE_NS;

    while (hear(fds) != type) {
        struct pollfd ready = { .fd = it.sock, .events = POLLIN };

        rmx_sock_fds_close(fds);
        if (now_ns() > until_ns) {
            fail("no answer", "");
        }
        (void)poll(&ready, 1, 100);
    }
}

static void hear_all(void)
{
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

    while (hear(&fds) != 0) {
        rmx_sock_fds_close(&fds);
    }
}

static void come(const char *path)
{
    struct rmx_msg_hello hello = {
        .head = { .type = RMX_MSG_HELLO, .bytes = sizeof(hello) },
        .version_min = RMX_WIRE_VERSION,
        .version_max = RMX_WIRE_VERSION,
        .name = "hostile",
    };
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

    it.sock = rmx_sock_connect(path);
    if (it.sock < 0) {
        fail("cannot connect:", strerror(-it.sock));
    }
    say(&hello, sizeof(hello), NULL, 0);
    await(RMX_MSG_WELCOME, &fds);
    it.credits = heard.welcome.credits;
    rmx_sock_fds_close(&fds);
}

/* --- the channel ----------------------------------------------------------------------------- */

/* Asks for a channel with this arena. Returns how that went, with its bells in fds. */
static uint32_t ask_for_channel(int arena_fd, uint64_t bytes, struct rmx_sock_fds *fds)
{
    struct rmx_msg_channel channel = {
        .head = { .type = RMX_MSG_CHANNEL, .bytes = sizeof(channel) },
        .arena_bytes = bytes,
    };

    say(&channel, sizeof(channel), &arena_fd, 1);
    await(RMX_MSG_CHANNEL_OPENED, fds);
    return heard.opened.status;
}

/* What is no arena must be seen to be none. */
static void offer_no_arena(void)
{
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    rmx_autofd int fd = -1;

    switch (pick(3)) {
    case 0: /* can shrink */
        fd = memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        (void)!ftruncate(fd, 1 << 20);
        break;
    case 1:
        fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
        break;
    default: /* larger than it says */
        fd = fcntl(it.channel.arena.fd, F_DUPFD_CLOEXEC, 0);
    }
    if (ask_for_channel(fd, 1 << 20, &fds) != RMX_STATUS_PEER_CORRUPT) {
        fail("a channel was opened with no arena", "");
    }
}

/* Where each job's rings will be, this round; as large as they happen to be. */
static size_t place_rings(void)
{
    size_t at = RMX_CHANNEL_RINGS_AT;

    for (unsigned i = 0; i < 2 * HOSTILE_JOBS; i++) {
        struct rmx_job_ring *ring = &it.hand.rings[i];

        ring->at = at;
        ring->slots = 1u << (1 + pick(7));
        ring->chunk_bytes = RMX_CHUNK_BYTES_MIN << pick(6);
        at += rmx_chunk_ring_bytes(ring->slots, ring->chunk_bytes);
    }
    return at > 2u << 20 ? at : 2u << 20;
}

/* Opens a channel. False: not now. */
static bool open_channel(void)
{
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    struct rmx_channel_shm *shm;

    if (rmx_region_create(&it.channel.arena, "hostile", place_rings(), 0) < 0) {
        fail("no memory for an arena", "");
    }
    if (one_in(8)) { /* of holes from the beginning */
        (void)fallocate(it.channel.arena.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
            (off_t)it.channel.arena.size);
    }
    if (one_in(8)) {
        offer_no_arena();
    }
    if (ask_for_channel(it.channel.arena.fd, it.channel.arena.size, &fds) != RMX_STATUS_OK) {
        all.refused++;
        return false;
    }
    it.channel.name = heard.opened.channel;
    shm = it.channel.arena.base;
    it.channel.bell =
        (struct rmx_bell){ .shm = &shm->worker_bell, .fd = rmx_sock_fds_take(&fds, 0) };
    rmx_assert(rmx_mail_attach(&it.channel.mail, &it.channel.arena,
                   offsetof(struct rmx_channel_shm, to_worker), RMX_CHANNEL_MAIL_SLOTS) == 0);
    it.hand.watch_fd = rmx_sock_fds_take(&fds, 1);
    if (one_in(16)) { /* deaf */
        rmx_base_close(&it.hand.watch_fd);
    }
    it.hand.arena = it.channel.arena.base;
    it.hand.bytes = it.channel.arena.size;
    it.hand.arena_fd = it.channel.arena.fd;
    it.hand.wake_fd = it.channel.bell.fd;
    return true;
}

/* --- jobs ------------------------------------------------------------------------------------ */

static void submit(uint32_t index)
{
    struct {
        struct rmx_msg_head head; /* struct rmx_msg_submit with one job */
        struct rmx_job_spec spec;
    } message = { .head = { .type = RMX_MSG_SUBMIT, .bytes = sizeof(message), .count = 1 } };
    struct hostile_job *job = &it.jobs[index];
    int fds[2] = { -1, -1 };
    int count;

    *job = (struct hostile_job){
        .name = ++it.last_job,
        .since_ns = now_ns(),
        .media = &all.media[pick(all.media_count)],
        .flow = index,
        .in_at = it.hand.rings[2 * index],
        .out_at = it.hand.rings[2 * index + 1],
    };
    count = hostile_job_begin(job, &it.channel, &all.random, &message.spec, fds);
    it.credits--;
    say(&message, sizeof(message), fds, count);
    rmx_base_close(&fds[0]);
    rmx_base_close(&fds[1]);
}

static void cancel(struct hostile_job *job)
{
    struct rmx_msg_cancel message = {
        .head = { .type = RMX_MSG_CANCEL, .bytes = sizeof(message) },
        .job = job->name,
    };

    job->cancelled = true;
    say(&message, sizeof(message), NULL, 0);
}

/* --- a round --------------------------------------------------------------------------------- */

/* One look at everything. Returns whether a job is in flight. */
static bool turn(void)
{
    bool moved = false;
    bool busy = false;

    hear_all();
    for (uint32_t i = 0; i < HOSTILE_JOBS; i++) {
        struct hostile_job *job = &it.jobs[i];

        if (job->name == 0 && !it.leaving && it.credits > 0) {
            submit(i);
        }
        if (job->name != 0) {
            busy = true;
            moved |= hostile_job_serve(job, &it.channel);
            if (!job->cancelled && (it.leaving || now_ns() - job->since_ns > JOB_NS)) {
                cancel(job);
            }
        }
    }
    if (!moved) {
        struct epoll_event event;

        (void)epoll_wait(it.hand.watch_fd, &event, 1, 1);
    }
    return busy;
}

/* Its jobs' ends are all waited for; or nobody says anything and goes. */
static void leave_in_order(void)
{
    uint64_t until_ns = now_ns() + PATIENCE_NS;

    it.leaving = true;
    while (turn()) {
        if (now_ns() > until_ns) {
            fail("a job does not end", "");
        }
    }
}

static void play_round(const char *path)
{
    uint64_t until_ns = now_ns() + ROUND_NS / 2 + pick(ROUND_NS);

    memset(&it, 0, sizeof(it));
    it.channel.arena = (struct rmx_region)RMX_REGION_INIT;
    it.channel.bell.fd = it.hand.watch_fd = -1;
    it.hand.deed =
        all.only < HOSTILE_DEEDS ? all.only : (enum hostile_deed)(all.rounds % HOSTILE_DEEDS);
    it.channel.mute = it.hand.deed == HOSTILE_FULL;
    all.rounds++;
    it.hand.random = pick(UINT64_MAX) | 1;
    come(path);
    if (open_channel()) {
        hostile_hand_start(&it.hand);
        while (now_ns() < until_ns && it.corrupt < CORRUPT_MOST) {
            (void)turn();
        }
        if (one_in(2)) {
            leave_in_order();
        }
        hostile_hand_stop(&it.hand);
        all.deeds[it.hand.deed] += it.hand.done;
    }
    rmx_base_close(&it.sock);
    rmx_base_close(&it.channel.bell.fd);
    rmx_base_close(&it.hand.watch_fd);
    rmx_region_fini(&it.channel.arena);
}

/* --- the program ----------------------------------------------------------------------------- */

static void load(struct hostile_media *media, const char *path)
{
    rmx_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    media->path = path;
    if (fd < 0 || fstat(fd, &st) < 0) {
        fail("cannot read", path);
    }
    media->size = (uint64_t)st.st_size;
    media->bytes = mmap(NULL, media->size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (media->bytes == MAP_FAILED) {
        fail("cannot read", path);
    }
}

static void print(const char *seed)
{
    const char *comma = "";

    printf("{\"seed\": %s, \"rounds\": %" PRIu64 ", \"channels_refused\": %" PRIu64
           ", \"ended\": {",
        seed, all.rounds, all.refused);
    for (uint32_t status = 0; status < RMX_STATUSES; status++) {
        if (all.ended[status] > 0) {
            printf("%s\"%s\": %" PRIu64, comma, rmx_status_name(status), all.ended[status]);
            comma = ", ";
        }
    }
    printf("}, \"deeds\": {");
    for (int deed = 0; deed < HOSTILE_DEEDS; deed++) {
        printf("%s\"%s\": %" PRIu64, deed == 0 ? "" : ", ",
            hostile_deed_name((enum hostile_deed)deed), all.deeds[deed]);
    }
    printf("}}\n");
}

static enum hostile_deed deed_of(const char *name)
{
    for (int deed = 0; deed < HOSTILE_DEEDS; deed++) {
        if (strcmp(hostile_deed_name((enum hostile_deed)deed), name) == 0) {
            return (enum hostile_deed)deed;
        }
    }
    if (strcmp(name, "all") != 0) {
        fail("no such deed:", name);
    }
    return HOSTILE_DEEDS;
}

int main(int argc, char **argv)
{
    if (argc < 6 || argc > 5 + MEDIA_MAX) {
        (void)fprintf(stderr, "usage: hostile_client SOCKET SECONDS SEED DEED|all MEDIA...\n");
        return 2;
    }
    uint64_t until_ns = now_ns() + strtoul(argv[2], NULL, 10) * UINT64_C(1000000000);

    all.random = strtoul(argv[3], NULL, 10) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    all.only = deed_of(argv[4]);
    for (int i = 5; i < argc; i++) {
        load(&all.media[all.media_count++], argv[i]);
    }
    while (now_ns() < until_ns) {
        play_round(argv[1]);
    }
    print(argv[3]);
    return 0;
}
