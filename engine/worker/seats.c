/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The jobs at a worker's desk. See seats.h.
 */
#include "engine/worker/seats.h"

#include <errno.h>

#include "engine/worker/fiber.h"
#include "engine/worker/lastwords.h"
#include "engine/worker/moment.h"
#include "engine/worker/purse.h"
#include "engine/worker/turns.h"

#define NONE  RMX_TURNS_NONE
#define NEVER RMX_SEATS_NEVER

/* A job that computes lets its equals have the core this often, but for the first time of its life:
 * most jobs are done in that, and soonest if one is done after the other. */
#define TURN_NS          200000u
#define FRESH_NS         2000000u
#define QUIET_NS         20000u /* of each turn: no note interrupts it */
#define BREATHS_PER_LOOK 16u    /* packets between two looks at the clock */
#define NS_PER_MS        1000000u

enum state {
    IDLE = 0,
    READY = 1,
    RUNNING = 2,
    WAITING = 3,
};

/* A flow's place at the desk. */
struct seat {
    struct rmx_fiber *fiber; /* while it has a job */
    struct rmx_turns_place place;
    uint64_t deadline_ns; /* or NEVER, also once it has passed */
    enum rmx_flow_wait waits_for;
    uint64_t waits_since_ns;
    bool late;           /* its deadline has passed */
    bool cpu_is_limited; /* and thus counted */
    uint64_t fresh_ns;   /* what is left of its first time */
    uint64_t turn_ns;    /* how long its next turn is */
    struct rmx_purse purse;
    enum state state;
};

static struct {
    struct rmx_seats_plan plan;
    struct seat seats[RMX_WORKER_FLOWS_MAX];
    struct rmx_turns turns;
    struct rmx_alarms alarms;
    struct rmx_alarm alarm_of[RMX_WORKER_FLOWS_MAX];
    struct rmx_fiber *pool[RMX_WORKER_FLOWS_MAX]; /* idle fibers, last used on top */
    uint32_t pool_count;
    uint32_t jobs;
    uint32_t current; /* the flow that runs; NONE = the scheduler does */
    uint64_t now_ns;  /* between two turns, which takes no time worth a second look; 0 = not read */
    uint64_t turn_began_ns;
    uint64_t turn_ends_ns;
    uint64_t firm_until_ns; /* of the turn: before, nothing interrupts it */
    uint64_t looks_from_ns; /* likewise, nothing but a note of the lane */
    bool owes_turn;
    uint64_t busy_since_ns; /* of the turn: from then on it is not in the worker's account; when it
                             * is over, its end */
    uint64_t cpu_since_ns;  /* of the turn: likewise, of a job whose CPU time is limited */
    uint32_t breaths;
    int64_t memory_bytes; /* of all jobs together */
    int64_t memory_peak_bytes;
} desk;

void rmx_seats_init(const struct rmx_seats_plan *plan)
{
    rmx_assert(plan->flows <= RMX_WORKER_FLOWS_MAX);
    desk.plan = *plan;
    desk.current = NONE;
    rmx_turns_init(&desk.turns);
    rmx_alarms_init(&desk.alarms, desk.alarm_of, RMX_WORKER_FLOWS_MAX);
}

void rmx_seats_prepare(uint32_t jobs)
{
    for (uint32_t flow = 0; flow < jobs && flow < desk.plan.flows; flow++) {
        desk.seats[flow] = (struct seat){ .state = IDLE }; /* its page comes now */
    }
    while (desk.pool_count < jobs && desk.pool_count < desk.plan.flows) {
        struct rmx_fiber *fiber = rmx_fiber_new();

        if (fiber == NULL) {
            return;
        }
        rmx_fiber_prefault(fiber);
        desk.pool[desk.pool_count++] = fiber;
    }
}

static uint64_t now_ns(void)
{
    if (desk.now_ns == 0) {
        desk.now_ns = rmx_moment_ns();
    }
    return desk.now_ns;
}

/* --- what the lane may know ------------------------------------------------------------------ */

