/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The check of a job under arbitrary bytes: input is one struct rmx_job_spec, zeros where it is
 * short. Whatever passes, its strings end inside their arrays, its options can be walked; what is
 * refused says why.
 */
#include <string.h>

#include "ipc/format.h"
#include "ipc/job.h"
#include "ipc/status.h"
#include "ring/base.h"
#include "tests/fuzz_drive.h"

static void use(const struct rmx_job_spec *spec)
{
    size_t cursor = 0;
    size_t bytes = 0;
    const char *pair;

    rmx_assert(strlen(spec->input_format) < sizeof(spec->input_format));
    rmx_assert(strlen(spec->format) < sizeof(spec->format));
    rmx_assert(strlen(spec->traceparent) < sizeof(spec->traceparent));
    rmx_assert(spec->kind != RMX_JOB_REMUX || rmx_format_find(spec->format));
    for (size_t i = 0; i < spec->maps; i++) {
        rmx_assert(strlen(spec->map[i]) > 0 && strlen(spec->map[i]) < sizeof(spec->map[i]));
    }
    while (rmx_job_next_option(spec, &cursor, &pair)) {
        rmx_assert(strchr(pair, '=') > pair);
        bytes += strlen(pair) + 1;
    }
    rmx_assert(bytes == cursor && bytes <= sizeof(spec->options));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rmx_job_spec *spec = calloc(1, sizeof(*spec)); /* the heap shows every byte too far */
    const char *why = NULL;
    int status;

    rmx_assert(spec);
    memcpy(spec, data, size < sizeof(*spec) ? size : sizeof(*spec));
    status = rmx_job_check(spec, &why);
    if (status == 0) {
        rmx_assert(!why);
        use(spec);
    } else {
        rmx_assert(status == RMX_STATUS_BAD_JOB || status == RMX_STATUS_BAD_OPTION ||
                   status == RMX_STATUS_UNSUPPORTED);
        rmx_assert(why && strchr(why, ':'));
    }
    free(spec);
    return 0;
}

/* --- the seeds of a bounded campaign --------------------------------------------------------- */

size_t fuzz_seed(unsigned n, uint8_t *data)
{
    static const char *const names[] = { "mp4", "fmp4", "mpegts", "matroska" };
    struct rmx_job_spec spec = { .job = n + 1, .kind = RMX_JOB_REMUX, .inputs = 1, .outputs = 1 };

    memcpy(spec.format, names[n % 4], strlen(names[n % 4]));
    for (unsigned i = 0; i < n % 3; i++) {
        rmx_assert(rmx_job_add_map(&spec, "-m:language:eng?") == 0);
        rmx_assert(rmx_job_add_option(&spec, "movflags=+faststart") == 0);
    }
    memcpy(data, &spec, sizeof(spec));
    return sizeof(spec);
}
