/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writes JSON the way ffprobe lays it out: one key a line, four spaces a level. Worker process, a
 * job's fiber. Writes to the job's output only; what is not UTF-8 is replaced.
 */
#ifndef RMX_ENGINE_WORKER_JSON_H
#define RMX_ENGINE_WORKER_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avio.h>

#define RMX_JSON_DEPTH_MAX 12

struct rmx_json {
    AVIOContext *output;
    int depth;
    bool filled[RMX_JSON_DEPTH_MAX]; /* this level has a member already */
};

/* name is NULL inside a list and for the outermost object. */
void rmx_json_open(struct rmx_json *json, const char *name, char bracket);
void rmx_json_close(struct rmx_json *json, char bracket);

void rmx_json_string(struct rmx_json *json, const char *name, const char *value);
void rmx_json_int(struct rmx_json *json, const char *name, int64_t value);

/* A value printed as a string. */
__attribute__((format(printf, 3, 4))) void rmx_json_format(
    struct rmx_json *json, const char *name, const char *format, ...);

#endif
