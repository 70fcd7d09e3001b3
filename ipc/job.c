/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a job is, and whether it is one (see job.h). Runs in the client, the daemon and the worker;
 * must never use a string before its end was found inside its own array.
 */
#include "ipc/job.h"

#include <errno.h>
#include <string.h>

#include "ipc/channel.h"
#include "ipc/edit.h"
#include "ipc/file_name.h"
#include "ipc/format.h"
#include "ipc/option.h"
#include "ipc/pairs.h"
#include "ipc/several.h"
#include "ipc/status.h"
#include "ipc/zeros.h"
#include "ring/chunk.h"

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_hex(char c) /* W3C trace contexts are lower case only */
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Does the array hold a string of letters, digits and `others`, then zeros? Sets *length. */
static bool is_word(const char *field, size_t bytes, const char *others, size_t *length)
{
    size_t i = 0;

    while (i < bytes && (is_alnum(field[i]) || (field[i] && strchr(others, field[i])))) {
        i++;
    }
    *length = i;
    return i < bytes && rmx_zeros(field + i, bytes - i);
}

bool rmx_job_is_text(const char *field, size_t bytes)
{
    size_t i = 0;

    while (i < bytes && field[i] >= 0x20 && field[i] < 0x7f) {
        i++;
    }
    return i < bytes && rmx_zeros(field + i, bytes - i);
}

static int refuse(enum rmx_status status, const char *sentence, const char **why)
{
    *why = sentence;
    return (int)status;
}

static int check_numbers(const struct rmx_job_spec *spec, const char **why)
{
    static const uint32_t flags_of[] = {
        [RMX_JOB_REMUX] = RMX_JOB_FLAGS_ALL & ~(uint32_t)RMX_JOB_KEYFRAMES,
        [RMX_JOB_PROBE] = RMX_JOB_BITEXACT | RMX_JOB_ALLOW_TRUNCATED | RMX_JOB_SEEKABLE_INPUT |
                          RMX_JOB_POSITIONAL | RMX_JOB_SPOOL | RMX_JOB_KEYFRAMES,
        [RMX_JOB_NOOP] = 0,
    };
    static const uint8_t inputs_of[] = {
        [RMX_JOB_REMUX] = RMX_JOB_INPUTS_MAX, [RMX_JOB_PROBE] = 1, [RMX_JOB_NOOP] = 0
    };
    static const uint8_t outputs_of[] = {
        [RMX_JOB_REMUX] = RMX_JOB_OUTPUTS_MAX, [RMX_JOB_PROBE] = 1, [RMX_JOB_NOOP] = 0
    };
    unsigned least = spec->kind == RMX_JOB_NOOP ? 0 : 1;

    if (spec->job == 0) {
        return refuse(RMX_STATUS_BAD_JOB, "job: must not be 0", why);
    }
    if (spec->kind < RMX_JOB_REMUX || spec->kind > RMX_JOB_NOOP) {
        return refuse(RMX_STATUS_BAD_JOB, "kind: not a kind of job", why);
    }
    if (spec->flags & ~flags_of[spec->kind]) {
        return refuse(RMX_STATUS_BAD_JOB, "flags: one that means nothing for this kind", why);
    }
    if (spec->class_ >= RMX_CLASSES) {
        return refuse(RMX_STATUS_BAD_JOB, "class: not a class", why);
    }
    if (spec->inputs < least || spec->inputs > inputs_of[spec->kind]) {
        return refuse(RMX_STATUS_BAD_JOB, "inputs: not what this kind of job takes", why);
    }
    if (spec->outputs < least || spec->outputs > outputs_of[spec->kind]) {
        return refuse(RMX_STATUS_BAD_JOB, "outputs: not what this kind of job takes", why);
    }
    if (spec->isolation >= RMX_ISOLATIONS) {
        return refuse(RMX_STATUS_BAD_JOB, "isolation: not a level", why);
    }
    if (spec->isolation != RMX_ISOLATION_SHARED && spec->channel != 0) {
        return refuse(RMX_STATUS_BAD_JOB, "isolation: a channel leads to a shared worker", why);
    }
    return 0;
}

/* Could such a ring lie in an arena? Whether it does in its own is for who knows that arena. */
static bool is_ring(const struct rmx_job_ring *ring)
{
    return rmx_chunk_ring_bytes(ring->slots, ring->chunk_bytes) > 0 &&
           ring->at >= RMX_CHANNEL_RINGS_AT && ring->at < RMX_CHANNEL_BYTES_MAX &&
           ring->at % RMX_CHUNK_ALIGN == 0;
}

static bool is_no_ring(const struct rmx_job_ring *ring)
{
    return ring->at == 0 && ring->slots == 0 && ring->chunk_bytes == 0;
}

