/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The shape of every message (see shape.h). Runs in the client and in the daemon; must never do
 * I/O, nor use a byte of a message before it was checked.
 */
#include "ipc/shape.h"

#include <string.h>

#include "ipc/channel.h"
#include "ipc/status.h"
#include "ipc/wire.h"

typedef bool check_message(const unsigned char *message, uint32_t count);

struct shape {
    uint32_t bytes; /* without items; 0 = no type */
    uint32_t item_bytes;
    uint32_t items_min;
    uint32_t items_max; /* 0 = carries none */
    uint32_t fds;
    check_message *check; /* of its fields; NULL = any will do */
};

static check_message check_hello, check_welcome, check_done, check_credit, check_goodbye;
static check_message check_channel, check_channel_opened, check_channel_lost;
static check_message check_group, check_group_name, check_group_done;
static check_message check_cancel_jobs, check_jobs_reply, check_handover_reply;

#define OF(message) sizeof(struct rmx_msg_##message)
#define SPEC        sizeof(struct rmx_job_spec)
#define ITEM        sizeof(struct rmx_done_item)
#define VALUE       sizeof(uint64_t)
#define SHOWN       sizeof(struct rmx_jobs_item)
#define JOBS        RMX_SUBMIT_JOBS_MAX
#define ENDS        RMX_DONE_JOBS_MAX
#define ROWS        RMX_STATS_VALUES_MAX
#define PAGE        RMX_JOBS_ITEMS_MAX
#define SUM         UINT32_MAX       /* of the descriptors the specs name */
#define BELLS       (UINT32_MAX - 1) /* those of an opened channel, if it is */
#define SOCKET      (UINT32_MAX - 2) /* the one that is handed over, if it is */

#define CREDITS_PER_END_MAX 2u

/* Columns as in struct shape. */
/* clang-format off */
static const struct shape shapes[RMX_MSG_TYPES] = {
    [RMX_MSG_HELLO]          = { OF(hello),          0,     0, 0,    0,      check_hello },
    [RMX_MSG_SUBMIT]         = { OF(submit),         SPEC,  1, JOBS, SUM,    NULL },
    [RMX_MSG_CANCEL]         = { OF(cancel),         0,     0, 0,    0,      NULL },
    [RMX_MSG_PING]           = { OF(ping),           0,     0, 0,    0,      NULL },
    [RMX_MSG_STATS]          = { OF(head),           0,     0, 0,    0,      NULL },
    [RMX_MSG_WELCOME]        = { OF(welcome),        0,     0, 0,    1,      check_welcome },
    [RMX_MSG_DONE]           = { OF(done),           ITEM,  1, ENDS, 0,      check_done },
    [RMX_MSG_CREDIT]         = { OF(credit),         0,     0, 0,    0,      check_credit },
    [RMX_MSG_PONG]           = { OF(ping),           0,     0, 0,    0,      NULL },
    [RMX_MSG_STATS_REPLY]    = { OF(head),           VALUE, 1, ROWS, 0,      NULL },
    [RMX_MSG_GOODBYE]        = { OF(goodbye),        0,     0, 0,    0,      check_goodbye },
    [RMX_MSG_CHANNEL]        = { OF(channel),        0,     0, 0,    1,      check_channel },
    [RMX_MSG_CHANNEL_OPENED] = { OF(channel_opened), 0,     0, 0,    BELLS,  check_channel_opened },
    [RMX_MSG_CHANNEL_LOST]   = { OF(channel_lost),   0,     0, 0,    0,      check_channel_lost },
    [RMX_MSG_GROUP]          = { OF(group),          0,     0, 0,    0,      check_group },
    [RMX_MSG_GROUP_CLOSE]    = { OF(group_name),     0,     0, 0,    0,      check_group_name },
    [RMX_MSG_GROUP_CANCEL]   = { OF(group_name),     0,     0, 0,    0,      check_group_name },
    [RMX_MSG_GROUP_DONE]     = { OF(group_done),     0,     0, 0,    0,      check_group_done },
    [RMX_MSG_JOBS]           = { OF(head),           0,     0, 0,    0,      NULL },
    [RMX_MSG_CANCEL_JOBS]    = { OF(cancel_jobs),    0,     0, 0,    0,      check_cancel_jobs },
    [RMX_MSG_HANDOVER]       = { OF(head),           0,     0, 0,    0,      NULL },
    [RMX_MSG_JOBS_REPLY]     = { OF(jobs_reply),     SHOWN, 0, PAGE, 0,      check_jobs_reply },
    [RMX_MSG_CANCEL_REPLY]   = { OF(cancel_reply),   0,     0, 0,    0,      NULL },
    [RMX_MSG_HANDOVER_REPLY] = { OF(handover_reply), 0,     0, 0,    SOCKET, check_handover_reply },
};
/* clang-format on */

