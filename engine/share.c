/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A client's channel as its lane knows it. See share.h.
 */
#include "engine/share.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "engine/allowance.h"
#include "engine/client.h"
#include "engine/clock.h"
#include "engine/discard.h"
#include "engine/lane.h"
#include "engine/log.h"
#include "engine/portion.h"

#define PAGE_BYTES   4096u /* a ring's alignment, and so the unit of claims */
#define PAGES_A_WORD 64u

#define WARN_NS 1000000000u /* between two lines about channels that were not opened */

_Static_assert(RMX_CHUNK_ALIGN == PAGE_BYTES, "a ring would not begin with a page");
_Static_assert(RMX_CHANNEL_FLOWS_MAX % 64 == 0, "flows of a channel would have no bit");

#define TO(state) (1u << (state))

static const unsigned next_of[RMX_SHARE_STATES] = {
    [RMX_SHARE_FREE] = TO(RMX_SHARE_OPEN),
    [RMX_SHARE_OPEN] = TO(RMX_SHARE_LEFT) | TO(RMX_SHARE_LOST),
    [RMX_SHARE_LEFT] = TO(RMX_SHARE_CLOSING) | TO(RMX_SHARE_LOST),
    [RMX_SHARE_CLOSING] = TO(RMX_SHARE_FREE) | TO(RMX_SHARE_LOST),
    [RMX_SHARE_LOST] = TO(RMX_SHARE_FREE),
};

static void enter(struct rmx_share *share, enum rmx_share_state state)
{
    rmx_assert((next_of[share->state] & TO(state)) != 0);
    share->state = state;
}

void rmx_share_init(struct rmx_share *share, struct rmx_berth *berth, uint32_t place)
{
    *share = (struct rmx_share){ .berth = berth, .place = place };
}

size_t rmx_share_claims(uint64_t arena_bytes)
{
    return (arena_bytes / PAGE_BYTES + PAGES_A_WORD - 1) / PAGES_A_WORD;
}

/* --- its end ---------------------------------------------------------------------------------- */

static void make_free(struct rmx_share *share)
{
    struct rmx_berth *berth = share->berth;

    rmx_assert(share->jobs == 0 && !share->unshare_due);
    berth->shares_closing -= share->state == RMX_SHARE_CLOSING;
    enter(share, RMX_SHARE_FREE);
    berth->shares_used--;
    berth->shares_bytes -= share->bytes;
    share->peer->channel_bytes -= share->bytes;
    rmx_peer_drop(share->peer);
    share->peer = NULL;
}

/* Asks the worker to give it back. A worker that computes reads no messages: then later. */
static void take_back(struct rmx_share *share, struct rmx_crew *crew)
{
    struct rmx_lane_msg message = { .type = RMX_LANE_UNSHARE, .ticket = share->place };
    int error = rmx_crew_tell(crew, share->berth, &message, NULL, 0);

    if (error != -EAGAIN) { /* told, or ended for not listening: then it will be lost */
        share->unshare_due = false;
        share->berth->unshares_due--;
    }
}

static void close_if_last(struct rmx_share *share, struct rmx_crew *crew)
{
    if (share->jobs > 0) {
        return;
    }
    if (share->state == RMX_SHARE_LOST) {
        make_free(share);
    } else if (share->state == RMX_SHARE_LEFT) {
        enter(share, RMX_SHARE_CLOSING);
        share->berth->shares_closing++;
        share->unshare_due = true;
        share->berth->unshares_due++;
        take_back(share, crew);
    }
}

void rmx_share_leave(struct rmx_share *share, struct rmx_crew *crew)
{
    enter(share, RMX_SHARE_LEFT);
    share->client = NULL;
    close_if_last(share, crew);
}

void rmx_share_lose(struct rmx_share *share)
{
    if (share->state == RMX_SHARE_FREE || share->state == RMX_SHARE_LOST) {
        return;
    }
    share->berth->shares_closing -= share->state == RMX_SHARE_CLOSING;
    enter(share, RMX_SHARE_LOST);
    if (share->client != NULL) {
        rmx_client_lose_channel(share->client, share);
        share->client = NULL;
    }
    if (share->unshare_due) {
        share->unshare_due = false;
        share->berth->unshares_due--;
    }
    if (share->jobs == 0) {
        make_free(share);
    }
}

void rmx_share_tend(struct rmx_berth *berth, struct rmx_crew *crew)
{
    for (uint32_t i = 0; berth->unshares_due > 0 && i < RMX_WORKER_CHANNELS_MAX; i++) {
        if (berth->shares[i].unshare_due) {
            take_back(&berth->shares[i], crew);
        }
    }
}

bool rmx_share_unshared(struct rmx_berth *berth, uint32_t place)
{
    if (place >= RMX_WORKER_CHANNELS_MAX || berth->shares[place].state != RMX_SHARE_CLOSING ||
        berth->shares[place].unshare_due) {
        return false;
    }
    make_free(&berth->shares[place]);
    return true;
}

/* --- its beginning ---------------------------------------------------------------------------- */

