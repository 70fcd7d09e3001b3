/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The boxes of a plain movie (movie.h), one after another: each is known, or the movie is refused.
 * Worker process, a job's fiber. Pure: reads no byte beyond those it is given.
 */
#ifndef RMX_ENGINE_WORKER_MOVIE_BOXES_H
#define RMX_ENGINE_WORKER_MOVIE_BOXES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/worker/movie.h"

/* Where something in a movie is read to. */
struct rmx_movie_place {
    struct rmx_movie *movie;
    struct rmx_movie_track *track; /* NULL outside of one */
};

/* A box that may come, once. Nothing of `after`, bits of rules in the same list, may be missing
 * when it does. */
struct rmx_movie_rule {
    const char *type;
    int (*read)(
        struct rmx_movie_place place, struct rmx_movie_span content); /* NULL: says nothing to us */
    unsigned after;
    bool often;
};

#define RMX_MOVIE_RULE(n) (1u << (n))

/* Every box in `boxes` must be one of the rules', which end with one that has no type. Returns 0 or
 * -ENOTSUP, as all below. */
int rmx_movie_boxes_walk(
    struct rmx_movie_place place, struct rmx_movie_span boxes, const struct rmx_movie_rule *rules);

/* The box at the head of *rest, which moves on. It must end in there, and have a size of 32 bits.
 */
int rmx_movie_boxes_next(
    struct rmx_movie_span *rest, const uint8_t **type, struct rmx_movie_span *content);

/* Moves on by so many bytes, which must be there. */
int rmx_movie_boxes_skip(struct rmx_movie_span *in, size_t bytes);

#endif
