/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The core a benchmark's thread runs on.
 */
#ifndef RMX_BENCH_CORE_H
#define RMX_BENCH_CORE_H

/* Binds the calling thread to this cpu; where it may not, it runs unbound. */
void rmx_core_pin(long cpu);

#endif
