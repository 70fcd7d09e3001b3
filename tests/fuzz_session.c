/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The conversation under arbitrary bytes, from either side. The input is a list of messages:
 *
 *   side and whether it is an operator's 1 byte | { bytes 2 | descriptors 1 | message }...
 *
 * Whatever comes: a verdict is a known type or -EPROTO, a lie breaks the session for good, and the
 * window never passes its limit.
 */
#include <errno.h>
#include <string.h>

#include "ipc/session.h"
#include "ring/base.h"
#include "tests/fuzz_drive.h"

/* A message in memory of exactly its size, so that a sanitizer sees every byte too far. */
static int judge(struct rmx_session *session, const uint8_t *message, size_t bytes, uint32_t fds)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    int type;

    rmx_assert(copy);
    memcpy(copy, message, bytes);
    type = rmx_session_receive(session, copy, bytes, fds);
    free(copy);
    return type;
}

static void check(
    const struct rmx_session *session, enum rmx_session_state before, uint32_t credits, int type)
{
    rmx_assert(session->credits <= RMX_CREDITS_MAX && session->channels_due <= 1);
    rmx_assert(session->groups_open <= RMX_GROUPS_MAX && session->answer_due < RMX_MSG_TYPES);
    if (type == -EPROTO) {
        rmx_assert(session->state == RMX_SESSION_BROKEN && session->credits == credits);
        return;
    }
    rmx_assert(type > 0 && type < RMX_MSG_TYPES);
    rmx_assert(!(before & (RMX_SESSION_CLOSED | RMX_SESSION_BROKEN)));
    rmx_assert(session->state != RMX_SESSION_BROKEN);
    rmx_assert(session->side == RMX_SESSION_CLIENT || session->credits == credits);
    if (before & (RMX_SESSION_OPEN | RMX_SESSION_DRAINING | RMX_SESSION_LEAVING)) {
        bool operators = session->features & RMX_FEATURE_OPERATOR;

        rmx_assert(!operators || (session->channels_due == 0 && session->groups_open == 0));
        rmx_assert(operators || session->answer_due == 0);
    }
}

/* Says a message that is its head, `fixed` bytes of it in all, and zeros but for one word. */
static void say(
    struct rmx_session *session, uint16_t type, uint32_t fixed, size_t at, uint32_t word)
{
    union {
        struct rmx_msg_head head;
        unsigned char bytes[sizeof(struct rmx_msg_group_done)];
    } message = { .head = { .type = type, .bytes = fixed } };

    memcpy(message.bytes + at, &word, sizeof(word));
    rmx_session_sent(session, &message, fixed);
}

#define SAY(session, type, of, field, word)                                                        \
    say(session, type, sizeof(struct of), offsetof(struct of, field), word)

/* What a daemon says, so that its states are reached. */
static void answer_client(struct rmx_session *session, int type)
{
    switch (type) {
    case RMX_MSG_HELLO:
        SAY(session, RMX_MSG_WELCOME, rmx_msg_welcome, features,
            (uint32_t)(session->features & RMX_FEATURES_ALL));
        rmx_session_grant(session, 8);
        break;
    case RMX_MSG_SUBMIT:
        (void)rmx_session_spend(session, 1);
        break;
    case RMX_MSG_CHANNEL:
        SAY(session, RMX_MSG_CHANNEL_OPENED, rmx_msg_channel_opened, channel, 1);
        break;
    case RMX_MSG_GROUP_CLOSE:
        if (session->groups_open > 0) {
            SAY(session, RMX_MSG_GROUP_DONE, rmx_msg_group_done, group, 1);
        }
        break;
    case RMX_MSG_JOBS:
        SAY(session, RMX_MSG_JOBS_REPLY, rmx_msg_jobs_reply, last, 0);
        SAY(session, RMX_MSG_JOBS_REPLY, rmx_msg_jobs_reply, last, 1);
        break;
    case RMX_MSG_CANCEL_JOBS:
        SAY(session, RMX_MSG_CANCEL_REPLY, rmx_msg_cancel_reply, jobs, 1);
        break;
    case RMX_MSG_HANDOVER:
        SAY(session, RMX_MSG_HANDOVER_REPLY, rmx_msg_handover_reply, status, 0);
        break;
    default:
        break;
    }
}

