/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The hand-over of the listening socket from one daemon to the next, so that at no time nobody
 * listens. The next one comes to the old one's socket as an operator:
 *
 *   next  HANDOVER                    its workers are ready; it does not accept yet
 *   old   HANDOVER_REPLY + socket     both may accept from here on
 *   next  GOODBYE                     it accepts: the old one stops, tells its clients and drains
 *
 * A next one that goes without GOODBYE has taken nothing: the old one serves on. An old one that
 * ends before it heard GOODBYE leaves the socket to the next, and its file. Must never shut the
 * socket down or remove its file once another may have it.
 */
#ifndef RMX_ENGINE_HANDOVER_H
#define RMX_ENGINE_HANDOVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rmx_client;

/* OURS -> OFFERED -> GIVEN, or back to OURS; OURS -> CLOSED. */
enum rmx_handover_state {
    RMX_HANDOVER_OURS = 0,    /* nobody else accepts from it */
    RMX_HANDOVER_OFFERED = 1, /* an operator was handed it */
    RMX_HANDOVER_GIVEN = 2,   /* and accepts from it */
    RMX_HANDOVER_CLOSED = 3,  /* we drain for another reason: it is not to be had */
};

/* The supervisor's, shared by its lanes. Zero is OURS. */
struct rmx_handover {
    _Atomic uint32_t state; /* any lane and the supervisor, by compare and exchange */
    bool held;              /* a service manager has the socket too; set before lanes run */
};

/* --- the old daemon, on the thread of the lane that the operator came to --------------------- */

/* HANDOVER came: answers it, with lane->listen_fd if nobody else has it. */
void rmx_handover_offer(struct rmx_client *client);

/* GOODBYE came: if this one was handed the socket, the supervisor hears that it is given. */
void rmx_handover_confirm(struct rmx_client *client);

/* We part with it, or it is gone: if it was handed the socket and did not confirm, neither in what
 * we have not heard yet, the socket is ours as before. But while we drain only if it is gone: else
 * it may accept by now. */
void rmx_handover_forget(struct rmx_client *client);

/* --- the old daemon's supervisor ------------------------------------------------------------- */

/* We take no more clients. True: nobody has or gets the socket but us, so it may be closed down. */
bool rmx_handover_close(struct rmx_handover *handover);

/* Does another daemon accept from the socket now? */
bool rmx_handover_is_given(const struct rmx_handover *handover);

/* --- the next daemon's supervisor ------------------------------------------------------------ */

struct rmx_handover_taken {
    int listen_fd;
    bool held;    /* as in struct rmx_handover */
    uint32_t pid; /* of the old daemon */
    int sock;     /* to it: for rmx_handover_finish() */
};

/* Asks the daemon at `path`, and waits for each of its answers up to two seconds. On failure *taken
 * is untouched. Returns 0, or
 *   -ENOENT, -ECONNREFUSED  nobody listens there
 *   -EBUSY                  it drains, or hands the socket to somebody else: try again
 *   -ECONNRESET             it went away meanwhile: try again
 *   -ETIMEDOUT              it does not answer
 *   -EPERM                  it is another user's, or does not let us
 *   -EPROTONOSUPPORT        it speaks another version
 *   -EPROTO                 it answers with nonsense
 *   or another error of rmx_sock_connect() */
int rmx_handover_ask(const char *path, struct rmx_handover_taken *taken);

/* We are about to accept from taken->listen_fd: tells the old daemon, and closes taken->sock.
 * Returns 0, or
 *   -ECONNRESET  it has ended meanwhile: the socket is ours, and its file
 *   -EBUSY       it has parted with us, and serves on: the socket is not ours
 *   or another -errno of sendmsg(2): it was not told, and serves on */
int rmx_handover_finish(struct rmx_handover_taken *taken);

#endif
