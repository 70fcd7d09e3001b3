/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Leads libFuzzer to the target's legal input: now and then it starts from one of the seeds, which
 * it would not come upon by itself, and mutates on from there. Runs in fuzz_x_deep only.
 */
#include "tests/fuzz_drive.h"

#define ONE_IN 64u

/* libFuzzer's: its own mutation, and ours, which it calls in its place. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    if (seed % ONE_IN == 0 && size_max >= FUZZ_SEED_BYTES_MAX) {
        size = fuzz_seed(seed / ONE_IN % 16, data);
        return seed / ONE_IN / 16 % 2 ? size : LLVMFuzzerMutate(data, size, size_max);
    }
    return LLVMFuzzerMutate(data, size, size_max);
}
