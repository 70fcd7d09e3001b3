/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A worker that was taken over by a job's media: it does the job, or not, and writes whatever it
 * likes into the memory it shares with the daemon. In a worker that is otherwise the real one, for
 * tests only: what lies in a job is a matter of its number, so that a run can be had again. Link
 * with --wrap=rmx_task_run.
 */
#include <string.h>

#include "engine/worker/task.h"
#include "ipc/lane_wire.h"
#include "tests/dice.h"

#define LIES_ONE_IN 8u
#define WORDS_MAX   64u

void __real_rmx_task_run(
    struct rmx_flow_shm *flow, const struct rmx_region *arena, const struct rmx_task_host *host);
void __wrap_rmx_task_run(
    struct rmx_flow_shm *flow, const struct rmx_region *arena, const struct rmx_task_host *host);

/* Words of [at, at + bytes), as many as there are dice for. */
static void scribble(struct dice *dice, void *at, size_t bytes)
{
    for (uint64_t left = 1 + dice_below(dice, WORDS_MAX); left > 0; left--) {
        uint64_t word = dice_roll(dice) >> dice_below(dice, 64);
        size_t place = dice_below(dice, bytes / sizeof(word)) * sizeof(word);

        memcpy((unsigned char *)at + place, &word, sizeof(word));
    }
}

/* Notes that nobody sent, and counts that cannot be. */
static void lie_by_mail(struct dice *dice, const struct rmx_region *arena)
{
    struct rmx_worker_shm *shm = arena->base;

    if (dice_one_in(dice, 2)) {
        scribble(dice, shm->to_lane, sizeof(struct rmx_ring_shm) + sizeof(struct rmx_row_shm));
    } else {
        scribble(dice, shm->to_lane, sizeof(shm->to_lane));
        scribble(dice, shm->to_lane, sizeof(uint64_t));
    }
}

static void lie(struct dice *dice, struct rmx_flow_shm *flow, const struct rmx_region *arena,
    const struct rmx_task_host *host)
{
    size_t head_bytes = sizeof(struct rmx_worker_shm);

    switch (dice_below(dice, 6)) {
    case 0:
        scribble(dice, &flow->result, sizeof(flow->result));
        break;
    case 1:
        scribble(dice, flow, sizeof(*flow));
        break;
    case 2:
        lie_by_mail(dice, arena);
        break;
    case 3:
        scribble(dice, (unsigned char *)arena->base + head_bytes, arena->size - head_bytes);
        break;
    case 4:
        for (uint64_t left = dice_below(dice, WORDS_MAX); left > 0; left--) {
            host->tell((enum rmx_note_kind)dice_below(dice, 10));
        }
        break;
    default:
        scribble(dice, arena->base, head_bytes);
        break;
    }
}

void __wrap_rmx_task_run(
    struct rmx_flow_shm *flow, const struct rmx_region *arena, const struct rmx_task_host *host)
{
    struct dice dice = { flow->spec.job };
    bool lies = dice_one_in(&dice, LIES_ONE_IN);

    if (lies && dice_one_in(&dice, 2)) {
        lie(&dice, flow, arena, host);
    }
    if (!lies || !dice_one_in(&dice, 4)) {
        __real_rmx_task_run(flow, arena, host);
    }
    if (lies) {
        lie(&dice, flow, arena, host);
    }
}
