/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job that runs twice. See rehearsal.h.
 */
#include "engine/worker/rehearsal.h"

#include <stdio.h>
#include <string.h>

#include "engine/worker/preview.h"
#include "engine/worker/remux.h"
#include "engine/worker/verdict.h"
#include "ipc/format.h"
#include "ipc/repeat.h"
#include "ipc/status.h"

#define ERRNO_MAX 4095

static void end(struct rmx_job_result *result, enum rmx_status status, const char *why)
{
    result->status = status;
    result->cause = 0;
    memset(result->text, 0, sizeof(result->text));
    (void)snprintf(result->text, sizeof(result->text), "%s", why);
}

static bool can_seek(const AVIOContext *io)
{
    return (io->seekable & AVIO_SEEKABLE_NORMAL) != 0;
}

static bool is_due(
    const struct rmx_job_spec *spec, const struct rmx_inlet *inlet, const struct rmx_outlet *outlet)
{
    const struct rmx_format *format = rmx_format_find(spec->format);
    bool due = format != NULL && format->patch == RMX_PATCH_ALWAYS &&
               (rmx_job_wants_faststart(spec) || !can_seek(outlet->io[0]));

    for (unsigned slot = 0; slot < spec->inputs; slot++) {
        due = due && can_seek(inlet->io[slot]);
    }
    return due && spec->kind == RMX_JOB_REMUX && spec->outputs == 1 && !outlet->spooled &&
           outlet->open_part == NULL && (spec->flags & RMX_JOB_LIVE) == 0 && rmx_repeat_tells(spec);
}

/* Returns whether all inputs are at their start again. */
static bool rewind_inputs(const struct rmx_job_spec *spec, const struct rmx_inlet *inlet)
{
    bool rewound = true;

    for (unsigned slot = 0; slot < spec->inputs; slot++) {
        rewound = rewound && avio_seek(inlet->io[slot], 0, SEEK_SET) == 0;
    }
    return rewound;
}

/* Has it made a file to the end, if only of a part of the input? */
static bool is_worth_showing(const struct rmx_preview *preview, const struct rmx_job_result *result)
{
    return rmx_preview_is_whole(preview) &&
           (result->status == RMX_STATUS_OK || result->status == RMX_STATUS_TRUNCATED ||
               result->status == RMX_STATUS_BAD_MEDIA);
}

static void finish(struct rmx_preview *preview, struct rmx_job_result *result)
{
    const AVIOContext *output = preview->output;

    if (preview->differs || is_worth_showing(preview, result)) {
        if (!rmx_preview_finish(preview)) {
            end(result, RMX_STATUS_INPUT_IO, "the input was another when it was read again");
        } else if (output->error < 0) {
            end(result, rmx_verdict_output(output->error, output), "");
            result->cause = output->error < -ERRNO_MAX ? 0 : output->error;
        }
    }
}

static void run_twice(const struct rmx_job_spec *spec, const struct rmx_inlet *inlet,
    const struct rmx_outlet *outlet, struct rmx_preview *preview, struct rmx_job_result *result)
{
    struct rmx_outlet stage = *outlet;
    bool forward; /* without a look back, all by itself */

    stage.io[0] = preview->context;
    stage.preview = preview;
    rmx_remux_run(spec, inlet, &stage, result);
    forward =
        preview->needless || (result->status == RMX_STATUS_OK && !rmx_preview_is_whole(preview));
    if (!forward && !is_worth_showing(preview, result)) {
        return;
    }
    if (!rewind_inputs(spec, inlet)) {
        end(result, RMX_STATUS_INPUT_IO, "the input could not be read again");
        return;
    }
    if (forward) {
        rmx_remux_run(spec, inlet, outlet, result);
        return;
    }
    rmx_preview_perform(preview, outlet->io[0]);
    rmx_remux_run(spec, inlet, &stage, result);
    finish(preview, result);
}

void rmx_rehearsal_run(const struct rmx_job_spec *spec, const struct rmx_inlet *inlet,
    const struct rmx_outlet *outlet, struct rmx_job_result *result)
{
    struct rmx_preview preview;

    if (!is_due(spec, inlet, outlet)) {
        rmx_remux_run(spec, inlet, outlet, result);
        return;
    }
    if (rmx_preview_init(&preview, rmx_job_wants_faststart(spec)) == 0) {
        run_twice(spec, inlet, outlet, &preview, result);
    } else {
        end(result, RMX_STATUS_OVER_LIMIT, "");
    }
    rmx_preview_fini(&preview);
}
