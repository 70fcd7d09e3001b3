/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which pages of a channel are free (see pages.h). Runs in the client process, under the client's
 * lock.
 *
 * What is given back stays as it was cut, so that the next job of that shape finds it; only when
 * nothing fits, or the list is full, are neighbours put together again.
 */
#include "clients/pages.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ring/base.h"

void rmx_pages_init(struct rmx_pages *pages, uint32_t first, uint32_t count)
{
    pages->extents = 1;
    pages->free[0] = (struct rmx_page_run){ .at = first, .count = count };
}

static int by_place(const void *a, const void *b)
{
    const struct rmx_page_run *one = a;
    const struct rmx_page_run *other = b;

    return one->at < other->at ? 1 : -1; /* the lowest last, to be taken first */
}

static void merge(struct rmx_pages *pages)
{
    uint32_t kept = 0;

    qsort(pages->free, pages->extents, sizeof(pages->free[0]), by_place);
    for (uint32_t i = 0; i < pages->extents; i++) {
        struct rmx_page_run extent = pages->free[i];

        if (kept > 0 && extent.at + extent.count == pages->free[kept - 1].at) {
            extent.count += pages->free[kept - 1].count;
            kept--;
        }
        pages->free[kept++] = extent;
    }
    pages->extents = kept;
}

static void cut(struct rmx_pages *pages, uint32_t i, uint32_t count, uint32_t *at)
{
    struct rmx_page_run *extent = &pages->free[i];

    *at = extent->at;
    extent->at += count;
    extent->count -= count;
    if (extent->count == 0) {
        pages->extents--;
        memmove(extent, extent + 1, (pages->extents - i) * sizeof(*extent));
    }
}

static bool take(struct rmx_pages *pages, uint32_t count, uint32_t *at)
{
    uint32_t found = pages->extents;

    for (uint32_t i = pages->extents; i > 0; i--) {
        if (pages->free[i - 1].count == count) {
            found = i - 1;
            break;
        }
        if (pages->free[i - 1].count > count && found == pages->extents) {
            found = i - 1;
        }
    }
    if (found == pages->extents) {
        return false;
    }
    cut(pages, found, count, at);
    return true;
}

int rmx_pages_take(struct rmx_pages *pages, uint32_t count, uint32_t *at)
{
    rmx_assert(count > 0);
    if (take(pages, count, at)) {
        return 0;
    }
    merge(pages);
    return take(pages, count, at) ? 0 : -EAGAIN;
}

void rmx_pages_give(struct rmx_pages *pages, uint32_t at, uint32_t count)
{
    if (pages->extents == RMX_PAGES_EXTENTS_MAX) {
        merge(pages);
    }
    rmx_assert(pages->extents < RMX_PAGES_EXTENTS_MAX);
    pages->free[pages->extents++] = (struct rmx_page_run){ .at = at, .count = count };
}
