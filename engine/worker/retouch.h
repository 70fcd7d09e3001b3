/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The edits of a job that change what its output says of itself: tags, dispositions, how a picture
 * is turned. Worker process, a job's fiber. Does no I/O.
 *
 * All return OK, BAD_OPTION or OVER_LIMIT, with the reason in words. A specifier that no stream
 * fits is no error, as for ffmpeg.
 */
#ifndef RMX_ENGINE_WORKER_RETOUCH_H
#define RMX_ENGINE_WORKER_RETOUCH_H

#include <stdbool.h>
#include <stddef.h>

#include <libavformat/avformat.h>

#include "engine/worker/words.h"
#include "ipc/edit.h"
#include "ipc/job.h"
#include "ipc/status.h"

/* The edits one after another, from *cursor, 0 before the first. False at the end. */
bool rmx_retouch_next(const struct rmx_job_spec *spec, size_t *cursor, struct rmx_edit *edit);

/* Sets *value to what the last edit of this word that is for this output stream says; NULL: there
 * is none. */
enum rmx_status rmx_retouch_find(const char **value, enum rmx_edit_word word,
    AVFormatContext *muxer, AVStream *stream, const struct rmx_job_spec *spec,
    struct rmx_words *words);

/* When every output stream has its input's disposition and side data. */
enum rmx_status rmx_retouch_streams(
    AVFormatContext *muxer, const struct rmx_job_spec *spec, struct rmx_words *words);

/* When the input's tags and chapters are copied, before the header. */
enum rmx_status rmx_retouch_tags(
    AVFormatContext *muxer, const struct rmx_job_spec *spec, struct rmx_words *words);

#endif
