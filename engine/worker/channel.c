/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The worker's end of the clients' channels. See channel.h.
 */
#include "engine/worker/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "engine/worker/chime.h"
#include "engine/worker/moment.h"
#include "ipc/channel.h"
#include "ring/bell.h"
#include "ring/mail.h"

#define SHARE_FDS 3 /* arena, our bell, the client's bell */

#define CHANNELS_PER_HELPING 16u
#define NOTES_PER_HELPING    16u /* of one channel, as long as they wake nobody */

/* So many rings more that woke no job than rings that did, and the bell is muted. An honest client
 * rings after it posted, when we said we sleep: now and then we find the note before the ring. */
#define FALSE_ALARMS_MAX 16u
#define NS_PER_MS        1000000u
#define NEVER            UINT64_MAX

/* For how long: twice as long each time, and half as long again for so many rings with a reason. */
#define MUTED_NS_MIN (UINT64_C(10) * NS_PER_MS)
#define MUTED_NS_MAX (UINT64_C(160) * NS_PER_MS)
#define GOOD_RINGS   16u

_Static_assert(RMX_RING_BYTES(RMX_CHANNEL_MAIL_SLOTS, sizeof(struct rmx_note_shm)) <=
                   sizeof(((struct rmx_channel_shm *)0)->to_worker),
    "the mailbox fits");
_Static_assert(sizeof(((struct rmx_channel_shm *)0)->to_client) ==
                   sizeof(((struct rmx_channel_shm *)0)->to_worker),
    "both mailboxes fit");

struct rmx_channel {
    bool taken;             /* the lane gave it, and has not taken it back */
    enum rmx_status status; /* OK = open */
    struct rmx_region arena;
    struct rmx_mail inbox;
    struct rmx_mail outbox;
    struct rmx_bell own_bell; /* listened to, never read: see ipc/channel.h */
    struct rmx_chime chime;   /* the client's bell */
    uint32_t jobs;
    uint32_t active_at;      /* open and jobs > 0: its index in table.active */
    uint64_t muted_until_ns; /* 0 = listened to */
    uint64_t mute_ns;        /* for how long the next time; 0 = the shortest */
    uint32_t false_alarms;
    uint32_t good_rings;                     /* since mute_ns changed */
    bool woke;                               /* a job, since the bell rang last */
    uint32_t flow_of[RMX_CHANNEL_FLOWS_MAX]; /* by channel_flow: the flow + 1; 0 = no job */
};

static struct {
    int epoll_fd;
    bool (*wake)(uint32_t flow);
    struct rmx_channel channels[RMX_WORKER_CHANNELS_MAX]; /* by place */
    struct rmx_channel *active[RMX_WORKER_CHANNELS_MAX];  /* open ones with jobs */
    uint32_t active_count;
    uint32_t next; /* whose helping is next, of the active */
    uint32_t muted_count;
    uint64_t owed_ns; /* no ring that is owed is due before; or NEVER */
} table;

void rmx_channel_init(int epoll_fd, bool (*wake)(uint32_t flow))
{
    memset(&table, 0, sizeof(table));
    table.epoll_fd = epoll_fd;
    table.wake = wake;
    table.owed_ns = NEVER;
}

static struct rmx_channel *at(uint32_t place)
{
    return place < RMX_WORKER_CHANNELS_MAX ? &table.channels[place] : NULL;
}

static void activate(struct rmx_channel *channel)
{
    channel->active_at = table.active_count;
    table.active[table.active_count++] = channel;
}

static void deactivate(struct rmx_channel *channel)
{
    struct rmx_channel *last = table.active[--table.active_count];

    rmx_assert(table.active[channel->active_at] == channel);
    table.active[channel->active_at] = last;
    last->active_at = channel->active_at;
}

/* --- the bell -------------------------------------------------------------------------------- */