/* What a client says, likewise: an operator asks one thing after the other. */
static void answer_daemon(struct rmx_session *session, int type)
{
    bool operators = session->features & RMX_FEATURE_OPERATOR;

    if (type == RMX_MSG_WELCOME && !operators) {
        SAY(session, RMX_MSG_CHANNEL, rmx_msg_channel, arena_bytes, 1u << 20);
        SAY(session, RMX_MSG_GROUP, rmx_msg_group, group, 1);
    } else if (type == RMX_MSG_WELCOME || type == RMX_MSG_HANDOVER_REPLY) {
        SAY(session, RMX_MSG_JOBS, rmx_msg_head, zero1, 0);
    } else if (type == RMX_MSG_JOBS_REPLY && session->answer_due == 0) {
        SAY(session, RMX_MSG_CANCEL_JOBS, rmx_msg_cancel_jobs, all, 1);
    } else if (type == RMX_MSG_CANCEL_REPLY &&
               rmx_session_may_send(session, RMX_MSG_HANDOVER) == 0) {
        SAY(session, RMX_MSG_HANDOVER, rmx_msg_head, zero1, 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rmx_session session;

    if (size == 0) {
        return 0;
    }
    rmx_session_init(&session, data[0] & 1 ? RMX_SESSION_DAEMON : RMX_SESSION_CLIENT);
    if (session.side == RMX_SESSION_CLIENT) {
        SAY(&session, RMX_MSG_HELLO, rmx_msg_hello, features, data[0] & 2 ? 1 : 0);
    }
    for (size_t at = 1; size - at >= 3;) {
        size_t bytes = data[at] | (size_t)data[at + 1] << 8;
        uint32_t fds = data[at + 2];
        enum rmx_session_state before = session.state;
        uint32_t credits = session.credits;
        int type;

        at += 3;
        bytes = bytes < size - at ? bytes : size - at;
        type = judge(&session, data + at, bytes, fds);
        check(&session, before, credits, type);
        if (session.side == RMX_SESSION_DAEMON) {
            answer_client(&session, type);
        } else {
            answer_daemon(&session, type);
        }
        at += bytes;
    }
    return 0;
}

/* --- the seeds of a bounded campaign --------------------------------------------------------- */

/* How many descriptors come with such a message. */
static uint8_t fds_of(uint16_t type, uint32_t count)
{
    switch (type) {
    case RMX_MSG_WELCOME:
    case RMX_MSG_CHANNEL:
    case RMX_MSG_HANDOVER_REPLY:
        return 1;
    case RMX_MSG_CHANNEL_OPENED:
        return 2;
    default:
        return type == RMX_MSG_SUBMIT ? (uint8_t)(2 * count) : 0;
    }
}

static size_t put(uint8_t *data, size_t at, uint16_t type, uint32_t bytes, uint32_t count)
{
    struct rmx_msg_head head = { .type = type, .bytes = bytes, .count = count };

    data[at] = (uint8_t)bytes;
    data[at + 1] = (uint8_t)(bytes >> 8);
    data[at + 2] = fds_of(type, count);
    memset(data + at + 3, 0, bytes);
    memcpy(data + at + 3, &head, sizeof(head));
    return at + 3 + bytes;
}

/* Sets one 32-bit word of the message that ends at `end`. */
static void set_word(uint8_t *data, size_t end, size_t bytes, size_t offset, uint32_t word)
{
    memcpy(data + end - bytes + offset, &word, sizeof(word));
}

static size_t put_hello(uint8_t *data, uint32_t features)
{
    size_t at = put(data, 1, RMX_MSG_HELLO, 64, 0);

    set_word(data, at, 64, offsetof(struct rmx_msg_hello, version_min), RMX_WIRE_VERSION);
    set_word(data, at, 64, offsetof(struct rmx_msg_hello, version_max), RMX_WIRE_VERSION);
    set_word(data, at, 64, offsetof(struct rmx_msg_hello, features), features);
    return at;
}

static size_t put_welcome(uint8_t *data, uint32_t features)
{
    size_t at = put(data, 1, RMX_MSG_WELCOME, 64, 0);

    set_word(data, at, 64, offsetof(struct rmx_msg_welcome, version), RMX_WIRE_VERSION);
    set_word(data, at, 64, offsetof(struct rmx_msg_welcome, features), features);
    set_word(data, at, 64, offsetof(struct rmx_msg_welcome, workers), 1);
    set_word(data, at, 64, offsetof(struct rmx_msg_welcome, channel_bytes) + 2, 0x10);
    return at;
}

static size_t put_group(uint8_t *data, size_t at, uint16_t type, uint32_t bytes)
{
    at = put(data, at, type, bytes, 0);
    set_word(data, at, bytes, offsetof(struct rmx_msg_group_name, group), 1);
    return at;
}

static size_t seed_for_daemon(uint8_t *data)
{
    const size_t spec = sizeof(struct rmx_job_spec);
    size_t at = put_hello(data, 0);

    data[0] = 1;
    at = put_group(data, at, RMX_MSG_GROUP, 72);
    at = put(data, at, RMX_MSG_SUBMIT, 16 + (uint32_t)spec, 1);
    set_word(data, at, spec, offsetof(struct rmx_job_spec, inputs), 0x0101);
    set_word(data, at, spec, offsetof(struct rmx_job_spec, group), 1);
    at = put_group(data, at, RMX_MSG_GROUP_CANCEL, 24);
    at = put_group(data, at, RMX_MSG_GROUP_CLOSE, 24);
    at = put(data, at, RMX_MSG_PING, 24, 0);
    at = put(data, at, RMX_MSG_CHANNEL, 24, 0);
    set_word(data, at, 24, offsetof(struct rmx_msg_channel, arena_bytes), 8u << 20);
    at = put(data, at, RMX_MSG_CANCEL, 24, 0);
    at = put(data, at, RMX_MSG_STATS, 16, 0);
    return put(data, at, RMX_MSG_GOODBYE, 24, 0);
}

static size_t seed_for_client(uint8_t *data)
{
    size_t at = put_welcome(data, 0);

    data[0] = 0;
    at = put(data, at, RMX_MSG_CREDIT, 24, 0);
    set_word(data, at, 24, offsetof(struct rmx_msg_credit, credits), 1000);
    at = put(data, at, RMX_MSG_CHANNEL_OPENED, 24, 0);
    set_word(data, at, 24, offsetof(struct rmx_msg_channel_opened, channel), 1);
    at = put(data, at, RMX_MSG_DONE, 16 + 312, 1);
    set_word(data, at, 312, 0, 2);
    set_word(data, at, 312, offsetof(struct rmx_done_item, result), 1);
    at = put_group(data, at, RMX_MSG_GROUP_DONE, 584);
    set_word(data, at, 584, offsetof(struct rmx_msg_group_done, status), 1);
    set_word(data, at, 584, offsetof(struct rmx_msg_group_done, first.job), 1);
    set_word(data, at, 584, offsetof(struct rmx_msg_group_done, first.status), 1);
    at = put(data, at, RMX_MSG_PONG, 24, 0);
    at = put(data, at, RMX_MSG_CHANNEL_LOST, 24, 0);
    set_word(data, at, 24, offsetof(struct rmx_msg_channel_lost, channel), 1);
    at = put(data, at, RMX_MSG_STATS_REPLY, 16 + 80, 10);
    at = put(data, at, RMX_MSG_GOODBYE, 24, 0);
    set_word(data, at, 24, offsetof(struct rmx_msg_goodbye, status), 20);
    return put(data, at, RMX_MSG_GOODBYE, 24, 0);
}

static size_t seed_for_operators_daemon(uint8_t *data)
{
    size_t at = put_hello(data, RMX_FEATURE_OPERATOR);

    data[0] = 3;
    at = put(data, at, RMX_MSG_JOBS, 16, 0);
    at = put(data, at, RMX_MSG_CANCEL_JOBS, 64, 0);
    set_word(data, at, 64, offsetof(struct rmx_msg_cancel_jobs, job), 9);
    set_word(data, at, 64, offsetof(struct rmx_msg_cancel_jobs, session), 7);
    at = put(data, at, RMX_MSG_CANCEL_JOBS, 64, 0);
    set_word(data, at, 64, offsetof(struct rmx_msg_cancel_jobs, group), 'g');
    at = put(data, at, RMX_MSG_HANDOVER, 16, 0);
    return put(data, at, RMX_MSG_GOODBYE, 24, 0);
}

static size_t seed_for_operator(uint8_t *data)
{
    const size_t item = sizeof(struct rmx_jobs_item);
    size_t at = put_welcome(data, RMX_FEATURE_OPERATOR);

    data[0] = 2;
    at = put(data, at, RMX_MSG_JOBS_REPLY, 24 + (uint32_t)item, 1);
    set_word(data, at, item, offsetof(struct rmx_jobs_item, session), 7);
    set_word(data, at, item, offsetof(struct rmx_jobs_item, state), RMX_JOB_RUNNING);
    set_word(data, at, item, offsetof(struct rmx_jobs_item, job), 9);
    set_word(data, at, item, offsetof(struct rmx_jobs_item, format), 'f');
    at = put(data, at, RMX_MSG_JOBS_REPLY, 24, 0);
    set_word(data, at, 24, offsetof(struct rmx_msg_jobs_reply, last), 1);
    at = put(data, at, RMX_MSG_CANCEL_REPLY, 24, 0);
    at = put(data, at, RMX_MSG_HANDOVER_REPLY, 24, 0);
    return put(data, at, RMX_MSG_PONG, 24, 0);
}

size_t fuzz_seed(unsigned n, uint8_t *data)
{
    static size_t (*const seeds[])(uint8_t *) = { seed_for_client, seed_for_daemon,
        seed_for_operator, seed_for_operators_daemon };

    return seeds[n & 3](data);
}
