/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs that wait for a row of a worker's flow table. See queue.h.
 */
#include "engine/queue.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/cell.h"
#include "engine/flow.h"
#include "engine/lane.h"
#include "engine/peer.h"
#include "engine/portion.h"
#include "engine/share.h"

/* A class that waits has one start of so many. */
#define TURN_OF_LOWER 16u

/* Places: anywhere; then for each berth those that want rings there, and those that want none. */
#define ANYWHERE        0u
#define PLACES_OF_BERTH 2u

/* Jobs that ask for more isolation wait in the two places of the first isolated berth, one for each
 * level, and go to any of these. */
static uint32_t first_isolated(const struct rmx_crew *crew)
{
    return 1 + (crew->workers + RMX_TRIALS) * PLACES_OF_BERTH;
}

static uint32_t place_of(const struct rmx_flow *flow)
{
    const struct rmx_crew *crew = &flow->lane->crew;
    bool bare = rmx_flow_wants(flow) == RMX_PAIR_BARE;

    if (flow->share != NULL) {
        return 1 + flow->share->berth->index * PLACES_OF_BERTH + (bare ? 1 : 0);
    }
    if (flow->alone) {
        return 1 + crew->workers * PLACES_OF_BERTH;
    }
    if (flow->isolation != RMX_ISOLATION_SHARED) {
        return first_isolated(crew) + flow->isolation - RMX_ISOLATION_CLIENT;
    }
    return ANYWHERE;
}

/* --- in and out ------------------------------------------------------------------------------- */

int rmx_queue_init(struct rmx_queue *queue, uint32_t parties, uint32_t berths)
{
    uint32_t places = 1 + berths * PLACES_OF_BERTH;
    size_t lines = (size_t)parties * RMX_CLASSES;

    *queue = (struct rmx_queue){
        .lines = calloc(lines, sizeof(*queue->lines)),
        .lists = calloc(lines * places, sizeof(*queue->lists)),
        .waiting = calloc((size_t)places * RMX_CLASSES, sizeof(*queue->waiting)),
        .parties = parties,
        .places = places,
    };
    if (queue->lines == NULL || queue->lists == NULL || queue->waiting == NULL) {
        rmx_queue_fini(queue);
        return -ENOMEM;
    }
    for (size_t i = 0; i < lines; i++) {
        queue->lines[i].places = queue->lists + i * places;
    }
    for (uint32_t i = 0; i < RMX_CLASSES; i++) {
        queue->classes[i].lines = queue->lines + (size_t)i * parties;
        queue->classes[i].waiting = queue->waiting + (size_t)i * places;
    }
    return 0;
}

void rmx_queue_fini(struct rmx_queue *queue)
{
    free(queue->lines);
    free(queue->lists);
    free(queue->waiting);
    *queue = (struct rmx_queue){ .lines = NULL };
}

/* Puts a line behind all others of its class. */
static void line_up(struct rmx_queue_class *of, struct rmx_queue_line *line)
{
    line->next = NULL;
    line->before = of->last;
    if (of->last != NULL) {
        of->last->next = line;
    } else {
        of->first = line;
    }
    of->last = line;
}

static void step_out(struct rmx_queue_class *of, struct rmx_queue_line *line)
{
    *(line->before != NULL ? &line->before->next : &of->first) = line->next;
    *(line->next != NULL ? &line->next->before : &of->last) = line->before;
}

void rmx_queue_push(struct rmx_queue *queue, struct rmx_flow *flow)
{
    struct rmx_queue_class *of = &queue->classes[flow->spec.class_];
    struct rmx_queue_line *line = &of->lines[flow->party];
    uint32_t place = place_of(flow);

    rmx_assert(flow->party < queue->parties && place < queue->places);
    if (flow->order == 0) {
        flow->order = ++queue->pushed;
        rmx_flow_list_push(&line->places[place], flow);
    } else { /* it was here before, and its worker died */
        rmx_flow_list_insert(&line->places[place], flow);
    }
    if (line->count == 0) {
        line_up(of, line);
    }
    line->count++;
    of->waiting[place]++;
    of->count++;
    queue->count++;
}

void rmx_queue_remove(struct rmx_queue *queue, struct rmx_flow *flow)
{
    struct rmx_queue_class *of = &queue->classes[flow->spec.class_];
    struct rmx_queue_line *line = &of->lines[flow->party];
    uint32_t place = place_of(flow);

    rmx_assert(line->count > 0 && of->waiting[place] > 0 && queue->count >= of->count);
    rmx_flow_list_remove(&line->places[place], flow);
    line->count--;
    if (line->count == 0) {
        step_out(of, line);
    }
    of->waiting[place]--;
    of->count--;
    queue->count--;
}

/* --- which comes next ------------------------------------------------------------------------- */

/* Jobs there that have their turns before one of this class, or with it. */
static uint32_t rivals(const struct rmx_berth *berth, uint32_t class_)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i <= class_; i++) {
        count += berth->used_by[i];
    }
    return count;
}

/* Which has fewer rivals, or fewer jobs? Negative: the first; 0: neither. */
static int compare(const struct rmx_berth *berth, const struct rmx_berth *other, uint32_t class_)
{
    uint32_t here = rivals(berth, class_);
    uint32_t there = rivals(other, class_);

    if (here == there) {
        here = berth->used;
        there = other->used;
    }
    return (here > there) - (here < there);
}

/* The worker's for a job that may go to any: the one with the fewest rivals, then with the fewest
 * jobs; the wanted size decides between equals. NULL: it can have a pair in none now. */