/* Relaxed, as all of these: a claim about time, which the lane reads when it likes. */
static void account(_Atomic uint64_t *sum_ns, uint64_t more_ns)
{
    uint64_t sum = atomic_load_explicit(sum_ns, memory_order_relaxed);

    atomic_store_explicit(sum_ns, sum + more_ns, memory_order_relaxed);
}

static void account_busy(uint64_t now)
{
    struct seat *seat = &desk.seats[desk.current];
    uint64_t spent_ns = now - desk.busy_since_ns;

    seat->fresh_ns -= spent_ns < seat->fresh_ns ? spent_ns : seat->fresh_ns;
    account(&desk.plan.shm->busy_ns, spent_ns);
    desk.busy_since_ns = now;
}

static uint64_t cpu_ns(void)
{
    struct timespec used;

    rmx_assert(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) == 0);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

/* A system call, so only where it is wanted. */
static void account_cpu(uint32_t flow)
{
    uint64_t now;

    if (desk.seats[flow].cpu_is_limited) {
        now = cpu_ns();
        account(&desk.plan.shm->flows[flow].cpu_ns, now - desk.cpu_since_ns);
        desk.cpu_since_ns = now;
    }
}

/* The job's turn is over, which had so much before and at most. */
static void account_memory(const struct rmx_purse *before, const struct rmx_purse *after)
{
    int64_t others = desk.memory_bytes - before->used_bytes;
    int64_t most = after->peak_bytes > before->peak_bytes ? after->peak_bytes : after->used_bytes;

    desk.memory_bytes = others + after->used_bytes;
    if (others + most > desk.memory_peak_bytes) {
        desk.memory_peak_bytes = others + most;
        atomic_store_explicit(&desk.plan.shm->memory_peak_bytes, (uint64_t)desk.memory_peak_bytes,
            memory_order_relaxed);
    }
}

static void begin_wait(uint32_t flow, enum rmx_flow_wait what)
{
    struct rmx_flow_shm *shm = &desk.plan.shm->flows[flow];
    struct seat *seat = &desk.seats[flow];

    seat->waits_for = what;
    seat->waits_since_ns = rmx_moment_ns();
    account_busy(seat->waits_since_ns);
    atomic_store_explicit(&shm->waits_since_ns, seat->waits_since_ns, memory_order_relaxed);
    atomic_store_explicit(&shm->waits_for, what, memory_order_relaxed);
}

/* Waiting for the core comes after that, and is not meant. */
static void end_wait(uint32_t flow)
{
    struct rmx_flow_shm *shm = &desk.plan.shm->flows[flow];
    const struct seat *seat = &desk.seats[flow];

    account(&shm->waited_ns[seat->waits_for], now_ns() - seat->waits_since_ns);
    atomic_store_explicit(&shm->waits_for, RMX_WAIT_NOTHING, memory_order_relaxed);
}

/* --- beginning and waking -------------------------------------------------------------------- */

/* In its first time a job that is woken comes before its equals: who began first is done first. */
static void make_ready(uint32_t flow)
{
    struct seat *seat = &desk.seats[flow];
    bool goes_on = seat->state == WAITING && seat->fresh_ns > 0;

    if (seat->state == WAITING) {
        end_wait(flow);
    }
    seat->state = READY;
    seat->turn_ns = seat->fresh_ns > TURN_NS ? seat->fresh_ns : TURN_NS;
    if (goes_on) {
        rmx_turns_add_first(&desk.turns, flow, &seat->place);
    } else {
        rmx_turns_add(&desk.turns, flow, &seat->place);
    }
}

/* Rounded up to a millisecond, which is what a sleep has, so that those close to each other end
 * together. */
static uint64_t round_up(uint64_t at_ns)
{
    return at_ns < NEVER - NS_PER_MS ? at_ns - at_ns % NS_PER_MS + NS_PER_MS : NEVER;
}

