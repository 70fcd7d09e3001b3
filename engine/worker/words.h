/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The last words of libavformat about a job: the newest error line of its contexts, made printable.
 * Worker process, any job's fiber. Never writes to a descriptor and never mixes two jobs up: a line
 * finds its job through the context that logged it, not through a global.
 */
#ifndef RMX_ENGINE_WORKER_WORDS_H
#define RMX_ENGINE_WORKER_WORDS_H

#include <stdbool.h>

#include <libavformat/avformat.h>

#include "engine/worker/outlet.h"
#include "ipc/job.h"

struct rmx_kept;

struct rmx_words {
    char text[RMX_JOB_TEXT_BYTES];
    char warning[RMX_JOB_TEXT_BYTES]; /* for a job that ends OK */
    bool open; /* the last line had no newline yet: what comes next continues it */
    const struct rmx_outlet *outlet; /* of a muxer, whose contexts find it as they find this */
    const struct rmx_job_spec *spec; /* likewise: its output's */
    struct rmx_kept *kept;           /* likewise */
};

/* Once per process: libavformat's log goes to the words of the context that logs. */
void rmx_words_init_process(void);

/* From now on the context's error lines are kept in words. Both live as long as the job. */
void rmx_words_attach(struct rmx_words *words, AVFormatContext *context);

/* Our own sentence instead of the library's. */
__attribute__((format(printf, 2, 3))) void rmx_words_say(
    struct rmx_words *words, const char *format, ...);

/* What is not as it should be, but does not end the job; the first such sentence is kept. */
__attribute__((format(printf, 2, 3))) void rmx_words_warn(
    struct rmx_words *words, const char *format, ...);

/* The library's name for an error, unless something better was said already. An input that ended
 * has a sentence of ours. */
void rmx_words_default(struct rmx_words *words, int averror);

#endif
