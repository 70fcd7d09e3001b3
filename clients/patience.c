/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a call on one end of a job's stream waits (see patience.h). Runs in the client process, under
 * the client's lock.
 */
#include "clients/patience.h"

#include <errno.h>

#include "clients/clock.h"
#include "ring/base.h"

#define SPINS_A_LOOK 64 /* between looks at the clock */

struct rmx_patience rmx_patience_of(int timeout_ms)
{
    return (struct rmx_patience){
        .timeout_ms = timeout_ms,
        .until_ns = timeout_ms == 0 ? 0 : rmx_clock_in_ms(timeout_ms),
    };
}

static bool has_news(struct rmx_stream *stream, uint32_t kind)
{
    return kind == RMX_CAN_WRITE ? rmx_ring_reserve_one(&stream->in.ring.ring) != 0
                                 : rmx_ring_peek_one(&stream->out.ring.ring) != 0;
}

/* Polls the ring for a while, without the lock; what is reserved stays mapped. */
static void spin(
    struct rmx_client *client, struct rmx_stream *stream, uint32_t kind, uint64_t until_ns)
{
    uint64_t spun_ns = rmx_clock_in(client->spin_ns);
    bool reserved = stream->in.reserved;

    until_ns = spun_ns < until_ns ? spun_ns : until_ns;
    stream->in.reserved = kind == RMX_CAN_WRITE || reserved;
    pthread_mutex_unlock(&client->lock);
    while (!has_news(stream, kind) && rmx_clock_ns() < until_ns) {
        for (int i = 0; i < SPINS_A_LOOK && !has_news(stream, kind); i++) {
            rmx_base_pause();
        }
    }
    pthread_mutex_lock(&client->lock);
    stream->in.reserved = kind == RMX_CAN_WRITE ? reserved : stream->in.reserved;
}

int rmx_patience_await(
    struct rmx_client *client, uint64_t id, uint32_t kind, struct rmx_patience *patience)
{
    struct rmx_stream *stream = rmx_handle_stream(client, id);

    if (client->spin_ns > 0 && patience->timeout_ms != 0 && !patience->spun) {
        patience->spun = true;
        spin(client, stream, kind, patience->until_ns);
        return 0;
    }
    bool asked = kind == RMX_CAN_WRITE ? rmx_stream_ask_room(&stream->in)
                                       : rmx_stream_ask_chunk(&stream->out);
    if (!asked) {
        return 0;
    }
    int awake = patience->timeout_ms == 0
                    ? 0
                    : rmx_handle_wait(client, rmx_inflight_place(id), kind, patience->until_ns);
    if (awake != 0) {
        return awake < 0 ? awake : 0;
    }
    stream = rmx_handle_stream(client, id);
    if (stream == NULL) { /* collected meanwhile */
        return 0;
    }
    stream->wants |= kind;
    return -EAGAIN;
}
