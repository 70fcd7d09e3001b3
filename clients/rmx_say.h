/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What rmx says to a person on stderr: one line at a time. Runs in the process rmx. What it prints
 * may hold file names and a worker's words, so nothing in it can move a terminal's cursor.
 */
#ifndef RMX_CLIENTS_RMX_SAY_H
#define RMX_CLIENTS_RMX_SAY_H

#include <stddef.h>
#include <stdint.h>

/* Prints "rmx: ..." and a newline. */
__attribute__((format(printf, 1, 2))) void rmx_say(const char *format, ...);

/* What a negative errno value means, in words. */
const char *rmx_say_error(int err);

#define RMX_SAY_BYTES 24

/* "12.3 MB" into text, which is returned. */
const char *rmx_say_bytes(char text[RMX_SAY_BYTES], double bytes);

/* "1.2 ms" into text, which is returned. */
const char *rmx_say_time(char text[RMX_SAY_BYTES], uint64_t ns);

#endif
