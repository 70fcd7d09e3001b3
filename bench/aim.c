/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What ringmux is to be as fast as. See aim.h.
 */
#include "bench/aim.h"

#include "ring/base.h"

static const struct rmx_aim aims[RMX_AIM_COUNT] = {
#define RMX_AIM(name, command, compare, aim, unit, what, beside)                                   \
    { #name, #command, compare, aim, unit, what, beside },
#include "bench/aim.def"
#undef RMX_AIM
};

const struct rmx_aim *rmx_aim_at(enum rmx_aim_name name)
{
    rmx_assert(name < RMX_AIM_COUNT);
    return &aims[name];
}

const char *rmx_aim_compare_name(enum rmx_aim_compare compare)
{
    static const char *const names[] = {
        [RATIO_MIN] = "ratio_min",
        [RATIO_MAX] = "ratio_max",
        [TIMES_MIN] = "times_min",
        [VALUE_MIN] = "value_min",
        [VALUE_MAX] = "value_max",
        [STATED] = "stated",
    };

    return names[compare];
}

double rmx_aim_figure(const struct rmx_aim *aim, double ours, double peer)
{
    switch (aim->compare) {
    case RATIO_MIN:
    case RATIO_MAX:
    case STATED:
        return ours / peer;
    case TIMES_MIN:
        return peer / ours;
    case VALUE_MIN:
    case VALUE_MAX:
        break;
    }
    return ours;
}

bool rmx_aim_met(const struct rmx_aim *aim, double figure)
{
    rmx_assert(aim->compare != STATED);
    if (aim->compare == RATIO_MAX || aim->compare == VALUE_MAX) {
        return figure <= aim->aim;
    }
    return figure >= aim->aim;
}
