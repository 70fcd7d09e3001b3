/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where a worker's jobs come in and get their turns. See desk.h.
 */
#include "engine/worker/desk.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>

#include "engine/worker/channel.h"
#include "engine/worker/fiber.h"
#include "engine/worker/lastwords.h"
#include "engine/worker/remux.h"
#include "engine/worker/task.h"
#include "ipc/lane_wire.h"
#include "ipc/sock.h"
#include "ring/mail.h"

#define NONE UINT32_MAX

/* A job that computes lets others have the core this often. */
#define TURN_NS          200000u
#define BREATHS_PER_LOOK 16u  /* packets between two looks at the clock */
#define SPINS_PER_LOOK   32u  /* polls between two looks at the clock */
#define SLEEP_MS_MAX     1000 /* then look again, whatever the bells say */
#define WAKES_MAX        32   /* bells heard at once; the others are next */

/* What epoll calls our own two; a channel's bell goes by its place. */
#define EVENT_BELL   RMX_WORKER_CHANNELS_MAX
#define EVENT_HANGUP (RMX_WORKER_CHANNELS_MAX + 1)

_Static_assert(sizeof(struct rmx_ring_shm) + RMX_WORKER_MAIL_SLOTS * sizeof(struct rmx_note_shm) <=
                   sizeof(((struct rmx_worker_shm *)0)->to_worker),
    "the mailbox fits");
_Static_assert(sizeof(((struct rmx_worker_shm *)0)->to_lane) ==
                   sizeof(((struct rmx_worker_shm *)0)->to_worker),
    "both mailboxes fit");

enum seat_state {
    SEAT_IDLE = 0,
    SEAT_READY = 1,
    SEAT_RUNNING = 2,
    SEAT_WAITING = 3,
};

/* A flow's place at the desk. */
struct seat {
    struct rmx_fiber *fiber; /* while it has a job */
    uint32_t next_ready;
    enum seat_state state;
};

static struct {
    const struct rmx_desk_plan *plan;
    struct rmx_worker_shm *shm;
    struct rmx_mail inbox;
    struct rmx_mail outbox;
    struct rmx_bell own_bell;
    struct rmx_bell lane_bell;
    struct seat seats[RMX_WORKER_FLOWS_MAX];
    uint32_t ready_first;
    uint32_t ready_last;
    struct rmx_fiber *pool[RMX_WORKER_FLOWS_MAX]; /* idle fibers, last used on top */
    uint32_t pool_count;
    uint32_t current; /* the flow that runs; NONE = the scheduler does */
    uint64_t turn_ends_ns;
    uint32_t breaths;
    int error; /* -EBADMSG: the lane broke a rule */
} desk;

