/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Random numbers for libavutil. See entropy.h.
 */
#include "engine/worker/entropy.h"

#include <sys/random.h>

#include <libavutil/aes_ctr.h>

#include "ring/base.h"

uint32_t rmx_entropy_seed(void)
{
    uint32_t seed = 0;

    rmx_assert(getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed));
    return seed;
}

void rmx_entropy_set_iv(struct AVAESCTR *cipher)
{
    uint8_t iv[AES_CTR_IV_SIZE];

    rmx_assert(getrandom(iv, sizeof(iv), 0) == (ssize_t)sizeof(iv));
    av_aes_ctr_set_iv(cipher, iv);
}
