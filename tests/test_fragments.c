/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Following an MP4 in fragments (engine/worker/fragments.h): what boxes made by hand say, and that
 * those which claim much cost little.
 */
#include "engine/worker/fragments.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>

#include "engine/worker/box.h"
#include "engine/worker/recap.h"

#define FILE_BYTES (4u << 20)
#define TRACK      1
#define SECOND_NS  1000000000

/* A file as it is made: boxes within boxes. */
static uint8_t file[FILE_BYTES];
static size_t size;
static struct rmx_fragments fragments;

static void start_over(void)
{
    rmx_fragments_fini(&fragments);
    memset(&fragments, 0, sizeof(fragments));
    size = 0;
}

TestSuite(fragments, .fini = start_over, .timeout = 60);

static void put_32(uint32_t value)
{
    cr_assert_leq(size + 4, FILE_BYTES);
    AV_WB32(file + size, value);
    size += 4;
}

static size_t begin(const char *type)
{
    size_t at = size;

    put_32(0);
    put_32(AV_RB32(type));
    return at;
}

static void end(size_t at)
{
    AV_WB32(file + at, (uint32_t)(size - at));
}

static void put_box(const char *type, size_t bytes)
{
    size_t at = begin(type);

    memset(file + size, 0, bytes);
    size += bytes;
    end(at);
}

static void put_header(unsigned tracks)
{
    size_t moov = begin("moov");
    size_t mvex = begin("mvex");

    for (uint32_t track = 0; track < tracks; track++) {
        size_t trex = begin("trex");

        put_32(0);
        put_32(TRACK + track);
        put_32(1);    /* description */
        put_32(1024); /* ticks */
        put_32(10);   /* bytes */
        put_32(0);
        end(trex);
    }
    end(mvex);
    end(moov);
}

static size_t begin_traf(uint32_t track)
{
    size_t traf = begin("traf");
    size_t tfhd = begin("tfhd");

    put_32(RMX_BOX_TFHD_FROM_MOOF);
    put_32(track);
    end(tfhd);
    return traf;
}

/* Its samples as the header says they are. Returns where its offset can be set. */
static size_t put_trun(uint32_t entries)
{
    size_t trun = begin("trun");

    put_32(RMX_BOX_TRUN_OFFSET);
    put_32(entries);
    put_32(0);
    end(trun);
    return size - 4;
}

static void note_from(size_t at)
{
    rmx_fragments_note(&fragments, file + at, size - at);
}

static uint64_t cpu_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * SECOND_NS + (uint64_t)used.tv_nsec;
}

/* A fragment whose samples are in two mdat, with a free box between. */
static void put_torn_fragment(size_t ends[3])
{
    size_t moof = begin("moof");
    size_t traf = begin_traf(TRACK);
    size_t first = put_trun(10);
    size_t second = put_trun(10);

    end(traf);
    end(moof);
    AV_WB32(file + first, (uint32_t)(size - moof + RMX_BOX_HEAD_SHORT_BYTES));
    put_box("mdat", 100);
    ends[0] = size;
    put_box("free", 4);
    ends[1] = size;
    AV_WB32(file + second, (uint32_t)(size - moof + RMX_BOX_HEAD_SHORT_BYTES));
    put_box("mdat", 100);
    ends[2] = size;
}

Test(fragments, another_one_begins_only_when_all_samples_were_there)
{
    size_t ends[3];

    put_header(1);
    put_torn_fragment(ends);
    rmx_fragments_note(&fragments, file, ends[0]);
    cr_assert_not(rmx_fragments_is_between(&fragments));
    rmx_fragments_note(&fragments, file + ends[0], ends[1] - ends[0]);
    cr_assert_not(rmx_fragments_is_between(&fragments));
    rmx_fragments_note(&fragments, file + ends[1], ends[2] - ends[1]);
    cr_assert(rmx_fragments_is_between(&fragments));
    cr_assert_not(fragments.lost);
    cr_assert_eq(fragments.samples, 20);
    cr_assert_eq(fragments.tracks[0].end, 20 * 1024);
}

Test(fragments, another_one_begins_with_a_box_of_its_own)
{
    cr_assert(rmx_fragments_may_begin((const uint8_t *)"\0\0\0\x64moof"));
    cr_assert(rmx_fragments_may_begin((const uint8_t *)"\0\0\0\x64styp"));
    cr_assert_not(rmx_fragments_may_begin((const uint8_t *)"\0\0\0\x64"
                                                           "free"));
    cr_assert_not(rmx_fragments_may_begin((const uint8_t *)"\0\0\0\x64mdat"));
}

