/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The worker's heap: small blocks from mimalloc, large ones from the C library. Remuxing a small
 * file is half malloc and free, which mimalloc does faster (small clip: 17 % less time); a muxer
 * that gathers a fragment grows one block to tens of megabytes, which the C library does by moving
 * pages (mremap(2)) where mimalloc copies (fragments of 50 MB: 4 times faster). Each block is
 * charged, at its full size, to the purse of the job on the core. A vector that libavformat reads
 * beyond its end has room there (see spare). Runs in zygote and workers, from
 * the first instruction; defines the allocation calls for the whole process. Not in sanitizer
 * builds, which have their own.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <mimalloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/worker/purse.h"

/* From here on a block is the C library's. */
#define LARGE_BYTES 262144u

/* Pages whose blocks are all free go back to the kernel so long after the first of their segment
 * was, and none was used again: the next job wants them. mimalloc's own 25 ms let each job of a
 * slow sequence fault them in anew. */
#define KEEP_MS 10000

/* Blocks of the size of an initialisation vector, and what libavformat may read into one. */
#define VECTOR_BYTES 16u
#define VECTOR_ROOM  256u

/* glibc's own. They have to be looked up: mimalloc defines even their internal names. NULL until
 * then, when all blocks are mimalloc's. */
static struct {
    void *(*malloc)(size_t bytes);
    void *(*calloc)(size_t count, size_t bytes);
    void *(*realloc)(void *block, size_t bytes);
    void *(*memalign)(size_t align, size_t bytes);
    void (*free)(void *block);
    size_t (*usable)(void *block);
} libc;

__attribute__((constructor)) static void find_libc(void)
{
    void *handle = dlopen("libc.so.6", RTLD_NOLOAD | RTLD_LAZY);

    rmx_purse_guard();
    mi_option_set(mi_option_decommit_delay, KEEP_MS);
    mi_option_set(mi_option_segment_decommit_delay, KEEP_MS);
    if (handle != NULL) {
        *(void **)&libc.usable = dlsym(handle, "malloc_usable_size");
        *(void **)&libc.free = dlsym(handle, "free");
        *(void **)&libc.calloc = dlsym(handle, "calloc");
        *(void **)&libc.realloc = dlsym(handle, "realloc");
        *(void **)&libc.memalign = dlsym(handle, "memalign");
        *(void **)&libc.malloc = dlsym(handle, "malloc");
    }
}

static bool is_large(size_t bytes)
{
    return bytes >= LARGE_BYTES && libc.malloc != NULL;
}

static bool is_small(const void *block)
{
    return mi_is_in_heap_region(block);
}

static size_t usable(void *block)
{
    return is_small(block) ? mi_usable_size(block) : libc.usable(block);
}

/* Is the job on the core to have as much? */
static bool may_have(size_t bytes)
{
    if (!rmx_purse_allows(bytes)) {
        rmx_purse_refuse(bytes);
        errno = ENOMEM;
        return false;
    }
    return true;
}

/* What was asked for and allowed. A block of no bytes may be NULL. */
static void *charged(void *block, bool large, size_t bytes)
{
    if (block != NULL) {
        rmx_purse_charge(large ? libc.usable(block) : mi_usable_size(block));
    } else if (bytes > 0) {
        rmx_purse_lack();
    }
    return block;
}

void *malloc(size_t bytes)
{
    bool large = is_large(bytes);

    if (!may_have(bytes)) {
        return NULL;
    }
    return charged(large ? libc.malloc(bytes) : mi_malloc(bytes), large, bytes);
}

void *calloc(size_t count, size_t bytes)
{
    size_t total;

    if (__builtin_mul_overflow(count, bytes, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    if (!may_have(total)) {
        return NULL;
    }
    bool large = is_large(total);

    return charged(large ? libc.calloc(count, bytes) : mi_calloc(count, bytes), large, total);
}

void free(void *block)
{
    if (block == NULL) {
        return;
    }
    if (is_small(block)) {
        rmx_purse_refund(mi_usable_size(block));
        mi_free(block);
    } else {
        rmx_purse_refund(libc.usable(block));
        libc.free(block);
    }
}

/* A block that grows from small to large moves once. One that shrinks stays what it is. */
static void *resize(void *block, size_t bytes)
{
    void *large;

    if (!is_small(block)) {
        return libc.realloc(block, bytes);
    }
    if (!is_large(bytes)) {
        return mi_realloc(block, bytes);
    }
    large = libc.malloc(bytes);
    if (large != NULL) {
        memcpy(large, block, mi_usable_size(block));
        mi_free(block);
    }
    return large;
}

void *realloc(void *block, size_t bytes)
{
    size_t before;
    void *after;

    if (block == NULL) {
        return malloc(bytes);
    }
    before = usable(block);
    if (bytes > before && !may_have(bytes - before)) {
        return NULL;
    }
    after = resize(block, bytes);
    if (after == NULL && bytes > 0) {
        rmx_purse_lack();
        return NULL;
    }
    rmx_purse_refund(before);
    return after == NULL ? NULL : charged(after, !is_small(after), bytes);
}

/* libavformat 5.1 keeps the vector length of an encrypted MP4's `tenc` even where it refuses it,
 * and reads so many bytes, 255 at most, of the next `senc` into a block of 16. What lies behind is
 * another job's, which would crash long after the file that did it. All its blocks are aligned. */
static size_t spare(size_t bytes)
{
    return bytes > 0 && bytes <= VECTOR_BYTES ? VECTOR_ROOM : bytes;
}

void *memalign(size_t align, size_t asked)
{
    size_t bytes = spare(asked);
    bool large = is_large(bytes);

    if (!may_have(bytes)) {
        return NULL;
    }
    return charged(large ? libc.memalign(align, bytes) : mi_memalign(align, bytes), large, bytes);
}

int posix_memalign(void **block, size_t align, size_t bytes)
{
    void *made;

    if (align < sizeof(void *) || (align & (align - 1)) != 0) {
        return EINVAL;
    }
    made = memalign(align, bytes);
    if (made == NULL) {
        return ENOMEM;
    }
    *block = made;
    return 0;
}

void *aligned_alloc(size_t align, size_t bytes)
{
    return memalign(align, bytes);
}

void *reallocarray(void *block, size_t count, size_t bytes)
{
    size_t total;

    if (__builtin_mul_overflow(count, bytes, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(block, total);
}
