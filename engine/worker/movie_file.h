/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The file around a plain movie (movie.h): finds and reads its index, and looks at no sample.
 * Worker process, a job's fiber.
 */
#ifndef RMX_ENGINE_WORKER_MOVIE_FILE_H
#define RMX_ENGINE_WORKER_MOVIE_FILE_H

#include <stdint.h>

#include <libavformat/avio.h>

#include "engine/worker/movie.h"

struct rmx_movie_file {
    uint8_t *ftyp; /* what the movie's tables lie in */
    uint8_t *moov;
    struct rmx_movie movie;
};

/* file: zeroed. input: at its beginning; it can seek. ftyp comes first, then moov, mdat and free
 * room in any order, and nothing else up to the end. Returns 0, AVERROR(ENOTSUP) or
 * AVERROR(ENOMEM); what it made, fini frees. */
int rmx_movie_file_read(struct rmx_movie_file *file, AVIOContext *input);

/* The tables are gone; the rest of the movie stays. */
void rmx_movie_file_fini(struct rmx_movie_file *file);

#endif
