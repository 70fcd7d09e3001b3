/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The mutants of a campaign: number n of a seed is always the same wrong file in the same job,
 * whatever was made before. Runs in test programs only.
 */
#ifndef RMX_TESTS_CAMPAIGN_MUTANT_H
#define RMX_TESTS_CAMPAIGN_MUTANT_H

#include <stddef.h>
#include <stdint.h>

#define CAMPAIGN_FILE_BYTES_MAX (512u << 10) /* larger ones are left out */
#define CAMPAIGN_ROOM_BYTES     (CAMPAIGN_FILE_BYTES_MAX + (128u << 10))

enum campaign_way { CAMPAIGN_BY_FILE, CAMPAIGN_BY_PIPE, CAMPAIGN_BY_RING };

struct campaign_mutant {
    uint64_t index;
    uint32_t file; /* of those loaded */
    size_t size;
    enum campaign_way input;
    enum campaign_way output;
    uint32_t kind; /* enum rmx_kind */
    uint32_t flags;
    const char *format;
};

/* Loads the media files whose names are in the file `list`, one a line. Returns how many there are
 * to make mutants of, or -errno. */
int campaign_mutant_load(const char *list);

/* Makes one in bytes[0..CAMPAIGN_ROOM_BYTES). */
struct campaign_mutant campaign_mutant_make(uint64_t seed, uint64_t index, uint8_t *bytes);

/* The file that it was. */
const char *campaign_mutant_name(const struct campaign_mutant *mutant);

#endif