static int check_input_port(const struct rmx_job_spec *spec, const char **why)
{
    if (spec->input_port > RMX_JOB_RING || spec->input_port > spec->inputs) {
        return refuse(RMX_STATUS_BAD_JOB, "input_port: not a kind of input", why);
    }
    if (spec->input_port == RMX_JOB_RING) {
        if (!is_ring(&spec->input_ring)) {
            return refuse(RMX_STATUS_BAD_JOB, "input_ring: not a place for a ring", why);
        }
        if (spec->input_bytes > INT64_MAX && spec->input_bytes != UINT64_MAX) {
            return refuse(RMX_STATUS_BAD_JOB, "input_bytes: more than a stream has", why);
        }
        return 0;
    }
    if (!is_no_ring(&spec->input_ring) || spec->input_bytes != 0 ||
        spec->flags & RMX_JOB_SEEKABLE_INPUT) {
        return refuse(RMX_STATUS_BAD_JOB,
            "input_ring, input_bytes, SEEKABLE_INPUT: only for an input that is a ring", why);
    }
    return 0;
}

static int check_output_port(const struct rmx_job_spec *spec, const char **why)
{
    if (spec->output_port > RMX_JOB_RING || spec->output_port > spec->outputs) {
        return refuse(RMX_STATUS_BAD_JOB, "output_port: not a kind of output", why);
    }
    if (spec->output_port == RMX_JOB_RING) {
        return is_ring(&spec->output_ring)
                   ? 0
                   : refuse(RMX_STATUS_BAD_JOB, "output_ring: not a place for a ring", why);
    }
    if (!is_no_ring(&spec->output_ring) || spec->flags & (RMX_JOB_POSITIONAL | RMX_JOB_PARTS)) {
        return refuse(RMX_STATUS_BAD_JOB,
            "output_ring, POSITIONAL, PARTS: only for an output that is a ring", why);
    }
    return 0;
}

static int check_channel(const struct rmx_job_spec *spec, const char **why)
{
    bool rings = spec->input_port == RMX_JOB_RING || spec->output_port == RMX_JOB_RING;

    if (rings != (spec->channel != 0)) {
        return refuse(RMX_STATUS_BAD_JOB, "channel: of a job's rings, and only theirs", why);
    }
    if (spec->channel_flow >= (rings ? RMX_CHANNEL_FLOWS_MAX : 1)) {
        return refuse(RMX_STATUS_BAD_JOB, "channel_flow: not a number in a channel", why);
    }
    return 0;
}

static int check_live(const struct rmx_job_spec *spec, const char **why)
{
    bool live = spec->flags & RMX_JOB_LIVE;
    bool per_packet = live && spec->fragment_us == RMX_JOB_FRAGMENT_PACKET;
    uint32_t most = live ? RMX_JOB_WAIT_US_MAX : 0;

    if (live && spec->flags & RMX_JOB_SPOOL) {
        return refuse(RMX_STATUS_BAD_JOB, "flags: what is spooled cannot be LIVE", why);
    }
    if (spec->interleave_us > most) {
        return refuse(RMX_STATUS_BAD_JOB, "interleave_us: of a LIVE job, at most a minute", why);
    }
    if (spec->fragment_us > most && !per_packet) {
        return refuse(RMX_STATUS_BAD_JOB, "fragment_us: of a LIVE job, at most a minute", why);
    }
    return 0;
}

static int check_input_format(const struct rmx_job_spec *spec, const char **why)
{
    size_t length;

    if (!is_word(spec->input_format, sizeof(spec->input_format), "_,-.", &length)) {
        return refuse(RMX_STATUS_BAD_JOB, "input_format: not a demuxer's name", why);
    }
    if (spec->kind == RMX_JOB_NOOP && length > 0) {
        return refuse(RMX_STATUS_BAD_JOB, "input_format: must be empty for a NOOP", why);
    }
    return 0;
}

static int check_format(const struct rmx_job_spec *spec, const char **why)
{
    size_t length;

    if (!is_word(spec->format, sizeof(spec->format), "_-", &length)) {
        return refuse(RMX_STATUS_BAD_JOB, "format: not a container's name", why);
    }
    if (spec->kind != RMX_JOB_REMUX) {
        return length == 0 ? 0
                           : refuse(RMX_STATUS_BAD_JOB, "format: must be empty but for REMUX", why);
    }
    if (length == 0) {
        return refuse(RMX_STATUS_BAD_JOB, "format: a REMUX needs one", why);
    }
    if (!rmx_format_find(spec->format)) {
        return refuse(RMX_STATUS_UNSUPPORTED, "format: not a container ringmux writes", why);
    }
    return 0;
}

