/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A fuzz target, and what drives it where there is no libFuzzer: tests/fuzz_drive.c then runs a
 * seeded random campaign of bounded length. Both start from the target's own seeds and from its
 * corpus, tests/corpus/NAME, where inputs lie that once found something. Runs in test programs
 * only.
 */
#ifndef RMX_TESTS_FUZZ_DRIVE_H
#define RMX_TESTS_FUZZ_DRIVE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define FUZZ_SEED_BYTES_MAX 65536u

/* Both are the target's: one try, which aborts on a finding; and legal input n to mutate, of at
 * most FUZZ_SEED_BYTES_MAX bytes, the same each time, whatever n is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t fuzz_seed(unsigned n, uint8_t *data);

#endif
