/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Files read twice (tests/twins.h), as they are, and with faults: for runs over whatever media
 * there is.
 *
 *   twins_tool [-n MUTANTS] [-s SEED] [-k KEPT] FILE...
 *
 * A line for each file: "same", "left" to libavformat, or "differ" and in what; and how many of its
 * mutants were which. The last mutant that differs is kept in KEPT. Exit code 1 if any differs.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ring/base.h"
#include "tests/dice.h"
#include "tests/mutant.h"
#include "tests/twins.h"

#define ROOM_MORE 4096u
#define BYTES_MAX ((size_t)64 << 20)
#define CHANGES   3u /* of a mutant, at most: one of many is seldom read at all */

static const char *const names[] = { "left", "same", "differ" };

static uint8_t *slurp(const char *name, size_t *size)
{
    FILE *file = fopen(name, "rb");
    uint8_t *bytes = malloc(BYTES_MAX + ROOM_MORE);

    rmx_assert(bytes != NULL);
    *size = file == NULL ? 0 : fread(bytes, 1, BYTES_MAX, file);
    if (file != NULL) {
        (void)fclose(file);
    }
    return bytes;
}

struct reach {
    size_t at;
    size_t bytes;
};

/* Of the index, with what little comes before its samples or after them. */
static struct reach find_index(const uint8_t *bytes, size_t size)
{
    const uint8_t *moov = memmem(bytes, size, "moov", 4);
    size_t at = moov == NULL ? 0 : (size_t)(moov - bytes);
    size_t length = moov == NULL || at < 4 ? size
                                           : (size_t)moov[-4] << 24 | (size_t)moov[-3] << 16 |
                                                 (size_t)moov[-2] << 8 | moov[-1];

    length = length < size - at ? length : size - at;
    return (struct reach){ .at = at, .bytes = length > 0 ? length : 1 };
}

/* Changes a few things in the index mostly, in place. */
static void spoil(uint8_t *bytes, size_t size, struct reach index, struct dice *dice)
{
    unsigned changes = 1 + (unsigned)dice_below(dice, CHANGES);

    for (unsigned i = 0; i < changes; i++) {
        bool anywhere = dice_one_in(dice, 8);
        size_t at = anywhere ? (size_t)dice_below(dice, size)
                             : index.at + (size_t)dice_below(dice, index.bytes);

        switch (dice_below(dice, 4)) {
        case 0:
            bytes[at] ^= (uint8_t)(1u << dice_below(dice, 8));
            break;
        case 1:
            bytes[at] = (uint8_t)dice_below(dice, 256);
            break;
        case 2: /* a number a little larger or smaller */
            bytes[at] = (uint8_t)(bytes[at] + dice_below(dice, 5) - 2);
            break;
        default:
            (void)mutant_change(bytes, size, size, dice);
        }
    }
}

static void keep(const char *name, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(name, "wb");

    rmx_assert(file != NULL && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

static const char *kept; /* or NULL */

static bool run_mutants(
    const char *name, const uint8_t *bytes, size_t size, unsigned mutants, struct dice *dice)
{
    unsigned counts[3] = { 0 };
    uint8_t *copy = malloc(size + ROOM_MORE);
    struct reach index = find_index(bytes, size);

    rmx_assert(copy != NULL);
    for (unsigned i = 0; i < mutants; i++) {
        char why[TWINS_WHY_BYTES];
        enum twins twins;

        memcpy(copy, bytes, size);
        spoil(copy, size, index, dice);
        twins = twins_compare(copy, size, "fmp4", why);
        if (twins == TWINS_SAME) {
            twins = twins_compare_outputs(copy, size, why);
        }
        counts[twins]++;
        if (twins == TWINS_DIFFER) {
            (void)printf("%s, mutant %u: differ: %s\n", name, i, why);
            if (kept != NULL) {
                keep(kept, copy, size);
            }
        }
    }
    free(copy);
    (void)printf("%s: %u mutants: %u left, %u same, %u differ\n", name, mutants, counts[TWINS_LEFT],
        counts[TWINS_SAME], counts[TWINS_DIFFER]);
    return counts[TWINS_DIFFER] == 0;
}

int main(int argc, char **argv)
{
    unsigned mutants = 0;
    unsigned seed = 1;
    bool well = true;
    int option;

    while ((option = getopt(argc, argv, "n:s:k:")) != -1) {
        if (option == 'n') {
            mutants = (unsigned)strtoul(optarg, NULL, 10);
        } else if (option == 's') {
            seed = (unsigned)strtoul(optarg, NULL, 10);
        } else if (option == 'k') {
            kept = optarg;
        } else {
            return 2;
        }
    }
    for (int i = optind; i < argc; i++) {
        static const char *const formats[] = { "fmp4", "mpegts", "mp4" };
        struct dice dice = { .state = seed };
        size_t size;
        uint8_t *bytes = slurp(argv[i], &size);
        enum twins twins = TWINS_LEFT;

        for (unsigned f = 0; f < sizeof(formats) / sizeof(*formats); f++) {
            char why[TWINS_WHY_BYTES];

            twins = twins_compare(bytes, size, formats[f], why);
            (void)printf("%s, %s: %s%s%s\n", argv[i], formats[f], names[twins],
                why[0] == '\0' ? "" : ": ", why);
            well &= twins != TWINS_DIFFER;
        }
        if (twins == TWINS_SAME) {
            char why[TWINS_WHY_BYTES];

            twins = twins_compare_outputs(bytes, size, why);
            (void)printf(
                "%s, output: %s%s%s\n", argv[i], names[twins], why[0] == '\0' ? "" : ": ", why);
            well &= twins != TWINS_DIFFER;
        }
        if (mutants > 0 && size > 0 && twins != TWINS_LEFT) {
            well &= run_mutants(argv[i], bytes, size, mutants, &dice);
        }
        free(bytes);
    }
    return well ? 0 : 1;
}
