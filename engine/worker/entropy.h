/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Random numbers for libavutil, which would open /dev/urandom (in a worker that is deadly) and else
 * burn 30 ms. The linker gives our function the name av_get_random_seed. Worker process.
 */
#ifndef RMX_ENGINE_WORKER_ENTROPY_H
#define RMX_ENGINE_WORKER_ENTROPY_H

#include <stdint.h>

/* From the kernel; never fails once the system is up. */
uint32_t rmx_entropy_seed(void);

#endif
