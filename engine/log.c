/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Log lines: built on the stack, escaped, written at once or not at all. See log.h.
 */
#include "engine/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/hush.h"
#include "ring/base.h"

#define TAIL_BYTES 80 /* kept free for what ends a line: the dropped and truncated marks */

/* Set before other threads run, then only read. */
static enum rmx_log_format chosen_format = RMX_LOG_JSON;

/* Changed by the supervisor, read by all. Relaxed: it stands alone. */
static _Atomic uint32_t chosen_level = RMX_LOG_INFO;

/* One writer at a time, so that poll(2) speaks for the write that follows it. */
static pthread_mutex_t writer = PTHREAD_MUTEX_INITIALIZER;
static uint64_t dropped;      /* under writer: ever */
static uint64_t dropped_told; /* under writer: of these, how many a line has told of */
static struct rmx_hush hush;  /* under writer */

struct line {
    char text[RMX_LOG_LINE_BYTES];
    size_t used;
    size_t limit;
    bool overflowed; /* since the last look at it */
};

static void put(struct line *line, const char *bytes, size_t count)
{
    if (count > line->limit - line->used) {
        line->overflowed = true;
        return;
    }
    memcpy(line->text + line->used, bytes, count);
    line->used += count;
}

__attribute__((format(printf, 2, 3))) static void print(struct line *line, const char *format, ...)
{
    char text[128];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    rmx_assert(n >= 0 && (size_t)n < sizeof(text));
    put(line, text, (size_t)n);
}

/* How many bytes the UTF-8 character at s has; 0 if it is none that may be shown: malformed,
 * overlong, a surrogate, beyond Unicode, or a control character. */
static size_t character_bytes(const unsigned char *s)
{
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t length = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    uint32_t value = s[0] & (0x7fu >> (length == 1 ? 0 : length));

    if (length == 1) {
        return s[0] >= 0x20 && s[0] != 0x7f;
    }
    if (s[0] < 0xc2 || s[0] > 0xf4) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0; /* also the string's end */
        }
        value = value << 6 | (s[i] & 0x3f);
    }
    if (value < smallest[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) {
        return 0;
    }
    return value < 0xa0 ? 0 : length;
}

/* A string of a stranger's, in quotes. Bytes that are no character appear as \u00xx. */
static void put_string(struct line *line, const char *string)
{
    const unsigned char *s = (const unsigned char *)string;
    const unsigned char *end = s + RMX_LOG_VALUE_BYTES;

    put(line, "\"", 1);
    while (*s && s < end) {
        size_t length = character_bytes(s);

        if (*s == '"' || *s == '\\') {
            put(line, (const char[]){ '\\', (char)*s }, 2);
            length = 1;
        } else if (*s == '\n') {
            put(line, "\\n", 2);
            length = 1;
        } else if (length == 0) {
            print(line, "\\u%04x", *s);
            length = 1;
        } else {
            put(line, (const char *)s, length);
        }
        s += length;
    }
    put(line, *s ? "...\"" : "\"", *s ? 4 : 1);
}

static void put_errno(struct line *line, int64_t error)
{
    int number = (int)(error < 0 ? -error : error);
    const char *name = strerrorname_np(number);
    const char *text = strerrordesc_np(number);

    print(line, "\"%.20s: %.80s\"", name ? name : "?", text ? text : "no such error");
}

static void put_value(struct line *line, const struct rmx_log_field *field)
{
    switch (field->kind) {
    case RMX_LOG_KIND_U64:
        print(line, "%" PRIu64, field->u64);
        break;
    case RMX_LOG_KIND_I64:
        print(line, "%" PRId64, field->i64);
        break;
    case RMX_LOG_KIND_BOOL:
        print(line, "%s", field->boolean ? "true" : "false");
        break;
    case RMX_LOG_KIND_ERRNO:
        put_errno(line, field->i64);
        break;
    case RMX_LOG_KIND_STR:
        if (field->str) {
            put_string(line, field->str);
        } else {
            print(line, "null");
        }
        break;
    }
}

