/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Random numbers for libavutil. See entropy.h.
 */
#include "engine/worker/entropy.h"

#include <sys/random.h>

#include "ring/base.h"

uint32_t rmx_entropy_seed(void)
{
    uint32_t seed = 0;

    rmx_assert(getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed));
    return seed;
}
