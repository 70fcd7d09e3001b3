/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Linked into a ringmuxd for tests, in place of rmx_phase_enter(): writes down which ways its jobs
 * go, in a file that a test has made and named in RMX_EDGE_BOOK. See edge_book.h.
 */
#include "tests/edge_book.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "engine/phase.h"

void __real_rmx_phase_enter(struct rmx_flow *flow, enum rmx_flow_state state);
void __wrap_rmx_phase_enter(struct rmx_flow *flow, enum rmx_flow_state state);

static struct edge_book *book(void)
{
    static struct edge_book *mapped;

    if (mapped == NULL) {
        const char *name = getenv("RMX_EDGE_BOOK");
        int fd = name != NULL ? open(name, O_RDWR | O_CLOEXEC) : -1;

        mapped = mmap(NULL, sizeof(*mapped), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (mapped == MAP_FAILED) {
            abort();
        }
    }
    return mapped;
}

void __wrap_rmx_phase_enter(struct rmx_flow *flow, enum rmx_flow_state state)
{
    atomic_fetch_add(&book()->taken[flow->state][state], 1);
    __real_rmx_phase_enter(flow, state);
}
