/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A token bucket as one number: the time at which it will be full again. What is taken is worth
 * time, `cost_ns` = a second through the rate; it holds `most_ns` worth of it. All zero is a full
 * one. Pure arithmetic; the caller brings the time.
 */
#ifndef RMX_ENGINE_BUCKET_H
#define RMX_ENGINE_BUCKET_H

#include <stdint.h>

struct rmx_bucket {
    uint64_t full_ns;
};

/* What it lacks now. */
static inline uint64_t rmx_bucket_owes_ns(const struct rmx_bucket *bucket, uint64_t now_ns)
{
    return bucket->full_ns > now_ns ? bucket->full_ns - now_ns : 0;
}

/* Takes this much, though it be more than there is. */
static inline void rmx_bucket_take(struct rmx_bucket *bucket, uint64_t now_ns, uint64_t cost_ns)
{
    bucket->full_ns = now_ns + rmx_bucket_owes_ns(bucket, now_ns) + cost_ns;
}

/* Until it has anything again; 0: it has. */
static inline uint64_t rmx_bucket_wait_ns(
    const struct rmx_bucket *bucket, uint64_t now_ns, uint64_t most_ns)
{
    uint64_t owes_ns = rmx_bucket_owes_ns(bucket, now_ns);

    return owes_ns > most_ns ? owes_ns - most_ns : 0;
}

#endif
