/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Follows an MP4 in fragments. Worker process, a job's fiber. Does no I/O.
 */
#include "engine/worker/fragments.h"

#include <string.h>

#include <libavutil/common.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mathematics.h>
#include <libavutil/mem.h>

#include "engine/worker/box.h"

#define SAMPLES     4096
#define HEADER_MAX  (1u << 20)
#define MOOF_MAX    (1u << 20)
#define ENTRIES_MAX (1u << 16)

#define FOURCC(text) AV_RB32(text)

enum { /* flags of tfhd and trun */
    HAS_BASE = 0x1,
    HAS_DESCRIPTION = 0x2,
    HAS_DURATION = 0x8,
    BASE_IS_MOOF = 0x20000,
    HAS_OFFSET = 0x1,
    HAS_FIRST_FLAGS = 0x4,
    HAS_SAMPLE_DURATION = 0x100,
    HAS_SAMPLE_SIZE = 0x200,
    HAS_SAMPLE_FLAGS = 0x400,
    HAS_SAMPLE_SHIFT = 0x800,
};

unsigned rmx_fragments_samples = SAMPLES;

void rmx_fragments_fini(struct rmx_fragments *fragments)
{
    av_freep(&fragments->header.at);
    av_freep(&fragments->moof.at);
}

/* --- what the boxes say ---------------------------------------------------------------------- */

/* A box's content, read from the front. Past its end all is 0, and torn. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool torn;
};

static uint32_t read_32(struct reader *reader)
{
    if (reader->end - reader->at < 4) {
        reader->torn = true;
        return 0;
    }
    reader->at += 4;
    return AV_RB32(reader->at - 4);
}

static uint64_t read_64(struct reader *reader)
{
    uint64_t high = read_32(reader);

    return high << 32 | read_32(reader);
}

/* Moves to the content of the next box within. False at the end, or where there is none. */
static bool next_box(struct reader *within, struct reader *box, uint32_t *type)
{
    uint64_t bytes = (uint64_t)(within->end - within->at);
    struct rmx_box head;

    if (bytes == 0) {
        return false;
    }
    if (rmx_box_read(&head, within->at, bytes, 0, bytes) < 0) {
        within->torn = true;
        return false;
    }
    *box = (struct reader){ .at = within->at + head.head_bytes, .end = within->at + head.end };
    *type = head.type;
    within->at += head.end;
    return true;
}

static struct rmx_fragments_track *find(struct rmx_fragments *fragments, uint32_t id)
{
    for (unsigned slot = 0; slot < fragments->count; slot++) {
        if (fragments->tracks[slot].id == id) {
            return &fragments->tracks[slot];
        }
    }
    return NULL;
}

static void read_trex(struct rmx_fragments *fragments, struct reader *box)
{
    struct rmx_fragments_track track = { 0 };

    (void)read_32(box); /* version */
    track.id = read_32(box);
    (void)read_32(box); /* description */
    track.usual = read_32(box);
    if (box->torn || find(fragments, track.id) || fragments->count == RMX_FRAGMENTS_TRACKS_MAX) {
        fragments->lost = true;
        return;
    }
    fragments->tracks[fragments->count++] = track;
}

static void read_moov(struct rmx_fragments *fragments, struct reader *moov)
{
    struct reader mvex;
    struct reader box;
    uint32_t type;

    while (next_box(moov, &mvex, &type)) {
        while (type == FOURCC("mvex") && next_box(&mvex, &box, &type)) {
            if (type == FOURCC("trex")) {
                read_trex(fragments, &box);
            }
            type = FOURCC("mvex");
        }
    }
    fragments->lost |= moov->torn || fragments->count == 0;
}

/* --- fragments ------------------------------------------------------------------------------- */

/* A traf as it is read. */
struct run {
    struct rmx_fragments_track *track;
    uint32_t usual;
    bool placed; /* it says when it begins */
    int64_t at;  /* where its next sample does */
};

/* False where it cannot be followed. */
static bool read_tfhd(struct rmx_fragments *fragments, struct run *run, struct reader *box)
{
    uint32_t flags = read_32(box);

    run->track = find(fragments, read_32(box));
    if (!run->track) {
        return false;
    }
    if (flags & HAS_BASE) {
        (void)read_64(box);
    }
    if (flags & HAS_DESCRIPTION) {
        (void)read_32(box);
    }
    run->usual = flags & HAS_DURATION ? read_32(box) : run->track->usual;
    run->at = run->track->end;
    return !box->torn;
}

