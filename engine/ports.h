/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The descriptors of a job: its inputs, then its outputs, as they came with the SUBMIT. Owns them.
 * Runs on the lane's thread. Must never wait for a close: one that may is done aside.
 */
#ifndef RMX_ENGINE_PORTS_H
#define RMX_ENGINE_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/file.h"
#include "engine/loop.h"
#include "ipc/job.h"

/* As they come: -1 = none. */
struct rmx_ports_fds {
    int input[RMX_JOB_INPUTS_MAX];
    int output[RMX_JOB_OUTPUTS_MAX];
};

struct rmx_ports {
    struct rmx_file input[RMX_JOB_INPUTS_MAX];
    struct rmx_file output[RMX_JOB_OUTPUTS_MAX];
    uint32_t inputs;  /* taken; those behind are empty */
    uint32_t outputs; /* likewise */
    struct rmx_op close_op;
};

/* What one of them cannot be taken for. */
struct rmx_ports_flaw {
    bool is_output;
    uint32_t index;
    int error; /* as rmx_file_take_input() has it */
};

void rmx_ports_init(struct rmx_ports *ports);

/* Takes those that the spec promises; the caller closes what is left in fds. Returns 0, or -1 with
 * *flaw: what was taken until then fini closes. */
int rmx_ports_take(struct rmx_ports *ports, const struct rmx_job_spec *spec,
    struct rmx_ports_fds *fds, struct rmx_ports_flaw *flaw);

/* How many are open. */
uint32_t rmx_ports_count(const struct rmx_ports *ports);

/* Bytes of all inputs; UINT64_MAX = of one it is not known. */
uint64_t rmx_ports_input_bytes(const struct rmx_ports *ports);

/* A bit for each that can be read, or written, at any offset. */
uint32_t rmx_ports_seekable_inputs(const struct rmx_ports *ports);
uint32_t rmx_ports_seekable_outputs(const struct rmx_ports *ports);

/* Closes one whose close may wait, aside: closed is called with owner. Returns how many remain to
 * be closed so, this one included; 0: there is none, and none is under way. */
uint32_t rmx_ports_close_slow(struct rmx_ports *ports, struct rmx_loop *loop,
    void (*closed)(struct rmx_op *op, int result), void *owner);

/* Closes all. */
void rmx_ports_fini(struct rmx_ports *ports);

#endif
