/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whose turn it is on a worker's core. See turns.h.
 */
#include "engine/worker/turns.h"

#include "ring/base.h"

#define NONE RMX_TURNS_NONE

static const struct rmx_turns_line empty = { .first = NONE, .last = NONE };

void rmx_turns_init(struct rmx_turns *turns)
{
    turns->urgent = empty;
    turns->count = 0;
    for (uint32_t i = 0; i < RMX_CLASSES; i++) {
        turns->classes[i].round = empty;
        turns->classes[i].lead_ns = 0;
        for (uint32_t party = 0; party < RMX_WORKER_PARTIES; party++) {
            turns->classes[i].lines[party] = empty;
        }
    }
}

/* --- lines ----------------------------------------------------------------------------------- */

static void join(struct rmx_turns_line *line, struct rmx_turns_link *links, uint32_t who)
{
    links[who] = (struct rmx_turns_link){ .before = line->last, .after = NONE };
    if (line->last == NONE) {
        line->first = who;
    } else {
        links[line->last].after = who;
    }
    line->last = who;
}

static void join_first(struct rmx_turns_line *line, struct rmx_turns_link *links, uint32_t who)
{
    links[who] = (struct rmx_turns_link){ .before = NONE, .after = line->first };
    if (line->first == NONE) {
        line->last = who;
    } else {
        links[line->first].before = who;
    }
    line->first = who;
}

static void leave(struct rmx_turns_line *line, struct rmx_turns_link *links, uint32_t who)
{
    const struct rmx_turns_link *link = &links[who];

    if (link->before == NONE) {
        line->first = link->after;
    } else {
        links[link->before].after = link->after;
    }
    if (link->after == NONE) {
        line->last = link->before;
    } else {
        links[link->after].before = link->before;
    }
}

/* --- flows ----------------------------------------------------------------------------------- */

static void join_party(struct rmx_turns *turns, uint32_t flow)
{
    uint32_t party = turns->places[flow].party;
    struct rmx_turns_class *class_ = &turns->classes[turns->places[flow].class_];

    if (class_->lines[party].first == NONE) {
        join(&class_->round, class_->links, party);
    }
    join(&class_->lines[party], turns->links, flow);
}

static void join_party_first(struct rmx_turns *turns, uint32_t flow)
{
    uint32_t party = turns->places[flow].party;
    struct rmx_turns_class *class_ = &turns->classes[turns->places[flow].class_];

    if (class_->lines[party].first != NONE) {
        leave(&class_->round, class_->links, party);
    }
    join_first(&class_->round, class_->links, party);
    join_first(&class_->lines[party], turns->links, flow);
}

static void leave_party(struct rmx_turns *turns, uint32_t flow)
{
    uint32_t party = turns->places[flow].party;
    struct rmx_turns_class *class_ = &turns->classes[turns->places[flow].class_];

    leave(&class_->lines[party], turns->links, flow);
    if (class_->lines[party].first == NONE) {
        leave(&class_->round, class_->links, party);
    }
}

static void note_place(struct rmx_turns *turns, uint32_t flow, const struct rmx_turns_place *place)
{
    rmx_assert(flow < RMX_WORKER_FLOWS_MAX && place->party < RMX_WORKER_PARTIES);
    rmx_assert((uint32_t)place->class_ < RMX_CLASSES && turns->count < RMX_WORKER_FLOWS_MAX);
    turns->places[flow] = *place;
    turns->count++;
}

void rmx_turns_add(struct rmx_turns *turns, uint32_t flow, const struct rmx_turns_place *place)
{
    note_place(turns, flow, place);
    if (place->urgent) {
        join(&turns->urgent, turns->links, flow);
    } else {
        join_party(turns, flow);
    }
}

void rmx_turns_add_first(
    struct rmx_turns *turns, uint32_t flow, const struct rmx_turns_place *place)
{
    note_place(turns, flow, place);
    if (place->urgent) {
        join_first(&turns->urgent, turns->links, flow);
    } else {
        join_party_first(turns, flow);
    }
}

void rmx_turns_hurry(struct rmx_turns *turns, uint32_t flow)
{
    rmx_assert(turns->count > 0);
    if (!turns->places[flow].urgent) {
        leave_party(turns, flow);
        turns->places[flow].urgent = true;
        join(&turns->urgent, turns->links, flow);
    }
}

/* --- whose turn it is ------------------------------------------------------------------------ */

static bool waits_below(const struct rmx_turns *turns, uint32_t class_)
{
    for (uint32_t below = class_ + 1; below < RMX_CLASSES; below++) {
        if (turns->classes[below].round.first != NONE) {
            return true;
        }
    }
    return false;
}

bool rmx_turns_waits_above(const struct rmx_turns *turns, const struct rmx_turns_place *place)
{
    bool waits = turns->urgent.first != NONE;

    for (uint32_t above = 0; above < (uint32_t)place->class_; above++) {
        waits = waits || turns->classes[above].round.first != NONE;
    }
    return waits && !place->urgent;
}

/* The highest that has jobs, unless it had its time: then the highest of those below, with the same
 * exception. */
static struct rmx_turns_class *choose_class(struct rmx_turns *turns)
{
    uint32_t class_ = 0;

    for (;; class_++) {
        struct rmx_turns_class *chosen = &turns->classes[class_];

        rmx_assert(class_ < RMX_CLASSES);
        if (chosen->round.first != NONE &&
            (chosen->lead_ns < RMX_TURNS_LEAD_NS || !waits_below(turns, class_))) {
            return chosen;
        }
    }
}

static int64_t bound(int64_t ns, int64_t least, int64_t most)
{
    ns = ns > least ? ns : least;
    return ns < most ? ns : most;
}

/* Urgent jobs are on nobody's account: they are about to end. */
void rmx_turns_charge(struct rmx_turns *turns, const struct rmx_turns_place *place, int64_t ns)
{
    struct rmx_turns_class *class_ = &turns->classes[place->class_];

    ns = bound(ns, RMX_TURNS_LEAST_NS, RMX_TURNS_LAG_MAX_NS);
    if (place->urgent) {
        return;
    }
    if (waits_below(turns, (uint32_t)place->class_)) {
        class_->lead_ns = bound(class_->lead_ns + ns, -RMX_TURNS_LAG_MAX_NS, RMX_TURNS_LEAD_MAX_NS);
    }
    for (struct rmx_turns_class *above = turns->classes; above < class_; above++) {
        above->lead_ns = bound(
            above->lead_ns - RMX_TURNS_SHARE * ns, -RMX_TURNS_LAG_MAX_NS, RMX_TURNS_LEAD_MAX_NS);
    }
}

static uint32_t take_of_class(struct rmx_turns *turns)
{
    struct rmx_turns_class *class_ = choose_class(turns);
    uint32_t party = class_->round.first;
    uint32_t flow = class_->lines[party].first;

    leave(&class_->lines[party], turns->links, flow);
    leave(&class_->round, class_->links, party);
    if (class_->lines[party].first != NONE) {
        join(&class_->round, class_->links, party);
    }
    return flow;
}

uint32_t rmx_turns_take(struct rmx_turns *turns)
{
    uint32_t flow = turns->urgent.first;

    if (turns->count == 0) {
        return NONE;
    }
    turns->count--;
    if (flow == NONE) {
        return take_of_class(turns);
    }
    leave(&turns->urgent, turns->links, flow);
    return flow;
}