static bool read_tfdt(struct run *run, struct reader *box)
{
    bool is_long = read_32(box) >> 24;

    run->at = (int64_t)(is_long ? read_64(box) : read_32(box));
    run->placed = true;
    return run->track && !box->torn;
}

static void read_sample(struct run *run, uint32_t flags, struct reader *box)
{
    struct rmx_fragments_track *track = run->track;
    uint32_t duration = flags & HAS_SAMPLE_DURATION ? read_32(box) : run->usual;

    if (flags & HAS_SAMPLE_SIZE) {
        (void)read_32(box);
    }
    if (flags & HAS_SAMPLE_FLAGS) {
        (void)read_32(box);
    }
    if (flags & HAS_SAMPLE_SHIFT) {
        int32_t shift = (int32_t)read_32(box);

        track->least = FFMIN(track->least, shift);
    }
    track->last = run->at;
    run->at = av_sat_add64(run->at, duration);
    track->end = run->at;
    track->begun = true;
}

static bool read_trun(struct rmx_fragments *fragments, struct run *run, struct reader *box)
{
    uint32_t flags = read_32(box);
    uint32_t entries = read_32(box);

    if (!run->track || entries > ENTRIES_MAX || (fragments->indexed && !run->placed)) {
        return false;
    }
    if (flags & HAS_OFFSET) {
        (void)read_32(box);
    }
    if (flags & HAS_FIRST_FLAGS) {
        (void)read_32(box);
    }
    for (uint32_t entry = 0; entry < entries; entry++) {
        read_sample(run, flags, box);
    }
    fragments->samples = FFMIN(fragments->samples + entries, UINT32_MAX / 2);
    return !box->torn;
}

static bool read_traf(struct rmx_fragments *fragments, struct reader *traf)
{
    struct run run = { 0 };
    struct reader box;
    uint32_t type;
    bool fine = true;

    while (fine && next_box(traf, &box, &type)) {
        if (type == FOURCC("tfhd")) {
            fine = !run.track && read_tfhd(fragments, &run, &box);
        } else if (type == FOURCC("tfdt")) {
            fine = read_tfdt(&run, &box);
        } else if (type == FOURCC("trun")) {
            fine = read_trun(fragments, &run, &box);
        }
    }
    return fine && !traf->torn;
}

static void read_moof(struct rmx_fragments *fragments)
{
    struct reader moof = {
        .at = fragments->moof.at,
        .end = fragments->moof.at + fragments->moof.count,
    };
    struct reader traf;
    uint32_t type;

    while (next_box(&moof, &traf, &type)) {
        if (type == FOURCC("traf") && !read_traf(fragments, &traf)) {
            fragments->lost = true;
        }
    }
    fragments->lost |= moof.torn;
}

/* --- following ------------------------------------------------------------------------------- */

static void keep(struct rmx_fragments *fragments, struct rmx_fragments_bytes *kept,
    const uint8_t *bytes, size_t count)
{
    uint8_t *at = av_fast_realloc(kept->at, &kept->room, kept->count + count);

    if (!at) {
        fragments->lost = true;
        return;
    }
    kept->at = at;
    memcpy(at + kept->count, bytes, count);
    kept->count += count;
}

static void end_box(struct rmx_fragments *fragments)
{
    if (fragments->type == FOURCC("moov") && !fragments->headed) {
        struct reader moov = {
            .at = fragments->header.at + fragments->body_at,
            .end = fragments->header.at + fragments->header.count,
        };

        fragments->headed = true;
        read_moov(fragments, &moov);
    } else if (fragments->type == FOURCC("moof")) {
        read_moof(fragments);
    }
}

/* Its head is there. */
static void begin_box(struct rmx_fragments *fragments)
{
    struct rmx_box box;

    if (AV_RB32(fragments->head) == 0 ||
        rmx_box_read(&box, fragments->head, fragments->head_bytes, 0, INT64_MAX) < 0) {
        fragments->lost = true;
        return;
    }
    fragments->type = box.type;
    fragments->left = box.end - box.head_bytes;
    fragments->indexed |= box.type == FOURCC("sidx");
    fragments->moof.count = 0;
    if (!fragments->headed) {
        fragments->lost |= box.type == FOURCC("mdat") || box.type == FOURCC("moof") ||
                           fragments->header.count + fragments->left > HEADER_MAX;
        if (!fragments->lost) {
            keep(fragments, &fragments->header, fragments->head, fragments->head_bytes);
            fragments->body_at = fragments->header.count;
        }
    }
    fragments->lost |= box.type == FOURCC("moof") && fragments->left > MOOF_MAX;
    fragments->head_bytes = 0;
}

