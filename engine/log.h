/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One line per decision on standard error: JSON for machines, text on a terminal.
 *
 *     rmx_log(RMX_LOG_INFO, "job_ended", RMX_LOG_U64("job", id), RMX_LOG_STR("why", text));
 *
 * Any thread of ringmuxd; only the engine logs, and once, where it decides. Each line is one
 * write(2) from a buffer on the stack. Must never allocate, block, or fail its caller: a line that
 * cannot be written now is dropped and counted. Of an event that comes too often (hush.h), only
 * some are written, each with how many were `suppressed` before it. Values may come from strangers
 * and are escaped; event and field names are ours.
 */
#ifndef RMX_ENGINE_LOG_H
#define RMX_ENGINE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RMX_LOG_LINE_BYTES  2048 /* the longest line; fields that do not fit are left out */
#define RMX_LOG_VALUE_BYTES 512  /* of a text value; more is cut off */

enum rmx_log_level { RMX_LOG_ERROR, RMX_LOG_WARN, RMX_LOG_INFO, RMX_LOG_DEBUG };

enum rmx_log_format {
    RMX_LOG_AUTO, /* text if standard error is a terminal, else JSON */
    RMX_LOG_JSON,
    RMX_LOG_TEXT,
};

enum rmx_log_kind {
    RMX_LOG_KIND_U64,
    RMX_LOG_KIND_I64,
    RMX_LOG_KIND_BOOL,
    RMX_LOG_KIND_STR,
    RMX_LOG_KIND_ERRNO,
};

struct rmx_log_field {
    const char *name;
    enum rmx_log_kind kind;
    union {
        uint64_t u64;
        int64_t i64;
        bool boolean;
        const char *str;
    };
};

#define RMX_LOG_FIELD(name_, kind_, member_, value_)                                               \
    ((struct rmx_log_field){ .name = (name_), .kind = (kind_), .member_ = (value_) })

/* Values of a field. A STR may be NULL (null). An ERRNO is an errno or -errno: "ENOSPC: No ..." */
#define RMX_LOG_U64(name, value)   RMX_LOG_FIELD(name, RMX_LOG_KIND_U64, u64, value)
#define RMX_LOG_I64(name, value)   RMX_LOG_FIELD(name, RMX_LOG_KIND_I64, i64, value)
#define RMX_LOG_BOOL(name, value)  RMX_LOG_FIELD(name, RMX_LOG_KIND_BOOL, boolean, value)
#define RMX_LOG_STR(name, value)   RMX_LOG_FIELD(name, RMX_LOG_KIND_STR, str, value)
#define RMX_LOG_ERRNO(name, value) RMX_LOG_FIELD(name, RMX_LOG_KIND_ERRNO, i64, value)

/* Both enums have the order of log_format and log_level in config.def. Before any other thread
 * runs. Ignores SIGPIPE for the process: a dead log reader must not kill the daemon. */
void rmx_log_init(enum rmx_log_format format, enum rmx_log_level level);

/* From now on, at any time. */
void rmx_log_set_level(enum rmx_log_level level);

/* Is a line of this level written at all? For callers that would work to make its fields. */
bool rmx_log_enabled(enum rmx_log_level level);

/* Lines that could not be written. The next line that can be says so too, in "lines_dropped". */
uint64_t rmx_log_dropped(void);

/* rmx_log(level, event, fields...): none to as many as fit the line. */
#define rmx_log(level, event, ...)                                                                 \
    rmx_log_write((level), (event), (const struct rmx_log_field[]){ __VA_ARGS__ },                 \
        sizeof((const struct rmx_log_field[]){ __VA_ARGS__ }) / sizeof(struct rmx_log_field))

void rmx_log_write(
    enum rmx_log_level level, const char *event, const struct rmx_log_field *fields, size_t count);

#endif
