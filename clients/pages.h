/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which pages of a channel are free: first fit, and of those the ones given back last, since they
 * are in the cache. Runs in the client process, under the client's lock; knows numbers only.
 */
#ifndef RMX_CLIENTS_PAGES_H
#define RMX_CLIENTS_PAGES_H

#include <stdint.h>

#include "ipc/channel.h"

#define RMX_PAGES_TAKEN_MAX   (RMX_CHANNEL_FLOWS_MAX * 2) /* two rings for each job */
#define RMX_PAGES_EXTENTS_MAX (RMX_PAGES_TAKEN_MAX * 2)

struct rmx_page_run {
    uint32_t at;
    uint32_t count;
};

struct rmx_pages {
    uint32_t extents;
    struct rmx_page_run free[RMX_PAGES_EXTENTS_MAX]; /* the last given back comes last */
};

/* Pages first to first + count are free. */
void rmx_pages_init(struct rmx_pages *pages, uint32_t first, uint32_t count);

/* Takes so many that lie side by side. Returns 0 and sets *at, or -EAGAIN: there are none now. */
int rmx_pages_take(struct rmx_pages *pages, uint32_t count, uint32_t *at);

/* At most RMX_PAGES_TAKEN_MAX extents may be taken at a time, or this has no room to tell. */
void rmx_pages_give(struct rmx_pages *pages, uint32_t at, uint32_t count);

#endif
