/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Values as people write them, from text and back. See quantity.h.
 */
#include "ipc/quantity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first; of two equal ones the first is the one we write. */
static const struct unit sizes[] = {
    { "TiB", 1ull << 40 },
    { "T", 1ull << 40 },
    { "GiB", 1ull << 30 },
    { "G", 1ull << 30 },
    { "MiB", 1ull << 20 },
    { "M", 1ull << 20 },
    { "KiB", 1ull << 10 },
    { "K", 1ull << 10 },
    { "k", 1ull << 10 },
    { "", 1 },
    { NULL, 0 },
};

static const struct unit times[] = {
    { "h", 3600000000000ull },
    { "m", 60000000000ull },
    { "s", 1000000000ull },
    { "ms", 1000000ull },
    { "us", 1000ull },
    { "ns", 1 },
    { NULL, 0 },
};

/* Reads digits; *rest is what follows them. False: none, or they do not fit. */
static bool read_digits(const char *text, unsigned int base, uint64_t *value, const char **rest)
{
    uint64_t sum = 0;
    const char *at = text;

    for (; *at >= '0' && *at < (char)('0' + base); at++) {
        uint64_t digit = (uint64_t)(*at - '0');

        if (sum > (UINT64_MAX - digit) / base) {
            return false;
        }
        sum = sum * base + digit;
    }
    *value = sum;
    *rest = at;
    return at != text;
}

bool rmx_quantity_number(const char *text, unsigned int base, uint64_t *value)
{
    uint64_t sum;
    const char *rest;

    if (!read_digits(text, base, &sum, &rest) || *rest != '\0') {
        return false;
    }
    *value = sum;
    return true;
}

/* Digits, maybe a space, and one of the units. */
static bool read_quantity(const char *text, const struct unit *units, uint64_t *value)
{
    uint64_t sum;
    const char *rest;

    if (!read_digits(text, 10, &sum, &rest)) {
        return false;
    }
    rest += *rest == ' ' && rest[1] != '\0';
    for (const struct unit *unit = units; unit->name; unit++) {
        if (strcmp(rest, unit->name) == 0 && sum <= UINT64_MAX / unit->factor) {
            *value = sum * unit->factor;
            return true;
        }
    }
    return false;
}

bool rmx_quantity_bytes(const char *text, uint64_t *value)
{
    return read_quantity(text, sizes, value);
}

bool rmx_quantity_duration(const char *text, uint64_t *value)
{
    return strcmp(text, "0") == 0 ? rmx_quantity_number(text, 10, value)
                                  : read_quantity(text, times, value);
}

/* Is text one of the words between the bars? Gives its index. */
bool rmx_quantity_choice(const char *text, const char *words, uint64_t *value)
{
    size_t length = strlen(text);
    uint64_t index = 0;

    for (const char *word = words; *word; index++) {
        size_t word_length = strcspn(word, "|");

        if (word_length == length && memcmp(word, text, length) == 0) {
            *value = index;
            return true;
        }
        word += word_length + (word[word_length] == '|');
    }
    return false;
}

bool rmx_quantity_bool(const char *text, uint64_t *value)
{
    uint64_t index;

    if (!rmx_quantity_choice(text, "off|on|no|yes|false|true|0|1", &index)) {
        return false;
    }
    *value = index & 1;
    return true;
}

static void write_quantity(uint64_t value, const struct unit *units, char *text, size_t bytes)
{
    const struct unit *unit = units;

    while (unit->factor > 1 && (value == 0 || value % unit->factor != 0)) {
        unit++;
    }
    snprintf(text, bytes, "%" PRIu64 "%s", value / unit->factor, unit->name);
}

void rmx_quantity_bytes_text(uint64_t value, char *text, size_t bytes)
{
    write_quantity(value, sizes, text, bytes);
}

void rmx_quantity_duration_text(uint64_t value, char *text, size_t bytes)
{
    if (value == 0) {
        snprintf(text, bytes, "0");
    } else {
        write_quantity(value, times, text, bytes);
    }
}

void rmx_quantity_choice_text(uint64_t value, const char *words, char *text, size_t bytes)
{
    const char *word = words;

    for (uint64_t index = 0; index < value && *word; index++) {
        word += strcspn(word, "|");
        word += *word == '|';
    }
    snprintf(text, bytes, "%.*s", (int)strcspn(word, "|"), word);
}

void rmx_quantity_choices(const char *words, char *text, size_t bytes)
{
    size_t used = 0;

    for (const char *at = words; *at && used + 5 < bytes; at++) {
        const char *put = (char[]){ *at, '\0' };

        if (*at == '|') {
            put = strchr(at + 1, '|') ? ", " : " or ";
        }
        memcpy(text + used, put, strlen(put));
        used += strlen(put);
    }
    text[used] = '\0';
}