/* "00-<32 hex>-<16 hex>-<2 hex>"; version ff and ids of zeros only are what W3C calls invalid. */
static bool is_traceparent(const char *text)
{
    static const char zeros[] = "00000000000000000000000000000000";
    static const char shape[] = "xx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";

    _Static_assert(sizeof(shape) == RMX_JOB_TRACE_BYTES, "a traceparent fills its field");
    for (size_t i = 0; i < sizeof(shape); i++) {
        if (shape[i] == 'x' ? !is_hex(text[i]) : text[i] != shape[i]) {
            return false;
        }
    }
    return memcmp(text, "ff", 2) != 0 && memcmp(text + 3, zeros, 32) != 0 &&
           memcmp(text + 36, zeros, 16) != 0;
}

static int check_traceparent(const struct rmx_job_spec *spec, const char **why)
{
    if (!rmx_zeros(spec->traceparent, sizeof(spec->traceparent)) &&
        !is_traceparent(spec->traceparent)) {
        return refuse(RMX_STATUS_BAD_JOB, "traceparent: not a W3C trace context", why);
    }
    return 0;
}

/* An optional '-' (take it out), an input's number and ':', or none, a stream specifier, an
 * optional
 * '?' (absence is no error). */
static bool is_map(const char *map, struct rmx_several_map *parts)
{
    size_t length;

    return is_word(map, RMX_JOB_MAP_BYTES, ":#?-_.", &length) &&
           rmx_several_read_map(map, parts) == 0;
}

static int check_maps(const struct rmx_job_spec *spec, const char **why)
{
    const char *unused = spec->map[0];
    unsigned inputs = rmx_several_are_joined(spec) ? 1 : spec->inputs;

    if (spec->maps > RMX_JOB_MAPS_MAX) {
        return refuse(RMX_STATUS_BAD_JOB, "maps: more than a job has", why);
    }
    if (spec->kind != RMX_JOB_REMUX && spec->maps > 0) {
        return refuse(RMX_STATUS_BAD_JOB, "maps: must be 0 but for REMUX", why);
    }
    for (size_t i = 0; i < spec->maps; i++) {
        struct rmx_several_map parts;

        if (!is_map(spec->map[i], &parts)) {
            return refuse(RMX_STATUS_BAD_JOB, "map: not a stream specifier", why);
        }
        if (parts.input >= inputs) {
            return refuse(RMX_STATUS_BAD_JOB, "map: of an input that is not there to choose", why);
        }
    }
    unused += (size_t)spec->maps * RMX_JOB_MAP_BYTES;
    if (!rmx_zeros(unused, sizeof(spec->map) - (size_t)spec->maps * RMX_JOB_MAP_BYTES)) {
        return refuse(RMX_STATUS_BAD_JOB, "map: an unused one is not zero", why);
    }
    return 0;
}

static int check_options(const struct rmx_job_spec *spec, const char **why)
{
    if (spec->kind == RMX_JOB_NOOP && spec->options[0]) {
        return refuse(RMX_STATUS_BAD_OPTION, "options: must be empty for a NOOP", why);
    }
    switch (rmx_pairs_check(spec->options, sizeof(spec->options))) {
    case 0:
        break;
    case -EBADMSG:
        return refuse(RMX_STATUS_BAD_OPTION, "options: bytes after the last one", why);
    default:
        return refuse(RMX_STATUS_BAD_OPTION, "options: one is not key=value", why);
    }
    const struct rmx_format *format = spec->options[0] ? rmx_format_find(spec->format) : NULL;

    bool wrong = format != NULL &&
                 rmx_option_check_list(spec->options, sizeof(spec->options), format, why) < 0;

    return wrong ? RMX_STATUS_BAD_OPTION : 0;
}

static int check_edits(const struct rmx_job_spec *spec, const char **why)
{
    bool live = spec->flags & RMX_JOB_LIVE;
    struct rmx_edit_whole whole;

    if (spec->kind != RMX_JOB_REMUX && spec->edits[0]) {
        return refuse(RMX_STATUS_BAD_OPTION, "edits: must be empty but for REMUX", why);
    }
    switch (rmx_pairs_check(spec->edits, sizeof(spec->edits))) {
    case 0:
        break;
    case -EBADMSG:
        return refuse(RMX_STATUS_BAD_OPTION, "edits: bytes after the last one", why);
    default:
        return refuse(RMX_STATUS_BAD_OPTION, "edits: one is not name=value", why);
    }
    if (rmx_edit_gather(spec->edits, sizeof(spec->edits), 0, &whole, why) < 0) {
        return RMX_STATUS_BAD_OPTION;
    }
    bool starts = whole.seen[RMX_EDIT_START] || whole.seen[RMX_EDIT_START_FROM_END];

    if (live && (starts || whole.seen[RMX_EDIT_END] || whole.seen[RMX_EDIT_DECRYPTION_KEY])) {
        return refuse(RMX_STATUS_BAD_OPTION,
            "edits: start, end, decryption_key: a LIVE job has a duration only", why);
    }
    return rmx_file_name_check(whole.output_name, spec->format, why);
}

