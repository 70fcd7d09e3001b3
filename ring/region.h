/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An arena: one piece of memory that processes share. The daemon creates it, clients and workers
 * adopt the descriptor they were handed. Runs in every process, at start and connect only. Must
 * never map memory that a peer can shrink: touching what is gone would kill us (SIGBUS).
 *
 * The seals stop a change of size and nothing else. A peer may write anything anywhere at any time,
 * and may punch holes: whoever reads a region reads what a stranger wrote.
 */
#ifndef RMX_RING_REGION_H
#define RMX_RING_REGION_H

#include <stddef.h>
#include <stdint.h>

struct rmx_region {
    int fd;      /* owned; -1 = empty */
    void *base;  /* the whole mapping, shared, read and write */
    size_t size; /* bytes */
};

#define RMX_REGION_INIT                                                                            \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

enum rmx_region_flags {
    RMX_REGION_HUGE = 1u << 0, /* ask for transparent huge pages; the kernel may not give any */
};

/* Makes, backs, seals and maps size_bytes (whole pages) of shared memory. Its pages exist but are
 * not mapped yet: the first touch of each costs a fault, see rmx_region_prefault(). name shows in
 * /proc. Returns 0, or
 *   -EINVAL           size_bytes is 0 or not whole pages, or the name is too long
 *   -ENOMEM           more than the machine has, or no room for the mapping. Memory that exists but
 *                     is in use may end in the kernel's OOM killer: the caller bounds size_bytes
 *   -EMFILE, -ENFILE  no descriptor left */
int rmx_region_create(
    struct rmx_region *region, const char *name, size_t size_bytes, unsigned int flags);

/* Faults every page in now, so that no job pays for it; changes no byte. Returns 0 or -errno. */
int rmx_region_prefault(const struct rmx_region *region);

/* The same for whole pages inside a piece of private memory, as far as the kernel does it. */
void rmx_region_prefault_table(void *table, size_t bytes);

/* How much of it lies on huge pages now, in bytes, as /proc/self/smaps says; 0 where that cannot be
 * read. Asking for huge pages is a wish: only this tells what came of it. */
uint64_t rmx_region_huge_bytes(const struct rmx_region *region);

/* May a descriptor from a stranger be adopted? For who hands it on without mapping it. Returns 0,
 * or -EBADMSG: not a memfd; not sealed against a change of size, or sealed against writing; not
 * open for reading and writing; of huge pages (touching one that is not there kills); not whole
 * pages; or not of exactly size_bytes. What is 0 once stays 0: nothing of it can change. */
int rmx_region_check(int fd, size_t size_bytes);

/* Maps a region somebody else created, without touching it, so that its size costs no time. On
 * success takes *fd (which becomes -1); on failure *fd and *region are untouched. Returns 0, or
 *   -EBADMSG  as rmx_region_check(), or its size is not in the stated bounds
 *   -ENOMEM   no room for the mapping */
int rmx_region_adopt(
    struct rmx_region *region, int *fd, size_t size_bytes_min, size_t size_bytes_max);

/* Unmaps and closes; accepts an empty region and leaves one. */
void rmx_region_fini(struct rmx_region *region);

/* Where `bytes` bytes at `offset` lie, or NULL if they do not all lie inside the region or offset
 * is no multiple of align (a power of two). Offset and bytes may come straight from a peer. */
void *rmx_region_at(const struct rmx_region *region, uint64_t offset, uint64_t bytes, size_t align);

#endif
