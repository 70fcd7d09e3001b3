/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A worker's whole job on arbitrary media: rings, source, libavformat, sink, as task.c puts them
 * together, with a lane played by this file. The input is a file, and what to do with it:
 *
 *   media | format 1 | flags 1 | port 1 | feed 1 | options 1 | lie 3
 *
 * so that any media file is an input, and its last bytes say what happens to it. With `lie` the
 * input ring's descriptors are overwritten now and then, as by a hostile producer. Whatever comes:
 * the job ends, with a known status, and its output ring is one that a drain takes.
 */
#include <stdio.h>
#include <string.h>

#include "engine/worker/remux.h"
#include "engine/worker/task.h"
#include "ipc/format.h"
#include "ipc/job.h"
#include "ring/base.h"
#include "ring/chunk.h"
#include "ring/region.h"
#include "tests/fuzz_drive.h"
#include "tests/media.h"

#define SLOTS        16u
#define CHUNK_BYTES  4096u
#define ORDERS_BYTES 8u
#define SLEEPS_MAX   200000u /* then nobody will ever do more for it */
#define OUTPUT_MAX   (64u << 20)
#define ALLOC_MAX    ((size_t)64 << 20)
#define SEEDS        16u
#define KINDS        128u /* what is no format of one file is a probe */

struct orders {
    uint8_t format;
    uint8_t flags;
    uint8_t port;
    uint8_t feed;
    uint8_t options;
    uint8_t lie_each; /* 0 = never */
    uint8_t lie_at;
    uint8_t lie;
};

static struct {
    struct rmx_region arena;
    struct rmx_flow_shm flow;
    struct rmx_chunk_ring feed;
    struct rmx_chunk_ring drain;
    struct orders orders;
    const uint8_t *bytes;
    size_t size;
    size_t at;
    bool fed; /* to its end */
    unsigned chunks;
    unsigned sleeps;
    uint64_t drained;
    bool ended;
} lane;

/* --- the lane --------------------------------------------------------------------------------- */

static void overwrite_last(void)
{
    unsigned char *entry = rmx_ring_entry(&lane.feed.ring, 0);

    entry[lane.orders.lie_at % sizeof(struct rmx_chunk_shm)] = lane.orders.lie;
}

static void feed_one(void)
{
    size_t most = 1 + (size_t)lane.orders.feed * 16;
    size_t left = lane.size - lane.at;
    size_t bytes = left < most ? left : most;
    const struct rmx_chunk chunk = { .offset = lane.at,
        .bytes = (uint32_t)bytes,
        .generation = lane.feed.generation,
        .flags = bytes == left ? RMX_CHUNK_END : 0 };

    memcpy(rmx_chunk_payload(&lane.feed, 0), lane.bytes + lane.at, bytes);
    rmx_chunk_fill(&lane.feed, 0, &chunk);
    lane.chunks++;
    if (lane.orders.lie_each > 0 && lane.chunks % lane.orders.lie_each == 0) {
        overwrite_last();
    }
    rmx_ring_publish(&lane.feed.ring, 1);
    lane.at += bytes;
    lane.fed = bytes == left;
}

/* Did it do anything? */
static bool feed(void)
{
    uint64_t offset;
    uint32_t generation;
    bool worked = false;

    if (rmx_chunk_seek_due(&lane.feed, &offset, &generation) == 1) {
        lane.at = offset > lane.size ? lane.size : offset;
        lane.fed = false;
        worked = true;
    }
    while (!lane.fed && rmx_ring_reserve_one(&lane.feed.ring) == 1) {
        feed_one();
        worked = true;
    }
    return worked;
}

static bool drain(void)
{
    bool worked = false;

    while (rmx_ring_peek_one(&lane.drain.ring) == 1) {
        struct rmx_chunk chunk;

        rmx_assert(!lane.ended);
        rmx_assert(rmx_chunk_read(&lane.drain, 0, &chunk) == 0);
        lane.ended = (chunk.flags & RMX_CHUNK_END) != 0;
        lane.drained += chunk.bytes;
        rmx_ring_release(&lane.drain.ring, 1);
        worked = true;
    }
    return worked;
}

static void sleep_well(enum rmx_flow_wait what, uint64_t until_ns)
{
    bool fed = feed();
    bool drained = drain();

    (void)what;
    (void)until_ns;
    lane.sleeps++;
    if ((!fed && !drained) || lane.sleeps > SLEEPS_MAX || lane.drained > OUTPUT_MAX) {
        atomic_store(&lane.flow.stop, RMX_STATUS_CANCELLED);
    }
}

static void tell(enum rmx_note_kind kind)
{
    (void)kind;
}

/* --- the job ---------------------------------------------------------------------------------- */

