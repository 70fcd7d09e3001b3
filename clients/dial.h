/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where the daemon listens, and a line to it. Runs in the client process, on the caller's thread,
 * without the client's lock: most of it waits.
 */
#ifndef RMX_CLIENTS_DIAL_H
#define RMX_CLIENTS_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "clients/line.h"

#define RMX_DIAL_PATH_BYTES 112 /* of a unix socket's name, with its "@" or NUL */

/* Connects to where `path` says, or when it is NULL to the first place where somebody listens; an
 * operator also to who drains there, if nobody listens. Returns the socket, and sets *found to what
 * the place is called, where a successor will listen, or -errno as rmx_open(). */
int rmx_dial_find(const char *path, bool operates, char (*found)[RMX_DIAL_PATH_BYTES]);

/* Makes a line of a connected socket, which it takes, and greets on it. Returns 0 or -errno. */
int rmx_dial_greet(struct rmx_line **line, int *fd, uint64_t features);

/* Connects to `path`, greets and hears the answer if it is there; does not wait. *line is NULL at
 * first. Returns 0; -EINPROGRESS: *line is what is done so far, for the next call; or as
 * rmx_open(), and *line is NULL. */
int rmx_dial_once(struct rmx_line **line, const char *path, uint64_t features);

/* The same, again and again until then, while nobody is there to take us. Returns as rmx_open(). */
int rmx_dial_again(struct rmx_line **line, const char *path, uint64_t features, uint64_t until_ns);

#endif
