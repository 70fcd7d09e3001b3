/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writes JSON the way ffprobe lays it out. Worker process, a job's fiber.
 */
#include "engine/worker/json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libavutil/avstring.h>

#include "ring/base.h"

static void put(struct rmx_json *json, const char *text)
{
    avio_write(json->output, (const unsigned char *)text, (int)strlen(text));
}

static void put_byte(struct rmx_json *json, uint8_t byte)
{
    static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    const char *name = NULL;
    char escape[8] = { 0 };

    for (size_t slot = 0; slot + 1 < sizeof(names) && !name; slot += 2) {
        name = names[slot] == (char)byte ? &names[slot + 1] : NULL;
    }
    if (name) {
        snprintf(escape, sizeof(escape), "\\%c", *name);
    } else if (byte < ' ' || byte == 0x7f) {
        snprintf(escape, sizeof(escape), "\\u%04x", byte);
    } else {
        escape[0] = (char)byte;
    }
    put(json, escape);
}

/* One code point, or U+FFFD for bytes that are none. */
static void put_character(struct rmx_json *json, const uint8_t **at, const uint8_t *end)
{
    const uint8_t *start = *at;
    int32_t code = 0;

    if (av_utf8_decode(&code, at, end, 0) < 0) {
        put(json, "\xef\xbf\xbd");
    } else if (code < 0x80) {
        put_byte(json, (uint8_t)code);
    } else {
        avio_write(json->output, start, (int)(*at - start));
    }
}

static void put_quoted(struct rmx_json *json, const char *text)
{
    const uint8_t *at = (const uint8_t *)text;
    const uint8_t *end = at + strlen(text);

    put(json, "\"");
    while (at < end) {
        put_character(json, &at, end);
    }
    put(json, "\"");
}

static void new_line(struct rmx_json *json)
{
    put(json, "\n");
    for (int level = 0; level < json->depth; level++) {
        put(json, "    ");
    }
}

static void begin_member(struct rmx_json *json, const char *name)
{
    if (json->filled[json->depth]) {
        put(json, ",");
    }
    json->filled[json->depth] = true;
    if (json->depth > 0) {
        new_line(json);
    }
    if (name) {
        put_quoted(json, name);
        put(json, ": ");
    }
}

void rmx_json_open(struct rmx_json *json, const char *name, char bracket)
{
    const char text[] = { bracket, '\0' };

    begin_member(json, name);
    put(json, text);
    rmx_assert(json->depth + 1 < RMX_JSON_DEPTH_MAX);
    json->filled[++json->depth] = false;
}

void rmx_json_close(struct rmx_json *json, char bracket)
{
    const char text[] = { bracket, '\0' };

    rmx_assert(json->depth > 0);
    json->depth--;
    new_line(json);
    put(json, text);
}

void rmx_json_string(struct rmx_json *json, const char *name, const char *value)
{
    begin_member(json, name);
    put_quoted(json, value);
}

void rmx_json_int(struct rmx_json *json, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, value);
    begin_member(json, name);
    put(json, text);
}

void rmx_json_format(struct rmx_json *json, const char *name, const char *format, ...)
{
    va_list arguments;
    char text[512];

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    rmx_json_string(json, name, text);
}
