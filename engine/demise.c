/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A worker's death. See demise.h.
 */
#include "engine/demise.h"

#include <stdio.h>

#include "engine/flow.h"
#include "engine/lane.h"
#include "engine/log.h"
#include "engine/share.h"

/* Jobs that are tied to it and have not started have nowhere to start any more. */
static void lose_channels(struct rmx_crew *crew, struct rmx_berth *berth)
{
    struct rmx_lane *lane = crew->lane;

    for (uint32_t i = 0; i < lane->config->jobs_max && berth->shares_used > 0; i++) {
        struct rmx_flow *flow = &lane->flows[i];

        if (flow->state == RMX_FLOW_ADMITTED && flow->share != NULL &&
            flow->share->berth == berth) {
            rmx_flow_stop(flow, RMX_STATUS_WORKER_LOST, 0,
                "the worker process that had the job's channel died");
        }
    }
    for (uint32_t place = 0; place < RMX_WORKER_CHANNELS_MAX; place++) {
        rmx_share_lose(&berth->shares[place]);
    }
}

static enum rmx_replay_death how_it_died(
    const struct rmx_berth *berth, const struct rmx_last_words *words)
{
    if (berth->condemned != NULL) {
        return RMX_REPLAY_CONDEMNED;
    }
    return words->signal != 0 || words->text[0] != 0 ? RMX_REPLAY_CRASHED : RMX_REPLAY_VANISHED;
}

static void lose_jobs(struct rmx_berth *berth, const struct rmx_last_words *words)
{
    enum rmx_replay_death death = how_it_died(berth, words);
    char text[RMX_JOB_TEXT_BYTES];

    if (berth->condemned != NULL) {
        (void)snprintf(text, sizeof(text), "the worker was ended: %s", berth->condemned);
    } else {
        (void)snprintf(text, sizeof(text), "the worker process died under the job%s%.128s",
            words->text[0] != 0 ? ": " : "", words->text);
    }
    for (uint32_t i = 0; i < berth->pairs_count; i++) {
        if (berth->pairs[i].owner != NULL) {
            rmx_flow_lose(berth->pairs[i].owner, death, i == words->flow, text);
        }
    }
}

static void report(const struct rmx_crew *crew, const struct rmx_berth *berth, pid_t pid,
    const struct rmx_last_words *words)
{
    const struct rmx_flow *flow =
        words->flow < berth->pairs_count ? berth->pairs[words->flow].owner : NULL;

    rmx_log(RMX_LOG_ERROR, "worker_died", RMX_LOG_U64("lane", crew->lane->index),
        RMX_LOG_U64("worker", berth->index), RMX_LOG_I64("pid", pid),
        RMX_LOG_U64("signal", words->signal), RMX_LOG_U64("jobs", berth->used),
        RMX_LOG_U64("job", flow != NULL ? flow->spec.job : 0),
        RMX_LOG_I64(
            "client", flow != NULL && flow->client != NULL ? (int64_t)flow->client->index : -1),
        RMX_LOG_STR("last_words", words->text));
}

void rmx_demise_tell(
    struct rmx_crew *crew, struct rmx_berth *berth, pid_t pid, const struct rmx_last_words *words)
{
    if (!berth->retired) {
        rmx_stats_add(&crew->lane->stats, RMX_STATS_WORKER_DEATHS, 1);
        report(crew, berth, pid, words);
    }
    lose_jobs(berth, words);
    lose_channels(crew, berth);
}
