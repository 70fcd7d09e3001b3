/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What must not outlive its job (see oblivion.h). Runs in the daemon and the worker.
 */
#include "ipc/oblivion.h"

#include <string.h>

void rmx_oblivion_take(struct rmx_job_spec *spec)
{
    if (spec->options[0] != '\0') {
        explicit_bzero(spec->options, sizeof(spec->options));
    }
    if (spec->edits[0] != '\0') {
        explicit_bzero(spec->edits, sizeof(spec->edits));
    }
}
