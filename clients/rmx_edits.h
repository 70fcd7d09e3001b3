/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The edits of a job as the command line and a batch's line give them, and as a job carries them:
 * "name[:specifier]=value" (ipc/edit.h). Runs in the process rmx; pure.
 */
#ifndef RMX_CLIENTS_RMX_EDITS_H
#define RMX_CLIENTS_RMX_EDITS_H

#include <stddef.h>

#include "clients/rmx_args.h"
#include "ipc/edit.h"
#include "ipc/job.h"

#define RMX_EDITS_MAX 64 /* in one job */

/* Zeros are none. It must stay where it is once one was added. */
struct rmx_edits {
    char text[RMX_JOB_EDITS_BYTES]; /* one after another */
    size_t used;
    const char *list[RMX_EDITS_MAX + 1]; /* NULL-ended, into text */
    size_t count;
};

/* Adds one about the job as a whole. Returns 0, or -EINVAL and says why. */
int rmx_edits_add(struct rmx_edits *edits, enum rmx_edit_word word, const char *value,
    char why[RMX_ARGS_WHY_BYTES]);

/* Adds one that may be about some streams only: "[SPECIFIER=]VALUE", or of a tag
 * "[SPECIFIER:]KEY=TEXT". Likewise. */
int rmx_edits_add_for(struct rmx_edits *edits, enum rmx_edit_word word, const char *value,
    char why[RMX_ARGS_WHY_BYTES]);

/* Adds one that takes the tags of a part away: g, s or c. Likewise. */
int rmx_edits_strip(struct rmx_edits *edits, const char *part, char why[RMX_ARGS_WHY_BYTES]);

#endif
