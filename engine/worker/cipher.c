/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Encryption of a segment (see cipher.h). Worker process, a job's fiber.
 */
#include "engine/worker/cipher.h"

#include <string.h>

#include <libavutil/aes.h>
#include <libavutil/mem.h>

#include "ring/base.h"

#define KEY_BITS 128

struct rmx_cipher {
    struct AVAES *aes;
    uint8_t iv[RMX_CIPHER_BLOCK];
    uint8_t held[RMX_CIPHER_BLOCK]; /* less than a block */
    size_t held_bytes;
};

struct rmx_cipher *rmx_cipher_new(
    const uint8_t key[RMX_CIPHER_BLOCK], const uint8_t iv[RMX_CIPHER_BLOCK])
{
    struct rmx_cipher *cipher = av_mallocz(sizeof(*cipher));

    if (!cipher) {
        return NULL;
    }
    cipher->aes = av_aes_alloc();
    if (!cipher->aes || av_aes_init(cipher->aes, key, KEY_BITS, 0) < 0) {
        rmx_cipher_free(&cipher);
        return NULL;
    }
    memcpy(cipher->iv, iv, sizeof(cipher->iv));
    return cipher;
}

size_t rmx_cipher_take(
    struct rmx_cipher *cipher, const uint8_t *from, size_t *bytes, uint8_t to[RMX_CIPHER_ROOM])
{
    size_t room = RMX_CIPHER_ROOM - cipher->held_bytes;
    size_t taken = *bytes < room ? *bytes : room;
    size_t all = cipher->held_bytes + taken;
    size_t made = all - all % RMX_CIPHER_BLOCK;

    rmx_assert(taken > 0);
    memcpy(to, cipher->held, cipher->held_bytes);
    memcpy(to + cipher->held_bytes, from, taken);
    memcpy(cipher->held, to + made, all - made);
    cipher->held_bytes = all - made;
    av_aes_crypt(cipher->aes, to, to, (int)(made / RMX_CIPHER_BLOCK), cipher->iv, 0);
    *bytes = taken;
    return made;
}

void rmx_cipher_end(struct rmx_cipher *cipher, uint8_t to[RMX_CIPHER_BLOCK])
{
    size_t padding = RMX_CIPHER_BLOCK - cipher->held_bytes;

    memcpy(to, cipher->held, cipher->held_bytes);
    memset(to + cipher->held_bytes, (int)padding, padding);
    av_aes_crypt(cipher->aes, to, to, 1, cipher->iv, 0);
    cipher->held_bytes = 0;
}

void rmx_cipher_free(struct rmx_cipher **cipher)
{
    if (!*cipher) {
        return;
    }
    if ((*cipher)->aes) {
        explicit_bzero((*cipher)->aes, (size_t)av_aes_size);
    }
    av_freep(&(*cipher)->aes);
    explicit_bzero(*cipher, sizeof(**cipher));
    av_freep(cipher);
}
