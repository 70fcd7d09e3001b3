/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A client that speaks the protocol by itself. See raw_client.h.
 */
#include "tests/raw_client.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ipc/lane_wire.h"

#define PATIENCE_MS 10000

int raw_sock = -1;

/* --- the session ------------------------------------------------------------------------------ */

int raw_receive(int fd, void *message, size_t size, struct rmx_sock_fds *fds)
{
    struct pollfd ready = { .fd = fd, .events = POLLIN };

    cr_assert_eq(poll(&ready, 1, PATIENCE_MS), 1, "the daemon says nothing");
    return rmx_sock_recv(fd, message, size, fds, MSG_DONTWAIT);
}

int raw_session(const struct harness *harness)
{
    struct rmx_msg_hello hello = {
        .head = { .type = RMX_MSG_HELLO, .bytes = sizeof(hello) },
        .version_min = RMX_WIRE_VERSION,
        .version_max = RMX_WIRE_VERSION,
        .name = "channels",
    };
    struct rmx_msg_welcome welcome;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    int fd = rmx_sock_connect(harness->socket);

    cr_assert_geq(fd, 0);
    cr_assert_eq(rmx_sock_say(fd, &hello, sizeof(hello), 0), 0);
    cr_assert_eq(raw_receive(fd, &welcome, sizeof(welcome), &fds), (int)sizeof(welcome));
    cr_assert_eq(welcome.head.type, RMX_MSG_WELCOME);
    rmx_sock_fds_close(&fds);
    return fd;
}

int raw_say_channel(int fd, uint64_t bytes, int arena_fd, int flags)
{
    struct rmx_msg_channel channel = {
        .head = { .type = RMX_MSG_CHANNEL, .bytes = sizeof(channel) },
        .arena_bytes = bytes,
    };
    struct iovec part = { .iov_base = &channel, .iov_len = sizeof(channel) };

    return rmx_sock_send(fd, &part, 1, &arena_fd, 1, flags);
}

uint32_t raw_ask_channel(
    uint64_t bytes, int arena_fd, struct rmx_msg_channel_opened *opened, struct rmx_sock_fds *fds)
{
    cr_assert_eq(raw_say_channel(raw_sock, bytes, arena_fd, 0), 0);
    cr_assert_eq(raw_receive(raw_sock, opened, sizeof(*opened), fds), (int)sizeof(*opened));
    cr_assert_eq(opened->head.type, RMX_MSG_CHANNEL_OPENED);
    cr_assert_eq(fds->count, opened->status == RMX_STATUS_OK ? 2 : 0);
    return opened->status;
}

uint32_t raw_answer_to(uint64_t bytes, int arena_fd)
{
    struct rmx_msg_channel_opened opened;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    uint32_t said = raw_ask_channel(bytes, arena_fd, &opened, &fds);

    rmx_sock_fds_close(&fds);
    return said;
}

void raw_open(struct raw_channel *channel)
{
    struct rmx_msg_channel_opened opened;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

    *channel = (struct raw_channel){ .watch = -1 };
    cr_assert_eq(rmx_region_create(&channel->arena, "test-channel", RAW_ARENA_BYTES, 0), 0);
    cr_assert_eq(raw_ask_channel(RAW_ARENA_BYTES, channel->arena.fd, &opened, &fds), RMX_STATUS_OK);
    channel->name = opened.channel;
    channel->shm = channel->arena.base;
    channel->worker_bell.shm = &channel->shm->worker_bell;
    channel->worker_bell.fd = rmx_sock_fds_take(&fds, 0);
    channel->watch = rmx_sock_fds_take(&fds, 1);
    cr_assert_eq(rmx_mail_attach(&channel->to_worker, &channel->arena,
                     offsetof(struct rmx_channel_shm, to_worker), RMX_CHANNEL_MAIL_SLOTS),
        0);
    cr_assert_eq(rmx_mail_attach(&channel->to_client, &channel->arena,
                     offsetof(struct rmx_channel_shm, to_client), RMX_CHANNEL_MAIL_SLOTS),
        0);
}

