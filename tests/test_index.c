/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which streams are MP4s whose index comes after their samples, told from hand-made heads.
 */
#include "engine/worker/index.h"

#include <criterion/criterion.h>
#include <libavutil/error.h>
#include <libavutil/intreadwrite.h>
#include <string.h>

#include "tests/ends.h"

#define SLOTS       4u
#define CHUNK_BYTES 512u

static unsigned char head[4096];
static size_t size;

TestSuite(index, .timeout = 30);

static void add_box(const char *type, uint32_t bytes)
{
    cr_assert_leq(size + 8, sizeof(head));
    AV_WB32(head + size, bytes);
    memcpy(head + size + 4, type, 4);
    size += bytes < 8 ? 8 : bytes;
}

static void add_long_box(const char *type, uint64_t bytes)
{
    add_box(type, 1);
    AV_WB64(head + size, bytes);
    size += 8;
}

/* What is said of the head as it stands. Afterwards the stream must still be whole. */
static int look(void)
{
    unsigned char copy[sizeof(head)];
    size_t whole = size < sizeof(head) ? size : sizeof(head);
    int says;

    ends_open(head, whole, false, SLOTS, CHUNK_BYTES);
    says = rmx_index_follows(&ends.source);
    cr_assert_eq(ends.source.bytes, 0);
    cr_assert_eq(avio_read(ends.source.input[0].context, copy, (int)whole), (int)whole);
    cr_assert_arr_eq(copy, head, whole);
    ends_close();
    return says;
}

Test(index, samples_before_the_index_are_seen)
{
    add_box("ftyp", 28);
    add_box("free", 8);
    add_box("mdat", 1000);
    cr_assert_eq(look(), 1);
}

Test(index, samples_first_of_all_are_seen)
{
    add_box("mdat", 1000);
    cr_assert_eq(look(), 1);
}

Test(index, long_and_endless_samples_are_seen)
{
    add_box("ftyp", 20);
    add_long_box("mdat", UINT64_C(5000000000));
    size += 100;
    cr_assert_eq(look(), 1);
    size = 0;
    add_box("ftyp", 20);
    add_box("mdat", 0);
    cr_assert_eq(look(), 1);
}

Test(index, index_in_front_is_seen)
{
    add_box("ftyp", 28);
    add_box("moov", 500);
    add_box("mdat", 1000);
    cr_assert_eq(look(), 0);
}

Test(index, fragment_and_other_streams_are_not_it)
{
    add_box("styp", 24);
    add_box("sidx", 52);
    add_box("moof", 100);
    add_box("mdat", 100);
    cr_assert_eq(look(), 0);
    memset(head, 0x47, 188);
    size = 188;
    cr_assert_eq(look(), 0);
}

Test(index, empty_samples_say_nothing)
{
    add_box("ftyp", 20);
    add_box("wide", 8);
    add_box("mdat", 8);
    add_box("moov", 100);
    cr_assert_eq(look(), 0);
}

Test(index, impossible_lengths_say_nothing)
{
    for (uint32_t bytes = 2; bytes < 8; bytes++) {
        size = 0;
        add_box("ftyp", bytes);
        add_box("mdat", 100);
        cr_assert_eq(look(), 0, "%u", bytes);
    }
    for (uint64_t bytes = 0; bytes < 16; bytes++) {
        size = 0;
        add_long_box("ftyp", bytes);
        add_box("mdat", 100);
        cr_assert_eq(look(), 0);
    }
    size = 0;
    add_box("ftyp", 20);
    add_long_box("free", UINT64_MAX);
    size += 100;
    cr_assert_eq(look(), 0);
    size = 0;
    add_long_box("free", (uint64_t)INT64_MAX);
    size += 100;
    cr_assert_eq(look(), 0);
}

Test(index, cut_off_head_says_nothing)
{
    for (size_t whole = 0; whole < 36; whole++) {
        size = 0;
        add_box("ftyp", 28);
        add_long_box("mdat", 1000);
        size = whole;
        cr_assert_eq(look(), 0, "%zu", whole);
    }
}

Test(index, endless_row_of_boxes_is_given_up)
{
    for (int i = 0; i < 300; i++) {
        add_box("free", 8);
    }
    add_box("mdat", 100);
    cr_assert_eq(look(), 0);
}

Test(index, head_larger_than_the_ring_is_not_waited_for)
{
    add_box("ftyp", 28);
    add_box("free", SLOTS * CHUNK_BYTES);
    ends_open(head, 100, false, SLOTS, CHUNK_BYTES);
    ends.endless = true;
    cr_assert_eq(rmx_index_follows(&ends.source), 0);
    cr_assert_leq(ends.sleeps, 1);
    ends_close();
}

Test(index, full_ring_of_small_chunks_is_not_waited_for)
{
    add_box("ftyp", 28);
    add_box("mdat", 100);
    ends_open(head, size, false, SLOTS, CHUNK_BYTES);
    ends.feed_bytes_max = 7;
    cr_assert_eq(rmx_index_follows(&ends.source), 0);
    ends_close();
}

Test(index, head_that_comes_byte_by_byte_is_waited_for)
{
    add_box("ftyp", 28);
    add_box("free", 8);
    add_box("mdat", 100);
    ends_open(head, size, false, 64, CHUNK_BYTES);
    ends.feed_bytes_max = 1;
    cr_assert_eq(rmx_index_follows(&ends.source), 1);
    ends_close();
}

