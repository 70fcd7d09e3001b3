/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A set of jobs in flight (see marks.h). Runs in the client process, under the client's lock.
 */
#include "clients/marks.h"

#include "ring/base.h"

#define WORDS (RMX_INFLIGHT_MAX / 64)

static uint64_t bit_of(uint32_t place)
{
    rmx_assert(place < RMX_INFLIGHT_MAX);
    return UINT64_C(1) << (place % 64);
}

void rmx_marks_set(struct rmx_marks *marks, uint32_t place)
{
    uint64_t bit = bit_of(place);

    marks->count += (marks->words[place / 64] & bit) == 0;
    marks->words[place / 64] |= bit;
}

void rmx_marks_clear(struct rmx_marks *marks, uint32_t place)
{
    uint64_t bit = bit_of(place);

    marks->count -= (marks->words[place / 64] & bit) != 0;
    marks->words[place / 64] &= ~bit;
}

bool rmx_marks_take(struct rmx_marks *marks, uint32_t *place)
{
    uint32_t from = (marks->last + 1) % RMX_INFLIGHT_MAX;
    uint64_t word = marks->words[from / 64] & ~(bit_of(from) - 1);

    if (marks->count == 0) {
        return false;
    }
    for (uint32_t i = from / 64; word == 0;) {
        i = (i + 1) % WORDS;
        word = marks->words[i];
        from = i * 64;
    }
    marks->last = from / 64 * 64 + (uint32_t)__builtin_ctzll(word);
    rmx_marks_clear(marks, marks->last);
    *place = marks->last;
    return true;
}
