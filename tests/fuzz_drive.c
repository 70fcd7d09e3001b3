/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Drives a fuzz target without libFuzzer: mutates the target's seeds, the same way in every run.
 *
 *   fuzz_x [TRIES [SEED]]
 *
 * A finding aborts; the line printed first says how to see it again. Must end by itself: TRIES is
 * the bound.
 */
#include "tests/fuzz_drive.h"

#include <stdio.h>
#include <string.h>

#define TRIES         200000u
#define SEEDS         16u
#define MUTATIONS_MAX 6u

static uint64_t state;

/* xorshift64*: enough to pick bytes, and the same everywhere. */
static uint32_t pick(uint32_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 0x2545f4914f6cdd1dull) >> 32) % below;
}

static size_t mutate(uint8_t *data, size_t size)
{
    static const uint8_t telling[] = { 0, 1, 0x7f, 0x80, 0xff, '=', '-', ' ' };
    size_t at = pick((uint32_t)size);

    switch (pick(5)) {
    case 0:
        data[at] ^= (uint8_t)(1u << pick(8));
        return size;
    case 1:
        data[at] = telling[pick(sizeof(telling))];
        return size;
    case 2: /* the head of a message lies at the front, so hit it more often */
        data[at % 64] = (uint8_t)pick(256);
        return size;
    case 3:
        memmove(data + at, data + pick((uint32_t)size), 1 + pick((uint32_t)(size - at)) / 64);
        return size;
    default:
        return pick(8) ? size : at + 1;
    }
}

int main(int argc, char **argv)
{
    static uint8_t data[FUZZ_SEED_BYTES_MAX * 2]; /* a copied range may start at the very end */
    unsigned long tries = argc > 1 ? strtoul(argv[1], NULL, 10) : TRIES;
    unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;

    printf("%s %lu %lu\n", argv[0], tries, seed);
    fflush(stdout);
    state = seed * 0x9e3779b97f4a7c15ull + 1;
    for (unsigned n = 0; n < SEEDS; n++) {
        LLVMFuzzerTestOneInput(data, fuzz_seed(n, data));
    }
    for (unsigned long i = 0; i < tries; i++) {
        size_t size = fuzz_seed(pick(SEEDS), data);

        for (uint32_t left = pick(MUTATIONS_MAX + 1); left > 0; left--) {
            size = mutate(data, size);
        }
        LLVMFuzzerTestOneInput(data, size);
    }
    return 0;
}
