/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs a second, cell by cell. See job_cross.h.
 */
#include "bench/job_cross.h"

#include <stdio.h>
#include <string.h>

#include "bench/job_load.h"
#include "bench/rounds.h"
#include "ring/base.h"

#define CELLS_MAX   64
#define NAME_BYTES  64
#define ROUNDS_EACH 7u /* trials of a command for one round of these */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct cells {
    struct rmx_job_load load[CELLS_MAX];
    struct rmx_entrant entrant[CELLS_MAX];
    char name[CELLS_MAX][NAME_BYTES];
    size_t count;
};

static void add(struct cells *cells, const struct rmx_job_cross *cross,
    const struct rmx_job_way *way, uint32_t concurrency)
{
    size_t at = cells->count++;

    rmx_assert(at < CELLS_MAX);
    cells->load[at] = (struct rmx_job_load){
        .way = *way,
        .concurrency = concurrency,
        .ns = cross->frame->ns,
    };
    (void)snprintf(cells->name[at], NAME_BYTES, "crossed.%s.%s.%s.%u", way->media->name,
        way->target->name, rmx_job_means_name[way->means], concurrency);
    cells->entrant[at] = (struct rmx_entrant){
        .run = rmx_job_load_closed,
        .user = &cells->load[at],
        .samples = { .name = cells->name[at], .unit = "jobs/s" },
    };
}

/* Every way into every container. A plain MP4 goes back, which no ring of these does. */
static void add_all(struct cells *cells, const struct rmx_job_cross *cross,
    const struct rmx_job_media *media, const uint32_t *steps, size_t count)
{
    static const enum rmx_job_means means[] = { RMX_JOB_RING, RMX_JOB_FD };

    for (size_t target = 0; target < cross->target_count; target++) {
        bool goes_back = strcmp(cross->targets[target].name, "mp4") == 0;

        for (size_t way = goes_back ? 1 : 0; way < COUNT(means); way++) {
            const struct rmx_job_way each = {
                .means = means[way],
                .scene = cross->scene,
                .media = media,
                .target = &cross->targets[target],
            };

            for (size_t step = 0; step < count; step++) {
                add(cells, cross, &each, steps[step]);
            }
        }
    }
}

static void run(const struct rmx_job_cross *cross, const struct rmx_job_media *media,
    const uint32_t *steps, size_t count)
{
    static struct cells cells;
    struct rmx_rounds rounds = { .entrants = cells.entrant, .warm_ups = 0 };

    cells.count = 0;
    add_all(&cells, cross, media, steps, count);
    rounds.count = cells.count;
    rmx_rounds_run(&rounds, cross->frame->trials / ROUNDS_EACH + 1);
    for (size_t i = 0; i < cells.count; i++) {
        struct rmx_samples *samples = &cells.entrant[i].samples;

        rmx_frame_measure(cross->frame, samples);
        rmx_frame_say(cross->frame, "%-34s %10.4g %s", samples->name,
            rmx_samples_percentile(samples, 0.5), samples->unit);
    }
}

void rmx_job_cross_run(const struct rmx_job_cross *cross)
{
    static const uint32_t few[] = { 1, 64 };
    static const uint32_t of_small[] = { 1, 16, 128, 1024 };
    static const uint32_t of_medium[] = { 1, 4, 16 };
    bool quick = cross->frame->quick;

    run(cross, cross->small, quick ? few : of_small, quick ? COUNT(few) : COUNT(of_small));
    if (!quick) {
        run(cross, cross->medium, of_medium, COUNT(of_medium));
    }
}
