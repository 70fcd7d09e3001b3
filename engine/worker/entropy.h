/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Random numbers for libavutil, which would open /dev/urandom (in a worker that is deadly) and else
 * burn 30 ms. The linker gives our functions the names av_get_random_seed and, as libavutil calls
 * its own seed from within, av_aes_ctr_set_random_iv. Worker process.
 */
#ifndef RMX_ENGINE_WORKER_ENTROPY_H
#define RMX_ENGINE_WORKER_ENTROPY_H

#include <stdint.h>

struct AVAESCTR;

/* From the kernel; never fails once the system is up. */
uint32_t rmx_entropy_seed(void);

/* A random initialization vector, with which a muxer begins to encrypt a track. */
void rmx_entropy_set_iv(struct AVAESCTR *cipher);

#endif
