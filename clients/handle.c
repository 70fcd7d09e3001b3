/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A client, its lock, and how its threads wait (see handle.h). Runs in the client process, on any
 * of the caller's threads.
 */
#include "clients/handle.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "clients/clock.h"
#include "clients/fleet.h"
#include "clients/muster.h"
#include "clients/tend.h"
#include "ipc/lane_wire.h"
#include "ring/base.h"

#define NS_PER_S   UINT64_C(1000000000)
#define EVENTS_MAX 16
#define PAUSES     16 /* between looks at the mail */
#define LOOKS      16 /* at the mail, between looks at the sockets, which are system calls */

enum watched { /* what an event of sleep_fd is about */
    KICK,
    LINES,                                 /* and above: line number event - LINES */
    CHANNELS = LINES + RMX_INFLIGHT_LINES, /* and above: channel number event - CHANNELS */
};

struct rmx_waiter {
    struct rmx_waiter *next;
    uint32_t place;
    uint32_t kinds;
    bool woken;
    pthread_cond_t cond;
};

/* --- descriptors --------------------------------------------------------------------------- */

static int watch(int epoll_fd, int fd, uint32_t events, uint64_t what)
{
    struct epoll_event event = { .events = events, .data = { .u64 = what } };

    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int rmx_handle_init(struct rmx_client *client)
{
    client->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    client->sleep_fd = epoll_create1(EPOLL_CLOEXEC);
    client->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    client->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (client->poll_fd < 0 || client->sleep_fd < 0 || client->news_fd < 0 || client->kick_fd < 0) {
        return -errno;
    }
    int err = watch(client->poll_fd, client->news_fd, EPOLLIN, KICK);
    return err < 0 ? err : watch(client->sleep_fd, client->kick_fd, EPOLLIN, KICK);
}

void rmx_handle_fini(struct rmx_client *client)
{
    rmx_assert(client->waiters == NULL); /* rmx_close() is alone */
    for (uint32_t i = 0; i < RMX_CHANNELS_MAX; i++) {
        rmx_conduit_free(&client->channels[i]);
    }
    for (uint32_t i = 0; i < RMX_INFLIGHT_LINES; i++) {
        rmx_line_free(&client->lines[i]);
    }
    rmx_line_free(&client->coming);
    free(client->streams);
    client->streams = NULL;
    rmx_base_close(&client->poll_fd);
    rmx_base_close(&client->sleep_fd);
    rmx_base_close(&client->news_fd);
    rmx_base_close(&client->kick_fd);
    pthread_mutex_destroy(&client->lock);
}

int rmx_handle_listen(struct rmx_client *client, const struct rmx_line *line, uint32_t number)
{
    int err = watch(client->poll_fd, line->fd, EPOLLIN, LINES + number);

    return err < 0 ? err : watch(client->sleep_fd, line->fd, EPOLLIN, LINES + number);
}

void rmx_handle_ignore(struct rmx_client *client, struct rmx_line *line)
{
    if (line->fd >= 0) {
        (void)epoll_ctl(client->poll_fd, EPOLL_CTL_DEL, line->fd, NULL);
        (void)epoll_ctl(client->sleep_fd, EPOLL_CTL_DEL, line->fd, NULL);
        rmx_base_close(&line->fd);
    }
}

/* For our own sleep the edge is enough, and spares a call for each wake; who polls needs to see
 * that the bell was not heard yet. */
int rmx_handle_watch(struct rmx_client *client, uint32_t index)
{
    int fd = client->channels[index]->heard_fd;
    int err = watch(client->poll_fd, fd, EPOLLIN, CHANNELS + index);

    return err < 0 ? err : watch(client->sleep_fd, fd, EPOLLIN | EPOLLET, CHANNELS + index);
}

void rmx_handle_unwatch(struct rmx_client *client, uint32_t index)
{
    int fd = client->channels[index]->heard_fd;

    (void)epoll_ctl(client->poll_fd, EPOLL_CTL_DEL, fd, NULL);
    (void)epoll_ctl(client->sleep_fd, EPOLL_CTL_DEL, fd, NULL);
}

static void raise_event(int fd)
{
    uint64_t once = 1;
    ssize_t bytes = write(fd, &once, sizeof(once));

    rmx_assert(bytes == (ssize_t)sizeof(once)); /* it is read long before it is full */
}

static void lower_event(int fd)
{
    uint64_t count;

    (void)!read(fd, &count, sizeof(count)); /* empty is as good */
}

/* --- the lock ------------------------------------------------------------------------------ */

void rmx_handle_enter(struct rmx_client *client)
{
    pthread_mutex_lock(&client->lock);
}

/* Who polls must see what threads of ours have taken in. */
static void show_news(struct rmx_client *client)
{
    bool news = client->untold.count > 0 || client->due.count > 0 || client->cohorts.untold != 0 ||
                rmx_handle_is_over(client);

    if (news && !client->news) {
        raise_event(client->news_fd);
    } else if (!news && client->news) {
        lower_event(client->news_fd);
    }
    client->news = news;
}

void rmx_handle_leave(struct rmx_client *client)
{
    rmx_handle_digest(client);
    rmx_muster_dismiss(client);
    show_news(client);
    pthread_mutex_unlock(&client->lock);
}

struct rmx_stream *rmx_handle_stream(struct rmx_client *client, uint64_t id)
{
    if (client->streams == NULL || rmx_inflight_find(&client->inflight, id) == NULL) {
        return NULL;
    }
    struct rmx_stream *stream = &client->streams[rmx_inflight_place(id)];
    return stream->channel != NULL ? stream : NULL;
}

/* --- hearing ------------------------------------------------------------------------------- */

/* Of a lost line there is nothing more to hear: whoever waits is to look again. */
static void hang_up(struct rmx_client *client)
{
    for (uint32_t i = 0; i < RMX_INFLIGHT_LINES; i++) {
        struct rmx_line *line = client->lines[i];

        if (line != NULL && line->lost != 0 && line->fd >= 0) {
            rmx_handle_ignore(client, line);
            rmx_handle_wake(client, RMX_HANDLE_ANYTHING, 0);
        }
    }
}

void rmx_handle_digest(struct rmx_client *client)
{
    struct rmx_inflight_job *job;

    do {
        while ((job = rmx_inflight_next(&client->inflight)) != NULL) {
            rmx_tend_ended(client, job);
        }
        rmx_muster_say(client);
    } while (rmx_inflight_has_ended(&client->inflight)); /* a line was lost over it */
    hang_up(client);
}

/* Hears one message. Returns as rmx_line_hear(). */
static int hear_message(struct rmx_client *client, struct rmx_line *line)
{
    int err = rmx_line_hear(line);

    if (err == -EAGAIN) {
        return err;
    }
    if (line->answer.wake_fd >= 0) {
        rmx_fleet_take(client, line);
    }
    if (line->channel_lost != 0) {
        rmx_fleet_lose(client, line->number, line->channel_lost);
    }
    rmx_handle_digest(client);
    rmx_handle_wake(client, RMX_HANDLE_ANYTHING, 0);
    return err;
}

static void take_note(
    struct rmx_client *client, const struct rmx_conduit *channel, const struct rmx_note *note)
{
    uint32_t kinds = note->kind == RMX_NOTE_INPUT    ? RMX_CAN_WRITE
                     : note->kind == RMX_NOTE_OUTPUT ? RMX_CAN_READ
                                                     : 0;

    if (kinds != 0 && note->flow < RMX_INFLIGHT_MAX &&
        client->streams[note->flow].channel == channel) {
        rmx_tend_news(client, note->flow, kinds);
    }
}

/* Each mailbox is armed before it is looked into, so that what comes later rings. */
static void take_mail(struct rmx_client *client)
{
    for (uint32_t i = 0; i < RMX_CHANNELS_MAX; i++) {
        struct rmx_conduit *channel = client->channels[i];
        struct rmx_note note;
        int taken = 1;

        if (channel == NULL || channel->dead) {
            continue;
        }
        rmx_conduit_arm(channel);
        for (uint32_t n = 0; n < RMX_CHANNEL_MAIL_SLOTS && taken > 0; n++) {
            taken = rmx_conduit_take(channel, &note);
            if (taken > 0) {
                take_note(client, channel, &note);
            }
        }
        if (taken < 0) {
            rmx_fleet_distrust(client, i);
        }
    }
}

/* What epoll_wait() said: notes which bells rang. Returns true if one did. */
static bool note_bells(struct rmx_client *client, const struct epoll_event *events, int count)
{
    bool rang = false;

    for (int i = 0; i < count; i++) {
        uint64_t what = events[i].data.u64;

        if (what >= CHANNELS && client->channels[what - CHANNELS] != NULL) {
            client->channels[what - CHANNELS]->rung = true;
            rang = true;
        }
    }
    return rang;
}

static void hush_bells(struct rmx_client *client)
{
    for (uint32_t i = 0; i < RMX_CHANNELS_MAX; i++) {
        if (client->channels[i] != NULL && client->channels[i]->rung) {
            rmx_conduit_hush(client->channels[i]);
        }
    }
}

void rmx_handle_hear(struct rmx_client *client)
{
    struct epoll_event events[EVENTS_MAX];

    for (uint32_t i = 0; i < RMX_INFLIGHT_LINES; i++) {
        struct rmx_line *line = client->lines[i];

        while (line != NULL && line->lost == 0 && hear_message(client, line) == 0) {
        }
    }
    rmx_handle_digest(client);
    rmx_tend_cancels(client);
    if (client->streams != NULL) {
        int count = epoll_wait(client->sleep_fd, events, EVENTS_MAX, 0);

        (void)note_bells(client, events, count);
        hush_bells(client); /* before the mail: what comes later rings again */
        take_mail(client);
    }
}

static bool has_mail(const struct rmx_client *client)
{
    for (uint32_t i = 0; i < RMX_CHANNELS_MAX; i++) {
        struct rmx_conduit *channel = client->channels[i];

        if (channel != NULL && !channel->dead && rmx_ring_peek_one(&channel->to_client.ring) != 0) {
            return true;
        }
    }
    return false;
}

/* Has a daemon said something, as that a job has ended? Takes nothing. */
static bool has_message(int sleep_fd)
{
    struct pollfd poll_fd = { .fd = sleep_fd, .events = POLLIN };

    return poll(&poll_fd, 1, 0) > 0;
}

bool rmx_handle_poll(struct rmx_client *client, uint64_t until_ns)
{
    uint64_t spun_ns = client->spin_ns > 0 ? rmx_clock_in(client->spin_ns) : 0;
    uint64_t wakes = client->wakes;
    int sleep_fd = client->sleep_fd;
    bool told = false;

    until_ns = spun_ns < until_ns ? spun_ns : until_ns;
    for (uint32_t look = 1; client->streams != NULL && !told && rmx_clock_ns() < until_ns; look++) {
        if (has_mail(client)) {
            take_mail(client);
            return true;
        }
        pthread_mutex_unlock(&client->lock);
        for (int i = 0; i < PAUSES; i++) {
            rmx_base_pause();
        }
        told = look % LOOKS == 0 && has_message(sleep_fd);
        pthread_mutex_lock(&client->lock);
        if (client->wakes != wakes) {
            return true;
        }
    }
    return false;
}

/* --- waiting ------------------------------------------------------------------------------- */

static void wake_one(struct rmx_client *client, struct rmx_waiter *waiter)
{
    if (waiter->woken) {
        return;
    }
    waiter->woken = true;
    if (waiter == client->leader) {
        raise_event(client->kick_fd);
    } else {
        pthread_cond_signal(&waiter->cond);
    }
}

void rmx_handle_wake(struct rmx_client *client, uint32_t place, uint32_t kinds)
{
    client->wakes += place == RMX_HANDLE_ANYTHING;
    for (struct rmx_waiter *waiter = client->waiters; waiter != NULL; waiter = waiter->next) {
        if (waiter->place == place &&
            (place == RMX_HANDLE_ANYTHING || (waiter->kinds & kinds) != 0)) {
            wake_one(client, waiter);
        }
    }
}

void rmx_handle_notice(struct rmx_client *client, uint32_t place, uint32_t kinds)
{
    client->inflight.jobs[place].kinds |= kinds;
    rmx_marks_set(&client->untold, place);
    rmx_handle_wake(client, RMX_HANDLE_ANYTHING, 0);
}

/* What epoll_wait() said: hears one message, if it is about a line that is still there. What is
 * left of them is still on the socket. */
static void hear_some(struct rmx_client *client, uint64_t what)
{
    if (what >= LINES && what < CHANNELS && client->lines[what - LINES] != NULL) {
        (void)hear_message(client, client->lines[what - LINES]);
    }
}

/* Sleeps in epoll_wait() once and takes in what came. Returns 0 or -EINTR. */
static int lead(struct rmx_client *client, struct rmx_waiter *me, uint64_t until_ns)
{
    struct epoll_event events[EVENTS_MAX];
    int sleep_fd = client->sleep_fd;

    client->leader = me;
    pthread_mutex_unlock(&client->lock);
    int count = epoll_wait(sleep_fd, events, EVENTS_MAX, rmx_clock_left_ms(until_ns));
    int err = count < 0 ? errno : 0;
    pthread_mutex_lock(&client->lock);
    client->leader = NULL;
    if (count < 0) {
        rmx_assert(err == EINTR);
        return -EINTR;
    }
    rmx_tend_cancels(client);
    if (note_bells(client, events, count)) {
        take_mail(client);
    }
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 == KICK) {
            lower_event(client->kick_fd); /* nobody else may: the leader would sleep on */
        } else {
            hear_some(client, events[i].data.u64);
        }
    }
    return 0;
}

