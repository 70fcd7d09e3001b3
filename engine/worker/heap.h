/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the worker's heap (heap.c) tells of itself. Worker process, its one thread.
 */
#ifndef RMX_ENGINE_WORKER_HEAP_H
#define RMX_ENGINE_WORKER_HEAP_H

#include <stdbool.h>

/* Becomes true when an allocation fails: a note about the job on the core, for who turns NULL into
 * "invalid data" hides the reason. Who gives turns says where it goes (seats.c); never NULL. */
extern bool *rmx_seats_heap_failed;

#endif