static bool check_hello(const unsigned char *message, uint32_t count)
{
    struct rmx_msg_hello hello;

    (void)count;
    memcpy(&hello, message, sizeof(hello));
    return hello.version_min > 0 && hello.version_min <= hello.version_max &&
           rmx_job_is_text(hello.name, sizeof(hello.name));
}

/* An operator has no jobs, so no credits either. */
static bool check_welcome(const unsigned char *message, uint32_t count)
{
    struct rmx_msg_welcome welcome;
    uint64_t progress_end;

    (void)count;
    memcpy(&welcome, message, sizeof(welcome));
    progress_end =
        welcome.progress_at + (uint64_t)welcome.progress_slots * sizeof(struct rmx_progress_shm);
    return welcome.version == RMX_WIRE_VERSION && welcome.credits <= RMX_CREDITS_MAX &&
           !(welcome.features & RMX_FEATURE_OPERATOR && welcome.credits > 0) &&
           welcome.workers > 0 && welcome.channel_bytes >= RMX_CHANNEL_BYTES_MIN &&
           welcome.progress_at % _Alignof(struct rmx_progress_shm) == 0 &&
           progress_end <= welcome.arena_bytes;
}

static bool check_done(const unsigned char *message, uint32_t count)
{
    struct rmx_done_item item;

    for (uint32_t i = 0; i < count; i++) {
        memcpy(&item, message + sizeof(struct rmx_msg_head) + i * sizeof(item), sizeof(item));
        if (item.credits > CREDITS_PER_END_MAX || item.zero ||
            rmx_job_check_result(&item.result) < 0) {
            return false;
        }
    }
    return true;
}

static bool check_credit(const unsigned char *message, uint32_t count)
{
    struct rmx_msg_credit credit;

    (void)count;
    memcpy(&credit, message, sizeof(credit));
    return credit.credits > 0 && credit.zero == 0;
}

static bool check_goodbye(const unsigned char *message, uint32_t count)
{
    struct rmx_msg_goodbye goodbye;

    (void)count;
    memcpy(&goodbye, message, sizeof(goodbye));
    return goodbye.zero == 0;
}

static bool check_channel(const unsigned char *message, uint32_t count)
{
    struct rmx_msg_channel channel;

    (void)count;
    memcpy(&channel, message, sizeof(channel));
    return channel.arena_bytes >= RMX_CHANNEL_BYTES_MIN &&
           channel.arena_bytes <= RMX_CHANNEL_BYTES_MAX;
}

static bool check_channel_opened(const unsigned char *message, uint32_t count)
{
    struct rmx_msg_channel_opened opened;

    (void)count;
    memcpy(&opened, message, sizeof(opened));
    return (opened.status == RMX_STATUS_OK) == (opened.channel != 0);
}

static bool check_channel_lost(const unsigned char *message, uint32_t count)
{
    struct rmx_msg_channel_lost lost;

    (void)count;
    memcpy(&lost, message, sizeof(lost));
    return lost.channel != 0 && lost.zero == 0;
}

static bool check_group(const unsigned char *message, uint32_t count)
{
    struct rmx_msg_group group;

    (void)count;
    memcpy(&group, message, sizeof(group));
    return group.group != 0 && !(group.flags & ~(uint32_t)RMX_GROUP_FLAGS_ALL) && group.zero == 0 &&
           rmx_job_is_text(group.name, sizeof(group.name));
}

static bool check_group_name(const unsigned char *message, uint32_t count)
{
    struct rmx_msg_group_name name;

    (void)count;
    memcpy(&name, message, sizeof(name));
    return name.group != 0 && name.zero == 0;
}

