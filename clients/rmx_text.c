/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Text from others (see rmx_text.h). Runs in the process rmx.
 */
#include "clients/rmx_text.h"

#include <string.h>

/* How many bytes a character has that starts so, 0 if none does. */
static size_t promised(unsigned char first)
{
    return first < 0x80   ? 1
           : first < 0xc0 ? 0
           : first < 0xe0 ? 2
           : first < 0xf0 ? 3
           : first < 0xf8 ? 4
                          : 0;
}

size_t rmx_text_next(const char *text, size_t bytes, uint32_t *point)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t wanted = bytes > 0 ? promised((unsigned char)text[0]) : 0;

    if (wanted == 0 || wanted > bytes) {
        return 0;
    }
    uint32_t value = (unsigned char)text[0] & (wanted == 1 ? 0x7fu : 0x7fu >> wanted);
    for (size_t i = 1; i < wanted; i++) {
        unsigned char byte = (unsigned char)text[i];

        if ((byte & 0xc0) != 0x80) {
            return 0;
        }
        value = value << 6 | (byte & 0x3fu);
    }
    if (value < least[wanted] || value > 0x10ffff || (value & 0xfffff800) == 0xd800) {
        return 0;
    }
    *point = value;
    return wanted;
}

bool rmx_text_is_control(uint32_t point)
{
    bool is_bidi = (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);

    return point < 0x20 || (point >= 0x7f && point < 0xa0) || is_bidi;
}

void rmx_text_tame(char *text)
{
    size_t left = strlen(text);
    char *to = text;

    while (left > 0) {
        uint32_t point = 0;
        size_t bytes = rmx_text_next(text, left, &point);

        if (bytes == 0 || rmx_text_is_control(point)) {
            *to++ = '?';
            bytes += bytes == 0;
        } else {
            memmove(to, text, bytes);
            to += bytes;
        }
        text += bytes;
        left -= bytes;
    }
    *to = '\0';
}
