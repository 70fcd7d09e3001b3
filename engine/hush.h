/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How often each event may be in the log: so many lines at once, then so many a second, and the
 * next one says how many were kept back. What a stranger can make happen at will thus fills no
 * disk, and hides no other event. A pure calculation; the caller brings the time, and one thread at
 * a time.
 */
#ifndef RMX_ENGINE_HUSH_H
#define RMX_ENGINE_HUSH_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bucket.h"

#define RMX_HUSH_EVENTS  96u        /* that have a row; others are never kept back */
#define RMX_HUSH_LINES   200u       /* of an event, at once */
#define RMX_HUSH_LINE_NS 100000000u /* and so often one more */

struct rmx_hush { /* all zero: nothing was said yet */
    struct {
        const char *event; /* a literal of ours */
        struct rmx_bucket lines;
        uint64_t kept_back; /* since the last one that was not */
    } rows[RMX_HUSH_EVENTS];
    uint32_t count;
};

/* May the event have a line now? *kept_back then says how many had none since its last. */
bool rmx_hush_may_say(
    struct rmx_hush *hush, const char *event, uint64_t now_ns, uint64_t *kept_back);

#endif
