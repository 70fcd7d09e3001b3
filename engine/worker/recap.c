/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a new demuxer reads first. Worker process, a job's fiber. Does no I/O.
 */
#include "engine/worker/recap.h"

#include <errno.h>
#include <string.h>

#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>

#include "engine/worker/box.h"
#include "ring/base.h"

#define MOOF_BYTES 24 /* and for each track: */
#define TRAF_BYTES 80
#define TFHD_BYTES 16
#define TFDT_BYTES 20
#define TRUN_BYTES 36
#define MDAT_BYTES 8 /* and one for each track */
#define NOT_SYNC   0x10000

static unsigned count_begun(const struct rmx_fragments *fragments)
{
    unsigned begun = 0;

    for (unsigned slot = 0; slot < fragments->count; slot++) {
        begun += fragments->tracks[slot].begun;
    }
    return begun;
}

size_t rmx_recap_bytes(const struct rmx_fragments *fragments)
{
    unsigned tracks = count_begun(fragments);

    return fragments->header.count + MOOF_BYTES + MDAT_BYTES + tracks * (TRAF_BYTES + (size_t)1);
}

static uint8_t *write_32(uint8_t *at, uint32_t value)
{
    AV_WB32(at, value);
    return at + 4;
}

static uint8_t *write_head(uint8_t *at, size_t bytes, const char *type)
{
    return write_32(write_32(at, (uint32_t)bytes), AV_RB32(type));
}

static uint8_t *write_traf(uint8_t *at, const struct rmx_fragments_track *track, size_t offset)
{
    uint64_t lasts = (uint64_t)track->end - (uint64_t)track->last;

    rmx_assert(lasts <= UINT32_MAX);
    at = write_head(at, TRAF_BYTES, "traf");
    at = write_head(at, TFHD_BYTES, "tfhd");
    at = write_32(at, RMX_BOX_TFHD_FROM_MOOF);
    at = write_32(at, track->id);
    at = write_head(at, TFDT_BYTES, "tfdt");
    at = write_32(at, 1u << 24);
    AV_WB64(at, (uint64_t)track->last);
    at = write_head(at + 8, TRUN_BYTES, "trun");
    at = write_32(at, 1u << 24 | RMX_BOX_TRUN_OFFSET | RMX_BOX_TRUN_DURATIONS | RMX_BOX_TRUN_SIZES |
                          RMX_BOX_TRUN_FLAGS | RMX_BOX_TRUN_SHIFTS);
    at = write_32(at, 1);
    at = write_32(at, (uint32_t)offset);
    at = write_32(at, (uint32_t)lasts);
    at = write_32(at, 1);
    at = write_32(at, NOT_SYNC);
    return write_32(at, (uint32_t)track->least);
}

/* A sample of one byte for each track. */
static void write_fragment(const struct rmx_fragments *fragments, uint8_t *at, unsigned tracks)
{
    size_t moof_bytes = MOOF_BYTES + (size_t)tracks * TRAF_BYTES;
    size_t offset = moof_bytes + MDAT_BYTES;

    at = write_head(at, moof_bytes, "moof");
    at = write_head(at, MOOF_BYTES - 8, "mfhd");
    at = write_32(write_32(at, 0), 0);
    for (unsigned slot = 0; slot < fragments->count; slot++) {
        if (fragments->tracks[slot].begun) {
            at = write_traf(at, &fragments->tracks[slot], offset++);
        }
    }
    at = write_head(at, MDAT_BYTES + (size_t)tracks, "mdat");
    memset(at, 0, tracks);
}

int rmx_recap_make(struct rmx_recap *recap, const struct rmx_fragments *fragments)
{
    size_t count = rmx_recap_bytes(fragments);
    uint8_t *bytes = av_malloc(count);

    if (!bytes) {
        return -ENOMEM;
    }
    *recap = (struct rmx_recap){ .bytes = bytes, .count = count, .tracks = count_begun(fragments) };
    memcpy(bytes, fragments->header.at, fragments->header.count);
    write_fragment(fragments, bytes + fragments->header.count, recap->tracks);
    return 0;
}

void rmx_recap_fini(struct rmx_recap *recap)
{
    av_freep(&recap->bytes);
}
