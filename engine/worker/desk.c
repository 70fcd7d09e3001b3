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
#include "engine/worker/heap.h"
#include "engine/worker/lastwords.h"
#include "engine/worker/remux.h"
#include "engine/worker/task.h"
#include "engine/worker/turns.h"
#include "ipc/lane_wire.h"
#include "ipc/sock.h"
#include "ring/mail.h"

#define NONE  UINT32_MAX
#define NEVER UINT64_MAX

/* A job that computes lets others have the core this often. */
#define TURN_NS          200000u
#define BREATHS_PER_LOOK 16u  /* packets between two looks at the clock */
#define SPINS_PER_LOOK   32u  /* polls between two looks at the clock */
#define SLEEP_MS_MAX     1000 /* then look again, whatever the bells say */
#define WAKES_MAX        32   /* bells heard at once; the others are next */
#define NS_PER_MS        1000000u

/* Notes of the lane between two turns: there may be no end to them. */
#define NOTES_PER_ROUND 64u

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
    uint64_t until_ns;       /* WAITING: when it looks again though no note came; 0 = never */
    uint32_t party;          /* see turns.h */
    bool lacked_beside;      /* an allocation of its failed while there were other jobs */
    bool lacked_alone;       /* and while there were none */
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
    struct rmx_turns turns;
    uint64_t nearest_ns;                          /* no seat's until_ns comes before; or NEVER */
    struct rmx_fiber *pool[RMX_WORKER_FLOWS_MAX]; /* idle fibers, last used on top */
    uint32_t pool_count;
    uint32_t jobs;
    uint32_t current; /* the flow that runs; NONE = the scheduler does */
    uint64_t turn_ends_ns;
    uint32_t breaths;
    int error; /* -EBADMSG: the lane broke a rule */
} desk;

static bool nobody_lacked;
bool *rmx_desk_heap_failed = &nobody_lacked;

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
    rmx_turns_add(&desk.turns, desk.seats[flow].party, flow);
}

static void run_turn(uint32_t flow)
{
    struct seat *seat = &desk.seats[flow];

    rmx_assert(seat->state == SEAT_READY);
    seat->state = SEAT_RUNNING;
    desk.current = flow;
    desk.turn_ends_ns = rmx_turns_is_empty(&desk.turns) ? 0 : now_ns() + TURN_NS;
    rmx_lastwords_on_core(flow);
    rmx_desk_heap_failed = desk.jobs > 1 ? &seat->lacked_beside : &seat->lacked_alone;
    if (!rmx_fiber_resume(seat->fiber)) {
        desk.pool[desk.pool_count++] = seat->fiber;
        *seat = (struct seat){ .state = SEAT_IDLE };
        desk.jobs--;
    }
    rmx_desk_heap_failed = &nobody_lacked;
    rmx_lastwords_on_core(RMX_LASTWORDS_NO_FLOW);
    desk.current = NONE;
}

/* --- waits that a clock ends ----------------------------------------------------------------- */

/* Rounded up to a millisecond, which is what a sleep has, so that those close to each other end
 * together: all seats are looked at for it. */
static void expect(uint64_t until_ns)
{
    uint64_t at_ns = until_ns - until_ns % NS_PER_MS + NS_PER_MS;

    desk.nearest_ns = at_ns < desk.nearest_ns ? at_ns : desk.nearest_ns;
}

static void wake_due(void)
{
    uint64_t now = desk.nearest_ns == NEVER ? 0 : now_ns();

    if (now < desk.nearest_ns) {
        return;
    }
    desk.nearest_ns = NEVER;
    for (uint32_t flow = 0; flow < desk.plan->flows; flow++) {
        const struct seat *seat = &desk.seats[flow];

        if (seat->state != SEAT_WAITING || seat->until_ns == 0) {
            continue;
        }
        if (seat->until_ns <= now) {
            make_ready(flow);
        } else {
            expect(seat->until_ns);
        }
    }
}

