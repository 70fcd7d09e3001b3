/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The conversation under arbitrary bytes, from either side. The input is a list of messages:
 *
 *   side 1 byte | { bytes 2 | descriptors 1 | message }...
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
    if (type == -EPROTO) {
        rmx_assert(session->state == RMX_SESSION_BROKEN && session->credits == credits);
        return;
    }
    rmx_assert(type > 0 && type < RMX_MSG_TYPES);
    rmx_assert(!(before & (RMX_SESSION_CLOSED | RMX_SESSION_BROKEN)));
    rmx_assert(session->state != RMX_SESSION_BROKEN);
    rmx_assert(session->side == RMX_SESSION_CLIENT || session->credits == credits);
}

/* What our side says in between, so that both sides' states are reached. */
static void answer(struct rmx_session *session, int type)
{
    struct rmx_msg_welcome welcome = { .head = {
                                           .type = RMX_MSG_WELCOME, .bytes = sizeof(welcome) } };
    struct rmx_msg_hello hello = { .head = { .type = RMX_MSG_HELLO, .bytes = sizeof(hello) } };
    struct rmx_msg_channel ask = { .head = { .type = RMX_MSG_CHANNEL, .bytes = sizeof(ask) } };
    struct rmx_msg_channel_opened opened = {
        .head = { .type = RMX_MSG_CHANNEL_OPENED, .bytes = sizeof(opened) },
    };

    if (type == RMX_MSG_HELLO) {
        rmx_session_sent(session, &welcome, sizeof(welcome));
        rmx_session_grant(session, 8);
    } else if (type == RMX_MSG_CHANNEL) {
        rmx_session_sent(session, &opened, sizeof(opened));
    } else if (type == RMX_MSG_WELCOME) {
        rmx_session_sent(session, &ask, sizeof(ask));
    } else if (type == RMX_MSG_SUBMIT) {
        (void)rmx_session_spend(session, 1);
    } else if (type == 0 && session->side == RMX_SESSION_CLIENT) {
        rmx_session_sent(session, &hello, sizeof(hello));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rmx_session session;

    if (size == 0) {
        return 0;
    }
    rmx_session_init(&session, data[0] & 1 ? RMX_SESSION_DAEMON : RMX_SESSION_CLIENT);
    answer(&session, 0);
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
        answer(&session, type);
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

static size_t seed_for_daemon(uint8_t *data)
{
    const size_t spec = sizeof(struct rmx_job_spec);
    size_t at = put(data, 1, RMX_MSG_HELLO, 64, 0);

    data[0] = 1;
    set_word(data, at, 64, offsetof(struct rmx_msg_hello, version_min), RMX_WIRE_VERSION);
    set_word(data, at, 64, offsetof(struct rmx_msg_hello, version_max), RMX_WIRE_VERSION);
    at = put(data, at, RMX_MSG_SUBMIT, 16 + (uint32_t)spec, 1);
    set_word(data, at, spec, offsetof(struct rmx_job_spec, inputs), 0x0101);
    at = put(data, at, RMX_MSG_PING, 24, 0);
    at = put(data, at, RMX_MSG_CHANNEL, 24, 0);
    set_word(data, at, 24, offsetof(struct rmx_msg_channel, arena_bytes), 8u << 20);
    at = put(data, at, RMX_MSG_CANCEL, 24, 0);
    at = put(data, at, RMX_MSG_STATS, 16, 0);
    return put(data, at, RMX_MSG_GOODBYE, 24, 0);
}

static size_t seed_for_client(uint8_t *data)
{
    size_t at = put(data, 1, RMX_MSG_WELCOME, 64, 0);

    data[0] = 0;
    set_word(data, at, 64, offsetof(struct rmx_msg_welcome, version), RMX_WIRE_VERSION);
    set_word(data, at, 64, offsetof(struct rmx_msg_welcome, workers), 1);
    set_word(data, at, 64, offsetof(struct rmx_msg_welcome, channel_bytes) + 2, 0x10);
    at = put(data, at, RMX_MSG_CREDIT, 24, 0);
    set_word(data, at, 24, offsetof(struct rmx_msg_credit, credits), 1000);
    at = put(data, at, RMX_MSG_CHANNEL_OPENED, 24, 0);
    set_word(data, at, 24, offsetof(struct rmx_msg_channel_opened, channel), 1);
    at = put(data, at, RMX_MSG_DONE, 16 + 304, 1);
    set_word(data, at, 304, 0, 2);
    set_word(data, at, 304, offsetof(struct rmx_done_item, result), 1);
    at = put(data, at, RMX_MSG_PONG, 24, 0);
    at = put(data, at, RMX_MSG_CHANNEL_LOST, 24, 0);
    set_word(data, at, 24, offsetof(struct rmx_msg_channel_lost, channel), 1);
    at = put(data, at, RMX_MSG_STATS_REPLY, 16 + 80, 10);
    at = put(data, at, RMX_MSG_GOODBYE, 24, 0);
    set_word(data, at, 24, offsetof(struct rmx_msg_goodbye, status), 20);
    return put(data, at, RMX_MSG_GOODBYE, 24, 0);
}

size_t fuzz_seed(unsigned n, uint8_t *data)
{
    return n & 1 ? seed_for_daemon(data) : seed_for_client(data);
}