/* Edges only: every ring is one, and the eventfd, which the client shares, need not be read. */
static int listen_to(const struct rmx_channel *channel)
{
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLET,
        .data.u32 = (uint32_t)(channel - table.channels),
    };

    return epoll_ctl(table.epoll_fd, EPOLL_CTL_ADD, channel->own_bell.fd, &event) < 0 ? -errno : 0;
}

static void do_not_listen_to(const struct rmx_channel *channel)
{
    (void)epoll_ctl(table.epoll_fd, EPOLL_CTL_DEL, channel->own_bell.fd, NULL);
}

static void mute(struct rmx_channel *channel)
{
    uint64_t for_ns = channel->mute_ns < MUTED_NS_MIN ? MUTED_NS_MIN : channel->mute_ns;

    do_not_listen_to(channel);
    channel->muted_until_ns = rmx_moment_ns() + for_ns;
    channel->mute_ns = for_ns * 2 < MUTED_NS_MAX ? for_ns * 2 : MUTED_NS_MAX;
    channel->good_rings = 0;
    table.muted_count++;
}

/* It rang, and a job woke up. */
static void praise(struct rmx_channel *channel)
{
    if (channel->false_alarms > 0) {
        channel->false_alarms--;
    }
    channel->good_rings++;
    if (channel->good_rings == GOOD_RINGS) {
        channel->good_rings = 0;
        channel->mute_ns /= 2;
    }
}

/* Returns whether it can be listened to again. */
static int unmute(struct rmx_channel *channel)
{
    rmx_assert(channel->muted_until_ns != 0 && table.muted_count > 0);
    channel->muted_until_ns = 0;
    channel->false_alarms = 0;
    channel->woke = false;
    table.muted_count--;
    return listen_to(channel);
}

void rmx_channel_rang(uint32_t place)
{
    struct rmx_channel *channel = at(place);

    rmx_assert(channel != NULL);
    if (!channel->taken || channel->status != RMX_STATUS_OK || channel->muted_until_ns != 0) {
        return; /* from before it was over */
    }
    if (channel->woke) {
        praise(channel);
    } else {
        channel->false_alarms++;
    }
    channel->woke = false;
    if (channel->false_alarms > FALSE_ALARMS_MAX) {
        mute(channel);
    }
}

/* --- what becomes of a channel --------------------------------------------------------------- */

static void wake_all(const struct rmx_channel *channel)
{
    for (uint32_t i = 0; i < RMX_CHANNEL_FLOWS_MAX; i++) {
        if (channel->flow_of[i] != 0) {
            (void)table.wake(channel->flow_of[i] - 1);
        }
    }
}

/* Its jobs have to end, and are told so; nothing is expected of the client any more. */
static void give_up(struct rmx_channel *channel, enum rmx_status status)
{
    rmx_assert(channel->status == RMX_STATUS_OK);
    if (channel->muted_until_ns == 0) {
        do_not_listen_to(channel);
    } else {
        channel->muted_until_ns = 0;
        table.muted_count--;
    }
    if (channel->jobs > 0) {
        deactivate(channel);
    }
    channel->status = status;
    channel->chime.owed = false;
    wake_all(channel);
}

/* Returns 0 or -errno. */
static int open_channel(struct rmx_channel *channel, uint64_t arena_bytes, int *arena_fd)
{
    int error = rmx_region_adopt(&channel->arena, arena_fd, arena_bytes, arena_bytes);
    struct rmx_channel_shm *shm;

    if (error < 0) {
        return error;
    }
    rmx_base_close(&channel->arena.fd); /* the mapping is enough */
    error = rmx_mail_attach(&channel->inbox, &channel->arena,
        offsetof(struct rmx_channel_shm, to_worker), RMX_CHANNEL_MAIL_SLOTS);
    error |= rmx_mail_attach(&channel->outbox, &channel->arena,
        offsetof(struct rmx_channel_shm, to_client), RMX_CHANNEL_MAIL_SLOTS);
    rmx_assert(error == 0); /* the geometry is ours */
    shm = channel->arena.base;
    channel->own_bell.shm = &shm->worker_bell;
    channel->chime.bell.shm = &shm->client_bell;
    return listen_to(channel);
}

