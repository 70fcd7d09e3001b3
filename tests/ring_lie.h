/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A producer that lies about how much it offered.
 */
#ifndef RMX_TESTS_RING_LIE_H
#define RMX_TESTS_RING_LIE_H

#include "ring/ring.h"

/* Says it in every row, so that the consumer meets it wherever it looks. ring: either end. */
static inline void ring_lie(const struct rmx_ring *ring, uint64_t offered)
{
    for (uint32_t i = 0; i * ring->row_entries < ring->slots; i++) {
        atomic_store_explicit(&ring->rows[i].offered, offered, memory_order_relaxed);
    }
}

#endif
