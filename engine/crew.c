/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A lane's workers. See crew.h.
 */
#include "engine/crew.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "engine/cage.h"
#include "engine/cell.h"
#include "engine/clock.h"
#include "engine/demise.h"
#include "engine/flow.h"
#include "engine/lane.h"
#include "engine/log.h"
#include "engine/pass.h"
#include "engine/ration.h"
#include "engine/share.h"
#include "engine/turnover.h"

/* Notes taken from one worker before the others get their turn. */
#define NOTES_MAX 256

/* Between two looks of the watchdog. */
#define WATCH_NS 500000000u

void rmx_crew_retire(struct rmx_crew *crew, struct rmx_berth *berth)
{
    berth->retired = true;
    berth->open = false;
    rmx_warden_kill(&crew->warden, berth->index);
}

/* Jobs whose answer came before the worker died have still to be written: that takes as long as
 * their readers like, and needs no worker. But in a berth that is not shared the next worker is
 * another client's, and must not see them. */
static bool is_deserted(const struct rmx_crew *crew, const struct rmx_berth *berth)
{
    uint32_t needed = berth->used;

    for (uint32_t i = 0; berth->index < crew->workers && i < berth->pairs_count && needed > 0;
         i++) {
        const struct rmx_flow *flow = berth->pairs[i].owner;

        if (flow != NULL && !flow->lost && flow->answered) {
            needed--;
        }
    }
    return needed == 0;
}

void rmx_crew_refill(struct rmx_crew *crew)
{
    for (uint32_t i = 0; i < crew->count; i++) {
        struct rmx_berth *berth = &crew->berths[i];

        if (berth->vacant && is_deserted(crew, berth)) {
            rmx_berth_reset(berth);
            rmx_warden_refill(&crew->warden, i);
        } else if (berth->open && berth->spent && berth->used == 0) {
            rmx_crew_retire(crew, berth);
        }
    }
}

void rmx_crew_condemn(struct rmx_crew *crew, struct rmx_berth *berth, const char *why)
{
    if (!berth->open) { /* it is dead, or as good as dead */
        return;
    }
    rmx_log(RMX_LOG_ERROR, "worker_condemned", RMX_LOG_U64("lane", crew->lane->index),
        RMX_LOG_U64("worker", berth->index), RMX_LOG_STR("why", why));
    berth->condemned = why;
    berth->open = false;
    rmx_warden_kill(&crew->warden, berth->index);
}

static bool is_for_later(int error)
{
    return error == -EAGAIN || error == -ETOOMANYREFS || error == -ENOMEM || error == -ENOBUFS;
}

int rmx_crew_tell(struct rmx_crew *crew, struct rmx_berth *berth,
    const struct rmx_lane_msg *message, const int *fds, int fds_count)
{
    int error = rmx_warden_tell(&crew->warden, berth->index, message, fds, fds_count);

    if (is_for_later(error)) {
        return -EAGAIN;
    }
    error = error < 0 ? error : rmx_berth_post(berth, RMX_NOTE_CTL, 0);
    if (error < 0) {
        rmx_crew_condemn(crew, berth, "it cannot be told of a channel");
        return error;
    }
    rmx_stats_add(&crew->lane->stats, RMX_STATS_WAKES_SENT, (uint64_t)error);
    return 0;
}

void rmx_crew_tend(struct rmx_crew *crew)
{
    for (uint32_t i = 0; i < crew->count; i++) {
        if (crew->berths[i].unshares_due > 0) {
            rmx_share_tend(&crew->berths[i], crew);
        }
    }
    rmx_turnover_tend(crew);
}

/* One that is tried goes where there is room. */
static uint32_t cpu_of(const struct rmx_crew *crew, uint32_t index)
{
    const struct rmx_lane *lane = crew->lane;

    return index < crew->workers ? lane->plan->worker[lane->place->worker_first + index].cpu
                                 : RMX_PLAN_NONE;
}

/* Where a worker and the lane want the same core, the lane has it soon: it does little at a time,
 * and all jobs wait for it. */
static void worker_born(void *owner, pid_t pid)
{
    const struct rmx_lane *lane = ((const struct rmx_crew *)owner)->lane;
    int nice_value = lane->nice_value + (int)lane->config->worker_nice;

    if (setpriority(PRIO_PROCESS, (id_t)pid, nice_value) < 0) {
        rmx_log(
            RMX_LOG_WARN, "worker_not_nice", RMX_LOG_I64("pid", pid), RMX_LOG_ERRNO("why", errno));
    }
}

/* What the log calls the worker that is ready. */
static const char *role_of(const struct rmx_crew *crew, uint32_t index)
{
    if (index < crew->workers) {
        return "worker_ready";
    }
    return index < crew->workers + RMX_TRIALS ? "trial_ready" : "isolated_ready";
}

