/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a plain MP4: our demuxer leaves them to libavformat's, or says the same of them, to
 * the last field of the last packet, and so does what is written of them (tests/twins.h).
 */
#include <stdio.h>
#include <string.h>

#include "ring/base.h"
#include "tests/fuzz_drive.h"
#include "tests/media.h"
#include "tests/twins.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[TWINS_WHY_BYTES];

    if (twins_compare(data, size, "fmp4", why) == TWINS_DIFFER ||
        twins_compare_outputs(data, size, why) == TWINS_DIFFER) {
        (void)fprintf(stderr, "%s\n", why);
        abort();
    }
    return 0;
}

size_t fuzz_seed(unsigned n, uint8_t *data)
{
    struct media media = { .size = 0 };
    size_t size;

    media_make_shape(&media, &media_shapes[n % MEDIA_SHAPES]);
    size = media.size;
    rmx_assert(size <= FUZZ_SEED_BYTES_MAX);
    memcpy(data, media.bytes, size);
    media_free(&media);
    return size;
}
