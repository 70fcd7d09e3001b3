/* SPDX-License-Identifier: BSD-2-Clause
 *
 * JSON as it is written: who knows what comes next needs no tree. Commas and indentation are this
 * file's; keys and texts are escaped. For benchmarks: a file that cannot be written shows at the
 * end, see rmx_document_failed().
 */
#ifndef RMX_BENCH_DOCUMENT_H
#define RMX_BENCH_DOCUMENT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct rmx_document { /* file and zeros to begin with */
    FILE *file;
    uint32_t depth;
    bool follows; /* something stands before in this object or list */
};

/* key is NULL inside a list, and for the outermost. */
void rmx_document_open(struct rmx_document *json, const char *key, char bracket);
void rmx_document_close(struct rmx_document *json, char bracket);

/* Six significant digits; what is no number is null. */
void rmx_document_number(struct rmx_document *json, const char *key, double value);
void rmx_document_text(struct rmx_document *json, const char *key, const char *text);
void rmx_document_bool(struct rmx_document *json, const char *key, bool value);
void rmx_document_null(struct rmx_document *json, const char *key);

/* Flushes; true if any of it could not be written. */
bool rmx_document_failed(struct rmx_document *json);

#endif