static void worker_ready(void *owner, uint32_t index, pid_t pid)
{
    struct rmx_crew *crew = owner;
    struct rmx_lane *lane = crew->lane;
    uint32_t cpu = cpu_of(crew, index);
    int error = cpu == RMX_PLAN_NONE ? 0 : rmx_topology_bind_process(lane->topology, pid, cpu);
    bool all = true;

    if (!rmx_cage_accept(lane, crew->warden.nursery.lacks, crew->warden.nursery.lacks_error)) {
        return;
    }
    if (error < 0) {
        rmx_log(RMX_LOG_WARN, "worker_not_pinned", RMX_LOG_U64("worker", index),
            RMX_LOG_U64("cpu", cpu), RMX_LOG_ERRNO("why", error));
    }
    rmx_stats_add(&lane->stats, RMX_STATS_WORKER_STARTS, 1);
    rmx_log(RMX_LOG_INFO, role_of(crew, index), RMX_LOG_U64("lane", lane->index),
        RMX_LOG_U64("worker", index), RMX_LOG_I64("pid", pid),
        RMX_LOG_I64("cpu", cpu == RMX_PLAN_NONE ? -1 : (int64_t)cpu));
    crew->berths[index].open = true;
    crew->berths[index].pid = pid;
    crew->berths[index].watchdog = (struct rmx_watchdog){ 0 };
    for (uint32_t i = 0; i < crew->workers; i++) {
        all = all && crew->berths[i].open;
    }
    if (all) {
        rmx_lane_report_ready(lane);
    }
    rmx_lane_dispatch(lane);
}

static void worker_died(void *owner, uint32_t index, pid_t pid, const struct rmx_last_words *words)
{
    struct rmx_crew *crew = owner;
    struct rmx_berth *berth = &crew->berths[index];

    rmx_cage_count(crew->lane, berth);
    berth->open = false;
    rmx_demise_tell(crew, berth, pid, words);
    berth->vacant = true; /* only now: a job that ends would let the next worker in */
    rmx_lane_dispatch(crew->lane);
}

static void hopeless(void *owner)
{
    struct rmx_crew *crew = owner;

    rmx_lane_fail(crew->lane, -ECHILD,
        "ringmux-worker ends before it can serve, or cannot be started: `ringmux-worker "
        "--selftest` and `ulimit -n` may say why");
}

/* --- notes ------------------------------------------------------------------------------------ */

/* Acts on one note. False: it makes no sense. */
static bool take_note(struct rmx_berth *berth, const struct rmx_note *note)
{
    if (note->kind == RMX_NOTE_UNSHARED) {
        return rmx_share_unshared(berth, note->flow);
    }
    if (note->flow >= berth->pairs_count || berth->pairs[note->flow].owner == NULL) {
        return false;
    }
    rmx_pass_note(berth->pairs[note->flow].owner, note->kind);
    return true;
}

static bool take_notes(struct rmx_crew *crew, struct rmx_berth *berth)
{
    for (int i = 0; i < NOTES_MAX && berth->open; i++) {
        struct rmx_note note;
        int taken = rmx_mail_take(&berth->to_lane, &note);

        if (taken == 0) {
            return i > 0;
        }
        berth->notes++;
        if (taken < 0 || !take_note(berth, &note)) {
            rmx_crew_condemn(crew, berth, "it sent a note about no job");
            break;
        }
    }
    return berth->open;
}

bool rmx_crew_take_notes(struct rmx_crew *crew)
{
    bool worked = false;

    for (uint32_t i = 0; i < crew->count; i++) {
        worked = take_notes(crew, &crew->berths[i]) || worked;
    }
    return worked;
}

static void watch(const struct rmx_crew *crew, struct rmx_berth *berth)
{
    /* Relaxed, and its own word on itself: if it lies, it lies about its own jobs. */
    const struct rmx_last_words_shm *words = &berth->shm->last_words;
    uint32_t flow = atomic_load_explicit(&words->flow, memory_order_relaxed);
    uint32_t moves = atomic_load_explicit(&words->moves, memory_order_relaxed);
    uint64_t cpu_ns = rmx_watchdog_cpu_ns(berth->pid);

    if (rmx_watchdog_look(&berth->watchdog, flow, berth->notes + moves, cpu_ns,
            crew->lane->config->silent_cpu_ns) &&
        flow < berth->pairs_count && berth->pairs[flow].owner != NULL) {
        rmx_flow_stop(berth->pairs[flow].owner, RMX_STATUS_OVER_LIMIT, 0,
            "it computed for longer than silent_cpu allows without reading or writing a byte");
    }
}