static int sleep_ms(void)
{
    uint64_t now = desk.nearest_ns == NEVER ? 0 : now_ns();
    uint64_t left_ms = desk.nearest_ns <= now ? 0 : (desk.nearest_ns - now) / NS_PER_MS + 1;

    return rmx_channel_sleep_ms(left_ms < SLEEP_MS_MAX ? (int)left_ms : SLEEP_MS_MAX);
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

/* What others have in use now they give back; what a job by itself cannot have, it never can. */
static enum rmx_status lack(void *owner)
{
    const struct seat *seat = &desk.seats[desk.current];

    (void)owner;
    if (seat->lacked_beside) {
        return RMX_STATUS_BUSY;
    }
    return seat->lacked_alone ? RMX_STATUS_OVER_LIMIT : RMX_STATUS_OK;
}

static void sleep_here(void *owner, uint64_t until_ns)
{
    struct seat *seat = &desk.seats[desk.current];

    (void)owner;
    seat->state = SEAT_WAITING;
    seat->until_ns = until_ns;
    if (until_ns != 0) {
        expect(until_ns);
    }
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
    if (now >= desk.turn_ends_ns &&
        (!rmx_turns_is_empty(&desk.turns) || now >= desk.nearest_ns || mail_is_due())) {
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
        .lack = lack,
        .flow = (uint32_t)(flow - desk.shm->flows),
    };

    rmx_task_run(flow, desk.plan->arena, &host);
    rmx_lastwords_count_job();
    tell(NULL, RMX_NOTE_DONE);
}

/* --- notes ----------------------------------------------------------------------------------- */

/* What the lane says of channels is checked when the job enters one. */
static uint32_t party_of(uint32_t flow)
{
    const struct rmx_flow_shm *shm = &desk.shm->flows[flow];
    uint32_t port = RMX_READ_ONCE(shm->port);
    uint32_t place = RMX_READ_ONCE(shm->channel);

    return (port & (RMX_PORT_CHANNEL_IN | RMX_PORT_CHANNEL_OUT)) != 0 &&
                   place < RMX_WORKER_CHANNELS_MAX
               ? rmx_turns_party_of_channel(place)
               : rmx_turns_party_of_flow(flow);
}

static void begin_job(uint32_t flow)
{
    struct seat *seat = &desk.seats[flow];

    if (seat->state != SEAT_IDLE) {
        refuse("the lane started a job in a flow that has one");
        return;
    }
    seat->fiber = desk.pool_count > 0 ? desk.pool[--desk.pool_count] : rmx_fiber_new();
    if (seat->fiber == NULL) {
        rmx_task_refuse(&desk.shm->flows[flow], desk.plan->arena, RMX_STATUS_BUSY,
            "the worker has no memory left for another job: try again later");
        rmx_lastwords_count_job();
        tell_lane(flow, RMX_NOTE_DONE);
        return;
    }
    seat->party = party_of(flow);
    desk.jobs++;
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

static void pause_core(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* True if mail came, or a wait is over. */
static bool spin(void)
{
    uint64_t until = desk.plan->spin_ns == 0 ? 0 : now_ns() + desk.plan->spin_ns;

    until = until < desk.nearest_ns ? until : desk.nearest_ns;
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
    return mail_is_due() || (until != 0 && until == desk.nearest_ns);
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
    if (!mail_is_due() && rmx_turns_is_empty(&desk.turns)) {
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
    int error = rmx_mail_attach(&desk.inbox, plan->arena,
        offsetof(struct rmx_worker_shm, to_worker), RMX_WORKER_MAIL_SLOTS);

    error = error < 0 ? error
                      : rmx_mail_attach(&desk.outbox, plan->arena,
                            offsetof(struct rmx_worker_shm, to_lane), RMX_WORKER_MAIL_SLOTS);
    desk.plan = plan;
    desk.shm = shm;
    desk.own_bell = (struct rmx_bell){ .shm = &shm->worker_bell, .fd = plan->worker_bell_fd };
    desk.lane_bell = (struct rmx_bell){ .shm = &shm->lane_bell, .fd = plan->lane_bell_fd };
    rmx_turns_init(&desk.turns);
    desk.nearest_ns = NEVER;
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
        wake_due();
        flow = rmx_turns_take(&desk.turns);
        if (flow != NONE) {
            run_turn(flow);
        } else if (desk.error == 0 && !spin()) {
            wanted = sleep_on_bells();
        }
    }
    return desk.error;
}
