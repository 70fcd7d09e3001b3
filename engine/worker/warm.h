/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The tables decoders build when the first of their kind opens, built before the fork: workers then
 * share them, and no job is the first. So is the time zone, whose file is out of reach later.
 * Zygote, at start; opens decoders on nothing, so that no media byte is parsed here.
 */
#ifndef RMX_ENGINE_WORKER_WARM_H
#define RMX_ENGINE_WORKER_WARM_H

/* A decoder this build lacks is left out. */
void rmx_warm_init_process(void);

/* In a new worker, before its first job: the heap gets its pages from the kernel now, some for each
 * size that jobs ask for. */
void rmx_warm_heap(void);

/* Likewise: maps the code and constants of the media library, 17 MB that all workers share and that
 * the first job would come to page by page. Takes some 2 ms. */
void rmx_warm_code(void);

#endif