static struct rmx_berth *any_berth_for(struct rmx_crew *crew, const struct rmx_wish *wish)
{
    struct rmx_berth *best = NULL;
    bool fits = false;

    for (uint32_t i = 0; i < crew->workers; i++) {
        struct rmx_berth *berth = &crew->berths[i];
        enum rmx_pair_size size = berth->open ? rmx_portion_pair(berth, wish) : RMX_PAIR_NONE;
        int order = best != NULL ? compare(berth, best, wish->class_) : -1;

        if (size != RMX_PAIR_NONE && (order < 0 || (order == 0 && !fits))) {
            best = berth;
            fits = size == wish->size;
        }
    }
    return best;
}

/* Where a job of this place can start now; NULL: nowhere. */
static struct rmx_berth *berth_for(
    struct rmx_crew *crew, uint32_t place, const struct rmx_wish *wish)
{
    struct rmx_berth *berth;

    if (place == ANYWHERE) {
        return any_berth_for(crew, wish);
    }
    if (place >= first_isolated(crew)) {
        return rmx_cell_isolated_for(
            crew, wish, RMX_ISOLATION_CLIENT + place - first_isolated(crew));
    }
    berth = &crew->berths[(place - 1) / PLACES_OF_BERTH];
    return berth->open && rmx_portion_pair(berth, wish) != RMX_PAIR_NONE ? berth : NULL;
}

/* Is there a place with jobs of the class and with a pair? Else nobody needs to be asked. */
static bool could_start(
    const struct rmx_queue *queue, uint32_t index, struct rmx_crew *crew, struct rmx_wish wish)
{
    const struct rmx_queue_class *of = &queue->classes[index];

    wish.party = RMX_PARTY_NOBODY;
    wish.user = RMX_USER_NOBODY;
    for (uint32_t place = 0; place < queue->places && of->count > 0; place++) {
        bool bare = place != ANYWHERE && place % PLACES_OF_BERTH == 0;

        wish.size = bare ? RMX_PAIR_BARE : RMX_PAIR_SMALL;
        if (of->waiting[place] > 0 &&
            (place >= first_isolated(crew) || berth_for(crew, place, &wish) != NULL)) {
            return true; /* of those isolated each has to be asked: they are few */
        }
    }
    return false;
}

/* The job of a line that came first, of those that can start. */
static struct rmx_flow *first_of(const struct rmx_queue *queue, const struct rmx_queue_line *line,
    struct rmx_crew *crew, struct rmx_wish *wish, struct rmx_berth **berth)
{
    struct rmx_flow *first = NULL;

    for (uint32_t place = 0; place < queue->places; place++) {
        struct rmx_flow *flow = line->places[place].first;
        struct rmx_berth *at;

        if (flow == NULL || (first != NULL && first->order < flow->order)) {
            continue;
        }
        wish->party = flow->party;
        wish->user = flow->peer->index;
        wish->owns = flow->peer->owns;
        wish->size = rmx_flow_wants(flow);
        at = berth_for(crew, place, wish);
        if (at != NULL) {
            first = flow;
            *berth = at;
        }
    }
    if (first != NULL) {
        wish->size = rmx_flow_wants(first);
    }
    return first;
}

/* A start of a class: those below it that wait have been passed once more. */
static void count_start(struct rmx_queue *queue, uint32_t class_)
{
    queue->started++;
    queue->classes[class_].passed = 0;
    for (uint32_t lower = class_ + 1; lower < RMX_CLASSES; lower++) {
        struct rmx_queue_class *of = &queue->classes[lower];

        of->passed = of->count > 0 ? of->passed + 1 : 0;
    }
}

/* Starts one of the class, for which as much is to be had as for class `as`. */
static struct rmx_flow *start_of(struct rmx_queue *queue, struct rmx_crew *crew, uint32_t class_,
    uint32_t as, struct rmx_berth **berth, struct rmx_pair **pair)
{
    struct rmx_queue_class *of = &queue->classes[class_];
    struct rmx_wish wish = { .class_ = as };
    struct rmx_queue_line *line = could_start(queue, class_, crew, wish) ? of->first : NULL;
    struct rmx_flow *flow = NULL;

    while (line != NULL && flow == NULL) {
        flow = first_of(queue, line, crew, &wish, berth);
        line = flow == NULL ? line->next : line;
    }
    if (flow == NULL) {
        return NULL;
    }
    rmx_queue_remove(queue, flow);
    if (line->count > 0) { /* others before it again */
        step_out(of, line);
        line_up(of, line);
    }
    count_start(queue, class_);
    *pair = rmx_berth_take(*berth, rmx_portion_pair(*berth, &wish), flow->peer->index, flow->party,
        flow->spec.class_, flow);
    return flow;
}

struct rmx_flow *rmx_queue_next(struct rmx_queue *queue, struct rmx_crew *crew,
    struct rmx_berth **berth, struct rmx_pair **pair)
{
    struct rmx_flow *flow = NULL;

    for (uint32_t i = RMX_CLASSES - 1; i > 0 && flow == NULL && queue->count > 0; i--) {
        if (queue->classes[i].passed >= TURN_OF_LOWER - 1) {
            flow = start_of(queue, crew, i, RMX_CLASS_CRITICAL, berth, pair);
        }
    }
    for (uint32_t i = 0; i < RMX_CLASSES && flow == NULL && queue->count > 0; i++) {
        flow = start_of(queue, crew, i, i, berth, pair);
    }
    return flow;
}
