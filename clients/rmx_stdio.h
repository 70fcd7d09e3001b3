/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Standard input and output as the ends of a job's rings. Runs in the process rmx. Must never wait
 * for either: a turn of the loop moves what is there. Must not change their flags (O_NONBLOCK): the
 * shell and its other children hold them too.
 *
 *   attach  what is no regular file becomes a ring, served by the calls that wait for the client
 *   watch   what to poll for when these calls have nothing to do
 *   heed    what poll(2) said
 *   rewind  a job that was refused can be sent again
 *   settle  the result of a job whose output failed says how
 */
#ifndef RMX_CLIENTS_RMX_STDIO_H
#define RMX_CLIENTS_RMX_STDIO_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "clients/ringmux.h"

#define RMX_STDIO_ENDS 2 /* as many as rmx_stdio_watch() fills */

struct rmx_stdio {
    struct rmx_source source;
    struct rmx_sink sink;
    int input;          /* -1 = not ours: the job has a descriptor */
    int output;         /* likewise */
    bool wants_input;   /* there was nothing to read */
    bool wants_room;    /* the output did not take all */
    size_t written;     /* bytes of the piece at hand */
    int output_failed;  /* 0, or the -errno that did it */
    size_t kept_bytes;  /* from the input, for a job that is sent again; */
    size_t given_bytes; /* of these, to the present one */
    bool is_beyond;     /* the input was more than is kept */
    bool has_written;
};

#define RMX_STDIO_NONE                                                                             \
    {                                                                                              \
        .input = -1, .output = -1                                                                  \
    }

/* Puts rings in the place of the job's descriptors that are standard input or output and no regular
 * files; those stay, since a descriptor can be read and patched anywhere. All stay of a job that
 * asks for isolation, which has no rings. *stdio must live until the job has ended, and stay where
 * it is. The client has no job yet. */
void rmx_stdio_attach(struct rmx_stdio *stdio, struct rmx_client *client, struct rmx_job *job);

void rmx_stdio_watch(const struct rmx_stdio *stdio, struct pollfd watched[RMX_STDIO_ENDS]);

/* Cancels the job when nobody is left to read its output. */
void rmx_stdio_heed(struct rmx_stdio *stdio, const struct pollfd watched[RMX_STDIO_ENDS],
    struct rmx_client *client, uint64_t id);

/* Writes no more: a job that is cancelled does not wait for its reader. */
void rmx_stdio_stop(struct rmx_stdio *stdio, int err, struct rmx_client *client, uint64_t id);

/* The job has ended and is to be sent again from its start. Returns false if it cannot: something
 * was written, or more read than is kept. */
bool rmx_stdio_rewind(struct rmx_stdio *stdio);

void rmx_stdio_settle(const struct rmx_stdio *stdio, struct rmx_result *result);

#endif