/* The entry is shared, so what it says is bounded; the job checks the rest. */
int rmx_seats_begin(uint32_t flow)
{
    struct rmx_flow_shm *shm = &desk.plan.shm->flows[flow];
    uint64_t deadline_ns = RMX_READ_ONCE(shm->spec.deadline_ns);
    uint32_t class_ = RMX_READ_ONCE(shm->spec.class_);
    struct seat *seat = &desk.seats[flow];

    if (seat->state != IDLE) {
        return -EBUSY;
    }
    seat->fiber = desk.pool_count > 0 ? desk.pool[--desk.pool_count] : rmx_fiber_new();
    if (seat->fiber == NULL) {
        return -ENOMEM;
    }
    seat->place = (struct rmx_turns_place){
        .class_ = class_ < RMX_CLASSES ? (enum rmx_job_class)class_ : RMX_CLASS_NORMAL,
        .party = RMX_READ_ONCE(shm->party) % RMX_WORKER_PARTIES,
    };
    seat->cpu_is_limited = RMX_READ_ONCE(shm->cpu_max_ns) != 0;
    seat->fresh_ns = FRESH_NS;
    rmx_purse_open(&seat->purse, RMX_READ_ONCE(shm->memory_max_bytes));
    seat->deadline_ns = deadline_ns == 0 ? NEVER : deadline_ns;
    rmx_alarms_set(&desk.alarms, flow, round_up(seat->deadline_ns));
    desk.jobs++;
    rmx_fiber_start(seat->fiber, desk.plan.work, shm);
    make_ready(flow);
    return 0;
}

bool rmx_seats_wake(uint32_t flow)
{
    if (desk.seats[flow].state != WAITING) {
        return false;
    }
    make_ready(flow);
    return true;
}

void rmx_seats_hurry(uint32_t flow)
{
    struct seat *seat = &desk.seats[flow];

    if (seat->state == IDLE) {
        return;
    }
    rmx_assert(seat->state != RUNNING);
    seat->place.urgent = true;
    if (seat->state == WAITING) {
        make_ready(flow);
    } else {
        rmx_turns_hurry(&desk.turns, flow);
    }
}

/* --- the clock ------------------------------------------------------------------------------- */

/* A wait that was over before its time may have left its alarm. */
static void answer_alarm(uint32_t flow, uint64_t now)
{
    struct seat *seat = &desk.seats[flow];

    if (seat->deadline_ns <= now) {
        seat->deadline_ns = NEVER;
        seat->late = true;
        rmx_seats_hurry(flow);
    } else {
        (void)rmx_seats_wake(flow);
        rmx_alarms_set(&desk.alarms, flow, round_up(seat->deadline_ns));
    }
}

void rmx_seats_look_at_clock(void)
{
    uint64_t first = rmx_alarms_first_ns(&desk.alarms);
    uint64_t now = first == NEVER ? 0 : now_ns();
    uint32_t flow = now < first ? NONE : rmx_alarms_take_due(&desk.alarms, now);

    while (flow != NONE) {
        answer_alarm(flow, now);
        flow = rmx_alarms_take_due(&desk.alarms, now);
    }
}

uint64_t rmx_seats_next_look_ns(void)
{
    return rmx_alarms_first_ns(&desk.alarms);
}

/* --- turns ----------------------------------------------------------------------------------- */

bool rmx_seats_any_ready(void)
{
    return !rmx_turns_is_empty(&desk.turns);
}

static void leave_seat(uint32_t flow)
{
    struct seat *seat = &desk.seats[flow];

    account_busy(rmx_moment_ns());
    desk.memory_bytes -= seat->purse.used_bytes; /* what it left is nobody's */
    rmx_alarms_set(&desk.alarms, flow, NEVER);
    desk.pool[desk.pool_count++] = seat->fiber;
    *seat = (struct seat){ .state = IDLE };
    desk.jobs--;
}

void rmx_seats_owe_turn(void)
{
    desk.owes_turn = true;
}

