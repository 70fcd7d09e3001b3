/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How often each event may be in the log. See hush.h.
 */
#include "engine/hush.h"

#include <string.h>

/* Its row, or RMX_HUSH_EVENTS. */
static uint32_t row_of(struct rmx_hush *hush, const char *event)
{
    uint32_t row = 0;

    while (row < hush->count && strcmp(hush->rows[row].event, event) != 0) {
        row++;
    }
    if (row == hush->count && row < RMX_HUSH_EVENTS) {
        hush->rows[row].event = event;
        hush->count++;
    }
    return row;
}

bool rmx_hush_may_say(
    struct rmx_hush *hush, const char *event, uint64_t now_ns, uint64_t *kept_back)
{
    const uint64_t most_ns = (uint64_t)(RMX_HUSH_LINES - 1) * RMX_HUSH_LINE_NS;
    uint32_t row = row_of(hush, event);

    *kept_back = 0;
    if (row == RMX_HUSH_EVENTS) {
        return true;
    }
    if (rmx_bucket_wait_ns(&hush->rows[row].lines, now_ns, most_ns) > 0) {
        hush->rows[row].kept_back++;
        return false;
    }
    rmx_bucket_take(&hush->rows[row].lines, now_ns, RMX_HUSH_LINE_NS);
    *kept_back = hush->rows[row].kept_back;
    hush->rows[row].kept_back = 0;
    return true;
}