/* Adds a field whole, or not at all. */
static void put_field(struct line *line, const struct rmx_log_field *field, bool *truncated)
{
    bool json = chosen_format == RMX_LOG_JSON;
    size_t before = line->used;

    line->overflowed = false;
    print(line, json ? ",\"%.60s\":" : " %.60s=", field->name);
    put_value(line, field);
    if (line->overflowed) {
        line->used = before;
        *truncated = true;
    }
}

static void put_head(struct line *line, enum rmx_log_level level, const char *event)
{
    static const char *const names[] = { "error", "warn", "info", "debug" };
    static const char *const marks[] = { "ERROR", "WARN ", "INFO ", "DEBUG" };
    struct timespec now;
    struct tm utc;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    if (chosen_format == RMX_LOG_JSON) {
        print(line, "{\"ts\":\"%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ\",", utc.tm_year + 1900,
            utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec);
        print(line, "\"level\":\"%s\",\"event\":\"%.60s\"", names[level], event);
    } else {
        print(line, "%02d:%02d:%02d.%03ld %s %.60s", utc.tm_hour, utc.tm_min, utc.tm_sec,
            now.tv_nsec / 1000000, marks[level], event);
    }
}

/* Would a write to standard error block? A pipe or terminal whose reader sleeps would. */
static bool is_writable(void)
{
    struct pollfd poll_fd = { .fd = STDERR_FILENO, .events = POLLOUT };

    return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLOUT);
}

/* Ends the line and writes it, or drops it. */
static void write_line(struct line *line, bool truncated)
{
    bool json = chosen_format == RMX_LOG_JSON;
    uint64_t untold;

    line->limit = sizeof(line->text);
    pthread_mutex_lock(&writer);
    untold = dropped - dropped_told;
    if (untold) {
        print(line, json ? ",\"lines_dropped\":%" PRIu64 : " lines_dropped=%" PRIu64, untold);
    }
    if (truncated) {
        print(line, json ? ",\"truncated\":true" : " truncated");
    }
    print(line, json ? "}\n" : "\n");
    if (is_writable() && write(STDERR_FILENO, line->text, line->used) == (ssize_t)line->used) {
        dropped_told += untold;
    } else {
        dropped++;
    }
    pthread_mutex_unlock(&writer);
}

void rmx_log_init(enum rmx_log_format format, enum rmx_log_level level)
{
    chosen_format = format;
    if (format == RMX_LOG_AUTO) {
        chosen_format = isatty(STDERR_FILENO) ? RMX_LOG_TEXT : RMX_LOG_JSON;
    }
    rmx_log_set_level(level);
    signal(SIGPIPE, SIG_IGN);
}

void rmx_log_set_level(enum rmx_log_level level)
{
    atomic_store_explicit(&chosen_level, level, memory_order_relaxed);
}

bool rmx_log_enabled(enum rmx_log_level level)
{
    return level <= atomic_load_explicit(&chosen_level, memory_order_relaxed);
}

uint64_t rmx_log_dropped(void)
{
    uint64_t count;

    pthread_mutex_lock(&writer);
    count = dropped;
    pthread_mutex_unlock(&writer);
    return count;
}

/* What a stranger can make happen without end is among these; errors are not, and who wants DEBUG
 * wants all. */
static bool may_be_written(enum rmx_log_level level, const char *event, uint64_t *kept_back)
{
    bool may = true;

    *kept_back = 0;
    if (level == RMX_LOG_WARN || level == RMX_LOG_INFO) {
        pthread_mutex_lock(&writer);
        may = rmx_hush_may_say(&hush, event, rmx_clock_ns(), kept_back);
        pthread_mutex_unlock(&writer);
    }
    return may;
}

void rmx_log_write(
    enum rmx_log_level level, const char *event, const struct rmx_log_field *fields, size_t count)
{
    struct line line;
    bool truncated = false;
    uint64_t kept_back;
    int saved_errno = errno;

    if (!rmx_log_enabled(level) || !may_be_written(level, event, &kept_back)) {
        return;
    }
    line.used = 0;
    line.limit = sizeof(line.text) - TAIL_BYTES;
    put_head(&line, level, event);
    for (size_t i = 0; i < count; i++) {
        put_field(&line, &fields[i], &truncated);
    }
    if (kept_back > 0) {
        put_field(&line, &RMX_LOG_U64("suppressed", kept_back), &truncated);
    }
    write_line(&line, truncated);
    errno = saved_errno;
}
