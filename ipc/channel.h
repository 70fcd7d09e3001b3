/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A channel: memory that one client and one worker share, so that a job's bytes go from the one to
 * the other without the daemon. The client makes the arena (so its memory is the client's own, but
 * for pages that it gives back and the worker then touches: at most the arena), puts its jobs'
 * rings where it likes, and says where in each job's spec; the daemon checks and hands the arena to
 * one worker, but never maps it. Both ends distrust every word in it.
 *
 *   client --CHANNEL(arena)--> daemon --SHARE(arena, bells)--> worker
 *   client <--CHANNEL_OPENED(bells)-- daemon
 *
 * Descriptors. The client wakes the worker by writing an eventfd, which the worker only watches for
 * edges and never reads, since the client could empty it or make it block. The worker wakes the
 * client by writing another, which the client does not hold: it gets an epoll descriptor with that
 * eventfd in it, so it cannot fill it and make the worker wait. An epoll_wait() on that descriptor
 * is how the client hears the bell. What the client still has in hand is how many wait for it: the
 * kernel goes through them all with each ring, some 40 ns for each.
 *
 * Notes are those of enum rmx_note_kind that concern rings; flow is the job's channel_flow:
 *   client -> worker  INPUT: chunks came   OUTPUT: room came
 *   worker -> client  INPUT: room came, or a seek   OUTPUT: chunks came
 * A ring's ask word is taken before its note is sent, so each job has at most two under way in each
 * direction. A note about a job that is not there means nothing.
 */
#ifndef RMX_IPC_CHANNEL_H
#define RMX_IPC_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include "ring/layout.h"

#define RMX_CHANNEL_FLOWS_MAX  1024u /* jobs of one channel in flight: channel_flow is below */
#define RMX_CHANNEL_MAIL_SLOTS 4096u
#define RMX_CHANNEL_BYTES_MIN  (UINT64_C(1) << 20) /* of an arena */
#define RMX_CHANNEL_BYTES_MAX  (UINT64_C(1) << 32)

/* The arena from its start; all zero, that is empty, when it is handed over. */
struct rmx_channel_shm {
    _Alignas(RMX_LINE) struct rmx_bell_shm worker_bell; /* the worker sleeps on it */
    _Alignas(RMX_LINE) struct rmx_bell_shm client_bell; /* the client does */
    _Alignas(4096) unsigned char to_worker[RMX_RING_BYTES(RMX_CHANNEL_MAIL_SLOTS, 16)];
    _Alignas(4096) unsigned char to_client[RMX_RING_BYTES(RMX_CHANNEL_MAIL_SLOTS, 16)];
    _Alignas(4096) unsigned char rings[]; /* chunk rings, where the client puts them */
};

#define RMX_CHANNEL_RINGS_AT offsetof(struct rmx_channel_shm, rings)

_Static_assert(RMX_CHANNEL_MAIL_SLOTS >= RMX_CHANNEL_FLOWS_MAX * 4, "mail could overflow");
_Static_assert(RMX_CHANNEL_RINGS_AT == 184320, "layout is wire format");

#endif
