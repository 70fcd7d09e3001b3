/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lists of "key=value" strings, one after another, each with its NUL, zeros after the last: a job's
 * options and edits. Runs in every process; does no I/O and allocates nothing. Must never look
 * beyond the array.
 */
#ifndef RMX_IPC_PAIRS_H
#define RMX_IPC_PAIRS_H

#include <stddef.h>

/* Is all of the array such a list? Keys are letters, digits and "_-.:", values anything but control
 * characters. Returns 0, -EINVAL (one is no pair) or -EBADMSG (something follows the last). */
int rmx_pairs_check(const char *list, size_t bytes);

/* Sets *pair to the next one and advances *cursor (start it at 0). Returns 1, or 0 at the end. Only
 * for a list that rmx_pairs_check() passed. */
int rmx_pairs_next(const char *list, size_t bytes, size_t *cursor, const char **pair);

/* Appends one. Returns 0, -EINVAL (no '=' or empty key) or -E2BIG. */
int rmx_pairs_add(char *list, size_t bytes, const char *pair);

#endif