/* What the first output has was looked at already. */
static int check_further_outputs(const struct rmx_job_spec *spec, const char **why)
{
    int status = 0;

    for (unsigned output = 1; output < spec->outputs && status == 0; output++) {
        struct rmx_job_spec own;

        status = rmx_several_take_output(spec, output, &own, why);
        if (status == 0) {
            status = check_format(&own, why);
        }
        if (status == 0) {
            status = check_maps(&own, why);
        }
        if (status == 0) {
            status = check_options(&own, why);
        }
    }
    return status;
}

/* Each input's container has a name that its field has room for. */
static int check_inputs(const struct rmx_job_spec *spec, const char **why)
{
    int status = 0;

    for (unsigned input = 0; input < spec->inputs && status == 0; input++) {
        struct rmx_job_spec own;

        rmx_several_take_input(spec, input, &own);
        status = check_input_format(&own, why);
    }
    return status;
}

int rmx_job_check(const struct rmx_job_spec *spec, const char **why)
{
    static int (*const checks[])(const struct rmx_job_spec *, const char **) = {
        check_numbers,
        check_input_port,
        check_output_port,
        check_channel,
        check_live,
        check_input_format,
        check_format,
        check_traceparent,
        check_options,
        check_edits,
        check_maps,
        rmx_several_check,
        check_further_outputs,
        check_inputs,
    };

    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        int status = checks[i](spec, why);

        if (status) {
            return status;
        }
    }
    return 0;
}

int rmx_job_check_result(const struct rmx_job_result *result)
{
    if (result->cause > 0 || result->cause < -RMX_ERRNO_MAX ||
        !rmx_job_is_text(result->text, sizeof(result->text))) {
        return -EBADMSG;
    }
    if (result->input_wait_ns > result->total_ns ||
        result->output_wait_ns > result->total_ns - result->input_wait_ns) {
        return -EBADMSG;
    }
    if (result->retry_after_ns && result->status != RMX_STATUS_BUSY) {
        return -EBADMSG;
    }
    return 0;
}

uint32_t rmx_job_descriptors(const struct rmx_job_spec *spec)
{
    return (spec->input_port == RMX_JOB_DESCRIPTOR ? spec->inputs : 0u) +
           (spec->output_port == RMX_JOB_DESCRIPTOR ? spec->outputs : 0u);
}

/* What "+a-b" (change) or "a+b" (set to just these) makes of one flag. */
static bool apply_flags(const char *value, const char *flag, bool before)
{
    bool on = before;

    while (*value) {
        size_t signs = strspn(value, "+-");
        const char *name = value + signs;
        size_t length = strcspn(name, "+-");
        bool named = length == strlen(flag) && strncmp(name, flag, length) == 0;

        if (signs == 0) {
            on = named;
        } else if (named) {
            on = name[-1] == '+';
        }
        value = name + length;
    }
    return on;
}

bool rmx_job_wants_faststart(const struct rmx_job_spec *spec)
{
    static const char key[] = "movflags=";
    const struct rmx_format *format = rmx_format_find(spec->format);
    const char *pair;
    size_t at = 0;
    bool wants = false;

    while (rmx_job_next_option(spec, &at, &pair)) {
        if (strncmp(pair, key, sizeof(key) - 1) == 0) {
            wants = apply_flags(pair + sizeof(key) - 1, "faststart", wants);
        }
    }
    return wants && format != NULL && format->patch == RMX_PATCH_ALWAYS;
}

int rmx_job_next_option(const struct rmx_job_spec *spec, size_t *cursor, const char **pair)
{
    return rmx_pairs_next(spec->options, sizeof(spec->options), cursor, pair);
}

int rmx_job_add_option(struct rmx_job_spec *spec, const char *pair)
{
    return rmx_pairs_add(spec->options, sizeof(spec->options), pair);
}

int rmx_job_add_edit(struct rmx_job_spec *spec, const char *edit)
{
    return rmx_pairs_add(spec->edits, sizeof(spec->edits), edit);
}

int rmx_job_add_map(struct rmx_job_spec *spec, const char *map)
{
    size_t bytes = strlen(map) + 1;

    if (bytes == 1) {
        return -EINVAL;
    }
    if (spec->maps >= RMX_JOB_MAPS_MAX || bytes > RMX_JOB_MAP_BYTES) {
        return -E2BIG;
    }
    memcpy(spec->map[spec->maps], map, bytes);
    spec->maps++;
    return 0;
}

int rmx_job_set_name(char (*field)[RMX_JOB_NAME_BYTES], const char *name)
{
    size_t bytes = strlen(name) + 1;

    if (bytes > sizeof(*field)) {
        return -E2BIG;
    }
    memset(*field, 0, sizeof(*field));
    memcpy(*field, name, bytes);
    return 0;
}
