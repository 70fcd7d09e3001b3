/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Operators. See operator.h.
 */
#include "engine/operator.h"

#include <string.h>

#include "engine/clock.h"
#include "engine/lane.h"
#include "engine/log.h"

bool rmx_operator_come(struct rmx_client *client)
{
    struct rmx_gate *gate = &client->lane->gate;

    for (uint32_t i = 0; i < RMX_OPERATORS_MAX; i++) {
        struct rmx_errand *errand = &gate->errands[i];

        if (errand->client == NULL) {
            errand->client = client;
            errand->home = client->lane;
            client->errand = errand;
            return true;
        }
    }
    return false;
}

void rmx_operator_go(struct rmx_client *client)
{
    rmx_assert(client->errand->state != RMX_ERRAND_AWAY);
    client->errand->state = RMX_ERRAND_IDLE;
    client->errand->client = NULL;
    client->errand = NULL;
}

void rmx_operator_ask(struct rmx_client *client, const struct rmx_msg_cancel_jobs *match)
{
    if (match != NULL) {
        rmx_log(RMX_LOG_INFO, "operator_cancels", RMX_LOG_I64("pid", client->pid),
            RMX_LOG_U64("uid", client->uid), RMX_LOG_U64("session", match->session),
            RMX_LOG_U64("job", match->job), RMX_LOG_STR("group", match->group),
            RMX_LOG_U64("all", match->all));
    }
    rmx_errand_send(client->errand, match);
}

/* Is it in hand, and somebody's? */
static bool is_live(const struct rmx_flow *flow)
{
    return flow->client != NULL && flow->state != RMX_FLOW_FREE && flow->state != RMX_FLOW_ENDED;
}

static uint16_t shown_state(const struct rmx_flow *flow)
{
    switch (flow->state) {
    case RMX_FLOW_RUNNING:
        return RMX_JOB_RUNNING;
    case RMX_FLOW_DRAINING:
        return RMX_JOB_DRAINING;
    default:
        return flow->place == RMX_FLOW_NOWHERE ? RMX_JOB_WAITING : RMX_JOB_QUEUED;
    }
}

static uint64_t left_ns(const struct rmx_flow *flow, uint64_t now)
{
    uint64_t deadline_ns = flow->spec.deadline_ns;

    if (deadline_ns == 0) {
        return UINT64_MAX;
    }
    return deadline_ns > now ? deadline_ns - now : 0;
}

bool rmx_operator_shows(const struct rmx_flow *flow, struct rmx_jobs_item *item)
{
    uint64_t now = rmx_clock_ns();

    if (!is_live(flow)) {
        return false;
    }
    *item = (struct rmx_jobs_item){
        .session = flow->client->session,
        .pid = flow->client->pid,
        .uid = flow->client->uid,
        .state = shown_state(flow),
        .class_ = flow->spec.class_,
        .job = flow->spec.job,
        .age_ns = now - flow->times.submitted_ns,
        .left_ns = left_ns(flow, now),
        .bytes_in = flow->feed.files.file == flow->ports.input ? flow->feed.bytes : 0,
        .bytes_out = flow->drain.to.files.file == flow->ports.output ? flow->drain.bytes : 0,
    };
    memcpy(item->format, flow->spec.format, sizeof(item->format));
    memcpy(item->traceparent, flow->spec.traceparent, sizeof(item->traceparent));
    if (flow->group != NULL) {
        memcpy(item->group, flow->group->name, sizeof(item->group));
    }
    return true;
}

static bool matches(const struct rmx_flow *flow, const struct rmx_msg_cancel_jobs *match)
{
    const char *group = flow->group != NULL ? flow->group->name : "";

    return match->all == 1 || ((match->session == 0 || match->session == flow->client->session) &&
                                  (match->job == 0 || match->job == flow->spec.job) &&
                                  (match->group[0] == 0 || strcmp(match->group, group) == 0));
}

bool rmx_operator_cancel(struct rmx_flow *flow, const struct rmx_msg_cancel_jobs *match)
{
    if (!is_live(flow) || flow->stop != 0 || flow->lost || !matches(flow, match)) {
        return false;
    }
    rmx_flow_stop(flow, RMX_STATUS_CANCELLED, 0, "cancelled by the operator");
    rmx_stats_add(&flow->lane->stats, RMX_STATS_OPERATOR_CANCELS, 1);
    return true;
}
