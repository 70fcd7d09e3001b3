/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What an operator asks of all lanes. See errand.h.
 */
#include "engine/errand.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>

#include "engine/lane.h"
#include "engine/operator.h"

/* Entries looked at before the lane's other work has its turn. */
#define ENTRIES_MAX 1024u

/* Errands are an operator's, and few. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void rmx_errand_open(struct rmx_lane *lane)
{
    (void)pthread_mutex_lock(&lock);
    lane->errands.open = true;
    (void)pthread_mutex_unlock(&lock);
}

/* False: that lane takes none. */
static bool put(struct rmx_lane *lane, struct rmx_errand *errand)
{
    bool open;

    (void)pthread_mutex_lock(&lock);
    open = lane->errands.open;
    if (open) {
        errand->next = lane->errands.first;
        lane->errands.first = errand;
        (void)eventfd_write(lane->control_fd, 1); /* while it is open it has one */
    }
    (void)pthread_mutex_unlock(&lock);
    return open;
}

static struct rmx_errand *take_all(struct rmx_lane *lane, bool close)
{
    struct rmx_errand *first;

    (void)pthread_mutex_lock(&lock);
    first = lane->errands.first;
    lane->errands.first = NULL;
    lane->errands.open = lane->errands.open && !close;
    (void)pthread_mutex_unlock(&lock);
    return first;
}

/* A lane that has ended takes nothing home, and has nobody to tell. */
static void go_home(struct rmx_errand *errand)
{
    errand->homeward = true;
    (void)put(errand->home, errand);
}

/* To the first lane from errand->lane on that takes it; or home. It is not ours afterwards. */
static void go_on(struct rmx_errand *errand)
{
    const struct rmx_lane *home = errand->home;

    for (; errand->lane < home->lanes_count; errand->lane++, errand->entry = 0) {
        if (put(home->lanes[errand->lane], errand)) {
            return;
        }
    }
    go_home(errand);
}

void rmx_errand_send(struct rmx_errand *errand, const struct rmx_msg_cancel_jobs *match)
{
    rmx_assert(errand->state == RMX_ERRAND_IDLE);
    errand->state = RMX_ERRAND_AWAY;
    errand->lane = 0;
    errand->entry = 0;
    errand->cancelled = 0;
    errand->cancels = match != NULL;
    errand->homeward = false;
    errand->owed = false;
    errand->page.head.count = 0;
    if (match != NULL) {
        errand->match = *match;
    }
    go_on(errand);
}

/* Looks at some of the lane's jobs. Returns whether the errand is to go home now: it has all that
 * one message holds. */
static bool visit(struct rmx_lane *lane, struct rmx_errand *errand)
{
    uint32_t *count = &errand->page.head.count;
    uint32_t jobs_max = lane->config->jobs_max;

    for (uint32_t i = 0; i < ENTRIES_MAX && errand->entry < jobs_max; i++) {
        struct rmx_flow *flow = &lane->flows[errand->entry++];

        if (errand->cancels) {
            bool told = rmx_operator_cancel(flow, &errand->match);

            errand->cancelled += told;
            if (told && lane == errand->home) {
                errand->owed = true; /* nobody else may touch it */
            }
        } else if (rmx_operator_shows(flow, &errand->page.items[*count]) &&
                   ++*count == RMX_JOBS_ITEMS_MAX) {
            return true;
        }
    }
    if (errand->entry == jobs_max) {
        errand->lane++;
        errand->entry = 0;
    }
    return false;
}

static void come_home(struct rmx_errand *errand)
{
    struct rmx_client *client = errand->client;

    errand->state = RMX_ERRAND_HOME;
    if (client->closing) {
        errand->state = RMX_ERRAND_IDLE;
        rmx_client_forget(client);
    } else {
        rmx_gate_mark_due(&errand->home->gate, client);
    }
}

void rmx_errand_serve(struct rmx_lane *lane)
{
    struct rmx_errand *errand = take_all(lane, false);

    while (errand != NULL) {
        struct rmx_errand *next = errand->next;

        if (errand->homeward) {
            come_home(errand);
        } else if (visit(lane, errand)) {
            go_home(errand);
        } else {
            go_on(errand);
        }
        errand = next;
    }
}

void rmx_errand_close(struct rmx_lane *lane)
{
    struct rmx_errand *errand = take_all(lane, true);

    while (errand != NULL) {
        struct rmx_errand *next = errand->next;

        if (!errand->homeward) {
            go_on(errand);
        }
        errand = next;
    }
}

/* --- the answer ------------------------------------------------------------------------------ */

static bool say_cancelled(const struct rmx_errand *errand)
{
    struct rmx_msg_cancel_reply reply = {
        .head = { .type = RMX_MSG_CANCEL_REPLY, .bytes = sizeof(reply) },
        .jobs = errand->cancelled,
    };

    return rmx_client_say(errand->client, &reply, sizeof(reply), NULL, 0);
}

static bool say_page(struct rmx_errand *errand)
{
    struct rmx_errand_page *page = &errand->page;
    uint32_t bytes =
        (uint32_t)(sizeof(*page) - sizeof(page->items) + page->head.count * sizeof(page->items[0]));

    page->head = (struct rmx_msg_head){
        .type = RMX_MSG_JOBS_REPLY,
        .bytes = bytes,
        .count = page->head.count,
    };
    page->last = errand->lane == errand->home->lanes_count;
    return rmx_client_say(errand->client, page, bytes, NULL, 0);
}

bool rmx_errand_say(struct rmx_errand *errand)
{
    rmx_assert(errand->state == RMX_ERRAND_HOME);
    if (!(errand->cancels ? say_cancelled(errand) : say_page(errand))) {
        return false;
    }
    if (errand->cancels || errand->page.last == 1) {
        errand->state = RMX_ERRAND_IDLE;
        return true;
    }
    errand->state = RMX_ERRAND_AWAY;
    errand->homeward = false;
    errand->page.head.count = 0;
    go_on(errand);
    return true;
}