static void follow(struct rmx_client *client, struct rmx_waiter *me, uint64_t until_ns)
{
    struct timespec until = {
        .tv_sec = (time_t)(until_ns / NS_PER_S),
        .tv_nsec = (long)(until_ns % NS_PER_S),
    };

    if (until_ns == RMX_CLOCK_NEVER) {
        pthread_cond_wait(&me->cond, &client->lock);
    } else {
        pthread_cond_timedwait(&me->cond, &client->lock, &until);
    }
}

static void init_waiter(struct rmx_waiter *waiter, uint32_t place, uint32_t kinds)
{
    pthread_condattr_t attributes;

    *waiter = (struct rmx_waiter){ .place = place, .kinds = kinds };
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&waiter->cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void unlink_waiter(struct rmx_client *client, const struct rmx_waiter *waiter)
{
    struct rmx_waiter **link = &client->waiters;

    while (*link != waiter) {
        link = &(*link)->next;
    }
    *link = waiter->next;
}

int rmx_handle_wait(struct rmx_client *client, uint32_t place, uint32_t kinds, uint64_t until_ns)
{
    struct rmx_waiter me;
    int err = 0;

    init_waiter(&me, place, kinds);
    me.next = client->waiters;
    client->waiters = &me;
    rmx_handle_digest(client); /* what wakes us may have happened already */
    while (!me.woken && err == 0 && (until_ns == RMX_CLOCK_NEVER || rmx_clock_ns() < until_ns)) {
        show_news(client);
        if (client->leader == NULL) {
            err = lead(client, &me, until_ns);
        } else {
            follow(client, &me, until_ns);
        }
    }
    unlink_waiter(client, &me);
    pthread_cond_destroy(&me.cond);
    if (client->leader == NULL && client->waiters != NULL) { /* one of them takes over */
        pthread_cond_signal(&client->waiters->cond);
    }
    return me.woken ? 1 : err;
}
