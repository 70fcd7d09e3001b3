/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sample positions in hand-made indexes, true and hostile. What libavformat makes is compared in
 * test_copy.c.
 */
#include "engine/worker/faststart.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>
#include <string.h>

#include "tests/ends.h"

static unsigned char moov[4096];
static size_t size;
static size_t open_box[8];
static unsigned depth;

static void add_word(uint32_t word)
{
    AV_WB32(moov + size, word);
    size += 4;
}

static void begin(const char *type)
{
    open_box[depth++] = size;
    add_word(0);
    memcpy(moov + size, type, 4);
    size += 4;
}

static void end(void)
{
    size_t at = open_box[--depth];

    AV_WB32(moov + at, (uint32_t)(size - at));
}

static void begin_table(const char *type, uint32_t count)
{
    static const char *const path[] = { "moov", "trak", "mdia", "minf", "stbl" };

    size = 0;
    depth = 0;
    for (size_t i = 0; i < sizeof(path) / sizeof(path[0]); i++) {
        begin(path[i]);
        if (i == 1) { /* something on the way that is none of ours */
            begin("edts");
            add_word(0x6d6f6f76);
            end();
        }
    }
    begin(type);
    add_word(0);
    add_word(count);
}

static size_t end_table(void)
{
    size_t table = open_box[depth - 1] + 16;

    while (depth > 0) {
        end();
    }
    return table;
}

TestSuite(faststart, .timeout = 30);

Test(faststart, only_positions_in_the_range_are_shifted)
{
    static const uint32_t positions[] = { 0, 27, 28, 999, 1000, UINT32_MAX };
    static const uint32_t shifted[] = { 0, 27, 128, 1099, 1000, UINT32_MAX };
    size_t table;

    begin_table("stco", 6);
    for (size_t i = 0; i < 6; i++) {
        add_word(positions[i]);
    }
    table = end_table();
    cr_assert_eq(rmx_faststart_shift(moov, size, 28, 1000, 100), 0);
    for (size_t i = 0; i < 6; i++) {
        cr_assert_eq(AV_RB32(moov + table + 4 * i), shifted[i], "%zu", i);
    }
}

Test(faststart, long_positions_go_beyond_32_bits)
{
    size_t table;

    begin_table("co64", 1);
    add_word(0);
    add_word(UINT32_MAX);
    table = end_table();
    cr_assert_eq(rmx_faststart_shift(moov, size, 0, UINT64_MAX, 2), 0);
    cr_assert_eq(AV_RB64(moov + table), UINT64_C(0x100000001));
}

Test(faststart, positions_in_the_index_of_an_encrypted_track_go_with_it)
{
    begin_table("saio", 3);
    add_word(49); /* in front */
    add_word(1000);
    add_word(1099);
    size_t table = end_table();

    cr_assert_eq(rmx_faststart_shift(moov, size, 50, 1000, 100), 0);
    cr_assert_eq(AV_RB32(moov + table), 49);
    cr_assert_eq(AV_RB32(moov + table + 4), 50);
    cr_assert_eq(AV_RB32(moov + table + 8), 149);
}

Test(faststart, position_without_room_is_EOVERFLOW)
{
    begin_table("stco", 1);
    add_word(UINT32_MAX - 5);
    end_table();
    cr_assert_eq(rmx_faststart_shift(moov, size, 0, UINT64_MAX, 6), -EOVERFLOW);
    begin_table("co64", 1);
    add_word(UINT32_MAX);
    add_word(UINT32_MAX - 5);
    end_table();
    cr_assert_eq(rmx_faststart_shift(moov, size, 0, UINT64_MAX, 6), -EOVERFLOW);
}

Test(faststart, table_larger_than_its_box_is_EBADMSG)
{
    static const uint32_t counts[] = { 2, 1u << 30, UINT32_MAX };

    for (size_t i = 0; i < 3; i++) {
        begin_table(i == 0 ? "stco" : "co64", counts[i]);
        add_word(1);
        end_table();
        cr_assert_eq(rmx_faststart_shift(moov, size, 0, UINT64_MAX, 6), -EBADMSG);
    }
    begin_table("stco", 0);
    size -= 4;
    end_table();
    cr_assert_eq(rmx_faststart_shift(moov, size, 0, UINT64_MAX, 6), -EBADMSG);
}

Test(faststart, every_wrong_length_is_EBADMSG_or_harmless)
{
    unsigned char whole[sizeof(moov)];
    size_t table;

    begin_table("stco", 4);
    for (uint32_t i = 0; i < 4; i++) {
        add_word(1000 * i);
    }
    table = end_table();
    memcpy(whole, moov, size);
    for (size_t at = 0; at < table; at++) {
        for (unsigned value = 0; value < 256; value++) {
            unsigned char *copy = av_memdup(whole, size); /* its end is guarded under ASan */
            int error;

            cr_assert_not_null(copy);
            copy[at] = (unsigned char)value;
            error = rmx_faststart_shift(copy, size, 0, UINT64_MAX, 6);
            cr_assert(error == 0 || error == -EBADMSG || error == -EOVERFLOW);
            av_free(copy);
        }
    }
    for (size_t cut = 0; cut < size; cut++) {
        cr_assert_eq(rmx_faststart_shift(whole, cut, 0, UINT64_MAX, 6), cut == 0 ? 0 : -EBADMSG);
    }
}

Test(faststart, index_too_large_to_hold_is_ENOMEM)
{
    static const unsigned char file[] = { 0, 0, 0, 8, 'f', 't', 'y', 'p', 0, 0, 0, 9, 'm', 'd', 'a',
        't', 7, 0, 0, 0, 1, 'm', 'o', 'o', 'v', 0, 0, 0, 0, 0x40, 0, 0, 0 };
    struct rmx_faststart plan = { 0 };

    av_max_alloc(64u << 20); /* as a worker does */
    ends_open(file, sizeof(file), true, 4, 512);
    ends.source.input[0].size = UINT64_C(0x7fffffff);
    cr_assert_eq(rmx_faststart_plan(&plan, &ends.source), -ENOMEM);
    rmx_faststart_fini(&plan);
    ends_close();
}
