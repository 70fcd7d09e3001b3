/* SPDX-License-Identifier: BSD-2-Clause
 *
 * AES-128 in CBC mode with PKCS #7 padding, as HLS encrypts a segment. Worker process, a job's
 * fiber. Must never show a key, nor leave one in memory that is free.
 */
#ifndef RMX_ENGINE_WORKER_CIPHER_H
#define RMX_ENGINE_WORKER_CIPHER_H

#include <stddef.h>
#include <stdint.h>

#define RMX_CIPHER_BLOCK 16u
#define RMX_CIPHER_ROOM  4096u /* made by one call at most */

struct rmx_cipher;

/* NULL: there is no memory. */
struct rmx_cipher *rmx_cipher_new(
    const uint8_t key[RMX_CIPHER_BLOCK], const uint8_t iv[RMX_CIPHER_BLOCK]);

/* Takes some of *bytes bytes, at least one, and says how many in *bytes. Returns how many bytes it
 * made of what it has: whole blocks. */
size_t rmx_cipher_take(
    struct rmx_cipher *cipher, const uint8_t *from, size_t *bytes, uint8_t to[RMX_CIPHER_ROOM]);

/* The last block. */
void rmx_cipher_end(struct rmx_cipher *cipher, uint8_t to[RMX_CIPHER_BLOCK]);

/* Frees and nulls; accepts NULL in it. */
void rmx_cipher_free(struct rmx_cipher **cipher);

#endif
