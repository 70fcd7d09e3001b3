/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What little JSON the command rmx needs (see rmx_json.h). Runs in the process rmx.
 */
#include "clients/rmx_json.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Bytes of the UTF-8 character at text, 0 if it is none: cut short, too long a form, a surrogate.
 */
static size_t utf8_bytes(const unsigned char *text)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t bytes = text[0] < 0x80   ? 1
                   : text[0] < 0xc0 ? 0
                   : text[0] < 0xe0 ? 2
                   : text[0] < 0xf0 ? 3
                   : text[0] < 0xf8 ? 4
                                    : 0;

    if (bytes < 2) {
        return bytes;
    }
    uint32_t point = text[0] & (0x7fu >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if ((text[i] & 0xc0) != 0x80) { /* the closing NUL is no such byte either */
            return 0;
        }
        point = point << 6 | (text[i] & 0x3fu);
    }
    bool is_good = point >= least[bytes] && point <= 0x10ffff && (point & 0xfffff800) != 0xd800;
    return is_good ? bytes : 0;
}

void rmx_json_string(FILE *out, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    fputc('"', out);
    while (*at != '\0') {
        size_t bytes = utf8_bytes(at);

        if (bytes == 0) {
            fputs("\\ufffd", out);
            bytes = 1;
        } else if (*at < 0x20 || *at == 0x7f) {
            fprintf(out, "\\u%04x", *at);
        } else if (*at == '"' || *at == '\\') {
            fprintf(out, "\\%c", *at);
        } else {
            fwrite(at, 1, bytes, out);
        }
        at += bytes;
    }
    fputc('"', out);
}

/* The offset after the string that opens at `at`, or `bytes` if it never closes. */
static size_t skip_string(const char *json, size_t bytes, size_t at)
{
    for (at++; at < bytes && json[at] != '"'; at++) {
        at += json[at] == '\\';
    }
    return at < bytes ? at + 1 : bytes;
}

static size_t skip_space(const char *json, size_t bytes, size_t at)
{
    while (at < bytes && strchr(" \t\r\n", json[at]) != NULL && json[at] != '\0') {
        at++;
    }
    return at;
}

/* If a member "format": { opens at `at`, the offset after its brace; else 0. */
static size_t format_opens(const char *json, size_t bytes, size_t at)
{
    static const char key[] = "\"format\"";

    if (bytes - at < strlen(key) || memcmp(json + at, key, strlen(key)) != 0) {
        return 0;
    }
    at = skip_space(json, bytes, at + strlen(key));
    if (at == bytes || json[at] != ':') {
        return 0;
    }
    at = skip_space(json, bytes, at + 1);
    return at < bytes && json[at] == '{' ? at + 1 : 0;
}

ssize_t rmx_json_find_format(const char *json, size_t bytes)
{
    size_t depth = 0;

    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char)json[i];

        if (byte == 0x7f || (byte < 0x20 && byte != '\n' && byte != '\t' && byte != '\r')) {
            return -EBADMSG; /* nothing that could play tricks on a terminal */
        }
    }
    for (size_t i = 0; i < bytes;) {
        if (json[i] == '"') {
            size_t opens = depth == 1 ? format_opens(json, bytes, i) : 0;

            if (opens != 0) {
                return (ssize_t)opens;
            }
            i = skip_string(json, bytes, i);
            continue;
        }
        depth += json[i] == '{' || json[i] == '[';
        depth -= (json[i] == '}' || json[i] == ']') && depth > 0;
        i++;
    }
    return -EBADMSG;
}
