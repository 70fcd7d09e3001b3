/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What little JSON the command rmx needs (see rmx_json.h). Runs in the process rmx.
 */
#include "clients/rmx_json.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "clients/rmx_text.h"

void rmx_json_string(FILE *out, const char *text)
{
    size_t left = strlen(text);

    fputc('"', out);
    while (left > 0) {
        uint32_t point = 0;
        size_t bytes = rmx_text_next(text, left, &point);

        if (bytes == 0) {
            fputs("\\ufffd", out);
            bytes = 1;
        } else if (rmx_text_is_control(point)) {
            fprintf(out, "\\u%04x", point);
        } else if (point == '"' || point == '\\') {
            fprintf(out, "\\%c", (int)point);
        } else {
            fwrite(text, 1, bytes, out);
        }
        text += bytes;
        left -= bytes;
    }
    fputc('"', out);
}

void rmx_json_copy(FILE *out, const char *json, size_t bytes)
{
    while (bytes > 0) {
        uint32_t point = 0;
        size_t taken = rmx_text_next(json, bytes, &point);

        if (taken == 0) {
            fputs("\\ufffd", out);
            taken = 1;
        } else if (point > 0x7f && rmx_text_is_control(point)) {
            fprintf(out, "\\u%04x", point);
        } else {
            fwrite(json, 1, taken, out);
        }
        json += taken;
        bytes -= taken;
    }
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
