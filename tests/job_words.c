/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs for tests of their check. See job_words.h.
 */
#include "tests/job_words.h"

#include <criterion/criterion.h>
#include <string.h>

#include "ipc/channel.h"

struct rmx_job_spec remux(void)
{
    return (struct rmx_job_spec){
        .job = 1,
        .kind = RMX_JOB_REMUX,
        .class_ = RMX_CLASS_NORMAL,
        .inputs = 1,
        .outputs = 1,
        .format = "fmp4",
    };
}

struct rmx_job_spec noop(void)
{
    return (struct rmx_job_spec){ .job = 1, .kind = RMX_JOB_NOOP };
}

struct rmx_job_spec probe(void)
{
    struct rmx_job_spec spec = remux();

    spec.kind = RMX_JOB_PROBE;
    memset(spec.format, 0, sizeof(spec.format));
    return spec;
}

struct rmx_job_spec stream(void)
{
    struct rmx_job_spec spec = remux();

    spec.input_port = RMX_JOB_RING;
    spec.output_port = RMX_JOB_RING;
    spec.channel = 1;
    spec.input_ring = (struct rmx_job_ring){ RMX_CHANNEL_RINGS_AT, 16, 4096 };
    spec.output_ring = (struct rmx_job_ring){ RMX_CHANNEL_RINGS_AT + 81920, 16, 4096 };
    spec.input_bytes = UINT64_MAX;
    return spec;
}

void assert_fine(const struct rmx_job_spec *spec)
{
    const char *why = "";

    cr_assert_eq(rmx_job_check(spec, &why), 0, "%s", why);
    cr_assert_str_eq(why, "", "outputs stay untouched");
}

void assert_refused(const struct rmx_job_spec *spec, int status, const char *field)
{
    const char *why = "";

    cr_assert_eq(rmx_job_check(spec, &why), status, "%s, got '%s'", field, why);
    cr_assert_eq(strncmp(why, field, strlen(field)), 0, "'%s' names another field", why);
}