/* Of one that is there so that nobody starves, nothing is taken. */
static bool is_whole(const struct seat *seat)
{
    return desk.owes_turn || rmx_turns_waits_above(&desk.turns, &seat->place);
}

static void run(uint32_t flow)
{
    struct seat *seat = &desk.seats[flow];
    const struct rmx_purse before = seat->purse;
    const struct rmx_turns_place place = seat->place;
    bool is_over;

    rmx_assert(seat->state == READY);
    seat->state = RUNNING;
    desk.current = flow;
    desk.busy_since_ns = now_ns();
    desk.turn_began_ns = now_ns();
    desk.turn_ends_ns = now_ns() + seat->turn_ns;
    desk.looks_from_ns = now_ns() + TURN_NS;
    desk.firm_until_ns = is_whole(seat) ? desk.looks_from_ns : now_ns() + QUIET_NS;
    desk.owes_turn = false;
    rmx_lastwords_on_core(flow);
    desk.cpu_since_ns = seat->cpu_is_limited ? cpu_ns() : 0;
    seat->purse.alone = desk.jobs == 1;
    rmx_purse_hold(&seat->purse);
    is_over = !rmx_fiber_resume(seat->fiber);
    rmx_purse_hold(NULL);
    account_cpu(flow);
    account_memory(&before, &seat->purse);
    if (is_over) {
        leave_seat(flow);
    }
    rmx_turns_charge(&desk.turns, &place, (int64_t)(desk.busy_since_ns - desk.turn_began_ns));
    rmx_lastwords_on_core(RMX_LASTWORDS_NO_FLOW);
    desk.current = NONE;
}

bool rmx_seats_run_turn(void)
{
    /* Relaxed: as it is at the turn's beginning, for a lane that wants to know how busy we are. */
    atomic_store_explicit(&desk.plan.shm->ready, desk.turns.count, memory_order_relaxed);
    uint32_t flow = rmx_turns_take(&desk.turns);

    if (flow != NONE) {
        run(flow);
    }
    desk.now_ns = 0;
    return flow != NONE;
}

/* --- the job's own --------------------------------------------------------------------------- */

uint32_t rmx_seats_current(void)
{
    return desk.current;
}

void rmx_seats_sleep(enum rmx_flow_wait what, uint64_t until_ns)
{
    uint32_t flow = desk.current;
    struct seat *seat = &desk.seats[flow];
    uint64_t wakes_ns =
        until_ns != 0 && until_ns < seat->deadline_ns ? until_ns : seat->deadline_ns;

    begin_wait(flow, what);
    seat->state = WAITING;
    rmx_alarms_set(&desk.alarms, flow, round_up(wakes_ns));
    rmx_fiber_yield();
}

/* The scheduler is to look at its mail and its clock. Unless they bring somebody who comes first,
 * the turn goes on. */
static void interrupt_turn(uint64_t now)
{
    struct seat *seat = &desk.seats[desk.current];

    seat->state = READY;
    seat->turn_ns = desk.turn_ends_ns > now ? desk.turn_ends_ns - now : 0;
    rmx_turns_add_first(&desk.turns, desk.current, &seat->place);
    rmx_fiber_yield();
}

static bool news_are_due(uint64_t now)
{
    return now >= rmx_seats_next_look_ns() || desk.plan.mail_is_due();
}

void rmx_seats_breathe(void)
{
    uint64_t now;

    if (++desk.breaths % BREATHS_PER_LOOK != 0 && !desk.plan.note_is_due()) {
        return;
    }
    now = rmx_moment_ns();
    account_busy(now);
    account_cpu(desk.current);
    if (now < desk.firm_until_ns) {
        return;
    }
    if (now >= desk.turn_ends_ns && (rmx_seats_any_ready() || news_are_due(now))) {
        make_ready(desk.current);
        rmx_fiber_yield();
    } else if (desk.plan.note_is_due() || (now >= desk.looks_from_ns && news_are_due(now))) {
        interrupt_turn(now);
    }
}

const bool *rmx_seats_late(void)
{
    return &desk.seats[desk.current].late;
}
