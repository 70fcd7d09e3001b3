/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From the caller's job to the wire's spec (see spec.h). Runs in the client process, on the
 * caller's thread.
 */
#include "clients/spec.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "clients/stream.h"
#include "ipc/channel.h"

#define RING_BYTES_MIN     8192u
#define RING_BYTES_MAX     (64u << 20)
#define RING_BYTES_DEFAULT (256u << 10)
#define RING_BYTES_LIVE    (64u << 10)

_Static_assert((int)RMX_REMUX == (int)RMX_JOB_REMUX && (int)RMX_PROBE == (int)RMX_JOB_PROBE &&
                   (int)RMX_NOOP == (int)RMX_JOB_NOOP,
    "the public kinds are the wire's");
_Static_assert((int)RMX_ALL_STREAMS == (int)RMX_JOB_ALL_STREAMS &&
                   (int)RMX_BITEXACT == (int)RMX_JOB_BITEXACT &&
                   (int)RMX_ALLOW_TRUNCATED == (int)RMX_JOB_ALLOW_TRUNCATED &&
                   (int)RMX_POSITIONAL == (int)RMX_JOB_POSITIONAL &&
                   (int)RMX_PARTS == (int)RMX_JOB_PARTS && (int)RMX_SPOOL == (int)RMX_JOB_SPOOL &&
                   (int)RMX_LIVE == (int)RMX_JOB_LIVE &&
                   (int)RMX_KEYFRAMES == (int)RMX_JOB_KEYFRAMES,
    "the public flags are the wire's");
_Static_assert((int)RMX_CRITICAL == (int)RMX_CLASS_CRITICAL &&
                   (int)RMX_NORMAL == (int)RMX_CLASS_NORMAL &&
                   (int)RMX_BACKGROUND == (int)RMX_CLASS_BACKGROUND,
    "the public classes are the wire's");

static int bad(int status, const char *sentence, const char **why)
{
    *why = sentence;
    return status;
}

static bool reserved_is_zero(const struct rmx_job *job)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < sizeof(job->reserved) / sizeof(job->reserved[0]); i++) {
        sum |= job->reserved[i];
    }
    return sum == 0;
}

static int fill_names(struct rmx_job_spec *spec, const struct rmx_job *job, const char **why)
{
    if (job->format != NULL && rmx_job_set_name(&spec->format, job->format) < 0) {
        return bad(RMX_UNSUPPORTED, "format: there is no container of that name", why);
    }
    if (job->input_format != NULL && rmx_job_set_name(&spec->input_format, job->input_format) < 0) {
        return bad(RMX_UNSUPPORTED, "input_format: there is no container of that name", why);
    }
    if (job->traceparent != NULL) {
        size_t bytes = strlen(job->traceparent);

        if (bytes >= sizeof(spec->traceparent)) {
            return bad(RMX_BAD_JOB, "traceparent: longer than 55 characters", why);
        }
        memcpy(spec->traceparent, job->traceparent, bytes);
    }
    return 0;
}

static int fill_lists(struct rmx_job_spec *spec, const struct rmx_job *job, const char **why)
{
    for (const char *const *pair = job->options; pair != NULL && *pair != NULL; pair++) {
        int err = rmx_job_add_option(spec, *pair);

        if (err == -E2BIG) {
            return bad(RMX_BAD_OPTION, "options: together longer than a job can carry", why);
        }
        if (err < 0) {
            return bad(RMX_BAD_OPTION, "options: one is not \"key=value\"", why);
        }
    }
    for (const char *const *edit = job->edits; edit != NULL && *edit != NULL; edit++) {
        int err = rmx_job_add_edit(spec, *edit);

        if (err == -E2BIG) {
            return bad(RMX_BAD_OPTION, "edits: together longer than a job can carry", why);
        }
        if (err < 0) {
            return bad(RMX_BAD_OPTION, "edits: one is not \"name=value\"", why);
        }
    }
    for (const char *const *map = job->maps; map != NULL && *map != NULL; map++) {
        int err = rmx_job_add_map(spec, *map);

        if (err == -E2BIG) {
            return bad(RMX_BAD_JOB, "maps: more than 16, or one is too long", why);
        }
        if (err < 0) {
            return bad(RMX_BAD_JOB, "maps: one is empty", why);
        }
    }
    return 0;
}

