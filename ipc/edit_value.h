/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How the values of a job's edits are written. Runs in the client, the daemon and the worker. Does
 * no I/O and allocates nothing.
 */
#ifndef RMX_IPC_EDIT_VALUE_H
#define RMX_IPC_EDIT_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All return false, what they set untouched, where text is no such value. */

/* Digits, at least one and at most `most`. Advances *text, whatever it returns. */
bool rmx_edit_value_read_whole(const char **text, int64_t most, int64_t *value);

/* 90, 1.5, 500ms, 2m, 1:30, 01:02:03.5. */
bool rmx_edit_value_read_time(const char *text, int64_t *us);

/* A time with a sign or without. */
bool rmx_edit_value_read_offset(const char *text, int64_t *us);

/* -360 to 360. */
bool rmx_edit_value_read_degrees(const char *text, double *degrees);

/* 32 hexadecimal digits. */
bool rmx_edit_value_is_key(const char *text);

/* "0", or names of libavformat's with '+' and '-' before them. */
bool rmx_edit_value_are_dispositions(const char *text);

#endif
