/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's muxer options: checked again (ipc/option.h), then set. Worker process, a job's fiber.
 * Does no I/O.
 */
#ifndef RMX_ENGINE_WORKER_OPTIONS_H
#define RMX_ENGINE_WORKER_OPTIONS_H

#include <stdbool.h>

#include <libavformat/avformat.h>

#include "engine/worker/words.h"
#include "ipc/job.h"
#include "ipc/status.h"

/* Sets the container's own options ("key=value", one space between, or "" for none) and then the
 * job's, so that movflags=+x adds to the container's flags. faststart is left out where it has a
 * meaning: who delivers the output sees to it. Returns OK or BAD_OPTION with the reason in words.
 */
enum rmx_status rmx_options_apply(AVFormatContext *muxer, const char *of_container,
    const struct rmx_job_spec *spec, struct rmx_words *words);

/* Does the job ask for DASH in single files (volumes.h)? */
bool rmx_options_wants_single_dash(const struct rmx_job_spec *spec);

/* Is a flag of an option made of flags set? False where the muxer has no such option. */
bool rmx_options_has_flag(const AVFormatContext *muxer, const char *option, const char *flag);

/* Has this option of the muxer a number other than 0? */
bool rmx_options_is_set(const AVFormatContext *muxer, const char *option);

#endif
