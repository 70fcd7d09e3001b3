/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A block of memory as a source. Runs in the client process, on the thread that waits for the job;
 * copies, and keeps what it needs in the caller's struct.
 */
#include "clients/ringmux.h"

#include <errno.h>
#include <string.h>

static ptrdiff_t read_block(void *user, void *to, size_t bytes)
{
    struct rmx_block *block = user;
    size_t left = block->size - block->at;

    bytes = bytes < left ? bytes : left;
    memcpy(to, (const unsigned char *)block->bytes + block->at, bytes);
    block->at += bytes;
    return (ptrdiff_t)bytes;
}

static int seek_block(void *user, uint64_t offset)
{
    struct rmx_block *block = user;

    if (offset > block->size) {
        return -EINVAL;
    }
    block->at = (size_t)offset;
    return 0;
}

void rmx_block_source(struct rmx_block *block, struct rmx_source *source)
{
    *source = (struct rmx_source){
        .read = read_block,
        .seek = seek_block,
        .size = block->size,
        .user = block,
    };
}
