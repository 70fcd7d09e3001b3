/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What ringmux is to be as fast as (aim.def), and whether it is.
 */
#ifndef RMX_BENCH_AIM_H
#define RMX_BENCH_AIM_H

#include <stdbool.h>
#include <stddef.h>

enum rmx_aim_name {
#define RMX_AIM(name, command, compare, aim, unit, what, beside) RMX_AIM_##name,
#include "bench/aim.def"
#undef RMX_AIM
    RMX_AIM_COUNT,
};

enum rmx_aim_compare { RATIO_MIN, RATIO_MAX, TIMES_MIN, VALUE_MIN, VALUE_MAX, STATED };

struct rmx_aim {
    const char *name;
    const char *command;
    enum rmx_aim_compare compare;
    double aim;
    const char *unit;
    const char *what;
    const char *beside; /* "" = nothing */
};

const struct rmx_aim *rmx_aim_at(enum rmx_aim_name name);

/* "ratio_min" and so on. */
const char *rmx_aim_compare_name(enum rmx_aim_compare compare);

/* What is held against the aim: ours / peer, peer / ours, or ours. */
double rmx_aim_figure(const struct rmx_aim *aim, double ours, double peer);

/* Not for STATED. */
bool rmx_aim_met(const struct rmx_aim *aim, double figure);

#endif
