/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A hostile client's jobs, in so far as they are good ones: what they are, and how their rings are
 * fed and drained, as long as the other hand (hostile_hand.h) has not spoilt them. Runs in test
 * programs only.
 */
#ifndef RMX_TESTS_HOSTILE_JOB_H
#define RMX_TESTS_HOSTILE_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/job.h"
#include "ring/bell.h"
#include "ring/chunk.h"
#include "ring/mail.h"
#include "ring/region.h"

struct hostile_media {
    const char *path;
    unsigned char *bytes;
    uint64_t size;
};

struct hostile_channel {
    uint32_t name;
    struct rmx_region arena;
    struct rmx_mail mail;
    struct rmx_bell bell;
    bool mute; /* ringing the bell could block */
};

struct hostile_job {
    uint64_t name; /* 0 = none is in flight */
    uint64_t since_ns;
    const struct hostile_media *media;
    uint32_t flow;
    struct rmx_job_ring in_at;
    struct rmx_job_ring out_at;
    struct rmx_chunk_ring in;
    struct rmx_chunk_ring out;
    bool feeds;  /* its input is a ring, and we have not given up on it */
    bool drains; /* likewise */
    bool fed;    /* to its end, unless a seek comes */
    bool cancelled;
    uint64_t at; /* in the media */
};

/* Makes it a job of random kind, with empty rings where in_at and out_at say; name, media, flow and
 * these two are set. Fills *spec and opens what descriptors it needs, whose count is returned. */
int hostile_job_begin(struct hostile_job *job, const struct hostile_channel *channel,
    uint64_t *random, struct rmx_job_spec *spec, int fds[2]);

/* Feeds and drains it as a good client does. Returns whether anything moved. */
bool hostile_job_serve(struct hostile_job *job, struct hostile_channel *channel);

#endif
