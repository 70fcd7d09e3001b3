/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The boxes of a fragment. Worker process, a job's fiber. See moof.h.
 */
#include "engine/worker/moof.h"

#include <errno.h>
#include <string.h>

#include <libavutil/common.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>

#include "engine/worker/box.h"

#define ROOM_AT_FIRST 4096
#define ENTRIES_MORE  64
#define TFHD_FLAGS    0x20        /* of samples, by default */
#define IS_SYNC       0x02000000u /* depends on no other sample */
#define IS_NOT_SYNC   0x01010000u /* does, and is none to begin with */

/* Where a track's part of a fragment is, in the index. */
struct rmx_moof_entry {
    unsigned track;
    int64_t pts;
    int64_t at;
};

/* --- bytes ----------------------------------------------------------------------------------- */

static uint8_t *add(struct rmx_moof *moof, size_t bytes)
{
    if (moof->room - moof->size < bytes) {
        size_t room = 2 * moof->room + bytes;
        uint8_t *grown = av_realloc(moof->bytes, room);

        if (!grown) {
            moof->failed = true;
            return NULL;
        }
        moof->bytes = grown;
        moof->room = room;
    }
    moof->size += bytes;
    return moof->bytes + moof->size - bytes;
}

static void add32(struct rmx_moof *moof, uint32_t value)
{
    uint8_t *at = add(moof, 4);

    if (at) {
        AV_WB32(at, value);
    }
}

static void add64(struct rmx_moof *moof, uint64_t value)
{
    add32(moof, (uint32_t)(value >> 32));
    add32(moof, (uint32_t)value);
}

/* Returns where it begins. */
static size_t open_box(struct rmx_moof *moof, const char *type)
{
    size_t at = moof->size;

    add32(moof, 0);
    add32(moof, AV_RB32(type));
    return at;
}

static void close_box(struct rmx_moof *moof, size_t at)
{
    if (!moof->failed) {
        AV_WB32(moof->bytes + at, (uint32_t)(moof->size - at));
    }
}

/* --- a fragment ------------------------------------------------------------------------------ */

int rmx_moof_init(struct rmx_moof *moof, unsigned tracks)
{
    *moof = (struct rmx_moof){ .tracks = tracks, .room = ROOM_AT_FIRST };
    moof->bytes = av_malloc(moof->room);
    moof->offsets_at = av_calloc(tracks, sizeof(*moof->offsets_at));
    moof->media = av_calloc(tracks, sizeof(*moof->media));
    return moof->bytes && moof->offsets_at && moof->media ? 0 : AVERROR(ENOMEM);
}

void rmx_moof_fini(struct rmx_moof *moof)
{
    av_freep(&moof->bytes);
    av_freep(&moof->offsets_at);
    av_freep(&moof->media);
    av_freep(&moof->entries);
}

void rmx_moof_begin(struct rmx_moof *moof, int64_t at)
{
    size_t box;

    moof->size = 0;
    moof->at = at;
    memset(moof->media, 0, moof->tracks * sizeof(*moof->media));
    (void)open_box(moof, "moof");
    box = open_box(moof, "mfhd");
    add32(moof, 0);
    add32(moof, ++moof->number);
    close_box(moof, box);
}

static uint32_t flags_of(const struct rmx_moof_sample *sample)
{
    return sample->key ? IS_SYNC : IS_NOT_SYNC;
}

static uint32_t lasts(const struct rmx_moof_run *run, unsigned i)
{
    int64_t next = i + 1 < run->count ? run->samples[i + 1].dts : run->end;

    return (uint32_t)((uint64_t)next - (uint64_t)run->samples[i].dts);
}

/* By default all are as the second is, or what is usual. */
static uint32_t usual_flags(const struct rmx_moof_run *run)
{
    if (run->count > 1) {
        return flags_of(&run->samples[1]);
    }
    return run->pictures ? IS_NOT_SYNC : IS_SYNC;
}

/* What of each sample is not as by default. */
static uint32_t differences(const struct rmx_moof_run *run)
{
    uint32_t flags = RMX_BOX_TRUN_OFFSET;

    for (unsigned i = 0; i < run->count; i++) {
        const struct rmx_moof_sample *sample = &run->samples[i];

        flags |= lasts(run, i) != lasts(run, 0) ? RMX_BOX_TRUN_DURATIONS : 0;
        flags |= sample->bytes != run->samples[0].bytes ? RMX_BOX_TRUN_SIZES : 0;
        flags |= i > 0 && flags_of(sample) != usual_flags(run) ? RMX_BOX_TRUN_FLAGS : 0;
    }
    if (!(flags & RMX_BOX_TRUN_FLAGS) && flags_of(run->samples) != usual_flags(run)) {
        flags |= RMX_BOX_TRUN_FIRST_FLAGS;
    }
    return run->shifted ? flags | RMX_BOX_TRUN_SHIFTS : flags;
}

