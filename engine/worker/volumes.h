/* SPDX-License-Identifier: BSD-2-Clause
 *
 * DASH in single files. dashenc opens such a file by itself, past what a job may open; so it writes
 * segments, and here they are put one behind the other, and the manifest says where. Worker
 * process, a job's fiber. Writes to the job's outlet and to nothing else.
 */
#ifndef RMX_ENGINE_WORKER_VOLUMES_H
#define RMX_ENGINE_WORKER_VOLUMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libavutil/bprint.h>

#include "engine/worker/outlet.h"

/* What the muxer is to call what it writes, by dashenc's rules for names. */
#define RMX_VOLUMES_INIT    "$RepresentationID$.0.$ext$"
#define RMX_VOLUMES_SEGMENT "$RepresentationID$.$Number$.$ext$"

struct rmx_volume;

struct rmx_volumes {
    struct rmx_volume *all; /* by their streams' numbers */
    unsigned count;
};

/* Is it what it was told to call one? */
bool rmx_volumes_know(const char *name);

/* A whole file of that name. list: what the manifest is called. Returns 0 or AVERROR. */
int rmx_volumes_put(struct rmx_volumes *volumes, const struct rmx_outlet *outlet, const char *list,
    const char *name, uint8_t *bytes, size_t size);

/* The manifest says no more of it. */
void rmx_volumes_forget(struct rmx_volumes *volumes, const char *name);

/* A whole manifest, NUL-terminated, as it is to be. Returns 0 or AVERROR. */
int rmx_volumes_edit(const struct rmx_volumes *volumes, const char *text, AVBPrint *edited);

/* All files are whole. Returns 0 or AVERROR. */
int rmx_volumes_close(struct rmx_volumes *volumes, const struct rmx_outlet *outlet);

/* Accepts one that was zeroed. What is open is the outlet's. */
void rmx_volumes_fini(struct rmx_volumes *volumes);

#endif
