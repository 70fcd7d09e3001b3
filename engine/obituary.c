/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a dead worker left in its arena. See obituary.h.
 */
#include "engine/obituary.h"

#include <stdatomic.h>
#include <stddef.h>

#include "ring/base.h"

void rmx_obituary_clear(struct rmx_last_words_shm *shm)
{
    /* Relaxed, all: nobody else has the arena. */
    atomic_store_explicit(&shm->flow, UINT32_MAX, memory_order_relaxed);
    atomic_store_explicit(&shm->stage, 0, memory_order_relaxed);
    atomic_store_explicit(&shm->jobs, 0, memory_order_relaxed);
    atomic_store_explicit(&shm->signal, 0, memory_order_relaxed);
    shm->text[0] = '\0';
}

void rmx_obituary_read(
    const struct rmx_last_words_shm *shm, uint32_t flows, struct rmx_last_words *words)
{
    /* Relaxed, all: who wrote them is dead. */
    uint32_t flow = atomic_load_explicit(&shm->flow, memory_order_relaxed);
    size_t length = 0;

    *words = (struct rmx_last_words){
        .flow = flow < flows ? flow : UINT32_MAX,
        .stage = atomic_load_explicit(&shm->stage, memory_order_relaxed),
        .signal = atomic_load_explicit(&shm->signal, memory_order_relaxed),
        .jobs = atomic_load_explicit(&shm->jobs, memory_order_relaxed),
    };
    while (length < sizeof(words->text) - 1) {
        char c = RMX_READ_ONCE(shm->text[length]);

        if (c == '\0') {
            break;
        }
        words->text[length] = '?';
        if (c >= ' ' && c <= '~') {
            words->text[length] = c;
        }
        length++;
    }
}