/* OK is said of a group all of whose jobs ended OK; the first that did not ended as the group. */
static bool check_group_done(const unsigned char *message, uint32_t count)
{
    static const struct rmx_job_result none;
    struct rmx_msg_group_done done;
    uint64_t others = 0;

    (void)count;
    memcpy(&done, message, sizeof(done));
    for (uint32_t i = 0; i < RMX_GROUP_ENDS; i++) {
        others |= i == RMX_STATUS_OK ? 0 : done.ended[i];
    }
    if (done.group == 0 || (done.status == RMX_STATUS_OK && others > 0)) {
        return false;
    }
    if (done.first.job == 0 || done.status == RMX_STATUS_OK) {
        return memcmp(&done.first, &none, sizeof(none)) == 0;
    }
    return done.first.status == done.status && rmx_job_check_result(&done.first) == 0;
}

static bool check_cancel_jobs(const unsigned char *message, uint32_t count)
{
    struct rmx_msg_cancel_jobs match;

    (void)count;
    memcpy(&match, message, sizeof(match));
    bool some = match.session != 0 || match.group[0] != 0;

    return match.all <= 1 && some == (match.all == 0) && (match.job == 0 || match.session != 0) &&
           rmx_job_is_text(match.group, sizeof(match.group));
}

static bool is_shown_job(const struct rmx_jobs_item *item)
{
    return item->session != 0 && item->pid >= 0 && item->job != 0 &&
           item->state >= RMX_JOB_WAITING && item->state <= RMX_JOB_DRAINING &&
           item->class_ < RMX_CLASSES && rmx_job_is_text(item->format, sizeof(item->format)) &&
           rmx_job_is_text(item->group, sizeof(item->group)) &&
           rmx_job_is_text(item->traceparent, sizeof(item->traceparent));
}

static bool check_jobs_reply(const unsigned char *message, uint32_t count)
{
    struct rmx_msg_jobs_reply reply;
    struct rmx_jobs_item item;

    memcpy(&reply, message, sizeof(reply));
    for (uint32_t i = 0; i < count; i++) {
        memcpy(&item, message + sizeof(reply) + i * sizeof(item), sizeof(item));
        if (!is_shown_job(&item)) {
            return false;
        }
    }
    return reply.last <= 1 && reply.zero == 0 && (count > 0 || reply.last);
}

static bool check_handover_reply(const unsigned char *message, uint32_t count)
{
    struct rmx_msg_handover_reply reply;

    (void)count;
    memcpy(&reply, message, sizeof(reply));
    return reply.held <= (reply.status == RMX_STATUS_OK ? 1u : 0u);
}

/* Each spec of a SUBMIT names its descriptors; all of them together come along. */
static uint32_t fds_in_specs(const unsigned char *message, uint32_t count)
{
    uint32_t fds = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct rmx_job_spec spec;

        memcpy(&spec, message + sizeof(struct rmx_msg_head) + i * sizeof(spec), sizeof(spec));
        fds += rmx_job_descriptors(&spec);
    }
    return fds;
}

/* How many descriptors come with a message of this shape. */
static uint32_t fds_due(const struct shape *shape, const unsigned char *message, uint32_t count)
{
    struct rmx_msg_channel_opened opened;
    struct rmx_msg_handover_reply handover;

    switch (shape->fds) {
    case SUM:
        return fds_in_specs(message, count);
    case BELLS:
        memcpy(&opened, message, sizeof(opened));
        return opened.channel != 0 ? 2 : 0;
    case SOCKET:
        memcpy(&handover, message, sizeof(handover));
        return handover.status == RMX_STATUS_OK ? 1 : 0;
    default:
        return shape->fds;
    }
}

bool rmx_shape_check(const unsigned char *message, size_t bytes, uint32_t fds)
{
    struct rmx_msg_head head;
    const struct shape *shape;

    if (bytes < sizeof(head) || bytes > RMX_WIRE_BYTES_MAX) {
        return false;
    }
    memcpy(&head, message, sizeof(head));
    if (head.type >= RMX_MSG_TYPES || head.zero0 || head.zero1 || head.bytes != bytes) {
        return false;
    }
    shape = &shapes[head.type];
    if (head.count > shape->items_max || head.count < shape->items_min ||
        bytes != shape->bytes + (size_t)head.count * shape->item_bytes) {
        return false;
    }
    return fds == fds_due(shape, message, head.count) &&
           (!shape->check || shape->check(message, head.count));
}