static bool is_power_of_two(uint32_t number)
{
    return number != 0 && (number & (number - 1)) == 0;
}

/* A ring of this size, 0 for the usual one; its place is the client's channel's to say. */
static int fill_ring(
    struct rmx_job_ring *ring, const struct rmx_job *job, uint32_t bytes, const char **why)
{
    if (bytes == 0) {
        bytes = (job->flags & RMX_LIVE) != 0 ? RING_BYTES_LIVE : RING_BYTES_DEFAULT;
    }
    if (!is_power_of_two(bytes) || bytes < RING_BYTES_MIN || bytes > RING_BYTES_MAX) {
        return bad(RMX_BAD_JOB,
            "input_ring_bytes, output_ring_bytes: a power of two, 8 KiB to 64 MiB", why);
    }
    if (job->chunk_bytes != 0 &&
        (!is_power_of_two(job->chunk_bytes) || job->chunk_bytes < RMX_CHUNK_BYTES_MIN ||
            job->chunk_bytes > RMX_CHUNK_BYTES_MAX || job->chunk_bytes > bytes / 2 ||
            bytes / job->chunk_bytes > RMX_RING_SLOTS_MAX)) {
        return bad(RMX_BAD_JOB,
            "chunk_bytes: a power of two, 512 to 1 MiB, at most half a ring, of which it makes "
            "at most 65536 chunks",
            why);
    }
    *ring = rmx_stream_shape(bytes, job->chunk_bytes);
    ring->at = RMX_CHANNEL_RINGS_AT;
    return 0;
}

static int fill_input(struct rmx_job_spec *spec, const struct rmx_job *job, const char **why)
{
    if (job->input != RMX_RING) {
        return job->source == NULL && job->input_ring_bytes == 0
                   ? 0
                   : bad(RMX_BAD_JOB, "source, input_ring_bytes: for input RMX_RING only", why);
    }
    spec->input_port = RMX_JOB_RING;
    spec->input_bytes = RMX_SIZE_UNKNOWN;
    if (job->source != NULL) {
        if (job->source->read == NULL) {
            return bad(RMX_BAD_JOB, "source: it has no read()", why);
        }
        if (job->source->size > INT64_MAX && job->source->size != RMX_SIZE_UNKNOWN) {
            return bad(RMX_BAD_JOB, "source: larger than any file", why);
        }
        spec->input_bytes = job->source->size;
        spec->flags |= job->source->seek != NULL ? RMX_JOB_SEEKABLE_INPUT : 0;
    }
    return fill_ring(&spec->input_ring, job, job->input_ring_bytes, why);
}

static int fill_output(struct rmx_job_spec *spec, const struct rmx_job *job, const char **why)
{
    if (job->output != RMX_RING) {
        return job->sink == NULL && job->output_ring_bytes == 0
                   ? 0
                   : bad(RMX_BAD_JOB, "sink, output_ring_bytes: for output RMX_RING only", why);
    }
    if (job->sink != NULL && job->sink->write == NULL) {
        return bad(RMX_BAD_JOB, "sink: it has no write()", why);
    }
    spec->output_port = RMX_JOB_RING;
    return fill_ring(&spec->output_ring, job, job->output_ring_bytes, why);
}

static bool are_open(const int *fds, uint32_t count)
{
    bool open = count == 0 || fds != NULL;

    for (uint32_t i = 0; i < count && open; i++) {
        open = fds[i] >= 0;
    }
    return open;
}

