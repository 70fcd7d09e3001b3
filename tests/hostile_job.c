/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A hostile client's jobs. See hostile_job.h.
 */
#include "tests/hostile_job.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "ipc/lane_wire.h"
#include "tests/hostile_hand.h"

#define TURN_CHUNKS 64

static bool one_in(uint64_t *random, uint64_t n)
{
    return hostile_pick(random, n) == 0;
}

static void choose_output(struct rmx_job_spec *spec, uint64_t *random)
{
    static const char *const formats[] = { "fmp4", "mpegts", "matroska", "flv", "mp4", "adts" };

    if (one_in(random, 8)) {
        spec->kind = RMX_JOB_PROBE;
        return;
    }
    spec->kind = RMX_JOB_REMUX;
    (void)rmx_job_set_name(&spec->format, formats[hostile_pick(random, 6)]);
    if (one_in(random, 3)) {
        spec->flags |= RMX_JOB_LIVE;
        spec->interleave_us = (uint32_t)hostile_pick(random, 100000);
        spec->fragment_us =
            one_in(random, 2) ? RMX_JOB_FRAGMENT_PACKET : (uint32_t)hostile_pick(random, 1000000);
    } else if (one_in(random, 4)) {
        spec->flags |= RMX_JOB_SPOOL;
    }
}

/* Says something of its rings that is not so; the daemon has to see it. */
static void misplace(
    struct rmx_job_spec *spec, const struct hostile_channel *channel, uint64_t *random)
{
    switch (hostile_pick(random, 4)) {
    case 0:
        spec->output_ring = spec->input_ring;
        break;
    case 1:
        spec->input_ring.at = channel->arena.size - 4096;
        break;
    case 2:
        spec->input_ring.slots = RMX_RING_SLOTS_MAX;
        break;
    default:
        spec->channel += (uint32_t)hostile_pick(random, 3);
    }
}

static void attach(
    struct rmx_chunk_ring *ring, const struct rmx_region *arena, const struct rmx_job_ring *place)
{
    rmx_assert(rmx_chunk_ring_init(arena, place->at, place->slots, place->chunk_bytes, 0) == 0);
    rmx_assert(
        rmx_chunk_ring_attach(ring, arena, place->at, place->slots, place->chunk_bytes) == 0);
}

int hostile_job_begin(struct hostile_job *job, const struct hostile_channel *channel,
    uint64_t *random, struct rmx_job_spec *spec, int fds[2])
{
    int count = 0;

    job->feeds = !one_in(random, 8);
    job->drains = !job->feeds || !one_in(random, 8);
    *spec = (struct rmx_job_spec){ .job = job->name,
        .inputs = 1,
        .outputs = 1,
        .class_ = (uint16_t)hostile_pick(random, RMX_CLASSES),
        .channel = channel->name,
        .channel_flow = job->flow };
    choose_output(spec, random);
    if (job->feeds) {
        attach(&job->in, &channel->arena, &job->in_at);
        spec->input_port = RMX_JOB_RING;
        spec->input_ring = job->in_at;
        spec->input_bytes = one_in(random, 2) ? job->media->size : UINT64_MAX;
        spec->flags |= one_in(random, 2) ? RMX_JOB_SEEKABLE_INPUT : 0u;
    } else {
        fds[count++] = open(job->media->path, O_RDONLY | O_CLOEXEC);
    }
    if (job->drains) {
        attach(&job->out, &channel->arena, &job->out_at);
        spec->output_port = RMX_JOB_RING;
        spec->output_ring = job->out_at;
        spec->flags |= one_in(random, 2) ? RMX_JOB_POSITIONAL : 0u;
    } else {
        fds[count++] = memfd_create("hostile-output", MFD_CLOEXEC);
    }
    if (job->feeds && job->drains && one_in(random, 16)) {
        misplace(spec, channel, random);
    }
    return count;
}

/* --- a job's bytes --------------------------------------------------------------------------- */

static void tell(const struct hostile_job *job, struct hostile_channel *channel, uint32_t kind)
{
    struct rmx_note note = { .kind = kind, .flow = job->flow };

    (void)rmx_mail_post(&channel->mail, &note);
    if (!channel->mute) {
        (void)rmx_bell_ring(&channel->bell);
    }
}

/* Offers the next chunk of the media. False: not now, or never again. */
static bool feed_one(struct hostile_job *job)
{
    uint32_t generation;
    uint64_t left;
    int due = rmx_chunk_seek_due(&job->in, &job->at, &generation);
    int room = rmx_ring_reserve_one(&job->in.ring);
    struct rmx_chunk chunk = { .offset = job->at, .generation = job->in.generation };

    if (due < 0 || room < 0 || job->at > job->media->size) {
        job->feeds = false; /* the hand was there */
        return false;
    }
    job->fed = job->fed && due == 0;
    if (job->fed || room == 0) {
        return false;
    }
    left = job->media->size - job->at;
    chunk.bytes = left < job->in.chunk_bytes ? (uint32_t)left : job->in.chunk_bytes;
    chunk.flags = chunk.bytes == left ? RMX_CHUNK_END : 0;
    memcpy(rmx_chunk_payload(&job->in, 0), job->media->bytes + job->at, chunk.bytes);
    rmx_chunk_fill(&job->in, 0, &chunk);
    rmx_ring_publish(&job->in.ring, 1);
    job->at += chunk.bytes;
    job->fed = chunk.flags != 0;
    return true;
}

static bool drain_one(struct hostile_job *job)
{
    struct rmx_chunk chunk;
    int ready = rmx_ring_peek_one(&job->out.ring);

    if (ready < 0 || (ready > 0 && rmx_chunk_read(&job->out, 0, &chunk) < 0)) {
        job->drains = false;
    }
    if (!job->drains || ready == 0) {
        return false;
    }
    rmx_ring_release(&job->out.ring, 1);
    return (chunk.flags & RMX_CHUNK_END) == 0;
}

bool hostile_job_serve(struct hostile_job *job, struct hostile_channel *channel)
{
    bool moved = false;

    for (unsigned n = 0; job->feeds && n < TURN_CHUNKS && feed_one(job); n++) {
        moved = true;
    }
    if (job->feeds && rmx_ring_consumer_asked(&job->in.ring)) {
        tell(job, channel, RMX_NOTE_INPUT);
    }
    for (unsigned n = 0; job->drains && n < TURN_CHUNKS && drain_one(job); n++) {
        moved = true;
    }
    if (job->drains && rmx_ring_producer_asked(&job->out.ring)) {
        tell(job, channel, RMX_NOTE_OUTPUT);
    }
    return moved;
}
