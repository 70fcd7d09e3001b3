/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Moves bytes from a caller's source into a job's input ring, and from its output ring into a sink.
 * Runs in the client process, on a thread that waits for the client's jobs, without the client's
 * lock: a source or sink may take its time, or call the library for other jobs.
 */
#ifndef RMX_CLIENTS_PUMP_H
#define RMX_CLIENTS_PUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "clients/stream.h"

/* Does what can be done now for a stream that is marked `pumping`; flow is its number in its
 * channel, `over` whether its job has ended. Returns 1: there is more to do, but others wait too;
 * 0: the worker will tell, or the caller with rmx_ready(); or -EBADMSG: the worker broke a ring, or
 * -ECANCELED: the sink takes no more. */
int rmx_pump_turn(struct rmx_stream *stream, uint32_t flow, bool over);

#endif
