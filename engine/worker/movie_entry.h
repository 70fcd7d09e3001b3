/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a plain movie's samples are (movie.h): the sample entries of H.264 and AAC. Worker process,
 * a job's fiber. Pure: reads no byte beyond those it is given.
 */
#ifndef RMX_ENGINE_WORKER_MOVIE_ENTRY_H
#define RMX_ENGINE_WORKER_MOVIE_ENTRY_H

#include "engine/worker/movie_boxes.h"

/* content: an stsd's. One description of all samples of the track, which are in this file. Returns
 * 0 or -ENOTSUP. */
int rmx_movie_entry_read(struct rmx_movie_place place, struct rmx_movie_span content);

#endif
