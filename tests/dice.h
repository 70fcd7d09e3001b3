/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Random numbers that a seed repeats, for tests: splitmix64. One thread each.
 */
#ifndef RMX_TESTS_DICE_H
#define RMX_TESTS_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state; /* the seed, at first */
};

static inline uint64_t dice_roll(struct dice *dice)
{
    uint64_t z = dice->state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 to sides - 1 */
static inline uint64_t dice_below(struct dice *dice, uint64_t sides)
{
    return dice_roll(dice) % sides;
}

static inline bool dice_one_in(struct dice *dice, uint64_t sides)
{
    return dice_below(dice, sides) == 0;
}

#endif
