/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One job of a race: its descriptors and memory, what is owed to it, and how it may end. Of one
 * client thread.
 */
#ifndef RMX_TESTS_RACE_JOB_H
#define RMX_TESTS_RACE_JOB_H

#include "tests/dice.h"
#include "tests/race.h"
#include "tests/race_group.h"

struct race_job {
    enum race_kind kind;
    const struct race_clip *clip;
    const struct race_reference *reference; /* NULL: there is none */
    uint64_t id;                            /* 0 = this place is free */
    struct rmx_job job;
    struct race_group *group; /* NULL: it is of none */
    int feed;                 /* our end of the input's pipe; -1 = none */
    int tee;                  /* our end of the second output; -1 = none */
    int tee_theirs;           /* its other end, until it is sent */
    int output;      /* what we look at: a file of our own, or our end of a pipe; -1 = none */
    size_t fed;      /* bytes of the clip */
    size_t fed_most; /* it gets no more */
    uint64_t hash;   /* of what came out of the pipe */
    uint64_t size;
    bool cut;            /* its input ended before its media did */
    bool left;           /* nobody reads its output any more */
    uint64_t stopped_ns; /* it was cancelled then; 0 = not */
    uint64_t submitted_ns;
    uint64_t starved_ns; /* race_starved_ns() then */
    uint64_t waited_ns;  /* its client looked then, and there was no end of any job */
    struct rmx_block block;
    struct rmx_buffer buffer;
    struct rmx_source source;
    struct rmx_sink sink;
};

/* Draws a job and opens what it needs. */
void race_job_make(struct race_job *job, const struct race *race, struct dice *dice);

/* The same, not drawn: by the reference for this clip, format and way. */
void race_job_make_way(
    struct race_job *job, struct race *race, size_t clip, size_t format, enum race_kind way);

/* It was sent: closes what only the daemon needs now. */
void race_job_sent(struct race_job *job, uint64_t id);

/* Feeds it and takes from it what there is. */
void race_job_move(struct race_job *job, struct rmx_client *client);

/* Nothing more is to be waited for: ends inputs, reads outputs. */
void race_job_release(struct race_job *job, struct rmx_client *client);

/* Its end has come: is it one it may have, and are the bytes right? Frees the job. */
void race_job_end(struct race_job *job, struct race *race, const struct rmx_result *result);

/* What came out, and how it ended, as a reference. Frees the job. */
void race_job_learn(
    struct race_job *job, const struct rmx_result *result, struct race_reference *reference);

/* Its client is gone, or it was never sent: closes and frees all. */
void race_job_free(struct race_job *job);

#endif