static struct rmx_share_entry *free_entry(struct rmx_client *client)
{
    for (uint32_t i = 0; i < RMX_CHANNELS_MAX; i++) {
        if (client->channels[i].name == 0) {
            return &client->channels[i];
        }
    }
    return NULL;
}

/* There is one: fewer are used. */
static struct rmx_share *free_place(struct rmx_berth *berth)
{
    uint32_t i = 0;

    while (berth->shares[i].state != RMX_SHARE_FREE) {
        i++;
        rmx_assert(i < RMX_WORKER_CHANNELS_MAX);
    }
    return &berth->shares[i];
}

/* What the client polls instead of its bell, which it must not write (ipc/channel.h). */
static int make_watch(int bell_fd)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLET };
    rmx_autofd int fd = epoll_create1(EPOLL_CLOEXEC);

    if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, bell_fd, &event) < 0) {
        return -errno;
    }
    return rmx_take_fd(&fd);
}

/* Sends the arena to the worker, with two new bells; fds become the client's ends of them. Returns
 * 0, or -errno with nothing done. */
static int lend(struct rmx_share *share, uint64_t bytes, int arena_fd, struct rmx_crew *crew,
    int fds[RMX_SHARE_BELLS])
{
    rmx_autofd int worker_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rmx_autofd int client_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rmx_autofd int watch = client_bell >= 0 ? make_watch(client_bell) : -1;
    const int shared[] = { arena_fd, worker_bell, client_bell };
    struct rmx_lane_msg message = {
        .type = RMX_LANE_SHARE,
        .ticket = share->place,
        .arena_bytes = bytes,
    };
    int error;

    if (worker_bell < 0 || watch < 0) {
        return -EMFILE;
    }
    error = rmx_crew_tell(crew, share->berth, &message, shared, 3);
    if (error == 0) {
        fds[0] = rmx_take_fd(&worker_bell);
        fds[1] = rmx_take_fd(&watch);
    }
    return error;
}

static int open_in(struct rmx_share *share, struct rmx_client *client, uint64_t bytes, int arena_fd,
    int fds[RMX_SHARE_BELLS])
{
    int error = lend(share, bytes, arena_fd, &client->lane->crew, fds);

    if (error == 0) {
        enter(share, RMX_SHARE_OPEN);
        share->client = client;
        share->bytes = bytes;
        share->berth->shares_used++;
        share->berth->shares_bytes += bytes;
        share->peer = client->peer;
        share->peer->channel_bytes += bytes;
        rmx_peer_hold(share->peer);
    }
    return error;
}

/* A worker that computes takes no messages, and clients ask again and again: one line speaks for
 * many. */
static void warn(struct rmx_crew *crew, int error)
{
    uint64_t now = rmx_clock_ns();

    crew->shares_refused++;
    if (now >= crew->shares_warn_ns) {
        rmx_log(RMX_LOG_WARN, "channels_not_opened", RMX_LOG_U64("lane", crew->lane->index),
            RMX_LOG_U64("count", crew->shares_refused), RMX_LOG_ERRNO("why", error));
        crew->shares_refused = 0;
        crew->shares_warn_ns = now + WARN_NS;
    }
}

/* Returns how it went; OK: *name is the channel's, and fds the client's ends of its bells. */
static enum rmx_status open_channel(struct rmx_client *client, uint64_t bytes, int arena_fd,
    uint32_t *name, int fds[RMX_SHARE_BELLS])
{
    struct rmx_lane *lane = client->lane;
    struct rmx_share_entry *entry = free_entry(client);
    struct rmx_berth *berth;
    struct rmx_share *share;
    int error;

    if (rmx_portion_asks_too_often(client)) {
        return RMX_STATUS_BUSY;
    }
    if (entry == NULL || bytes > lane->config->channel_bytes ||
        client->channel_names == UINT32_MAX || rmx_portion_is_full(client, bytes) ||
        !rmx_allowance_channel(client, bytes)) {
        return RMX_STATUS_OVER_LIMIT;
    }
    if (rmx_region_check(arena_fd, bytes) < 0) {
        return RMX_STATUS_PEER_CORRUPT;
    }
    berth = lane->draining ? NULL : rmx_portion_berth_for(client, bytes);
    if (berth == NULL) {
        return RMX_STATUS_BUSY;
    }
    share = free_place(berth);
    error = open_in(share, client, bytes, arena_fd, fds);
    if (error < 0) {
        warn(&lane->crew, error);
        return RMX_STATUS_BUSY;
    }
    entry->name = ++client->channel_names;
    entry->share = share;
    *name = entry->name;
    rmx_stats_add(&lane->stats, RMX_STATS_CHANNELS_TOTAL, 1);
    rmx_log(RMX_LOG_INFO, "channel_opened", RMX_LOG_U64("client", client->index),
        RMX_LOG_U64("channel", entry->name), RMX_LOG_U64("worker", berth->index),
        RMX_LOG_U64("bytes", bytes));
    return RMX_STATUS_OK;
}

