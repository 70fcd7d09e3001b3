/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A remux as it is asked for, by the options of `rmx remux` or by a line of a batch. Runs in the
 * process rmx; pure.
 */
#ifndef RMX_CLIENTS_RMX_REQUEST_H
#define RMX_CLIENTS_RMX_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clients/ringmux.h"
#include "clients/rmx_args.h"
#include "clients/rmx_edits.h"
#include "clients/rmx_report.h"

#define RMX_REQUEST_FILES_MAX 8  /* read by one job, and written */
#define RMX_REQUEST_LIST_MAX  64 /* options, maps; a job carries fewer maps, and says so itself */

enum rmx_request_word {
#define RMX_REQUEST(name, option, key, kind, example, help) RMX_REQUEST_##name,
#include "clients/rmx_request.def"
#undef RMX_REQUEST
    RMX_REQUEST_WORDS
};

enum rmx_request_kind {
    RMX_REQUEST_FLAG,
    RMX_REQUEST_TEXT,
    RMX_REQUEST_LIST,
    RMX_REQUEST_PAIRS,
    RMX_REQUEST_EACH,
};

struct rmx_request {
    struct rmx_job job;      /* no descriptors, no deadline, no group */
    struct rmx_report names; /* the files', once it is complete */
    uint64_t budget_ns;      /* has_budget: what it may take */
    bool has_budget;
    const char *options[RMX_REQUEST_LIST_MAX + 1]; /* NULL-ended, as is maps */
    size_t option_count;
    const char *maps[RMX_REQUEST_LIST_MAX + 1];
    size_t map_count;
    struct rmx_edits edits;
    const char *inputs[RMX_REQUEST_FILES_MAX]; /* the names of its files */
    size_t input_count;
    const char *outputs[RMX_REQUEST_FILES_MAX];
    const char *formats[RMX_REQUEST_FILES_MAX];   /* once it is complete */
    uint64_t output_bytes[RMX_REQUEST_FILES_MAX]; /* UINT64_MAX = unknown */
    size_t output_count;
};

/* Nothing is asked for yet. It must stay where it is from now on, and so must all values. */
void rmx_request_init(struct rmx_request *request);

/* One thing is asked for; value is NULL for a FLAG. Returns 0, or -EINVAL and says why. */
int rmx_request_take(struct rmx_request *request, enum rmx_request_word word, const char *value,
    char why[RMX_ARGS_WHY_BYTES]);

/* One file more that it reads, or writes. Likewise. */
int rmx_request_add_input(
    struct rmx_request *request, const char *path, char why[RMX_ARGS_WHY_BYTES]);
int rmx_request_add_output(
    struct rmx_request *request, const char *path, char why[RMX_ARGS_WHY_BYTES]);

/* That is all, and it has a file of each kind: chooses what was left open. Returns RMX_OK, or the
 * status of a job that makes no sense and says why. */
uint32_t rmx_request_complete(struct rmx_request *request, char why[RMX_ARGS_WHY_BYTES]);

#endif
