/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A client's end of a channel, as small as it can be: the arena, its two mailboxes, its two bells,
 * and rings laid one after the other. For tests; every call fails the test itself when something is
 * wrong with this end.
 */
#ifndef RMX_TESTS_TINY_CHANNEL_H
#define RMX_TESTS_TINY_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/channel.h"
#include "ipc/job.h"
#include "ring/bell.h"
#include "ring/mail.h"
#include "ring/region.h"

struct tiny_channel {
    struct rmx_region arena; /* size 0 = none */
    struct rmx_channel_shm *shm;
    struct rmx_mail to_worker;
    struct rmx_mail to_client;
    struct rmx_bell worker_bell;
    struct rmx_bell client_bell;
    uint64_t next_at; /* where the next ring goes */
    uint32_t place;   /* at the worker */
    uint32_t flows;   /* jobs ever begun: the next one's channel_flow */
    bool wild;        /* the test plays with its mailboxes; nobody else looks at them */
};

void tiny_channel_make(struct tiny_channel *channel, size_t bytes);
void tiny_channel_free(struct tiny_channel *channel);

/* A place for one ring more. */
struct rmx_job_ring tiny_channel_lay(
    struct tiny_channel *channel, uint32_t slots, uint32_t chunk_bytes);

/* Posts a note and rings, as a client does who was asked. */
void tiny_channel_post(struct tiny_channel *channel, uint32_t kind, uint32_t channel_flow);

/* Writes the worker's eventfd, whatever its word says. */
void tiny_channel_ring(struct tiny_channel *channel);

/* Takes all notes; returns how many. */
uint32_t tiny_channel_take_mail(struct tiny_channel *channel);

#endif
