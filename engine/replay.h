/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What becomes of a job whose worker died: a verdict from a few facts. A pure function; who finds
 * the facts and acts on the verdict is engine/rerun.h. Runs on the lane's thread.
 *
 * A worker has many jobs, and one of them may have killed it. Its last words say which was on its
 * core, but who read foreign bytes may lie: so nobody is punished on its word. The accused is tried
 * once, alone in a worker of its own, and what happens there is beyond doubt. Those not accused run
 * again among others; one that has seen that too often is accused as well, so that no job, however
 * its worker lies, ends more than a few of them.
 */
#ifndef RMX_ENGINE_REPLAY_H
#define RMX_ENGINE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

/* An innocent job runs again among others so many times. */
#define RMX_REPLAY_INNOCENT_MAX 3u

/* How a worker died. */
enum rmx_replay_death {
    RMX_REPLAY_CRASHED,   /* it left words about it: a signal, a call that is not allowed */
    RMX_REPLAY_CONDEMNED, /* we ended it: it broke a rule, or did not stop */
    RMX_REPLAY_VANISHED,  /* it could say nothing: somebody's SIGKILL, out of memory */
};

enum rmx_replay_verdict {
    RMX_REPLAY_STOP,   /* it ends with the status that it was to stop with */
    RMX_REPLAY_AGAIN,  /* it runs again, among others */
    RMX_REPLAY_ALONE,  /* it runs again, alone */
    RMX_REPLAY_POISON, /* it ends POISON */
    RMX_REPLAY_LOST,   /* it ends WORKER_LOST */
};

struct rmx_replay_case {
    enum rmx_replay_death death;
    bool stops;      /* it was told to end, whatever for */
    bool repeatable; /* nothing of its input is used up, nothing of its output released */
    bool on_core;    /* when the worker died; so the worker said */
    bool alone;      /* in the worker that died */
    uint32_t losses; /* workers that died under it among others, this one included */
};

enum rmx_replay_verdict rmx_replay_judge(const struct rmx_replay_case *facts);

#endif
