/* SPDX-License-Identifier: BSD-2-Clause
 *
 * JSON as it is written. See document.h.
 */
#include "bench/document.h"

#include <math.h>
#include <stddef.h>

#define ONE_LINE_FROM 2u /* objects and lists deeper than this stay on one line */

static void escape(struct rmx_document *json, const char *text)
{
    (void)fputc('"', json->file);
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            (void)fputc('\\', json->file);
        }
        if ((unsigned char)*c < 0x20) {
            (void)fprintf(json->file, "\\u%04x", (unsigned)*c);
        } else {
            (void)fputc(*c, json->file);
        }
    }
    (void)fputc('"', json->file);
}

static void next(struct rmx_document *json, const char *key)
{
    if (json->follows) {
        (void)fputc(',', json->file);
    }
    if (json->depth > 0 && json->depth <= ONE_LINE_FROM) {
        (void)fprintf(json->file, "\n%*s", (int)json->depth * 2, "");
    } else if (json->follows) {
        (void)fputc(' ', json->file);
    }
    if (key != NULL) {
        escape(json, key);
        (void)fputs(": ", json->file);
    }
    json->follows = true;
}

void rmx_document_open(struct rmx_document *json, const char *key, char bracket)
{
    next(json, key);
    (void)fputc(bracket, json->file);
    json->depth++;
    json->follows = false;
}

void rmx_document_close(struct rmx_document *json, char bracket)
{
    json->depth--;
    if (json->depth < ONE_LINE_FROM && json->follows) {
        (void)fprintf(json->file, "\n%*s", (int)json->depth * 2, "");
    }
    (void)fputc(bracket, json->file);
    json->follows = true;
    if (json->depth == 0) {
        (void)fputc('\n', json->file);
    }
    if (json->depth == ONE_LINE_FROM) {
        (void)fflush(json->file); /* a line is told at once: who is killed has told what he had */
    }
}

void rmx_document_number(struct rmx_document *json, const char *key, double value)
{
    if (!isfinite(value)) {
        rmx_document_null(json, key);
        return;
    }
    next(json, key);
    (void)fprintf(json->file, "%.6g", value);
}

void rmx_document_text(struct rmx_document *json, const char *key, const char *text)
{
    next(json, key);
    escape(json, text);
}

void rmx_document_bool(struct rmx_document *json, const char *key, bool value)
{
    next(json, key);
    (void)fputs(value ? "true" : "false", json->file);
}

void rmx_document_null(struct rmx_document *json, const char *key)
{
    next(json, key);
    (void)fputs("null", json->file);
}

bool rmx_document_failed(struct rmx_document *json)
{
    return fflush(json->file) != 0 || ferror(json->file) != 0;
}
