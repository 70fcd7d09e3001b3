/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The worker's heap, which this program has as its own: what libavformat's MP4 demuxer may write
 * behind a sample's initialisation vector stays in the vector's block.
 */
#include <mimalloc.h>
#include <string.h>

#include <libavutil/encryption_info.h>

#include "ring/base.h"

#define SAMPLES     64
#define VECTOR_MOST 255 /* a `tenc` says the length in a byte */

static AVEncryptionInfo *new_sample(int mark)
{
    AVEncryptionInfo *sample = av_encryption_info_alloc(0, 16, 16);

    rmx_assert(sample != NULL);
    rmx_assert(mi_usable_size(sample->iv) >= VECTOR_MOST);
    memset(sample->key_id, mark, sample->key_id_size);
    return sample;
}

/* As a read does that believes the file; the compiler is not to see the block's size. */
static void overrun(const AVEncryptionInfo *sample)
{
    uint8_t *volatile iv = sample->iv;

    memset(iv, 0xff, VECTOR_MOST);
}

static void a_vector_of_255_bytes_harms_no_neighbour(void)
{
    AVEncryptionInfo *samples[SAMPLES];

    for (int i = 0; i < SAMPLES; i++) {
        samples[i] = new_sample(i);
    }
    for (int i = 0; i < SAMPLES; i++) {
        overrun(samples[i]);
    }
    for (int i = 0; i < SAMPLES; i++) {
        rmx_assert(samples[i]->iv_size == 16 && samples[i]->key_id_size == 16);
        for (uint32_t at = 0; at < samples[i]->key_id_size; at++) {
            rmx_assert(samples[i]->key_id[at] == i);
        }
        av_encryption_info_free(samples[i]);
    }
}

int main(void)
{
    a_vector_of_255_bytes_harms_no_neighbour();
    return 0;
}
