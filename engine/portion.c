/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A session's portion of what the workers have. See portion.h.
 */
#include "engine/portion.h"

#include "engine/client.h"
#include "engine/clock.h"
#include "engine/lane.h"

/* --- pairs ------------------------------------------------------------------------------------ */

/* A session may have so many times the pairs that are free, but for those that wait for newcomers;
 * of each `keeps` pairs of a berth, the last one is for higher classes, 0 = none is. Alone it has
 * 48 of 64; a thousand live streams of one client, whose rings are its own, fit the default of
 * 1,024 bare ones. */
static const struct {
    uint32_t times_free;
    uint32_t keeps[RMX_CLASSES];
} rules[RMX_PAIR_SIZES] = {
    [RMX_PAIR_SMALL] = { 6, { 0, 8, 4 } },
    [RMX_PAIR_BULK] = { 6, { 0, 8, 4 } },
    [RMX_PAIR_BARE] = { 64, { 0, 64, 32 } },
};

#define NEWCOMERS_MAX  8u
#define NEWCOMERS_PART 8u

/* Pairs that only sessions without one may take, and the last half only users without one. */
static uint32_t for_newcomers(uint32_t count)
{
    uint32_t part = count / NEWCOMERS_PART;

    if (part == 0) {
        return 1;
    }
    return part < NEWCOMERS_MAX ? part : NEWCOMERS_MAX;
}

/* A session's first one. It leaves only one to each higher class, not all that is theirs otherwise.
 */
static bool may_begin(
    const struct rmx_berth *berth, enum rmx_pair_size size, const struct rmx_wish *wish)
{
    uint32_t keeps = rules[size].keeps[wish->class_];
    uint32_t count = berth->geometry[size].count;
    uint32_t kept = keeps != 0 ? count / keeps : 0;
    uint32_t least = kept < wish->class_ ? kept : wish->class_;

    if (berth->users[wish->user].pairs[size] > 0 && !wish->owns) {
        least += (for_newcomers(count) + 1) / 2;
    }
    return berth->free_counts[size] > least;
}

static bool may_take(
    const struct rmx_berth *berth, enum rmx_pair_size size, const struct rmx_wish *wish)
{
    uint32_t keeps = rules[size].keeps[wish->class_];
    uint32_t count = berth->geometry[size].count;
    uint32_t kept = keeps != 0 ? count / keeps : 0;
    uint32_t left = berth->free_counts[size];
    uint32_t held = berth->held[wish->party].pairs[size];
    uint32_t newcomers = for_newcomers(count);

    if (held == 0) {
        return may_begin(berth, size, wish);
    }
    return left > kept && left > newcomers &&
           held + 1 <= rules[size].times_free * (left - newcomers);
}

enum rmx_pair_size rmx_portion_pair(const struct rmx_berth *berth, const struct rmx_wish *wish)
{
    enum rmx_pair_size other = wish->size == RMX_PAIR_SMALL ? RMX_PAIR_BULK : RMX_PAIR_SMALL;

    if (berth->spent || berth->recycle.closed) {
        return RMX_PAIR_NONE;
    }
    if (may_take(berth, wish->size, wish)) {
        return wish->size;
    }
    return wish->size != RMX_PAIR_BARE && may_take(berth, other, wish) ? other : RMX_PAIR_NONE;
}

/* --- channels --------------------------------------------------------------------------------- */

/* What one session may have of a worker: a channel in any case, more if they leave the most of its
 * memory for channels to others. */
#define IN_WORKER_MAX 2u
#define WORKER_PART   4u

/* Channels that a worker has still to unmap before it gets more. Who opens and leaves them as fast
 * as it can thus waits for the worker, and not the worker's jobs for it. */
#define CLOSING_MAX 16u

/* A session may ask so many times in so long: the library does so once for a worker. */
#define ASKS_MAX 16u
#define ASKS_NS  100000000u

/* What a client has of a worker. */
struct portion {
    uint32_t count;
    uint64_t bytes;
};

static struct portion portion_of(const struct rmx_client *client, const struct rmx_berth *berth)
{
    struct portion portion = { .count = 0 };

    for (uint32_t i = 0; i < RMX_CHANNELS_MAX; i++) {
        const struct rmx_share *share = client->channels[i].share;

        if (share != NULL && share->berth == berth) {
            portion.count++;
            portion.bytes += share->bytes;
        }
    }
    return portion;
}

static bool may_have(
    const struct rmx_client *client, const struct rmx_berth *berth, uint64_t more_bytes)
{
    struct portion portion = portion_of(client, berth);
    uint64_t most = client->lane->config->channels_bytes / WORKER_PART;

    return portion.count == 0 ||
           (portion.count < IN_WORKER_MAX && portion.bytes + more_bytes <= most);
}

bool rmx_portion_is_full(const struct rmx_client *client, uint64_t more_bytes)
{
    const struct rmx_crew *crew = &client->lane->crew;
    uint32_t i = 0;

    while (i < crew->workers && !may_have(client, &crew->berths[i], more_bytes)) {
        i++;
    }
    return i == crew->workers;
}

bool rmx_portion_asks_too_often(struct rmx_client *client)
{
    uint64_t now = rmx_clock_ns();

    if (now >= client->asks_until_ns) {
        client->asks_until_ns = now + ASKS_NS;
        client->asks = 0;
    }
    client->asks++;
    return client->asks > ASKS_MAX;
}

/* Which is to be preferred: a worker where the client has fewer channels, so that it can use them
 * all; one with fewer jobs; one with fewer channels. */
static bool suits_better(
    const struct rmx_client *client, const struct rmx_berth *berth, const struct rmx_berth *than)
{
    uint32_t here = portion_of(client, berth).count;
    uint32_t there = portion_of(client, than).count;

    if (here != there) {
        return here < there;
    }
    return berth->used != than->used ? berth->used < than->used
                                     : berth->shares_used < than->shares_used;
}

struct rmx_berth *rmx_portion_berth_for(const struct rmx_client *client, uint64_t bytes)
{
    const struct rmx_crew *crew = &client->lane->crew;
    uint64_t budget = client->lane->config->channels_bytes;
    struct rmx_berth *best = NULL;

    for (uint32_t i = 0; i < crew->workers; i++) {
        struct rmx_berth *berth = &crew->berths[i];

        if (rmx_berth_admits(berth) && berth->shares_used < crew->channels_max &&
            berth->shares_closing < CLOSING_MAX && bytes <= budget - berth->shares_bytes &&
            may_have(client, berth, bytes) && (best == NULL || suits_better(client, berth, best))) {
            best = berth;
        }
    }
    return best;
}