static unsigned head_missing(const struct rmx_fragments *fragments)
{
    if (fragments->head_bytes < RMX_BOX_HEAD_SHORT_BYTES) {
        return RMX_BOX_HEAD_SHORT_BYTES - fragments->head_bytes;
    }
    return rmx_box_is_long(fragments->head) ? RMX_BOX_HEAD_BYTES - fragments->head_bytes : 0;
}

static size_t note_head(struct rmx_fragments *fragments, const uint8_t *bytes, size_t count)
{
    size_t taken = FFMIN(head_missing(fragments), count);

    memcpy(fragments->head + fragments->head_bytes, bytes, taken);
    fragments->head_bytes += (unsigned)taken;
    if (head_missing(fragments) == 0) {
        begin_box(fragments);
        if (fragments->left == 0 && !fragments->lost) {
            end_box(fragments);
        }
    }
    return taken;
}

static size_t note_body(struct rmx_fragments *fragments, const uint8_t *bytes, size_t count)
{
    size_t taken = (size_t)FFMIN(fragments->left, count);
    bool header = !fragments->headed;

    if (header || fragments->type == FOURCC("moof")) {
        keep(fragments, header ? &fragments->header : &fragments->moof, bytes, taken);
    }
    fragments->left -= taken;
    if (fragments->left == 0 && !fragments->lost) {
        end_box(fragments);
    }
    return taken;
}

void rmx_fragments_note(struct rmx_fragments *fragments, const uint8_t *bytes, size_t count)
{
    while (count > 0 && !fragments->lost) {
        size_t taken = fragments->left > 0 ? note_body(fragments, bytes, count)
                                           : note_head(fragments, bytes, count);

        bytes += taken;
        count -= taken;
    }
    if (fragments->lost) {
        rmx_fragments_fini(fragments);
    }
}

bool rmx_fragments_is_long(const struct rmx_fragments *fragments)
{
    return !fragments->lost && fragments->samples >= rmx_fragments_samples;
}

bool rmx_fragments_is_between(const struct rmx_fragments *fragments)
{
    return fragments->left == 0 && fragments->head_bytes == 0 && fragments->type == FOURCC("mdat");
}

size_t rmx_fragments_room(const struct rmx_fragments *fragments)
{
    return fragments->left > 0 ? (size_t)fragments->left : head_missing(fragments);
}

/* --- the recapitulation ---------------------------------------------------------------------- */

#define MOOF_BYTES 24 /* and for each track: */
#define TRAF_BYTES 80
#define TFHD_BYTES 16
#define TFDT_BYTES 20
#define TRUN_BYTES 36
#define MDAT_BYTES 8 /* and one for each track */
#define NOT_SYNC   0x10000

static uint8_t *write_32(uint8_t *at, uint32_t value)
{
    AV_WB32(at, value);
    return at + 4;
}

static uint8_t *write_head(uint8_t *at, size_t bytes, const char *type)
{
    return write_32(write_32(at, (uint32_t)bytes), FOURCC(type));
}

static uint8_t *write_traf(uint8_t *at, const struct rmx_fragments_track *track, size_t offset)
{
    at = write_head(at, TRAF_BYTES, "traf");
    at = write_head(at, TFHD_BYTES, "tfhd");
    at = write_32(at, BASE_IS_MOOF);
    at = write_32(at, track->id);
    at = write_head(at, TFDT_BYTES, "tfdt");
    at = write_32(at, 1u << 24);
    AV_WB64(at, (uint64_t)track->last);
    at = write_head(at + 8, TRUN_BYTES, "trun");
    at = write_32(at, 1u << 24 | HAS_OFFSET | HAS_SAMPLE_DURATION | HAS_SAMPLE_SIZE |
                          HAS_SAMPLE_FLAGS | HAS_SAMPLE_SHIFT);
    at = write_32(at, 1);
    at = write_32(at, (uint32_t)offset);
    at = write_32(at, (uint32_t)(track->end - track->last));
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

size_t rmx_fragments_recap(struct rmx_fragments *fragments, uint8_t **bytes, unsigned *tracks)
{
    unsigned begun = 0;

    for (unsigned slot = 0; slot < fragments->count; slot++) {
        begun += fragments->tracks[slot].begun;
    }
    size_t header = fragments->header.count;
    size_t count = header + MOOF_BYTES + MDAT_BYTES + begun * (TRAF_BYTES + (size_t)1);
    uint8_t *recap = av_malloc(count);

    if (!recap) {
        return 0;
    }
    memcpy(recap, fragments->header.at, header);
    write_fragment(fragments, recap + header, begun);
    fragments->samples = 0;
    *bytes = recap;
    *tracks = begun;
    return count;
}