void raw_close(struct raw_channel *channel)
{
    close(channel->worker_bell.fd);
    close(channel->watch);
    rmx_region_fini(&channel->arena);
}

/* --- jobs with rings -------------------------------------------------------------------------- */

/* Where ring number i of equal rings lies. */
static struct rmx_job_ring ring_at(uint64_t i)
{
    return (struct rmx_job_ring){
        .at = RMX_CHANNEL_RINGS_AT + i * rmx_chunk_ring_bytes(RAW_SLOTS, RAW_CHUNK_BYTES),
        .slots = RAW_SLOTS,
        .chunk_bytes = RAW_CHUNK_BYTES,
    };
}

/* From ring 2n to ring 2n + 1, where n is the job's number. */
struct rmx_job_spec raw_ring_job(const struct raw_channel *channel, uint32_t n)
{
    struct rmx_job_spec spec = {
        .job = 100 + n,
        .kind = RMX_JOB_REMUX,
        .class_ = RMX_CLASS_NORMAL,
        .inputs = 1,
        .outputs = 1,
        .input_port = RMX_JOB_RING,
        .output_port = RMX_JOB_RING,
        .channel = channel->name,
        .channel_flow = n,
        .input_ring = ring_at(2 * n),
        .output_ring = ring_at(2 * n + 1),
        .input_bytes = UINT64_MAX,
    };

    (void)rmx_job_set_name(&spec.format, "fmp4");
    return spec;
}

void raw_submit(const struct rmx_job_spec *spec, const int *fds, int count)
{
    struct rmx_msg_head head = {
        .type = RMX_MSG_SUBMIT,
        .bytes = sizeof(head) + sizeof(*spec),
        .count = 1,
    };
    struct rmx_job_spec copy = *spec;
    struct iovec parts[] = {
        { .iov_base = &head, .iov_len = sizeof(head) },
        { .iov_base = &copy, .iov_len = sizeof(copy) },
    };

    cr_assert_eq(rmx_sock_send(raw_sock, parts, 2, fds, count, 0), 0);
}

struct rmx_job_result raw_end(void)
{
    struct {
        struct rmx_msg_head head; /* struct rmx_msg_done with one item */
        struct rmx_done_item item;
    } done;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

    cr_assert_eq(raw_receive(raw_sock, &done, sizeof(done), &fds), (int)sizeof(done));
    cr_assert_eq(done.head.type, RMX_MSG_DONE);
    cr_assert_eq(done.item.credits, 1);
    return done.item.result;
}

void raw_expect(uint64_t job, enum rmx_status status)
{
    struct rmx_job_result result = raw_end();

    cr_assert_eq(result.job, job);
    cr_assert_eq(result.status, status, "%s: %s", rmx_status_name(result.status), result.text);
}

void raw_cancel(uint64_t job)
{
    struct rmx_msg_cancel message = {
        .head = { .type = RMX_MSG_CANCEL, .bytes = sizeof(message) },
        .job = job,
    };

    cr_assert_eq(rmx_sock_say(raw_sock, &message, sizeof(message), 0), 0);
}

void raw_make_rings(
    struct raw_channel *channel, const struct rmx_job_spec *spec, struct rmx_chunk_ring ends[2])
{
    const struct rmx_job_ring *rings[] = { &spec->input_ring, &spec->output_ring };

    for (int i = 0; i < 2; i++) {
        cr_assert_eq(
            rmx_chunk_ring_init(&channel->arena, rings[i]->at, RAW_SLOTS, RAW_CHUNK_BYTES, 0), 0);
        cr_assert_eq(rmx_chunk_ring_attach(
                         &ends[i], &channel->arena, rings[i]->at, RAW_SLOTS, RAW_CHUNK_BYTES),
            0);
    }
}

