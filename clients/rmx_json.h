/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What little JSON the command rmx needs: strings out, one key put into what the worker wrote. Runs
 * in the process rmx. Whatever goes in, what comes out is JSON in valid UTF-8.
 */
#ifndef RMX_CLIENTS_RMX_JSON_H
#define RMX_CLIENTS_RMX_JSON_H

#include <stddef.h>
#include <stdio.h>

/* Prints text in quotes; bytes that are not UTF-8 (a file name may be anything) as U+FFFD, what is
 * for a terminal (see rmx_text.h) as \uXXXX. */
void rmx_json_string(FILE *out, const char *text);

/* Prints JSON that has no ASCII control characters but white space, likewise. */
void rmx_json_copy(FILE *out, const char *json, size_t bytes);

/* Where the members of the top-level object's member "format" start: the offset just after its '{'.
 * Returns -EBADMSG if there is none, or a byte that has no place in JSON. */
ssize_t rmx_json_find_format(const char *json, size_t bytes);

#endif
