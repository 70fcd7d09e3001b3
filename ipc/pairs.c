/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lists of "key=value" strings (see pairs.h). Runs in every process.
 */
#include "ipc/pairs.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "ipc/zeros.h"

static bool is_key(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_-.:", c) != NULL);
}

/* May this byte stand in a value? UTF-8 may, control characters may not. */
static bool is_value(char c)
{
    return (unsigned char)c >= 0x20 && c != 0x7f;
}

/* The length of one "key=value" that ends in a NUL before `bytes`; 0 when it is none. */
static size_t length_of(const char *pair, size_t bytes)
{
    size_t key = 0;

    while (key < bytes && is_key(pair[key])) {
        key++;
    }
    if (key == 0 || key == bytes || pair[key] != '=') {
        return 0;
    }
    size_t length = key + 1;

    while (length < bytes && is_value(pair[length])) {
        length++;
    }
    return length < bytes && pair[length] == '\0' ? length : 0;
}

int rmx_pairs_check(const char *list, size_t bytes)
{
    size_t at = 0;

    while (at < bytes && list[at] != '\0') {
        size_t length = length_of(list + at, bytes - at);

        if (length == 0) {
            return -EINVAL;
        }
        at += length + 1;
    }
    return rmx_zeros(list + at, bytes - at) ? 0 : -EBADMSG;
}

int rmx_pairs_next(const char *list, size_t bytes, size_t *cursor, const char **pair)
{
    if (*cursor >= bytes || list[*cursor] == '\0') {
        return 0;
    }
    *pair = list + *cursor;
    *cursor += strlen(*pair) + 1;
    return 1;
}

int rmx_pairs_add(char *list, size_t bytes, const char *pair)
{
    const char *equals = strchr(pair, '=');
    size_t pair_bytes = strlen(pair) + 1;
    size_t at = 0;
    const char *before;

    if (equals == NULL || equals == pair) {
        return -EINVAL;
    }
    while (rmx_pairs_next(list, bytes, &at, &before) == 1) {
    }
    if (pair_bytes > bytes - at) {
        return -E2BIG;
    }
    memcpy(list + at, pair, pair_bytes);
    return 0;
}