static void write_spec(struct rmx_job_spec *spec)
{
    static const char *const options[] = { "", "movflags=+faststart", "movflags=+frag_keyframe",
        "muxrate=4000000", "movflags=+frag_every_frame", "avoid_negative_ts=make_zero",
        "mpegts_flags=+latm", "flvflags=no_duration_filesize", "write_crc32=0", "hls_time=1",
        "seg_duration=1", "frag_duration=20000", "use_editlist=0", "brand=isom", "live=1", "a=b" };
    const struct orders *orders = &lane.orders;
    const struct rmx_format *format = rmx_format_at(orders->format % KINDS);

    *spec = (struct rmx_job_spec){ .job = 1, .kind = RMX_JOB_PROBE, .inputs = 1, .outputs = 1 };
    if (format != NULL && *format->index == '\0') {
        spec->kind = RMX_JOB_REMUX;
        rmx_assert(rmx_job_set_name(&spec->format, format->name) == 0);
    }
    spec->flags = orders->flags &
                  (RMX_JOB_ALL_STREAMS | RMX_JOB_BITEXACT | RMX_JOB_ALLOW_TRUNCATED | RMX_JOB_LIVE);
    if (orders->options % 32 < 16 && options[orders->options % 16][0] != '\0') {
        rmx_assert(rmx_job_add_option(spec, options[orders->options % 16]) == 0);
    }
}

static void lay_out(void)
{
    size_t ring_bytes = rmx_chunk_ring_bytes(SLOTS, CHUNK_BYTES);

    if (lane.arena.base == NULL) {
        lane.arena = (struct rmx_region)RMX_REGION_INIT;
        rmx_assert(rmx_region_create(&lane.arena, "fuzz", 2 * ring_bytes, 0) == 0);
        rmx_remux_init_process(ALLOC_MAX);
    }
    for (uint64_t at = 0; at <= ring_bytes; at += ring_bytes) {
        struct rmx_chunk_ring *ring = at == 0 ? &lane.feed : &lane.drain;

        rmx_assert(rmx_chunk_ring_init(&lane.arena, at, SLOTS, CHUNK_BYTES, 0) == 0);
        rmx_assert(rmx_chunk_ring_attach(ring, &lane.arena, at, SLOTS, CHUNK_BYTES) == 0);
    }
    bool seekable = lane.orders.port & RMX_PORT_SEEKABLE_IN;
    lane.flow = (struct rmx_flow_shm){ .output_at = ring_bytes,
        .input_bytes = seekable ? lane.size : UINT64_MAX,
        .input_slots = SLOTS,
        .input_chunk_bytes = CHUNK_BYTES,
        .output_slots = SLOTS,
        .output_chunk_bytes = CHUNK_BYTES,
        .port = lane.orders.port &
                (RMX_PORT_SEEKABLE_IN | RMX_PORT_SEEKABLE_OUT | RMX_PORT_SPOOLED_OUT),
        .stage = lane.orders.port >> 6 };
    write_spec(&lane.flow.spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const bool late = false;
    const struct rmx_task_host host = { .sleep = sleep_well, .tell = tell, .late = &late };

    if (size < ORDERS_BYTES) {
        return 0;
    }
    memcpy(&lane.orders, data + size - ORDERS_BYTES, ORDERS_BYTES);
    lane.bytes = data;
    lane.size = size - ORDERS_BYTES;
    lane.at = 0;
    lane.fed = false;
    lane.chunks = 0;
    lane.sleeps = 0;
    lane.drained = 0;
    lane.ended = false;
    lay_out();
    rmx_task_run(&lane.flow, &lane.arena, &host);
    (void)drain();
    rmx_assert(rmx_status_known(lane.flow.result.status));
    rmx_assert(memchr(lane.flow.result.text, 0, sizeof(lane.flow.result.text)) != NULL);
    rmx_assert(lane.ended || atomic_load(&lane.flow.stop) != 0 ||
               lane.flow.result.status == RMX_STATUS_OVER_LIMIT);
    return 0;
}

/* --- the seeds -------------------------------------------------------------------------------- */

/* Our clip in one container after the other, each way round. */
static struct media make_seed(unsigned n)
{
    static const char *const formats[] = { "fmp4", "mov", "mpegts", "matroska", "flv", "cmaf" };
    static const size_t count = sizeof(formats) / sizeof(*formats);
    struct rmx_job_spec spec = media_job(formats[n % count]);
    struct media clip = { 0 };
    struct media made = { 0 };

    if (n % 8 == 7) {
        media_make_adts(&made);
        return made;
    }
    media_make_mp4(&clip, n % 2 ? "+faststart" : NULL);
    if (n % 8 == 6) {
        return clip;
    }
    rmx_assert(media_run(&spec, &clip, &made).status == RMX_STATUS_OK);
    media_free(&clip);
    return made;
}

size_t fuzz_seed(unsigned n, uint8_t *data)
{
    static struct media seeds[SEEDS];
    struct media *seed = &seeds[n % SEEDS];
    const struct orders orders = { .format = (uint8_t)n,
        .flags = n & 8 ? RMX_JOB_LIVE : RMX_JOB_ALL_STREAMS,
        .port = RMX_PORT_SEEKABLE_IN | RMX_PORT_SEEKABLE_OUT,
        .feed = 255,
        .options = 16 };

    if (seed->size == 0) {
        *seed = make_seed(n % SEEDS);
        rmx_assert(seed->size <= FUZZ_SEED_BYTES_MAX - ORDERS_BYTES);
    }
    memcpy(data, seed->bytes, seed->size);
    memcpy(data + seed->size, &orders, ORDERS_BYTES);
    return seed->size + ORDERS_BYTES;
}
