/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where a worker's jobs come in and get their turns. See desk.h.
 */
#include "engine/worker/desk.h"

#include <errno.h>
#include <sys/epoll.h>

#include "engine/worker/channel.h"
#include "engine/worker/lastwords.h"
#include "engine/worker/moment.h"
#include "engine/worker/remux.h"
#include "engine/worker/seats.h"
#include "engine/worker/task.h"
#include "ipc/lane_wire.h"
#include "ipc/sock.h"
#include "ring/base.h"
#include "ring/mail.h"

#define SPINS_PER_LOOK 32u  /* polls between two looks at the clock */
#define SLEEP_MS_MAX   1000 /* then look again, whatever the bells say */
#define WAKES_MAX      32   /* bells heard at once; the others are next */
#define NS_PER_MS      1000000u

/* Notes of the lane between two turns: there may be no end to them. */
#define NOTES_PER_ROUND 64u

/* What epoll calls our own two; a channel's bell goes by its place. */
#define EVENT_BELL   RMX_WORKER_CHANNELS_MAX
#define EVENT_HANGUP (RMX_WORKER_CHANNELS_MAX + 1)

_Static_assert(RMX_RING_BYTES(RMX_WORKER_MAIL_SLOTS, sizeof(struct rmx_note_shm)) <=
                   sizeof(((struct rmx_worker_shm *)0)->to_worker),
    "the mailbox fits");
_Static_assert(sizeof(((struct rmx_worker_shm *)0)->to_lane) ==
                   sizeof(((struct rmx_worker_shm *)0)->to_worker),
    "both mailboxes fit");

static struct {
    const struct rmx_desk_plan *plan;
    struct rmx_worker_shm *shm;
    struct rmx_mail inbox;
    struct rmx_mail outbox;
    struct rmx_bell own_bell;
    struct rmx_bell lane_bell;
    int error; /* -EBADMSG: the lane broke a rule */
} desk;

static void refuse(const char *why)
{
    rmx_lastwords_say(why);
    desk.error = -EBADMSG;
}

static void tell_lane(uint32_t flow, enum rmx_note_kind kind)
{
    struct rmx_note note = { .kind = kind, .flow = flow };

    if (rmx_mail_post(&desk.outbox, &note) < 0) {
        refuse("the lane's mailbox is full or broken");
        return;
    }
    (void)rmx_bell_ring(&desk.lane_bell);
}

/* --- a job ------------------------------------------------------------------------------------ */

static void tell(enum rmx_note_kind kind)
{
    tell_lane(rmx_seats_current(), kind);
}

static void work(void *argument)
{
    struct rmx_flow_shm *flow = argument;
    const struct rmx_task_host host = {
        .sleep = rmx_seats_sleep,
        .tell = tell,
        .late = rmx_seats_late(),
        .flow = rmx_seats_current(),
    };

    rmx_task_run(flow, desk.plan->arena, &host);
    rmx_lastwords_count_job();
    tell(RMX_NOTE_DONE);
}

static void begin_job(uint32_t flow)
{
    int error = rmx_seats_begin(flow);

    if (error == -EBUSY) {
        refuse("the lane started a job in a flow that has one");
    } else if (error < 0) {
        rmx_task_refuse(&desk.shm->flows[flow], desk.plan->arena, RMX_STATUS_BUSY,
            "the worker has no memory left for another job: try again later");
        rmx_lastwords_count_job();
        tell_lane(flow, RMX_NOTE_DONE);
    }
}

/* --- notes ----------------------------------------------------------------------------------- */

static bool note_is_due(void)
{
    return rmx_ring_peek_one(&desk.inbox.ring) != 0; /* -EBADMSG is for take_mail() to find */
}

static bool mail_is_due(void)
{
    return note_is_due() || rmx_channel_mail_is_due();
}

static int serve_ctl(const struct rmx_lane_msg *message, struct rmx_sock_fds *fds)
{
    int error = -EPROTO;

    if (message->version != RMX_LANE_WIRE_VERSION) {
        return error;
    }
    if (message->type == RMX_LANE_SHARE) {
        error = rmx_channel_share(message->ticket, message->arena_bytes, fds);
    } else if (message->type == RMX_LANE_UNSHARE && fds->count == 0) {
        error = rmx_channel_unshare(message->ticket);
        if (error == 0) {
            tell_lane(message->ticket, RMX_NOTE_UNSHARED);
        }
    }
    return error;
}

/* Each note of its kind announces one message. */
static void take_ctl(void)
{
    struct rmx_lane_msg message;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    int bytes = rmx_sock_recv(desk.plan->ctl_fd, &message, sizeof(message), &fds, MSG_DONTWAIT);

    if (bytes == 0 || bytes == -ECONNRESET) {
        return; /* it hung up, as the next sleep will find */
    }
    if (bytes == -EMFILE) {
        refuse("no descriptor is left for another channel");
    } else if (bytes != (int)sizeof(message) || serve_ctl(&message, &fds) < 0) {
        refuse("the lane announced a message that is not there, or sent nonsense");
    }
    rmx_sock_fds_close(&fds);
}

static void take_note(const struct rmx_note *note)
{
    if (note->flow >= desk.plan->flows) {
        refuse("the lane named a flow that is not in the table");
        return;
    }
    switch (note->kind) {
    case RMX_NOTE_RUN:
        begin_job(note->flow);
        break;
    case RMX_NOTE_CANCEL:
        rmx_seats_hurry(note->flow);
        break;
    case RMX_NOTE_INPUT:
    case RMX_NOTE_OUTPUT:
        (void)rmx_seats_wake(note->flow);
        break;
    case RMX_NOTE_CTL:
        take_ctl();
        rmx_seats_owe_turn();
        break;
    default:
        refuse("the lane sent a note of an unknown kind");
    }
}

