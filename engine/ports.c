/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The descriptors of a job. See ports.h.
 */
#include "engine/ports.h"

#include "ring/base.h"

static void init_files(struct rmx_file *files, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        files[i] = (struct rmx_file)RMX_FILE_INIT;
    }
}

void rmx_ports_init(struct rmx_ports *ports)
{
    *ports = (struct rmx_ports){ .inputs = 0 };
    init_files(ports->input, RMX_JOB_INPUTS_MAX);
    init_files(ports->output, RMX_JOB_OUTPUTS_MAX);
}

int rmx_ports_take(struct rmx_ports *ports, const struct rmx_job_spec *spec,
    struct rmx_ports_fds *fds, struct rmx_ports_flaw *flaw)
{
    uint32_t inputs = spec->input_port == RMX_JOB_DESCRIPTOR ? spec->inputs : 0;
    uint32_t outputs = spec->output_port == RMX_JOB_DESCRIPTOR ? spec->outputs : 0;

    for (uint32_t i = 0; i < inputs; i++, ports->inputs++) {
        int error = rmx_file_take_input(&ports->input[i], &fds->input[i]);

        if (error < 0) {
            *flaw = (struct rmx_ports_flaw){ .index = i, .error = error };
            return -1;
        }
    }
    for (uint32_t i = 0; i < outputs; i++, ports->outputs++) {
        int error = rmx_file_take_output(&ports->output[i], &fds->output[i]);

        if (error < 0) {
            *flaw = (struct rmx_ports_flaw){ .is_output = true, .index = i, .error = error };
            return -1;
        }
    }
    return 0;
}

static uint32_t count_open(const struct rmx_file *files, uint32_t count)
{
    uint32_t open = 0;

    for (uint32_t i = 0; i < count; i++) {
        open += files[i].fd >= 0 ? 1 : 0;
    }
    return open;
}

uint32_t rmx_ports_count(const struct rmx_ports *ports)
{
    return count_open(ports->input, ports->inputs) + count_open(ports->output, ports->outputs);
}

uint64_t rmx_ports_input_bytes(const struct rmx_ports *ports)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < ports->inputs; i++) {
        if (__builtin_add_overflow(bytes, ports->input[i].size, &bytes)) {
            return UINT64_MAX;
        }
    }
    return bytes;
}

static uint32_t seekable(const struct rmx_file *files, uint32_t count)
{
    uint32_t bits = 0;

    for (uint32_t i = 0; i < count; i++) {
        bits |= files[i].kind != RMX_FILE_STREAM ? 1u << i : 0;
    }
    return bits;
}

uint32_t rmx_ports_seekable_inputs(const struct rmx_ports *ports)
{
    return seekable(ports->input, ports->inputs);
}

uint32_t rmx_ports_seekable_outputs(const struct rmx_ports *ports)
{
    return seekable(ports->output, ports->outputs);
}

/* The first whose close may wait, in *found; returns how many there are. */
static uint32_t count_slow(struct rmx_file *files, uint32_t count, struct rmx_file **found)
{
    uint32_t slow = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (files[i].fd >= 0 && (files[i].slow || files[i].lingers)) {
            *found = *found == NULL ? &files[i] : *found;
            slow++;
        }
    }
    return slow;
}

uint32_t rmx_ports_close_slow(struct rmx_ports *ports, struct rmx_loop *loop,
    void (*closed)(struct rmx_op *op, int result), void *owner)
{
    struct rmx_file *file = NULL;
    uint32_t slow = count_slow(ports->input, ports->inputs, &file) +
                    count_slow(ports->output, ports->outputs, &file);

    if (ports->close_op.busy) {
        return slow + 1;
    }
    if (file != NULL) {
        ports->close_op = (struct rmx_op){ .done = closed, .owner = owner };
        rmx_loop_close(loop, &ports->close_op, rmx_take_fd(&file->fd));
    }
    return slow;
}

void rmx_ports_fini(struct rmx_ports *ports)
{
    for (uint32_t i = 0; i < ports->inputs; i++) {
        rmx_file_fini(&ports->input[i]);
    }
    for (uint32_t i = 0; i < ports->outputs; i++) {
        rmx_file_fini(&ports->output[i]);
    }
}
