/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages for tests of the conversation: legal ones to start from, and what a side in some state
 * must make of one. Runs in test programs only.
 */
#ifndef RMX_TESTS_SESSION_WORDS_H
#define RMX_TESTS_SESSION_WORDS_H

#include <stdint.h>

#include "ipc/session.h"

#define CLIENT RMX_SESSION_CLIENT
#define DAEMON RMX_SESSION_DAEMON

/* One message of any type, filled so that it is legal. */
struct message {
    uint32_t fds; /* descriptors that come with it */
    union {
        struct rmx_msg_head head;
        struct rmx_msg_hello hello;
        struct rmx_msg_welcome welcome;
        struct rmx_msg_credit credit;
        struct rmx_msg_goodbye goodbye;
        struct rmx_msg_submit submit;
        struct rmx_msg_done done;
        struct rmx_msg_channel channel;
        struct rmx_msg_channel_opened opened;
        struct rmx_msg_channel_lost lost;
        struct rmx_msg_group group;
        struct rmx_msg_group_name name;
        struct rmx_msg_group_done ended;
        struct rmx_msg_cancel_jobs match;
        struct rmx_msg_jobs_reply jobs;
        struct rmx_msg_handover_reply handover;
        unsigned char bytes[RMX_WIRE_BYTES_MAX + 1];
    };
};

/* The one every make*() below fills and returns. */
extern struct message message;

/* A legal one of that type with `count` items; make_any() picks one, if it carries any. */
struct message *make(uint32_t type, uint32_t count);
struct message *make_any(uint32_t type);
struct message *make_goodbye(uint32_t status);

uint32_t item_bytes(uint32_t type);
uint32_t items_max(uint32_t type); /* 0 = carries none */

/* A session in that state, where a CHANNEL waits for its answer and a group is open; one where the
 * type may come, as an operator's if it is one of theirs; the side that may hear the type, and a
 * state in which it may. */
struct rmx_session in(enum rmx_session_side side, enum rmx_session_state state);
struct rmx_session in_for(enum rmx_session_side side, enum rmx_session_state state, uint32_t type);
enum rmx_session_side hearer(uint32_t type);
enum rmx_session_state state_for(uint32_t type);
bool is_operators(uint32_t type); /* for sessions of operators only */
bool is_clients(uint32_t type);   /* for those of all others only */

/* rmx_session_sent() and rmx_session_receive() of all of a message. */
void say(struct rmx_session *session, const struct message *m);
int hear(struct rmx_session *session, const struct message *m);

/* The side hears it and is in `then`; or calls it a lie, is BROKEN, and has moved no credits. */
void assert_heard(enum rmx_session_side side, enum rmx_session_state state, const struct message *m,
    enum rmx_session_state then);
void assert_lie(enum rmx_session_side side, enum rmx_session_state state, const struct message *m,
    size_t bytes, uint32_t fds);
void assert_lies(enum rmx_session_side side, const struct message *m);

#endif
