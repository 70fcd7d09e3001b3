/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which files the jobs of a batch write, so that no two write the same. Runs in the process rmx.
 * Knows a file by its folder and its name there, however the path is spelt; keeps 16 bytes of
 * each (a hash: two of 2^64 may be taken for one), of RMX_NAMES_MAX at most.
 */
#ifndef RMX_CLIENTS_RMX_NAMES_H
#define RMX_CLIENTS_RMX_NAMES_H

#include <stddef.h>
#include <stdint.h>

#define RMX_NAMES_MAX ((size_t)1 << 20)

struct rmx_names {
    struct rmx_name *slots; /* owned; a power of two of them, at most half taken; NULL = none */
    size_t slot_count;
    size_t taken;
};

/* Notes that this line's job writes `path`. Returns the line that writes it already; 0: none does,
 * or it is no regular file, its folder cannot be seen, or there is no more room. */
uint64_t rmx_names_add(struct rmx_names *names, const char *path, uint64_t line);

/* Accepts one that is all zeros. */
void rmx_names_fini(struct rmx_names *names);

#endif
