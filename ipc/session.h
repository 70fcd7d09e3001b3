/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The conversation of one client and the daemon: which message may come when, whether it has the
 * shape it must have, and how many jobs the client may still submit. Runs in the client and in the
 * daemon. Does no I/O and allocates nothing, so that a fuzzer can hold it; believes no byte of a
 * message before it was checked.
 *
 * Both sides keep the same states; a message moves the sender's when it is sent and the receiver's
 * when it is received, so for a moment they differ. (c) the client says it, (d) the daemon:
 *
 *   HELLO_DUE --HELLO(c)--> WELCOME_DUE --WELCOME(d)--> OPEN --GOODBYE(c)--> LEAVING
 *                                                         |                    ^
 *                                    GOODBYE DRAINING (d) +--> DRAINING -------+ GOODBYE(c)
 *
 *   OPEN      jobs flow
 *   DRAINING  the daemon takes no new jobs; those it has go on to their DONE
 *   LEAVING   the client says no more; the daemon still says how its jobs ended
 *   CLOSED    after any other GOODBYE of the daemon, or one of the client that is not OK: the
 *             last message was said, the socket may go
 *   BROKEN    a received message was a lie: nothing more is believed. What is left to say is
 *             GOODBYE PEER_CORRUPT
 */
#ifndef RMX_IPC_SESSION_H
#define RMX_IPC_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "ipc/wire.h"

enum rmx_session_side {
    RMX_SESSION_CLIENT,
    RMX_SESSION_DAEMON,
    RMX_SESSION_SIDES,
};

/* Bits, so that a rule can name several. */
enum rmx_session_state {
    RMX_SESSION_HELLO_DUE = 1 << 0,
    RMX_SESSION_WELCOME_DUE = 1 << 1,
    RMX_SESSION_OPEN = 1 << 2,
    RMX_SESSION_DRAINING = 1 << 3,
    RMX_SESSION_LEAVING = 1 << 4,
    RMX_SESSION_CLOSED = 1 << 5,
    RMX_SESSION_BROKEN = 1 << 6,
};

struct rmx_session {
    enum rmx_session_side side; /* ours */
    enum rmx_session_state state;
    uint32_t credits; /* jobs the client may submit now; private, never above RMX_CREDITS_MAX */
    uint64_t refused; /* credits asked for and not there */
    uint32_t channels_due; /* CHANNELs said or heard and not yet answered, at most
                              RMX_CHANNELS_MAX */
    uint32_t groups_open;  /* GROUPs not yet DONE, at most RMX_GROUPS_MAX */
    uint32_t answer_due;   /* to an operator's JOBS, CANCEL_JOBS or HANDOVER: its type; 0 = none */
    uint64_t features;     /* those HELLO asks for, until WELCOME; then those that are on */
};

void rmx_session_init(struct rmx_session *session, enum rmx_session_side side);

/* Judges one received message and moves the state. `message` need not be aligned but must be
 * private memory; `fds` is how many descriptors came with it. On the client's side WELCOME, CREDIT
 * and DONE widen the window. Returns its type (> 0): its fixed part and every item then have a
 * legal shape, but for a job's spec, which rmx_job_check() judges, since a bad job is no broken
 * session. Otherwise -EPROTO, and the state is BROKEN: unknown type; wrong size, count or number
 * of descriptors; not legal from the other side in this state; a word that must be 0 is not; a
 * field out of its range; more credits than RMX_CREDITS_MAX; an answer to what was not
 * asked (CHANNEL_OPENED, GROUP_DONE, an operator's); more than RMX_CHANNELS_MAX channels
 * unanswered, RMX_GROUPS_MAX groups open, or one question of an operator's; a feature in WELCOME
 * that HELLO did not ask for; what is for operators only, or not for them. */
int rmx_session_receive(
    struct rmx_session *session, const void *message, size_t bytes, uint32_t fds);

/* May we say this type now? Returns 0, or -EPROTO: a client must ask before SUBMIT, CHANNEL, GROUP
 * and HANDOVER, which DRAINING forbids. It must not have as many unanswered as it may have, either
 * (channels_due, groups_open, answer_due): that is not asked here. */
int rmx_session_may_send(const struct rmx_session *session, uint32_t type);

/* Moves the state for a message we sent (or queued for good). Asserts that we might, and that
 * head.type and head.bytes are right. Credits move by spend and grant alone. */
void rmx_session_sent(struct rmx_session *session, const void *message, size_t bytes);

/* Takes n credits for n jobs: the client before it sends a SUBMIT, the daemon for each job of one
 * it received. Returns 0, or -EAGAIN: fewer are there, none was taken, and n were counted as
 * refused. The daemon answers such a job with DONE BUSY and 0 credits; it is not a broken
 * session. */
int rmx_session_spend(struct rmx_session *session, uint32_t n);

/* Adds up to n credits; returns how many, fewer where the window would pass RMX_CREDITS_MAX. The
 * daemon puts the answer into WELCOME, CREDIT or a DONE item; the client takes credits back that
 * it spent for a SUBMIT it then could not send. */
uint32_t rmx_session_grant(struct rmx_session *session, uint32_t n);

/* The version both speak: RMX_WIRE_VERSION, if it is in HELLO's range; no other is spoken here.
 * Returns it (> 0), or -EPROTONOSUPPORT; the daemon then says GOODBYE UNSUPPORTED. */
int rmx_session_version(const struct rmx_msg_hello *hello);

/* "OPEN": for a log line; "UNKNOWN" for what is no state. */
const char *rmx_session_state_name(enum rmx_session_state state);

#endif
