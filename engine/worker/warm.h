/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the first job would else do for all after it. In the zygote, at start: the tables decoders
 * build when the first of their kind opens, which workers then share, and the time zone, whose file
 * is out of reach later; decoders are opened on nothing, so that no media byte is parsed. In a new
 * worker, in its sandbox: the pages of heap and code.
 */
#ifndef RMX_ENGINE_WORKER_WARM_H
#define RMX_ENGINE_WORKER_WARM_H

/* Zygote. A decoder this build lacks is left out. */
void rmx_warm_init_process(void);

/* In a new worker, before its first job: the heap gets its pages from the kernel now, some for each
 * size that jobs ask for. */
void rmx_warm_heap(void);

/* Likewise: maps the code and constants of the media library, 17 MB that all workers share and that
 * the first job would come to page by page. Takes some 2 ms. */
void rmx_warm_code(void);

#endif
