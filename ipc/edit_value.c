/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How the values of a job's edits are written (see edit_value.h). Runs in the client, the daemon
 * and the worker.
 */
#include "ipc/edit_value.h"

#include <string.h>

#define KEY_DIGITS 32

#include "ipc/edit.h"

/* libavformat's names. */
static const char *const dispositions[] = { "default", "dub", "original", "comment", "lyrics",
    "karaoke", "forced", "hearing_impaired", "visual_impaired", "clean_effects", "attached_pic",
    "timed_thumbnails", "captions", "descriptions", "metadata", "dependent", "still_image" };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_same(const char *name, size_t length, const char *other)
{
    return strlen(other) == length && memcmp(name, other, length) == 0;
}

/* Digits, at least one and at most `most`. Advances *text. */
bool rmx_edit_value_read_whole(const char **text, int64_t most, int64_t *value)
{
    const char *at = *text;
    int64_t sum = 0;

    for (; is_digit(*at); at++) {
        sum = sum * 10 + (*at - '0');
        if (sum > most) {
            return false;
        }
    }
    *value = sum;
    bool any = at != *text;
    *text = at;
    return any;
}

/* ".5" as millionths; what is finer is left out, as ffmpeg does. Nothing there is 0. */
static bool read_fraction(const char **text, int64_t *millionths)
{
    const char *at = *text;
    int64_t sum = 0;
    int64_t worth = 100000;

    *millionths = 0;
    if (*at != '.') {
        return true;
    }
    for (at++; is_digit(*at); at++, worth /= 10) {
        sum += (*at - '0') * worth;
    }
    *millionths = sum;
    bool any = at > *text + 1;
    *text = at;
    return any;
}

/* "[HH:]MM:SS" behind the first number. Gives the whole seconds. */
static bool read_clock(const char **text, int64_t *seconds)
{
    for (int part = 0; part < 2 && **text == ':'; part++) {
        int64_t next;

        (*text)++;
        if (!rmx_edit_value_read_whole(text, 59, &next)) {
            return false;
        }
        *seconds = *seconds * 60 + next;
    }
    return true;
}

/* What one of a unit is in microseconds; 0 = there is no such unit. */
static int64_t unit_us(const char *unit)
{
    static const struct {
        const char *name;
        int64_t us;
    } units[] = { { "", 1000000 }, { "s", 1000000 }, { "ms", 1000 }, { "us", 1 }, { "m", 60000000 },
        { "h", 3600000000 } };

    for (size_t slot = 0; slot < sizeof(units) / sizeof(*units); slot++) {
        if (strcmp(unit, units[slot].name) == 0) {
            return units[slot].us;
        }
    }
    return 0;
}

bool rmx_edit_value_read_time(const char *text, int64_t *us)
{
    int64_t whole;
    int64_t millionths;

    if (!rmx_edit_value_read_whole(&text, RMX_EDIT_TIME_US_MAX, &whole)) {
        return false;
    }
    bool clock = *text == ':';

    if (!read_clock(&text, &whole) || !read_fraction(&text, &millionths) ||
        (clock && *text != '\0')) {
        return false;
    }
    int64_t unit = unit_us(text);

    if (unit == 0 || whole > RMX_EDIT_TIME_US_MAX / unit) {
        return false;
    }
    *us = whole * unit + millionths * unit / 1000000;
    return *us <= RMX_EDIT_TIME_US_MAX;
}

bool rmx_edit_value_read_offset(const char *text, int64_t *us)
{
    bool minus = *text == '-';

    if (!rmx_edit_value_read_time(text + (minus || *text == '+'), us)) {
        return false;
    }
    *us = minus ? -*us : *us;
    return true;
}

bool rmx_edit_value_read_degrees(const char *text, double *degrees)
{
    bool minus = *text == '-';
    int64_t whole;
    int64_t millionths;

    text += minus;
    if (!rmx_edit_value_read_whole(&text, 360, &whole) || !read_fraction(&text, &millionths) ||
        *text != '\0') {
        return false;
    }
    *degrees = (double)(whole * 1000000 + millionths) / 1e6;
    *degrees = minus ? -*degrees : *degrees;
    return true;
}

static bool is_disposition(const char *name, size_t length)
{
    for (size_t slot = 0; slot < sizeof(dispositions) / sizeof(*dispositions); slot++) {
        if (is_same(name, length, dispositions[slot])) {
            return true;
        }
    }
    return false;
}

bool rmx_edit_value_are_dispositions(const char *text)
{
    if (strcmp(text, "0") == 0) {
        return true;
    }
    do {
        text += *text == '+' || *text == '-';
        size_t length = strcspn(text, "+-");

        if (!is_disposition(text, length)) {
            return false;
        }
        text += length;
    } while (*text != '\0');
    return true;
}

bool rmx_edit_value_is_key(const char *text)
{
    static const char digits[] = "0123456789abcdefABCDEF";

    return strspn(text, digits) == KEY_DIGITS && text[KEY_DIGITS] == '\0';
}
