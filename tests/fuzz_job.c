/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The check of a job under arbitrary bytes: input is one struct rmx_job_spec, zeros where it is
 * short. Whatever passes, its strings end inside their arrays, its options and edits can be walked;
 * what is refused says why.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/channel.h"
#include "ipc/edit.h"
#include "ipc/format.h"
#include "ipc/job.h"
#include "ipc/pairs.h"
#include "ipc/several.h"
#include "ipc/status.h"
#include "ring/base.h"
#include "ring/chunk.h"
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
    (void)rmx_job_wants_faststart(spec);
}

/* What the worker will take for granted of its edits. */
static void use_edits(const struct rmx_job_spec *spec)
{
    struct rmx_edit_whole whole;
    size_t cursor = 0;
    const char *text;
    const char *why;

    rmx_assert(rmx_edit_gather(spec->edits, sizeof(spec->edits), RMX_EDIT_JOB, &whole, &why) == 0);
    rmx_assert(whole.start_us >= 0 && whole.start_us <= RMX_EDIT_TIME_US_MAX);
    rmx_assert(whole.duration_us >= 0);
    rmx_assert(llabs(whole.output_offset_us) <= RMX_EDIT_TIME_US_MAX);
    while (rmx_pairs_next(spec->edits, sizeof(spec->edits), &cursor, &text) == 1) {
        struct rmx_edit edit;

        rmx_assert(rmx_edit_parse(text, &edit, &why) == 0);
        rmx_assert(strlen(edit.specifier) < sizeof(edit.specifier));
        rmx_assert(edit.value > text && edit.value <= text + strlen(text));
        rmx_assert(edit.word != RMX_EDIT_METADATA || strchr(edit.value, '=') > edit.value);
    }
    rmx_assert(cursor <= sizeof(spec->edits));
}

/* What the worker will take for granted of each of several inputs and outputs. */
static void use_ends(const struct rmx_job_spec *spec)
{
    struct rmx_edit_whole whole;
    struct rmx_several_map map;
    struct rmx_job_spec own;
    const char *why;

    for (unsigned output = 0; output < spec->outputs; output++) {
        rmx_assert(rmx_several_take_output(spec, output, &own, &why) == 0);
        rmx_assert(spec->kind != RMX_JOB_REMUX || rmx_format_find(own.format));
        for (unsigned slot = 0; slot < own.maps; slot++) {
            rmx_assert(rmx_several_read_map(own.map[slot], &map) == 0 && map.input < spec->inputs);
        }
        (void)rmx_several_drops(spec, output);
    }
    for (unsigned input = 0; input < spec->inputs; input++) {
        rmx_several_take_input(spec, input, &own);
        rmx_assert(
            rmx_edit_gather(spec->edits, sizeof(spec->edits), (int)input, &whole, &why) == 0);
        rmx_assert(llabs(whole.input_offset_us) <= RMX_EDIT_TIME_US_MAX);
    }
    rmx_assert(spec->inputs <= RMX_JOB_INPUTS_MAX && spec->outputs <= RMX_JOB_OUTPUTS_MAX);
}

/* What the lane and the worker will take for granted of its rings. */
static void use_rings(const struct rmx_job_spec *spec)
{
    const struct rmx_job_ring *rings[] = { &spec->input_ring, &spec->output_ring };
    bool there[] = { spec->input_port == RMX_JOB_RING, spec->output_port == RMX_JOB_RING };

    for (size_t i = 0; i < 2; i++) {
        size_t bytes = rmx_chunk_ring_bytes(rings[i]->slots, rings[i]->chunk_bytes);

        rmx_assert((bytes > 0) == there[i]);
        rmx_assert((rings[i]->at >= RMX_CHANNEL_RINGS_AT) == there[i]);
        rmx_assert(rings[i]->at % RMX_CHUNK_ALIGN == 0 && rings[i]->at + bytes >= bytes);
    }
    rmx_assert((spec->channel != 0) == (there[0] || there[1]));
    rmx_assert(spec->channel_flow < RMX_CHANNEL_FLOWS_MAX);
    rmx_assert(
        rmx_job_descriptors(spec) == (uint32_t)spec->inputs + spec->outputs - there[0] - there[1]);
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
        use_edits(spec);
        use_ends(spec);
        use_rings(spec);
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
    static const char *const edits[9] = { "duration=01:02:03.5", "copyts=1", "output_offset=-1.5s",
        "metadata:s:a:0=language=eng", "map_chapters=-1", "disposition:a=+forced-default",
        "rotate:v=90", "bsf:v=setts=ts='max(0,TS)',h264_metadata=level=4.1", "shortest=0" };
    struct rmx_job_spec spec = {
        .job = n + 1, .kind = RMX_JOB_REMUX, .inputs = 1, .outputs = 1, .group = n
    };

    memcpy(spec.format, names[n % 4], strlen(names[n % 4]));
    if (n & 4) {
        spec.input_port = RMX_JOB_RING;
        spec.output_port = RMX_JOB_RING;
        spec.channel = n;
        spec.channel_flow = n;
        spec.input_ring = (struct rmx_job_ring){ RMX_CHANNEL_RINGS_AT, 16, 4096 };
        spec.output_ring = (struct rmx_job_ring){ RMX_CHANNEL_RINGS_AT + 81920, 16, 4096 };
        spec.flags = RMX_JOB_SEEKABLE_INPUT | RMX_JOB_POSITIONAL | RMX_JOB_LIVE;
        spec.fragment_us = RMX_JOB_FRAGMENT_PACKET;
    }
    if (n % 8 == 3) {
        spec.inputs = 3;
        spec.outputs = 2;
        rmx_assert(rmx_job_add_edit(&spec, "format:1=mpegts") == 0);
        rmx_assert(rmx_job_add_edit(&spec, "map:1=2:v?") == 0);
        rmx_assert(rmx_job_add_edit(&spec, "option:1=muxrate=400000") == 0);
        rmx_assert(rmx_job_add_edit(&spec, "when_slow:1=drop") == 0);
        rmx_assert(rmx_job_add_edit(&spec, "start:2=5") == 0);
        rmx_assert(rmx_job_add_edit(&spec, "input_offset:1=-3") == 0);
    }
    for (unsigned i = 0; i < n % 9; i++) {
        rmx_assert(rmx_job_add_edit(&spec, edits[(n + i) % 9]) == 0);
    }
    for (unsigned i = 0; i < n % 3; i++) {
        rmx_assert(rmx_job_add_map(&spec, "-m:language:eng?") == 0);
        rmx_assert(rmx_job_add_option(&spec, "movflags=+faststart") == 0);
    }
    memcpy(data, &spec, sizeof(spec));
    return sizeof(spec);
}
