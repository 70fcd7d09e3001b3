/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Concurrency Kit's ck_ring doing what ours does: items, and round trips. Where it was not built in
 * (Debian's libck-dev), rmx_ck_bytes() is 0 and the rest is never called.
 */
#ifndef RMX_BENCH_CK_RIVAL_H
#define RMX_BENCH_CK_RIVAL_H

#include <stddef.h>
#include <stdint.h>

/* What a ring of 1024 items takes. */
size_t rmx_ck_bytes(void);
void rmx_ck_init(void *at);
void rmx_ck_send(void *at, uint32_t items);
void rmx_ck_take(void *at, uint32_t items);
void rmx_ck_ask(void *to, void *from, uint32_t trips);
void rmx_ck_answer(void *to, void *from, uint32_t trips);

#endif