static int fill_more(struct rmx_job_spec *spec, const struct rmx_job *job, const char **why)
{
    if (job->more_input_count >= RMX_JOB_INPUTS_MAX ||
        job->more_output_count >= RMX_JOB_OUTPUTS_MAX) {
        return bad(RMX_BAD_JOB, "more_inputs, more_outputs: at most 7", why);
    }
    if (!are_open(job->more_inputs, job->more_input_count) ||
        !are_open(job->more_outputs, job->more_output_count)) {
        return bad(RMX_BAD_JOB, "more_inputs, more_outputs: all must be open descriptors", why);
    }
    spec->inputs = (uint8_t)(spec->inputs + job->more_input_count);
    spec->outputs = (uint8_t)(spec->outputs + job->more_output_count);
    return 0;
}

static int fill_ports(struct rmx_job_spec *spec, const struct rmx_job *job, const char **why)
{
    bool rings = job->input == RMX_RING || job->output == RMX_RING;

    if (job->kind == RMX_NOOP && rings) {
        return bad(RMX_BAD_JOB, "input, output: a NOOP moves nothing", why);
    }
    if (job->kind != RMX_NOOP && ((job->input < 0 && job->input != RMX_RING) ||
                                     (job->output < 0 && job->output != RMX_RING))) {
        return bad(RMX_BAD_JOB, "input, output: both must be open descriptors, or RMX_RING", why);
    }
    if (!rings && job->chunk_bytes != 0) {
        return bad(RMX_BAD_JOB, "chunk_bytes: for RMX_RING only", why);
    }
    if ((job->flags & RMX_JOB_SEEKABLE_INPUT) != 0) {
        return bad(RMX_BAD_JOB, "flags: bit 8 has no meaning; a source with seek() says it", why);
    }
    int status = fill_more(spec, job, why);
    if (status != 0) {
        return status;
    }
    spec->channel = rings ? 1 : 0;
    status = fill_input(spec, job, why);
    return status == 0 ? fill_output(spec, job, why) : status;
}

int rmx_spec_fill(
    struct rmx_job_spec *spec, const struct rmx_job *job, uint64_t id, const char **why)
{
    if (!reserved_is_zero(job)) {
        return bad(RMX_BAD_JOB, "reserved: not zero; start from RMX_JOB_INIT", why);
    }
    if (job->job_class > UINT16_MAX) {
        return bad(RMX_BAD_JOB, "job_class: there is no such class", why);
    }
    bool moves_bytes = job->kind != RMX_NOOP;
    *spec = (struct rmx_job_spec){
        .job = id,
        .deadline_ns = job->deadline_ns,
        .kind = job->kind,
        .flags = job->flags,
        .class_ = (uint16_t)job->job_class,
        .inputs = moves_bytes,
        .outputs = moves_bytes,
        .interleave_us = job->interleave_us,
        .fragment_us = job->fragment_us,
        .group = job->group,
        .isolation = job->isolation,
    };
    int status = fill_ports(spec, job, why);
    if (status == 0) {
        status = fill_names(spec, job, why);
    }
    if (status == 0) {
        status = fill_lists(spec, job, why);
    }
    return status == 0 ? rmx_job_check(spec, why) : status;
}

/* Ones behind those that are there. */
static size_t append(int *fds, size_t count, int first, const int *more, size_t more_count)
{
    if (first == RMX_RING) {
        return count;
    }
    fds[count++] = first;
    for (size_t i = 0; i < more_count; i++) {
        fds[count++] = more[i];
    }
    return count;
}

size_t rmx_spec_fds(const struct rmx_job *job, int fds[RMX_SPEC_FDS_MAX])
{
    size_t count = 0;

    if (job->kind == RMX_NOOP) {
        return 0;
    }
    count = append(fds, count, job->input, job->more_inputs, job->more_input_count);
    return append(fds, count, job->output, job->more_outputs, job->more_output_count);
}