static void tell_worker(struct raw_channel *channel, uint32_t kind, uint32_t flow)
{
    struct rmx_note note = { .kind = kind, .flow = flow };

    cr_assert_eq(rmx_mail_post(&channel->to_worker, &note), 0);
    (void)rmx_bell_ring(&channel->worker_bell);
}

/* Offers what finds room. Returns whether any did. */
static bool feed(struct raw_channel *channel, uint32_t flow, struct rmx_chunk_ring *input, int fd,
    uint64_t *fed, bool *fed_all)
{
    bool any = false;

    while (!*fed_all && rmx_ring_reserve_one(&input->ring) == 1) {
        ssize_t got = read(fd, rmx_chunk_payload(input, 0), RAW_CHUNK_BYTES);
        struct rmx_chunk chunk = { .offset = *fed, .bytes = (uint32_t)got };

        cr_assert_geq(got, 0);
        *fed_all = got == 0;
        chunk.flags = *fed_all ? RMX_CHUNK_END : 0;
        rmx_chunk_fill(input, 0, &chunk);
        rmx_ring_publish(&input->ring, 1);
        *fed += (uint64_t)got;
        any = true;
    }
    if (any && rmx_ring_consumer_asked(&input->ring)) {
        tell_worker(channel, RMX_NOTE_INPUT, flow);
    }
    return any;
}

/* Takes what is there. Returns whether there was any. */
bool raw_drain(struct raw_channel *channel, uint32_t flow, struct rmx_chunk_ring *output,
    uint64_t *drained, bool *ended)
{
    bool any = false;

    while (rmx_ring_peek_one(&output->ring) == 1) {
        struct rmx_chunk chunk;

        cr_assert_eq(rmx_chunk_read(output, 0, &chunk), 0);
        cr_assert_eq(chunk.offset, *drained, "the output goes forward only");
        *drained += chunk.bytes;
        *ended = (chunk.flags & RMX_CHUNK_END) != 0;
        rmx_ring_release(&output->ring, 1);
        any = true;
    }
    if (any && rmx_ring_producer_asked(&output->ring)) {
        tell_worker(channel, RMX_NOTE_OUTPUT, flow);
    }
    return any;
}

/* Sleeps on the channel's watch until the worker rings. */
void raw_sleep(struct raw_channel *channel, struct rmx_chunk_ring *input, bool fed_all,
    struct rmx_chunk_ring *output)
{
    struct rmx_bell bell = { .shm = &channel->shm->client_bell, .fd = -1 };
    struct pollfd ready = { .fd = channel->watch, .events = POLLIN };
    struct epoll_event event;
    struct rmx_note note;

    rmx_bell_arm(&bell);
    if (rmx_ring_consumer_ask(&output->ring) && (fed_all || rmx_chunk_room_ask(input))) {
        cr_assert_eq(poll(&ready, 1, PATIENCE_MS), 1, "the worker does not ring");
        (void)epoll_wait(channel->watch, &event, 1, 0);
    }
    rmx_bell_disarm(&bell);
    while (rmx_mail_take(&channel->to_client, &note) == 1) {
        cr_assert(note.kind == RMX_NOTE_INPUT || note.kind == RMX_NOTE_OUTPUT);
    }
}

/* Moves a whole file through the job's rings; both ends sleep where they can. */
uint64_t raw_move(struct raw_channel *channel, const struct rmx_job_spec *spec, int fd)
{
    struct rmx_chunk_ring ends[2];
    uint64_t fed = 0;
    uint64_t drained = 0;
    bool fed_all = false;
    bool ended = false;

    raw_make_rings(channel, spec, ends);
    raw_submit(spec, NULL, 0);
    while (!ended) {
        bool moved = feed(channel, spec->channel_flow, &ends[0], fd, &fed, &fed_all);

        moved = raw_drain(channel, spec->channel_flow, &ends[1], &drained, &ended) || moved;
        if (!moved && !ended) {
            raw_sleep(channel, &ends[0], fed_all, &ends[1]);
        }
    }
    return drained;
}
