/* SPDX-License-Identifier: BSD-2-Clause
 *
 * When a worker process has had its time. See recycle.h.
 */
#include "engine/recycle.h"

static enum rmx_recycle_deed close_it(
    struct rmx_recycle *recycle, const struct rmx_recycle_view *view)
{
    if (view->now_ns < recycle->again_ns) {
        return RMX_RECYCLE_NOTHING;
    }
    recycle->closed = true;
    recycle->used = view->used;
    recycle->since_ns = view->now_ns;
    return RMX_RECYCLE_CLOSE;
}

static enum rmx_recycle_deed open_it(
    struct rmx_recycle *recycle, const struct rmx_recycle_view *view)
{
    recycle->closed = false;
    recycle->again_ns = view->now_ns + RMX_RECYCLE_PAUSE_NS;
    return RMX_RECYCLE_OPEN;
}

enum rmx_recycle_deed rmx_recycle_look(
    struct rmx_recycle *recycle, const struct rmx_recycle_view *view)
{
    if (view->channels > 0 || !view->replaceable) {
        return recycle->closed ? open_it(recycle, view) : RMX_RECYCLE_NOTHING;
    }
    if (view->used == 0) {
        return RMX_RECYCLE_GO;
    }
    if (!recycle->closed) {
        return close_it(recycle, view);
    }
    if (view->used < recycle->used) {
        recycle->used = view->used;
        recycle->since_ns = view->now_ns;
    }
    return view->now_ns < rmx_recycle_next_ns(recycle, view->only) ? RMX_RECYCLE_NOTHING
                                                                   : open_it(recycle, view);
}

uint64_t rmx_recycle_next_ns(const struct rmx_recycle *recycle, bool only)
{
    return recycle->since_ns +
           (only ? RMX_RECYCLE_PATIENCE_ONLY_NS : (uint64_t)RMX_RECYCLE_PATIENCE_NS);
}
