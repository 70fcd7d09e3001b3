/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Leads libFuzzer to what it would not come upon by itself: now and then it starts from one of the
 * target's seeds, and every other change keeps a media file's structure (mutant.h). Runs in
 * fuzz_x_deep only.
 */
#include "tests/fuzz_drive.h"
#include "tests/mutant.h"

#define SEED_ONE_IN   64u
#define MUTANT_ONE_IN 2u

/* libFuzzer's: its own mutation, and ours, which it calls in its place. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    struct dice dice = { seed };

    if (dice_one_in(&dice, SEED_ONE_IN) && size_max >= FUZZ_SEED_BYTES_MAX) {
        size = fuzz_seed((unsigned)dice_roll(&dice), data);
    }
    if (size > 0 && dice_one_in(&dice, MUTANT_ONE_IN)) {
        return mutant_make(data, size, size_max, &dice);
    }
    return LLVMFuzzerMutate(data, size, size_max);
}