int rmx_channel_share(uint32_t place, uint64_t arena_bytes, struct rmx_sock_fds *fds)
{
    struct rmx_channel *channel = at(place);
    rmx_autofd int arena_fd = -1;

    if (channel == NULL || channel->taken || fds->count != SHARE_FDS ||
        arena_bytes < RMX_CHANNEL_BYTES_MIN || arena_bytes > RMX_CHANNEL_BYTES_MAX) {
        return -EPROTO;
    }
    arena_fd = rmx_sock_fds_take(fds, 0);
    *channel = (struct rmx_channel){
        .taken = true,
        .arena = RMX_REGION_INIT,
        .own_bell.fd = rmx_sock_fds_take(fds, 1),
        .chime.bell.fd = rmx_sock_fds_take(fds, 2),
    };
    if (open_channel(channel, arena_bytes, &arena_fd) < 0) {
        channel->status = RMX_STATUS_OVER_LIMIT;
    }
    return 0;
}

int rmx_channel_unshare(uint32_t place)
{
    struct rmx_channel *channel = at(place);

    if (channel == NULL || !channel->taken || channel->jobs > 0) {
        return -EPROTO;
    }
    if (channel->status == RMX_STATUS_OK) {
        give_up(channel, RMX_STATUS_CANCELLED);
    }
    rmx_base_close(&channel->own_bell.fd);
    rmx_base_close(&channel->chime.bell.fd);
    rmx_region_fini(&channel->arena);
    channel->taken = false;
    return 0;
}

/* --- for a job ------------------------------------------------------------------------------- */

struct rmx_channel *rmx_channel_enter(uint32_t place, uint32_t channel_flow, uint32_t flow)
{
    struct rmx_channel *channel = at(place);

    if (channel == NULL || !channel->taken || channel_flow >= RMX_CHANNEL_FLOWS_MAX ||
        channel->flow_of[channel_flow] != 0) {
        return NULL;
    }
    channel->flow_of[channel_flow] = flow + 1;
    channel->jobs++;
    if (channel->jobs == 1 && channel->status == RMX_STATUS_OK) {
        activate(channel);
    }
    return channel;
}

void rmx_channel_leave(struct rmx_channel *channel, uint32_t channel_flow)
{
    rmx_assert(channel->jobs > 0 && channel->flow_of[channel_flow] != 0);
    channel->flow_of[channel_flow] = 0;
    channel->jobs--;
    if (channel->jobs == 0 && channel->status == RMX_STATUS_OK) {
        deactivate(channel);
    }
}

enum rmx_status rmx_channel_status(const struct rmx_channel *channel)
{
    return channel->status;
}

const struct rmx_region *rmx_channel_arena(const struct rmx_channel *channel)
{
    return &channel->arena;
}

/* Now, or later if his rings take long. */
static void ring_client(struct rmx_channel *channel)
{
    uint64_t due_ns = rmx_chime_ring(&channel->chime);

    if (due_ns != 0 && due_ns < table.owed_ns) {
        table.owed_ns = due_ns;
    }
}

int rmx_channel_tell(struct rmx_channel *channel, uint32_t channel_flow, enum rmx_note_kind kind)
{
    struct rmx_note note = { .kind = kind, .flow = channel_flow };
    int error =
        channel->status == RMX_STATUS_OK ? rmx_mail_post(&channel->outbox, &note) : -EBADMSG;

    if (error == 0) {
        ring_client(channel);
    } else if (error == -EBADMSG && channel->status == RMX_STATUS_OK) {
        give_up(channel, RMX_STATUS_PEER_CORRUPT);
    }
    return error;
}

/* --- for the scheduler ----------------------------------------------------------------------- */