static void add_trun(struct rmx_moof *moof, unsigned track, const struct rmx_moof_run *run)
{
    uint32_t flags = differences(run);
    size_t box = open_box(moof, "trun");

    add32(moof, flags);
    add32(moof, run->count);
    moof->offsets_at[track] = moof->size;
    add32(moof, 0);
    if (flags & RMX_BOX_TRUN_FIRST_FLAGS) {
        add32(moof, flags_of(run->samples));
    }
    for (unsigned i = 0; i < run->count; i++) {
        const struct rmx_moof_sample *sample = &run->samples[i];

        if (flags & RMX_BOX_TRUN_DURATIONS) {
            add32(moof, lasts(run, i));
        }
        if (flags & RMX_BOX_TRUN_SIZES) {
            add32(moof, sample->bytes);
        }
        if (flags & RMX_BOX_TRUN_FLAGS) {
            add32(moof, flags_of(sample));
        }
        if (flags & RMX_BOX_TRUN_SHIFTS) {
            add32(moof, (uint32_t)sample->shift);
        }
        moof->media[track] += sample->bytes;
    }
    close_box(moof, box);
}

static void note_entry(struct rmx_moof *moof, unsigned track, const struct rmx_moof_sample *first)
{
    if (moof->entry_count == moof->entry_room) {
        unsigned room = moof->entry_room + ENTRIES_MORE + moof->entry_room / 2;
        struct rmx_moof_entry *entries =
            av_realloc_array(moof->entries, room, sizeof(*moof->entries));

        if (!entries) {
            moof->failed = true;
            return;
        }
        moof->entries = entries;
        moof->entry_room = room;
    }
    moof->entries[moof->entry_count++] = (struct rmx_moof_entry){
        .track = track,
        .pts = FFMAX(av_sat_add64(first->dts, first->shift), 0),
        .at = moof->at,
    };
}

void rmx_moof_add(struct rmx_moof *moof, unsigned track, const struct rmx_moof_run *run)
{
    size_t traf = open_box(moof, "traf");
    size_t box = open_box(moof, "tfhd");

    add32(moof, RMX_BOX_TFHD_DURATION | RMX_BOX_TFHD_SIZE | TFHD_FLAGS | RMX_BOX_TFHD_FROM_MOOF);
    add32(moof, track + 1);
    add32(moof, lasts(run, 0));
    add32(moof, run->samples[0].bytes);
    add32(moof, usual_flags(run));
    close_box(moof, box);
    box = open_box(moof, "tfdt");
    add32(moof, 1u << 24); /* 64 bits */
    add64(moof, (uint64_t)run->samples[0].dts);
    close_box(moof, box);
    add_trun(moof, track, run);
    close_box(moof, traf);
    note_entry(moof, track, &run->samples[0]);
}

int rmx_moof_end(struct rmx_moof *moof, AVIOContext *io)
{
    uint64_t at = moof->size + RMX_BOX_HEAD_SHORT_BYTES;
    uint64_t media = 0;

    close_box(moof, 0);
    for (unsigned i = 0; i < moof->tracks && !moof->failed; i++) {
        if (moof->media[i] > 0) {
            AV_WB32(moof->bytes + moof->offsets_at[i], (uint32_t)(at + media));
        }
        media += moof->media[i];
    }
    add32(moof, (uint32_t)(media + RMX_BOX_HEAD_SHORT_BYTES));
    add32(moof, AV_RB32("mdat"));
    if (moof->failed) {
        return AVERROR(ENOMEM);
    }
    if (at + media > INT32_MAX) { /* a sample's place is one of 31 bits */
        return AVERROR(ERANGE);
    }
    avio_write(io, moof->bytes, (int)moof->size);
    return 0;
}

/* --- the index ------------------------------------------------------------------------------- */

static void add_tfra(struct rmx_moof *moof, unsigned track)
{
    size_t box = open_box(moof, "tfra");
    uint32_t count = 0;
    size_t count_at;

    add32(moof, 1u << 24);
    add32(moof, track + 1);
    add32(moof, 0); /* one byte for each number below */
    count_at = moof->size;
    add32(moof, 0);
    for (unsigned i = 0; i < moof->entry_count; i++) {
        const struct rmx_moof_entry *entry = &moof->entries[i];
        uint8_t *numbers;

        if (entry->track != track) {
            continue;
        }
        add64(moof, (uint64_t)entry->pts);
        add64(moof, (uint64_t)entry->at);
        numbers = add(moof, 3); /* of traf, trun and sample */
        if (numbers) {
            memset(numbers, 1, 3);
        }
        count++;
    }
    if (!moof->failed) {
        AV_WB32(moof->bytes + count_at, count);
    }
    close_box(moof, box);
}

static bool has_entries(const struct rmx_moof *moof, unsigned track)
{
    for (unsigned i = 0; i < moof->entry_count; i++) {
        if (moof->entries[i].track == track) {
            return true;
        }
    }
    return false;
}

int rmx_moof_write_index(struct rmx_moof *moof, AVIOContext *io)
{
    size_t box;

    moof->size = 0;
    (void)open_box(moof, "mfra");
    for (unsigned i = 0; i < moof->tracks; i++) {
        if (has_entries(moof, i)) {
            add_tfra(moof, i);
        }
    }
    box = open_box(moof, "mfro");
    add32(moof, 0);
    add32(moof, (uint32_t)moof->size + 4);
    close_box(moof, box);
    close_box(moof, 0);
    if (moof->failed) {
        return AVERROR(ENOMEM);
    }
    avio_write(io, moof->bytes, (int)moof->size);
    return 0;
}