/* A helping of it, and of the notes about channels, which take long, one at most: clients who open
 * and close them without end get no more than a turn. */
static void take_mail(void)
{
    struct rmx_note note = { .kind = 0 };

    for (uint32_t i = 0; i < NOTES_PER_ROUND && note.kind != RMX_NOTE_CTL; i++) {
        int taken = rmx_mail_take(&desk.inbox, &note);

        if (taken < 0) {
            refuse("the counts of the lane's mailbox are impossible");
        }
        if (taken <= 0) {
            return;
        }
        take_note(&note);
        if (desk.error != 0) {
            return;
        }
    }
}

/* --- waiting --------------------------------------------------------------------------------- */

/* True if mail came, or the clock is worth a look. */
static bool spin(void)
{
    uint64_t look_ns = rmx_seats_next_look_ns();
    uint64_t until = desk.plan->spin_ns == 0 ? 0 : rmx_moment_ns() + desk.plan->spin_ns;

    until = until < look_ns ? until : look_ns;
    while (until != 0) {
        for (uint32_t i = 0; i < SPINS_PER_LOOK; i++) {
            if (mail_is_due()) {
                return true;
            }
            rmx_base_pause();
        }
        if (rmx_moment_ns() >= until) {
            break;
        }
    }
    return mail_is_due() || (until != 0 && until == look_ns);
}

static int sleep_ms(void)
{
    uint64_t look_ns = rmx_seats_next_look_ns();
    uint64_t now = look_ns == RMX_SEATS_NEVER ? 0 : rmx_moment_ns();
    uint64_t left_ms = look_ns <= now ? 0 : (look_ns - now) / NS_PER_MS + 1;

    return rmx_channel_sleep_ms(left_ms < SLEEP_MS_MAX ? (int)left_ms : SLEEP_MS_MAX);
}

/* Sleeps until a bell rings, a wait is over, the daemon hangs up, or a second. False: it hung up.
 */
static bool sleep_on_bells(void)
{
    struct epoll_event events[WAKES_MAX];
    bool wanted = true;
    int heard = 0;

    rmx_bell_arm(&desk.own_bell);
    rmx_channel_arm();
    int longest_ms = sleep_ms(); /* which may find that jobs are to be told something */
    if (!mail_is_due() && !rmx_seats_any_ready()) {
        heard = epoll_wait(desk.plan->epoll_fd, events, WAKES_MAX, longest_ms);
    }
    rmx_channel_disarm();
    rmx_bell_disarm(&desk.own_bell);
    for (int i = 0; i < heard; i++) { /* what each brought, the next look tells */
        uint32_t event = events[i].data.u32;

        wanted = wanted && event != EVENT_HANGUP;
        if (event < RMX_WORKER_CHANNELS_MAX) {
            rmx_channel_rang(event);
        }
    }
    return wanted;
}

/* Our bell's eventfd is never read, which saves a call: each ring is an edge, and a ring that was
 * not slept for only makes the next sleep end at once. Of ctl we want to hear only its end. */
static int listen_to_lane(void)
{
    struct epoll_event bell = { .events = EPOLLIN | EPOLLET, .data.u32 = EVENT_BELL };
    struct epoll_event hangup = { .events = 0, .data.u32 = EVENT_HANGUP };

    if (epoll_ctl(desk.plan->epoll_fd, EPOLL_CTL_ADD, desk.own_bell.fd, &bell) < 0 ||
        epoll_ctl(desk.plan->epoll_fd, EPOLL_CTL_ADD, desk.plan->ctl_fd, &hangup) < 0) {
        return -errno;
    }
    return 0;
}

static int take_over(const struct rmx_desk_plan *plan)
{
    struct rmx_worker_shm *shm = plan->arena->base;
    const struct rmx_seats_plan seats = {
        .shm = shm,
        .flows = plan->flows,
        .work = work,
        .mail_is_due = mail_is_due,
        .note_is_due = note_is_due,
    };
    int error = rmx_mail_attach(&desk.inbox, plan->arena,
        offsetof(struct rmx_worker_shm, to_worker), RMX_WORKER_MAIL_SLOTS);

    error = error < 0 ? error
                      : rmx_mail_attach(&desk.outbox, plan->arena,
                            offsetof(struct rmx_worker_shm, to_lane), RMX_WORKER_MAIL_SLOTS);
    desk.plan = plan;
    desk.shm = shm;
    desk.own_bell = (struct rmx_bell){ .shm = &shm->worker_bell, .fd = plan->worker_bell_fd };
    desk.lane_bell = (struct rmx_bell){ .shm = &shm->lane_bell, .fd = plan->lane_bell_fd };
    rmx_seats_init(&seats);
    rmx_seats_prepare(plan->stacks);
    rmx_remux_breathe = rmx_seats_breathe;
    rmx_channel_init(plan->epoll_fd, rmx_seats_wake);
    return error < 0 ? error : listen_to_lane();
}

int rmx_desk_run(const struct rmx_desk_plan *plan)
{
    bool wanted = true;
    int error = take_over(plan);

    if (error < 0) {
        return error;
    }
    while (wanted && desk.error == 0) {
        take_mail();
        rmx_channel_take_mail();
        rmx_seats_look_at_clock();
        if (!rmx_seats_run_turn() && desk.error == 0 && !spin()) {
            wanted = sleep_on_bells();
        }
    }
    return desk.error;
}
