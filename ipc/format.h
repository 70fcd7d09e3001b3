/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The containers a job may ask for, from ipc/format.def. Runs in every process; pure look-ups in
 * one constant table. Must never open or look at a file: a guess goes by the name alone.
 */
#ifndef RMX_IPC_FORMAT_H
#define RMX_IPC_FORMAT_H

#include <stddef.h>

enum rmx_format_patch {
    RMX_PATCH_NEVER,  /* strictly forward: any output will do */
    RMX_PATCH_HELPS,  /* forward is valid, but the header says more on a file */
    RMX_PATCH_ALWAYS, /* needs an output that can be written by offset */
};

struct rmx_format {
    const char *name;            /* as in a job's spec and --format */
    const char *muxer;           /* libavformat's short name */
    enum rmx_format_patch patch; /* does the muxer go back? */
    const char *extensions;      /* without dots, one space between; the first is the usual one */
    const char *index;           /* of several files the one that names the others; "" = one file */
    const char *options;         /* "key=value", one space between, that the muxer is told before
                                    the job's own, or "" */
};

/* The row of that name, or NULL. Names are exact: "mp4", not "MP4". */
const struct rmx_format *rmx_format_find(const char *name);

/* The row whose extensions hold what follows the last dot of the file's name, in any case:
 * "a/b.MKV", ".ts". NULL when nothing follows, or nothing known does. */
const struct rmx_format *rmx_format_guess(const char *file);

/* Row i in the table's order, or NULL after the last. */
const struct rmx_format *rmx_format_at(size_t i);

#endif
