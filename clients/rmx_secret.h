/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Keys on the command line: they may be in a file or in the environment, and one that is not is
 * taken from where ps(1) shows it. Runs in the process rmx.
 */
#ifndef RMX_CLIENTS_RMX_SECRET_H
#define RMX_CLIENTS_RMX_SECRET_H

#include <stddef.h>

#include "clients/rmx_args.h"
#include "clients/rmx_request.h"

#define RMX_SECRET_MAX   16  /* in one command */
#define RMX_SECRET_BYTES 128 /* with what says whose it is */

/* Zeros are none. They must live as long as the request. */
struct rmx_secrets {
    char text[RMX_SECRET_MAX][RMX_SECRET_BYTES];
    size_t count;
};

/* If this word's value, an argument of the command line, has a key, makes *value a copy with the
 * key itself: "file:PATH" (32 hexadecimal digits, or 16 bytes) and "env:NAME" are read, any other
 * is overwritten in the argument. Returns 0, or -EINVAL and says why. */
int rmx_secret_take(struct rmx_secrets *secrets, enum rmx_request_word word, char *argument,
    const char **value, char why[RMX_ARGS_WHY_BYTES]);

#endif