/* As many runs as fit, each of which claims so many samples. */
static void put_bomb(uint32_t flags, uint32_t entries)
{
    size_t moof = begin("moof");
    size_t traf = begin_traf(TRACK);

    for (unsigned run = 0; run < 65000; run++) {
        size_t trun = begin("trun");

        put_32(flags);
        put_32(entries);
        end(trun);
    }
    end(traf);
    end(moof);
}

Test(fragments, what_claims_very_many_samples_costs_no_more_than_its_bytes)
{
    static const struct {
        uint32_t flags;
        uint32_t entries;
        bool lost;
    } bombs[] = {
        { 0, 65536, true },
        { 0, UINT32_MAX, true },
        { RMX_BOX_TRUN_SIZES, 60000, true },
        { RMX_BOX_TRUN_FLAGS, 1, true },
        { 0, 4, false },
        { 0, 5, true },
    };

    for (size_t slot = 0; slot < sizeof(bombs) / sizeof(*bombs); slot++) {
        start_over();
        put_header(1);
        put_bomb(bombs[slot].flags, bombs[slot].entries);
        uint64_t begun_ns = cpu_ns();

        note_from(0);
        cr_assert_lt(cpu_ns() - begun_ns, SECOND_NS / 5, "bomb %zu", slot);
        cr_assert_eq(fragments.lost, bombs[slot].lost, "bomb %zu", slot);
    }
    start_over();
    put_header(1);
    put_bomb(0, 4);
    note_from(0);
    cr_assert_eq(fragments.tracks[0].end, 4 * 65000 * 1024);
    cr_assert_eq(fragments.tracks[0].last, (4 * 65000 - 1) * 1024);
}

/* It has no bytes for what it claims. */
static void put_tiny_fragment(uint32_t track, uint32_t entries)
{
    size_t moof = begin("moof");
    size_t traf = begin_traf(track);

    put_trun(entries);
    end(traf);
    end(moof);
}

Test(fragments, no_more_is_read_again_than_was_read)
{
    struct rmx_recap recap;

    put_box("free", 900000);
    put_header(RMX_FRAGMENTS_TRACKS_MAX);
    note_from(0);
    for (uint32_t track = 0; track < RMX_FRAGMENTS_TRACKS_MAX; track++) {
        size_t at = size;

        put_tiny_fragment(TRACK + track, 65536);
        note_from(at);
    }
    cr_assert_geq(fragments.samples, rmx_fragments_samples);
    cr_assert(rmx_fragments_is_long(&fragments)); /* there was much in front of the header */
    cr_assert_eq(rmx_recap_make(&recap, &fragments), 0);
    cr_assert_lt(recap.count, 5000, "the free box is not kept");
    cr_assert_eq(recap.tracks, RMX_FRAGMENTS_TRACKS_MAX);
    rmx_fragments_renew(&fragments);
    for (unsigned count = 0; count < 500; count++) {
        size_t at = size;

        put_tiny_fragment(TRACK, 65536);
        note_from(at);
        cr_assert_not(rmx_fragments_is_long(&fragments), "after %u", count);
    }
    put_box("mdat", 65536);
    note_from(size - 65536 - 8);
    cr_assert(rmx_fragments_is_long(&fragments));
    rmx_recap_fini(&recap);
}

Test(fragments, a_small_file_of_many_tracks_is_not_begun_anew_before_there_was_as_much)
{
    unsigned usual = rmx_fragments_samples;

    rmx_fragments_samples = 1;
    put_header(RMX_FRAGMENTS_TRACKS_MAX);
    for (uint32_t track = 0; track < RMX_FRAGMENTS_TRACKS_MAX; track++) {
        put_tiny_fragment(TRACK + track, 1);
    }
    for (size_t at = 0; at < size; at++) {
        rmx_fragments_note(&fragments, file + at, 1);
        if (rmx_fragments_is_long(&fragments)) {
            cr_assert_geq(at + 1, rmx_recap_bytes(&fragments));
        }
    }
    cr_assert_not(fragments.lost);
    rmx_fragments_samples = usual;
}

Test(fragments, times_that_overflow_stay_within_a_sample)
{
    struct rmx_recap recap;

    put_header(1);
    size_t moof = begin("moof");
    size_t traf = begin_traf(TRACK);
    size_t tfdt = begin("tfdt");

    put_32(1u << 24);
    put_32(INT32_MAX);
    put_32(UINT32_MAX - 4000);
    end(tfdt);
    put_trun(50);
    end(traf);
    end(moof);
    note_from(0);
    cr_assert_not(fragments.lost);
    cr_assert_eq(fragments.tracks[0].end, INT64_MAX);
    cr_assert_eq(rmx_recap_make(&recap, &fragments), 0);
    rmx_recap_fini(&recap);
}
