/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sleep and wake (see bell.h). Used by every process.
 */
#include "ring/bell.h"

#include <stdint.h>
#include <unistd.h>

bool rmx_bell_hear(const struct rmx_bell *bell)
{
    uint64_t rings = 0;

    return read(bell->fd, &rings, sizeof(rings)) == (ssize_t)sizeof(rings);
}

bool rmx_bell_ring(const struct rmx_bell *bell)
{
    uint64_t once = 1;

    /* R6, pairs with A6: who arms after this sees what we did before it. */
    if (atomic_exchange_explicit(&bell->shm->asleep, 0, memory_order_release) == 0) {
        return false;
    }
    /* It fails when the counter is full, which a peer can bring about: then it is readable. */
    (void)!write(bell->fd, &once, sizeof(once));
    return true;
}
