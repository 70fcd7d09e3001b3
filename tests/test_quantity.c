/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Values as people write them (ipc/quantity.h).
 */
#include "ipc/quantity.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct {
    const char *text;
    uint64_t value;
} sizes[] = {
    { "0", 0 },
    { "4096", 4096 },
    { "64KiB", 65536 },
    { "64K", 65536 },
    { "64k", 65536 },
    { "64 KiB", 65536 },
    { "1M", 1048576 },
    { "3GiB", 3221225472 },
    { "2T", 2199023255552 },
    { "18446744073709551615", UINT64_MAX },
};

Test(quantity, sizes_are_read)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t value = 7;

        cr_expect(rmx_quantity_bytes(sizes[i].text, &value), "%s", sizes[i].text);
        cr_expect_eq(value, sizes[i].value, "%s is %ju", sizes[i].text, (uintmax_t)value);
    }
}

Test(quantity, what_is_no_size_is_refused_and_nothing_stored)
{
    static const char *const wrong[] = { "", "x", "-1", "+1", " 1", "1 ", "1.5M", "64KB", "64kib",
        "1MiBs", "0x10", "16777216T", "18446744073709551616", "99999999999999999999999" };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint64_t value = 7;

        cr_expect_not(rmx_quantity_bytes(wrong[i], &value), "'%s'", wrong[i]);
        cr_expect_eq(value, 7, "'%s'", wrong[i]);
    }
}

Test(quantity, durations_are_read)
{
    uint64_t value;

    cr_assert(rmx_quantity_duration("0", &value));
    cr_assert_eq(value, 0);
    cr_assert(rmx_quantity_duration("50us", &value));
    cr_assert_eq(value, 50000);
    cr_assert(rmx_quantity_duration("2 s", &value));
    cr_assert_eq(value, 2000000000);
    cr_assert(rmx_quantity_duration("5m", &value));
    cr_assert_eq(value, 300000000000);
    cr_assert(rmx_quantity_duration("1h", &value));
    cr_assert_eq(value, 3600000000000);
}

Test(quantity, a_duration_needs_a_unit)
{
    uint64_t value = 7;

    cr_assert_not(rmx_quantity_duration("10", &value));
    cr_assert_not(rmx_quantity_duration("", &value));
    cr_assert_not(rmx_quantity_duration("-1s", &value));
    cr_assert_not(rmx_quantity_duration("1s ", &value));
    cr_assert_not(rmx_quantity_duration("99999999999h", &value));
    cr_assert_not(rmx_quantity_duration("s", &value));
    cr_assert_not(rmx_quantity_duration("1 d", &value));
    cr_assert_not(rmx_quantity_duration("9999999999m", &value));
    cr_assert_eq(value, 7);
}

Test(quantity, what_is_written_reads_back_and_is_short)
{
    static const struct {
        uint64_t value;
        const char *bytes;
        const char *duration;
    } cases[] = {
        { 0, "0", "0" },
        { 1, "1", "1ns" },
        { 65536, "64KiB", "65536ns" },
        { 1536000, "1500KiB", "1536us" },
        { 60000000000, "58593750KiB", "1m" },
        { 5400000000000, "5273437500KiB", "90m" },
        { 1ull << 40, "1TiB", "1099511627776ns" },
        { UINT64_MAX, "18446744073709551615", "18446744073709551615ns" },
    };
    char text[32];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t back = 7;

        rmx_quantity_bytes_text(cases[i].value, text, sizeof(text));
        cr_expect_str_eq(text, cases[i].bytes);
        cr_expect(rmx_quantity_bytes(text, &back) && back == cases[i].value, "%s", text);
        rmx_quantity_duration_text(cases[i].value, text, sizeof(text));
        cr_expect_str_eq(text, cases[i].duration);
        cr_expect(rmx_quantity_duration(text, &back) && back == cases[i].value, "%s", text);
    }
}

Test(quantity, numbers_have_a_base)
{
    uint64_t value = 7;

    cr_assert(rmx_quantity_number("0660", 8, &value));
    cr_assert_eq(value, 0660);
    cr_assert_not(rmx_quantity_number("0680", 8, &value));
    cr_assert_not(rmx_quantity_number("12x", 10, &value));
    cr_assert_eq(value, 0660);
}

Test(quantity, switches_have_four_spellings)
{
    static const char *const on[] = { "on", "yes", "true", "1" };
    static const char *const off[] = { "off", "no", "false", "0" };
    uint64_t value;

    for (size_t i = 0; i < 4; i++) {
        cr_expect(rmx_quantity_bool(on[i], &value) && value == 1, "%s", on[i]);
        cr_expect(rmx_quantity_bool(off[i], &value) && value == 0, "%s", off[i]);
    }
    cr_assert_not(rmx_quantity_bool("", &value));
    cr_assert_not(rmx_quantity_bool("ON", &value));
    cr_assert_not(rmx_quantity_bool("on|off", &value));
}

Test(quantity, a_choice_is_one_whole_word)
{
    uint64_t value = 7;

    cr_assert_not(rmx_quantity_choice("", "auto|json|text", &value));
    cr_assert_not(rmx_quantity_choice("js", "auto|json|text", &value));
    cr_assert_not(rmx_quantity_choice("json|text", "auto|json|text", &value));
    cr_assert_eq(value, 7);
    cr_assert(rmx_quantity_choice("text", "auto|json|text", &value));
    cr_assert_eq(value, 2);
}

Test(quantity, choices_are_written_as_a_sentence_has_them)
{
    char text[32];

    rmx_quantity_choices("auto|json|text", text, sizeof(text));
    cr_assert_str_eq(text, "auto, json or text");
    rmx_quantity_choices("one|two", text, sizeof(text));
    cr_assert_str_eq(text, "one or two");
    rmx_quantity_choices("one|two", text, 9);
    cr_assert_leq(strlen(text), 8, "what does not fit is cut off: '%s'", text);
    rmx_quantity_choice_text(1, "auto|json|text", text, sizeof(text));
    cr_assert_str_eq(text, "json");
}