static bool ring_is_due(void)
{
    return table.owed_ns != NEVER && rmx_moment_ns() >= table.owed_ns;
}

bool rmx_channel_mail_is_due(void)
{
    if (ring_is_due()) {
        return true;
    }
    for (uint32_t i = 0; i < table.active_count; i++) {
        if (rmx_ring_peek_one(&table.active[i]->inbox.ring) != 0) {
            return true;
        }
    }
    return false;
}

/* Did the note wake a job? What kind it is does not matter: who is woken looks at everything. */
static bool serve(struct rmx_channel *channel, const struct rmx_note *note)
{
    uint32_t flow = note->flow < RMX_CHANNEL_FLOWS_MAX ? channel->flow_of[note->flow] : 0;
    bool woke = flow != 0 && table.wake(flow - 1);

    channel->woke = channel->woke || woke;
    return woke;
}

static void take_helping(struct rmx_channel *channel)
{
    struct rmx_note note;
    bool woke = false;

    for (uint32_t i = 0; i < NOTES_PER_HELPING && !woke; i++) {
        int taken = rmx_mail_take(&channel->inbox, &note);

        if (taken < 0) {
            give_up(channel, RMX_STATUS_PEER_CORRUPT);
        }
        if (taken <= 0) {
            return;
        }
        woke = serve(channel, &note);
    }
}

static struct rmx_channel *owed_longest(void)
{
    struct rmx_channel *longest = NULL;

    for (uint32_t i = 0; i < RMX_WORKER_CHANNELS_MAX; i++) {
        struct rmx_channel *channel = &table.channels[i];

        if (channel->chime.owed &&
            (longest == NULL || channel->chime.muted_until_ns < longest->chime.muted_until_ns)) {
            longest = channel;
        }
    }
    return longest;
}

/* One of them, since it may take long again. */
static void ring_who_is_owed(void)
{
    struct rmx_channel *channel;

    if (!ring_is_due()) {
        return;
    }
    channel = owed_longest();
    if (channel != NULL) {
        ring_client(channel);
    }
    channel = owed_longest();
    table.owed_ns = channel == NULL ? NEVER : channel->chime.muted_until_ns;
}

void rmx_channel_take_mail(void)
{
    uint32_t helpings =
        table.active_count < CHANNELS_PER_HELPING ? table.active_count : CHANNELS_PER_HELPING;

    ring_who_is_owed();
    for (uint32_t i = 0; i < helpings && table.active_count > 0; i++) {
        table.next = (table.next + 1) % table.active_count;
        take_helping(table.active[table.next]);
    }
}

void rmx_channel_arm(void)
{
    for (uint32_t i = 0; i < table.active_count; i++) {
        rmx_bell_arm(&table.active[i]->own_bell);
    }
}

void rmx_channel_disarm(void)
{
    for (uint32_t i = 0; i < table.active_count; i++) {
        rmx_bell_disarm(&table.active[i]->own_bell);
    }
}

int rmx_channel_sleep_ms(int longest_ms)
{
    uint64_t now = table.muted_count > 0 || table.owed_ns != NEVER ? rmx_moment_ns() : 0;
    uint64_t wait_ns = (uint64_t)longest_ms * NS_PER_MS;

    if (table.owed_ns < now + wait_ns) {
        wait_ns = table.owed_ns > now ? table.owed_ns - now : 0;
    }

    for (uint32_t i = 0; i < RMX_WORKER_CHANNELS_MAX && table.muted_count > 0; i++) {
        struct rmx_channel *channel = &table.channels[i];

        if (channel->muted_until_ns == 0) {
            continue;
        }
        if (channel->muted_until_ns > now) {
            uint64_t left_ns = channel->muted_until_ns - now;

            wait_ns = left_ns < wait_ns ? left_ns : wait_ns;
        } else if (unmute(channel) < 0) {
            give_up(channel, RMX_STATUS_OVER_LIMIT);
        }
    }
    return (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS);
}
