/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much is too much. See load.h.
 */
#include "engine/load.h"

#include "ring/base.h"

#define SECOND_NS 1000000000u

/* What is measured is an average of about so long. */
#define MEMORY_NS SECOND_NS

/* A level holds as long as there is still this much of what it rose at, in percent; and so long
 * after. */
#define HOLDS    80u
#define FALLS_NS 500000000u

/* So many jobs for each worker that want to compute are a crowd: a new one is that much slower. */
#define CROWD_OF_WORKER 8u

#define RETRY_MIN_NS 10000000u
#define RETRY_MAX_NS (5ull * SECOND_NS)

static bool is_over(uint64_t value, uint64_t limit, uint32_t percent)
{
    return limit > 0 && value * 100 >= limit * percent;
}

/* The level that this much asks for, or so many percent of it. */
static uint32_t asked(const struct rmx_load *load, const struct rmx_load_limits *limits,
    const struct rmx_load_pressure *pressure, uint32_t percent)
{
    uint64_t queue = limits->queue;
    uint64_t crowd = (uint64_t)CROWD_OF_WORKER * limits->workers;

    if (is_over(pressure->queued, 2 * queue, percent)) {
        return is_over(pressure->queued, 4 * queue, percent) ? 3 : 2;
    }
    if (is_over(pressure->queued, queue, percent) ||
        is_over(pressure->rings, limits->rings, percent)) {
        return 1;
    }
    return is_over(load->cpu_permille, 10ull * limits->cpu, percent) &&
                   is_over(pressure->crowd, crowd, percent)
               ? 1
               : 0;
}

/* The average, once more has been seen of it for so long. */
static uint32_t averaged(uint32_t average, uint64_t seen, uint64_t for_ns)
{
    uint64_t weight = for_ns < MEMORY_NS ? for_ns : MEMORY_NS;

    seen = seen < UINT32_MAX ? seen : UINT32_MAX;
    return (uint32_t)((average * (MEMORY_NS - weight) + seen * weight + MEMORY_NS / 2) / MEMORY_NS);
}

static void measure(struct rmx_load *load, const struct rmx_load_limits *limits,
    const struct rmx_load_work *work, uint64_t now_ns)
{
    uint64_t since_ns = now_ns - load->looked_ns;

    if (load->looked_ns != 0 && since_ns > 0) {
        uint64_t time_ns = since_ns * (limits->workers > 0 ? limits->workers : 1);
        uint64_t busy_ns = work->busy_ns < time_ns ? work->busy_ns : time_ns;

        load->cpu_permille = averaged(load->cpu_permille, busy_ns * 1000 / time_ns, since_ns);
        load->starts = averaged(load->starts, work->starts * SECOND_NS / since_ns, since_ns);
    }
    load->looked_ns = now_ns;
}

bool rmx_load_look(struct rmx_load *load, const struct rmx_load_limits *limits,
    const struct rmx_load_pressure *pressure, const struct rmx_load_work *work, uint64_t now_ns)
{
    uint32_t was = load->level;
    uint32_t level;

    measure(load, limits, work, now_ns);
    level = asked(load, limits, pressure, 100);
    if (level > load->level) {
        load->level = level;
        load->low_since_ns = 0;
    } else if (asked(load, limits, pressure, HOLDS) >= load->level) {
        load->low_since_ns = 0;
    } else if (load->low_since_ns == 0) {
        load->low_since_ns = now_ns;
    } else if (now_ns - load->low_since_ns >= FALLS_NS) {
        load->level--;
        load->low_since_ns = now_ns;
    }
    rmx_assert(load->level < RMX_LOAD_LEVELS);
    return load->level != was;
}

/* The level from which a class is refused. */
static uint32_t refused_at(uint32_t class_)
{
    rmx_assert(class_ < RMX_CLASSES);
    return RMX_CLASSES - class_;
}

bool rmx_load_refuses(const struct rmx_load *load, const struct rmx_load_limits *limits,
    const struct rmx_load_pressure *pressure, uint32_t class_)
{
    uint32_t from = refused_at(class_);

    return load->level >= from && asked(load, limits, pressure, HOLDS) >= from;
}

uint64_t rmx_load_retry_ns(const struct rmx_load *load, const struct rmx_load_pressure *pressure)
{
    uint32_t before = pressure->crowd > pressure->queued ? pressure->crowd : pressure->queued;
    uint64_t retry_ns = RETRY_MAX_NS;

    if (load->starts > 0) {
        retry_ns = (before + 1ull) * SECOND_NS / load->starts;
    }
    retry_ns = retry_ns > RETRY_MIN_NS ? retry_ns : RETRY_MIN_NS;
    return retry_ns < RETRY_MAX_NS ? retry_ns : RETRY_MAX_NS;
}

uint32_t rmx_load_credits(const struct rmx_load *load, uint32_t class_, uint32_t now, uint32_t most)
{
    uint32_t keeps = most >> (2 * load->level);

    if (load->level >= refused_at(class_)) {
        return now > (keeps > 0 ? keeps : 1) ? 0 : 1;
    }
    return load->level == 0 && now < most ? 2 : 1;
}