void rmx_share_request(struct rmx_client *client, uint64_t arena_bytes, int *arena_fd)
{
    int fds[RMX_SHARE_BELLS] = { -1, -1 };
    uint32_t name = 0;
    enum rmx_status status = open_channel(client, arena_bytes, *arena_fd, &name, fds);

    rmx_discard_fd(&client->lane->loop, arena_fd);
    rmx_client_answer_channel(client, name, status, fds);
}

/* --- its jobs --------------------------------------------------------------------------------- */

/* The bits of the pages from `first` to before `end` that are in this word of the map. */
static uint64_t bits_in(uint64_t word, uint64_t first, uint64_t end)
{
    uint64_t base = word * PAGES_A_WORD;
    uint64_t from = first > base ? first - base : 0;
    uint64_t to = end - base;
    uint64_t below = to >= PAGES_A_WORD ? UINT64_MAX : (UINT64_C(1) << to) - 1;

    return below & ~((UINT64_C(1) << from) - 1);
}

/* The pages of a ring: from *first to before *end. False: it does not lie in the arena. */
static bool pages_of(
    const struct rmx_share *share, const struct rmx_job_ring *ring, uint64_t *first, uint64_t *end)
{
    uint64_t bytes = rmx_chunk_ring_bytes(ring->slots, ring->chunk_bytes);

    *first = ring->at / PAGE_BYTES;
    *end = (ring->at + bytes) / PAGE_BYTES;
    return bytes > 0 && ring->at <= share->bytes && bytes <= share->bytes - ring->at;
}

static bool claim(struct rmx_share *share, const struct rmx_job_ring *ring)
{
    uint64_t first;
    uint64_t end;

    if (!pages_of(share, ring, &first, &end)) {
        return false;
    }
    for (uint64_t word = first / PAGES_A_WORD; word <= (end - 1) / PAGES_A_WORD; word++) {
        if ((share->claims[word] & bits_in(word, first, end)) != 0) {
            return false;
        }
    }
    for (uint64_t word = first / PAGES_A_WORD; word <= (end - 1) / PAGES_A_WORD; word++) {
        share->claims[word] |= bits_in(word, first, end);
    }
    return true;
}

static void disclaim(struct rmx_share *share, const struct rmx_job_ring *ring)
{
    uint64_t first;
    uint64_t end;
    bool inside = pages_of(share, ring, &first, &end);

    rmx_assert(inside);
    for (uint64_t word = first / PAGES_A_WORD; word <= (end - 1) / PAGES_A_WORD; word++) {
        share->claims[word] &= ~bits_in(word, first, end);
    }
}

/* Claims both rings, or none. */
static bool claim_rings(struct rmx_share *share, const struct rmx_job_spec *spec)
{
    bool in = spec->input_port == RMX_JOB_RING;

    if (in && !claim(share, &spec->input_ring)) {
        return false;
    }
    if (spec->output_port == RMX_JOB_RING && !claim(share, &spec->output_ring)) {
        if (in) {
            disclaim(share, &spec->input_ring);
        }
        return false;
    }
    return true;
}

static const struct rmx_share_entry *find_entry(const struct rmx_client *client, uint32_t name)
{
    for (uint32_t i = 0; i < RMX_CHANNELS_MAX; i++) {
        if (client->channels[i].name == name) {
            return &client->channels[i];
        }
    }
    return NULL;
}

uint32_t rmx_share_join(struct rmx_client *client, const struct rmx_job_spec *spec,
    struct rmx_share **share, const char **why)
{
    const struct rmx_share_entry *entry = find_entry(client, spec->channel);
    struct rmx_share *found = entry != NULL ? entry->share : NULL;
    uint64_t bit = UINT64_C(1) << spec->channel_flow % 64;
    uint64_t *flows;

    if (found == NULL && spec->channel <= client->channel_names) { /* it had that name once */
        *why = "the worker process that had the job's channel died";
        return RMX_STATUS_WORKER_LOST;
    }
    if (found == NULL) {
        *why = "channel: the session has none of that name";
        return RMX_STATUS_BAD_JOB;
    }
    flows = &found->flows[spec->channel_flow / 64];
    if ((*flows & bit) != 0) {
        *why = "channel_flow: a job in flight has the same";
        return RMX_STATUS_BAD_JOB;
    }
    if (!claim_rings(found, spec)) {
        *why = "input_ring, output_ring: outside the channel, or where another ring is";
        return RMX_STATUS_BAD_JOB;
    }
    *flows |= bit;
    found->jobs++;
    *share = found;
    return 0;
}

void rmx_share_quit(struct rmx_share *share, const struct rmx_job_spec *spec, struct rmx_crew *crew)
{
    rmx_assert(share->jobs > 0);
    if (spec->input_port == RMX_JOB_RING) {
        disclaim(share, &spec->input_ring);
    }
    if (spec->output_port == RMX_JOB_RING) {
        disclaim(share, &spec->output_ring);
    }
    share->flows[spec->channel_flow / 64] &= ~(UINT64_C(1) << spec->channel_flow % 64);
    share->jobs--;
    close_if_last(share, crew);
}