Test(index, input_that_can_seek_is_not_looked_at)
{
    add_box("mdat", 100);
    ends_open(head, size, true, SLOTS, CHUNK_BYTES);
    cr_assert_eq(rmx_index_follows(&ends.source), 0);
    cr_assert_eq(ends.sleeps, 0);
    ends_close();
}

Test(index, stop_ends_the_wait)
{
    add_box("ftyp", 28);
    ends_open(head, size, false, SLOTS, CHUNK_BYTES);
    ends.endless = true; /* more never comes: the feed stops the job */
    cr_assert_eq(rmx_index_follows(&ends.source), AVERROR_EXIT);
    cr_assert_eq(ends.avio.status, RMX_STATUS_CANCELLED);
    ends_close();
}

Test(index, feed_that_lies_is_PEER_CORRUPT)
{
    add_box("mdat", 100);
    ends_open(head, size, false, SLOTS, CHUNK_BYTES);
    ends.lie = true;
    cr_assert_eq(rmx_index_follows(&ends.source), AVERROR_EXIT);
    cr_assert_eq(ends.avio.status, RMX_STATUS_PEER_CORRUPT);
    ends_close();
}

/* --- tracks without an id --------------------------------------------------------------------- */

/* The box that began there ends here. */
static void close_box(size_t at)
{
    AV_WB32(head + at, (uint32_t)(size - at));
}

static size_t open_box(const char *type)
{
    add_box(type, 8);
    return size - 8;
}

static void add_tkhd(uint8_t version, uint32_t id)
{
    add_box("tkhd", version == 1 ? 104 : 92);
    memset(head + size - (version == 1 ? 96 : 84), 0, 24);
    head[size - (version == 1 ? 96 : 84)] = version;
    AV_WB32(head + size - (version == 1 ? 76 : 72), id);
}

static void add_mvex(void)
{
    size_t mvex = open_box("mvex");

    add_box("trex", 32);
    close_box(mvex);
}

/* A moov of two tracks; add: what says the second one's id, or NULL. */
static void add_moov(void (*add)(uint8_t version, uint32_t id), uint32_t id, bool in_fragments)
{
    size_t moov = open_box("moov");
    size_t trak;

    add_box("mvhd", 108);
    trak = open_box("trak");
    add_tkhd(0, 1);
    close_box(trak);
    trak = open_box("trak");
    add_box("free", 16);
    if (add != NULL) {
        add(1, id);
    }
    add_box("mdia", 40);
    close_box(trak);
    if (in_fragments) {
        add_mvex();
    }
    close_box(moov);
}

static int look_for_names(bool seekable)
{
    int says;

    ends_open(head, size, seekable, SLOTS, CHUNK_BYTES);
    says = rmx_index_is_nameless(&ends.source);
    cr_assert_eq(ends.source.bytes, 0);
    ends_close();
    return says;
}

Test(index, track_of_fragments_without_an_id_is_seen)
{
    add_box("ftyp", 20);
    add_moov(NULL, 0, true);
    cr_assert_eq(look_for_names(false), 1);
    cr_assert_eq(look_for_names(true), 1);
}

Test(index, track_of_fragments_whose_id_is_too_large_is_seen)
{
    add_box("ftyp", 20);
    add_box("mdat", 100);
    add_box("what", 12);
    add_moov(add_tkhd, 0x80000000u, true);
    cr_assert_eq(look_for_names(false), 1);
}

/* Its first box ends with it, and the one that says it is in fragments is in the next track. */
Test(index, track_whose_head_is_swallowed_is_seen_and_fragments_anywhere)
{
    size_t moov = open_box("moov");
    size_t trak = open_box("trak");
    size_t swallows = size;

    add_box("what", 8);
    AV_WB32(head + swallows, 0);
    add_tkhd(0, 1);
    close_box(trak);
    trak = open_box("trak");
    add_tkhd(0, 2);
    add_box("free", 3 * 512); /* pieces */
    add_mvex();
    close_box(trak);
    close_box(moov);
    cr_assert_eq(look_for_names(false), 1);
    cr_assert_eq(look_for_names(true), 1);
}

Test(index, tracks_with_ids_are_named)
{
    add_box("ftyp", 20);
    add_moov(add_tkhd, INT32_MAX, true);
    cr_assert_eq(look_for_names(false), 0);
    cr_assert_eq(look_for_names(true), 0);
}

Test(index, track_without_an_id_is_no_matter_without_fragments)
{
    add_box("ftyp", 20);
    add_moov(NULL, 0, false);
    cr_assert_eq(look_for_names(false), 0);
}

Test(index, names_are_not_looked_for_beyond_the_ring_nor_in_what_is_no_mp4)
{
    add_box("mdat", SLOTS * CHUNK_BYTES);
    add_moov(NULL, 0, true);
    cr_assert_eq(look_for_names(true), 0);
    size = 0;
    add_box("RIFF", 100);
    add_moov(NULL, 0, true);
    cr_assert_eq(look_for_names(true), 0);
}

Test(index, name_that_may_come_beyond_the_ring_is_not_missed)
{
    size_t moov = open_box("moov");

    add_mvex();
    size_t trak = open_box("trak");
    add_box("free", SLOTS * CHUNK_BYTES);
    add_tkhd(0, 1);
    close_box(trak);
    close_box(moov);
    cr_assert_eq(look_for_names(false), 0);
}