static uint64_t now_ns(void)
{
    struct timespec now;

    rmx_assert(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void refuse(const char *why)
{
    rmx_lastwords_say(why);
    desk.error = -EBADMSG;
}

/* --- turns ----------------------------------------------------------------------------------- */

static void make_ready(uint32_t flow)
{
    desk.seats[flow].state = SEAT_READY;
    desk.seats[flow].next_ready = NONE;
    if (desk.ready_first == NONE) {
        desk.ready_first = flow;
    } else {
        desk.seats[desk.ready_last].next_ready = flow;
    }
    desk.ready_last = flow;
}

static uint32_t take_ready(void)
{
    uint32_t flow = desk.ready_first;

    if (flow != NONE) {
        desk.ready_first = desk.seats[flow].next_ready;
    }
    return flow;
}

static void run_turn(uint32_t flow)
{
    struct seat *seat = &desk.seats[flow];

    rmx_assert(seat->state == SEAT_READY);
    seat->state = SEAT_RUNNING;
    desk.current = flow;
    desk.turn_ends_ns = 0;
    rmx_lastwords_on_core(flow);
    if (!rmx_fiber_resume(seat->fiber)) {
        desk.pool[desk.pool_count++] = seat->fiber;
        *seat = (struct seat){ .state = SEAT_IDLE };
    }
    rmx_lastwords_on_core(RMX_LASTWORDS_NO_FLOW);
    desk.current = NONE;
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

/* --- what a job asks of its desk, on its fiber ------------------------------------------------ */

static void tell(void *owner, enum rmx_note_kind kind)
{
    (void)owner;
    tell_lane(desk.current, kind);
}

static void sleep_here(void *owner)
{
    (void)owner;
    desk.seats[desk.current].state = SEAT_WAITING;
    rmx_fiber_yield();
}

static bool mail_is_due(void)
{
    return rmx_ring_peek_one(&desk.inbox.ring) != 0 || /* -EBADMSG is for take_mail() to find */
           rmx_channel_mail_is_due();
}

static void breathe(void)
{
    uint64_t now;

    if (++desk.breaths % BREATHS_PER_LOOK != 0) {
        return;
    }
    now = now_ns();
    if (desk.turn_ends_ns == 0) {
        desk.turn_ends_ns = now + TURN_NS;
    }
    if (now >= desk.turn_ends_ns && (desk.ready_first != NONE || mail_is_due())) {
        make_ready(desk.current);
        rmx_fiber_yield();
    }
}

static void work(void *argument)
{
    struct rmx_flow_shm *flow = argument;
    const struct rmx_task_host host = {
        .sleep = sleep_here,
        .tell = tell,
        .flow = (uint32_t)(flow - desk.shm->flows),
    };

    rmx_task_run(flow, desk.plan->arena, &host);
    rmx_lastwords_count_job();
    tell(NULL, RMX_NOTE_DONE);
}

/* --- notes ----------------------------------------------------------------------------------- */

static void begin_job(uint32_t flow)
{
    struct seat *seat = &desk.seats[flow];

    if (seat->state != SEAT_IDLE) {
        refuse("the lane started a job in a flow that has one");
        return;
    }
    seat->fiber = desk.pool_count > 0 ? desk.pool[--desk.pool_count] : rmx_fiber_new();
    if (seat->fiber == NULL) {
        rmx_task_refuse(&desk.shm->flows[flow], desk.plan->arena, RMX_STATUS_OVER_LIMIT,
            "the worker has no address space left for another job");
        rmx_lastwords_count_job();
        tell_lane(flow, RMX_NOTE_DONE);
        return;
    }
    rmx_fiber_start(seat->fiber, work, &desk.shm->flows[flow]);
    make_ready(flow);
}

/* Else it looks by itself before it waits, or is over. */
static bool wake(uint32_t flow)
{
    if (desk.seats[flow].state != SEAT_WAITING) {
        return false;
    }
    make_ready(flow);
    return true;
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
    case RMX_NOTE_INPUT:
    case RMX_NOTE_OUTPUT:
        (void)wake(note->flow);
        break;
    case RMX_NOTE_CTL:
        take_ctl();
        break;
    default:
        refuse("the lane sent a note of an unknown kind");
    }
}

static void take_mail(void)
{
    struct rmx_note note;
    int taken = 1;

    while (taken == 1 && desk.error == 0) {
        taken = rmx_mail_take(&desk.inbox, &note);
        if (taken == 1) {
            take_note(&note);
        } else if (taken < 0) {
            refuse("the counts of the lane's mailbox are impossible");
        }
    }
}

/* --- waiting --------------------------------------------------------------------------------- */

static void pause_core(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* True if mail came. */
static bool spin(void)
{
    uint64_t until = desk.plan->spin_ns == 0 ? 0 : now_ns() + desk.plan->spin_ns;

    while (until != 0) {
        for (uint32_t i = 0; i < SPINS_PER_LOOK; i++) {
            if (mail_is_due()) {
                return true;
            }
            pause_core();
        }
        if (now_ns() >= until) {
            break;
        }
    }
    return mail_is_due();
}

/* Sleeps until a bell rings, the daemon hangs up or a second is over. False: it hung up. */
static bool sleep_on_bells(void)
{
    struct epoll_event events[WAKES_MAX];
    bool wanted = true;
    int heard = 0;

    rmx_bell_arm(&desk.own_bell);
    rmx_channel_arm();
    if (!mail_is_due()) {
        heard =
            epoll_wait(desk.plan->epoll_fd, events, WAKES_MAX, rmx_channel_sleep_ms(SLEEP_MS_MAX));
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
    int error = rmx_mail_attach(&desk.inbox, plan->arena,
        offsetof(struct rmx_worker_shm, to_worker), RMX_WORKER_MAIL_SLOTS);

    error = error < 0 ? error
                      : rmx_mail_attach(&desk.outbox, plan->arena,
                            offsetof(struct rmx_worker_shm, to_lane), RMX_WORKER_MAIL_SLOTS);
    desk.plan = plan;
    desk.shm = shm;
    desk.own_bell = (struct rmx_bell){ .shm = &shm->worker_bell, .fd = plan->worker_bell_fd };
    desk.lane_bell = (struct rmx_bell){ .shm = &shm->lane_bell, .fd = plan->lane_bell_fd };
    desk.ready_first = NONE;
    desk.current = NONE;
    rmx_remux_breathe = breathe;
    rmx_channel_init(plan->epoll_fd, wake);
    return error < 0 ? error : listen_to_lane();
}

int rmx_desk_run(const struct rmx_desk_plan *plan)
{
    bool wanted = true;
    int error = take_over(plan);

    rmx_assert(plan->flows <= RMX_WORKER_FLOWS_MAX);
    if (error < 0) {
        return error;
    }
    while (wanted && desk.error == 0) {
        uint32_t flow;

        take_mail();
        rmx_channel_take_mail();
        flow = take_ready();
        if (flow != NONE) {
            run_turn(flow);
        } else if (desk.error == 0 && !spin()) {
            wanted = sleep_on_bells();
        }
    }
    return desk.error;
}
