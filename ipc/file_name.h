/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The names of a job's several files: which ones are allowed, and how many. The one statement of it
 * for who writes them (a worker, that read foreign bytes), who asks for them (a client) and who
 * puts them into a directory (a client's library). Runs in every process; pure.
 */
#ifndef RMX_IPC_FILE_NAME_H
#define RMX_IPC_FILE_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define RMX_FILE_NAME_BYTES 200    /* with its NUL */
#define RMX_FILE_NAMES_MAX  16384u /* of one job at a time, each with its number */

/* Is it the name of a file in a directory, and not a way to another place? UTF-8 may be in it; it
 * does not begin with a dot, and has no '/', '\\', ':' or control character. `length` is without a
 * NUL, which need not follow. */
bool rmx_file_name_is_plain(const char *name, size_t length);

/* The same, and no pattern: without '%'. */
bool rmx_file_name_is_fixed(const char *name, size_t length);

/* The same, but with "%d" or "%03d" where the file's number goes: one of them, of at most 9 digits.
 */
bool rmx_file_name_is_numbered(const char *name, size_t length);

/* Can the output be called so (edit output_name) in a container? One that lists others has a fixed
 * name; where each has a number, it says where that goes. What is not there (NULL), or a container
 * that nobody knows, is not looked at. Returns as rmx_job_check(). */
int rmx_file_name_check(const char *name, const char *container, const char **why);

#endif
