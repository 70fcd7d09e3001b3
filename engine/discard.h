/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Gets rid of descriptors that a client sent and no job took. They may be anything: the close of a
 * socket may linger, and that of a file may ask a file system which never answers. Runs on the
 * lane's thread, which must never wait for one.
 */
#ifndef RMX_ENGINE_DISCARD_H
#define RMX_ENGINE_DISCARD_H

#include "engine/loop.h"
#include "ipc/sock.h"

/* Closes *fd, if there is one; one that may wait in a kernel thread. */
void rmx_discard_fd(struct rmx_loop *loop, int *fd);

/* The same, with those that were not taken; leaves none. */
void rmx_discard_fds(struct rmx_loop *loop, struct rmx_sock_fds *fds);

/* Closes a client's socket; what it said and was not heard goes first, with all it brought. */
void rmx_discard_socket(struct rmx_loop *loop, int *sock);

#endif
