/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The points that a daemon under the fault shim passes: where each lies, how often it was passed,
 * and which of them fails. In the daemon; any thread.
 */
#ifndef RMX_TESTS_FAULT_POINT_H
#define RMX_TESTS_FAULT_POINT_H

#include <stdbool.h>
#include <stddef.h>

/* Where a call was made. */
struct fault_here {
    void *address;
    void *const *frame; /* of who was called */
};
#define FAULT_HERE ((struct fault_here){ __builtin_return_address(0), __builtin_frame_address(0) })

/* Looks at what the process has loaded, and maps the campaign's page: `base`, of FAULT_PAGE_BYTES.
 * Before this, nothing fails. */
void fault_point_init(void *base, unsigned role);
size_t fault_point_page_bytes(void);

/* True: a campaign wants to know of points now. */
bool fault_point_armed(void);

/* Passes a call's point. Returns 0, or how it is to fail: an errno, or FAULT_SHORT. */
int fault_point_pass(const char *name, struct fault_here here);

/* The same, of what has no caller but a function that it comes back to. */
int fault_point_pass_for(const char *name, void (*done)(void));

#endif
