/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Both ends of a stream (see ring_stream.h) as two threads over one mapping, which is what TSan can
 * see: every byte checked, seeks while streaming, sleep and wake, counts that wrap. Plain program,
 * because Criterion does not run under TSan.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "tests/ring_stream.h"

#define SEEKS 3000u

#define check(cond)                                                                                \
    ((cond) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond), exit(1)))

static void *produce(void *end)
{
    stream_produce(end);
    return NULL;
}

static void stream_from(uint64_t first_count)
{
    struct rmx_region region = RMX_REGION_INIT;
    struct stream_end ends[STREAM_ROLES];
    int bells[STREAM_ROLES];
    pthread_t producer;

    stream_create(&region, first_count);
    for (int role = 0; role < STREAM_ROLES; role++) {
        bells[role] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        check(bells[role] >= 0);
    }
    for (int role = 0; role < STREAM_ROLES; role++) {
        stream_attach(&ends[role], &region, (enum stream_role)role, bells);
    }
    check(pthread_create(&producer, NULL, produce, &ends[STREAM_PRODUCER]) == 0);
    stream_consume(&ends[STREAM_CONSUMER], SEEKS);
    check(pthread_join(producer, NULL) == 0);
    printf("from %#" PRIx64 ": %" PRIu64 " chunks, sleeps %u + %u\n", first_count,
        ends[STREAM_PRODUCER].chunks.ring.cursor - first_count, ends[STREAM_PRODUCER].sleeps,
        ends[STREAM_CONSUMER].sleeps);
    for (int role = 0; role < STREAM_ROLES; role++) {
        rmx_base_close(&bells[role]);
    }
    rmx_region_fini(&region);
}

int main(void)
{
    stream_from(0);
    stream_from((UINT64_C(1) << 32) - 3);
    stream_from(UINT64_MAX - 2);
    return 0;
}
