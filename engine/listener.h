/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The socket that clients come to: made by us, inherited from a service manager, or taken over
 * from the daemon that ran before. Runs on the supervisor's thread; lanes only accept from fd.
 * Must never shut the socket down, nor remove its file, while somebody else accepts from it.
 */
#ifndef RMX_ENGINE_LISTENER_H
#define RMX_ENGINE_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "engine/config.h"
#include "engine/handover.h"

struct rmx_listener {
    int fd; /* -1 = none (yet) */
    bool closed;
    char name[RMX_CONFIG_TEXT_BYTES]; /* of the socket, for the log */
    struct stat file;                 /* of the socket, as ours; st_ino 0 = there is none */
    struct rmx_handover handover;
    int drain_fd; /* what operators come to while we drain; -1 = none */
    char drain_name[RMX_CONFIG_TEXT_BYTES];
    struct stat drain_file;
    char why[256]; /* of the last error, for a person */
};

#define RMX_LISTENER_INIT                                                                          \
    {                                                                                              \
        .fd = -1, .drain_fd = -1                                                                   \
    }

/* Takes the socket that came with us by LISTEN_PID and LISTEN_FDS, as sd_listen_fds(3) says.
 * Returns 1, 0 if there is none, or -EINVAL and why: it is not one that we can accept from. */
int rmx_listener_inherit(struct rmx_listener *listener);

/* Listens on config->socket. Returns 0, or -errno and why. */
int rmx_listener_open(struct rmx_listener *listener, const struct rmx_config *config);

/* Takes over from the daemon at config->socket; where there is none, listens. Our lanes are to
 * accept then. Returns 0, -EAGAIN: not yet, try again in a moment; or another -errno. Both with
 * why. */
int rmx_listener_take_over(struct rmx_listener *listener, const struct rmx_config *config);

/* We take no more clients: unless somebody else does, those that come from here on are refused.
 * fd stays open, since lanes may be about to use its number. Called again when the lanes are over:
 * who was offered the socket may have gone without it. */
void rmx_listener_close(struct rmx_listener *listener);

/* We begin to drain: where clients came to a file of ours, drain_fd listens beside it from now on,
 * on its name and RMX_SOCK_DRAINING, for our user and root; if there are operator_gids, for all who
 * could come before. Where that cannot be there is none, and the log says so. */
void rmx_listener_open_drain(struct rmx_listener *listener, const struct rmx_config *config);

/* We end, no lane accepts any more: its file goes. */
void rmx_listener_close_drain(struct rmx_listener *listener);

#endif