void rmx_crew_watch(struct rmx_crew *crew)
{
    uint64_t now = rmx_clock_ns();

    if (now < crew->watch_ns) {
        return;
    }
    crew->watch_ns = now + WATCH_NS;
    for (uint32_t i = 0; i < crew->count; i++) {
        if (crew->berths[i].open && crew->berths[i].used > 0) {
            watch(crew, &crew->berths[i]);
            rmx_ration_look(&crew->berths[i], crew->lane->config->job_cpu_ns);
        }
        if (crew->berths[i].open) {
            rmx_cage_count(crew->lane, &crew->berths[i]);
        }
    }
    rmx_cell_watch(crew->lane, now);
    rmx_turnover_measure(crew);
}

bool rmx_crew_may_sleep(struct rmx_crew *crew)
{
    bool quiet = true;

    for (uint32_t i = 0; i < crew->count; i++) {
        struct rmx_berth *berth = &crew->berths[i];

        if (berth->open) {
            rmx_bell_arm(&berth->lane_bell);
            berth->armed = true;
            quiet = rmx_ring_consumer_ask(&berth->to_lane.ring) && quiet;
        }
    }
    return quiet;
}

void rmx_crew_wake(struct rmx_crew *crew)
{
    for (uint32_t i = 0; i < crew->count; i++) {
        rmx_berth_wake(&crew->berths[i]);
    }
}

static struct rmx_berth *berth_of(struct rmx_crew *crew, const struct rmx_op *bell_op)
{
    uint32_t i = 0;

    while (&crew->berths[i].bell_op != bell_op) {
        i++;
        rmx_assert(i < crew->count);
    }
    return &crew->berths[i];
}

static void bell_rang(struct rmx_op *op, int events)
{
    struct rmx_crew *crew = op->owner;
    struct rmx_berth *berth = berth_of(crew, op);

    (void)events; /* if it could not be waited for: it may have rung */
    rmx_stats_add(&crew->lane->stats, RMX_STATS_WAKES_HEARD, 1);
    (void)rmx_bell_hear(&berth->lane_bell);
    if (!op->busy) {
        rmx_loop_poll_always(&crew->lane->loop, op, berth->lane_bell.fd, POLLIN);
    }
}

/* --- the beginning ---------------------------------------------------------------------------- */

/* Puts the arena on the lane's node. A machine that does not let us is only slower. */
static void place(const struct rmx_lane *lane, const struct rmx_berth *berth)
{
    uint32_t node = lane->place->node;
    int error;

    if (node == RMX_PLAN_NONE) {
        return;
    }
    error = rmx_topology_bind_memory(lane->topology, berth->arena.base, berth->arena.size, node);
    if (error == 0 && rmx_topology_memory_is_on(
                          lane->topology, berth->arena.base, berth->arena.size, node) == 0) {
        rmx_log(RMX_LOG_WARN, "arena_elsewhere", RMX_LOG_U64("node", node),
            RMX_LOG_STR("why", "some of its pages lie on other nodes: has this one room?"));
    } else if (error < 0) {
        rmx_log(RMX_LOG_WARN, "arena_not_bound", RMX_LOG_U64("node", node),
            RMX_LOG_ERRNO("why", error));
    }
}

static void report_huge_pages(const struct rmx_lane *lane, const struct rmx_berth *berth)
{
    uint64_t got;

    if (!lane->config->huge_pages) {
        return;
    }
    got = rmx_region_huge_bytes(&berth->arena);
    rmx_log(got == berth->arena.size ? RMX_LOG_INFO : RMX_LOG_WARN, "huge_pages",
        RMX_LOG_U64("worker", berth->index), RMX_LOG_U64("asked_bytes", berth->arena.size),
        RMX_LOG_U64("got_bytes", got));
}

/* The memory is there already; what is saved is a page fault at each page's first use. And only
 * pages that are mapped can be moved to a node, looked for there, or counted as huge. */
static void prefault(const struct rmx_lane *lane, struct rmx_berth *berth)
{
    const struct rmx_config *config = lane->config;
    bool placed = lane->topology->nodes > 1 && lane->place->node != RMX_PLAN_NONE;
    bool needed = config->prefault || config->huge_pages || placed;
    int error = needed ? rmx_region_prefault(&berth->arena) : 0;

    berth->prefault = config->prefault && error == 0 ? rmx_berth_ringed(berth) : 0;
    if (error < 0) {
        rmx_log(RMX_LOG_WARN, "not_prefaulted", RMX_LOG_U64("worker", berth->index),
            RMX_LOG_ERRNO("why", error));
    }
}

/* A map of pages for each of the berth's shares. */
static void give_claims(struct rmx_crew *crew, struct rmx_berth *berth)
{
    size_t words = rmx_share_claims(crew->lane->config->channel_bytes);
    uint64_t *claims = crew->claims + words * RMX_WORKER_CHANNELS_MAX * berth->index;

    for (uint32_t i = 0; i < RMX_WORKER_CHANNELS_MAX; i++) {
        berth->shares[i].claims = claims + i * words;
    }
}

static int make_berth(
    struct rmx_crew *crew, uint32_t index, const struct rmx_pair_geometry geometry[RMX_PAIR_SIZES])
{
    struct rmx_lane *lane = crew->lane;
    struct rmx_berth *berth = &crew->berths[index];
    int error = rmx_berth_init(berth, index, geometry, lane->config->huge_pages);

    if (error < 0) {
        return error;
    }
    crew->count++;
    if (index < crew->workers) { /* others have no channels */
        give_claims(crew, berth);
    }
    prefault(lane, berth);
    place(lane, berth);
    report_huge_pages(lane, berth);
    berth->bell_op = (struct rmx_op){ .done = bell_rang, .owner = crew };
    rmx_loop_poll_always(&lane->loop, &berth->bell_op, berth->lane_bell.fd, POLLIN);
    return 0;
}

static int make_berths(struct rmx_crew *crew)
{
    const struct rmx_config *config = crew->lane->config;
    const struct rmx_pair_geometry geometry[RMX_PAIR_SIZES] = {
        [RMX_PAIR_SMALL] = {
            .count = config->flows_small,
            .slots = (uint32_t)(config->ring_small_bytes / config->chunk_small_bytes),
            .chunk_bytes = (uint32_t)config->chunk_small_bytes,
        },
        [RMX_PAIR_BULK] = {
            .count = config->flows_bulk,
            .slots = (uint32_t)(config->ring_bulk_bytes / config->chunk_bulk_bytes),
            .chunk_bytes = (uint32_t)config->chunk_bulk_bytes,
        },
        [RMX_PAIR_BARE] = { .count = config->flows_ring },
    };
    struct rmx_pair_geometry few[RMX_PAIR_SIZES];
    uint32_t count = crew->workers + RMX_TRIALS + crew->isolated;
    int error = 0;

    crew->berths = calloc(count, sizeof(*crew->berths));
    crew->claims =
        calloc(rmx_share_claims(config->channel_bytes) * RMX_WORKER_CHANNELS_MAX * crew->workers,
            sizeof(*crew->claims));
    if (crew->berths == NULL || crew->claims == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count && error == 0; i++) {
        rmx_cell_geometry(few, geometry, i == crew->workers);
        error = make_berth(crew, i, i < crew->workers ? geometry : few);
    }
    return error;
}

/* A worker's descriptors are limited as ours are. */
static uint32_t channels_max(void)
{
    struct rlimit limit;
    rlim_t most;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max < RMX_WORKER_FDS) {
        return 0;
    }
    most = (limit.rlim_max - RMX_WORKER_FDS) / RMX_CHANNEL_FDS;
    return most < RMX_WORKER_CHANNELS_MAX ? (uint32_t)most : RMX_WORKER_CHANNELS_MAX;
}

int rmx_crew_start(struct rmx_crew *crew, struct rmx_lane *lane, const char **why)
{
    struct rmx_warden_plan plan = {
        .program = lane->config->worker_program,
        .alloc_max_bytes = lane->config->alloc_max_bytes,
        .limits = { lane->config->worker_memory_bytes, lane->config->channels_bytes },
        .spin_ns = lane->spin_ns,
        .owner = crew,
        .on_born = worker_born,
        .on_ready = worker_ready,
        .on_death = worker_died,
        .on_hopeless = hopeless,
    };
    int error;

    *crew = (struct rmx_crew){
        .lane = lane,
        .workers = lane->place->workers,
        .isolated = lane->config->isolated_workers,
        .channels_max = channels_max(),
    };
    error = make_berths(crew);
    if (error < 0) {
        *why = "no memory for the workers' arenas: lower flows_small, flows_bulk, flows_ring or "
               "workers";
        return error;
    }
    plan.berths = crew->berths;
    plan.berths_count = crew->count;
    error = rmx_warden_start(&crew->warden, &lane->loop, &plan);
    if (error < 0) {
        *why = "ringmux-worker cannot be started: put it beside ringmuxd, or name it with "
               "worker_program";
    }
    return error;
}

void rmx_crew_fini(struct rmx_crew *crew)
{
    rmx_warden_fini(&crew->warden);
    for (uint32_t i = 0; i < crew->count; i++) {
        rmx_berth_fini(&crew->berths[i]);
    }
    free(crew->berths);
    free(crew->claims);
}
