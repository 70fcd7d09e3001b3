/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A daemon of a benchmark's own, in a folder that goes with it, and a clip for its jobs. For
 * benchmarks: a failure ends the program, and the daemon with it.
 */
#ifndef RMX_BENCH_DAEMON_H
#define RMX_BENCH_DAEMON_H

#include <stdint.h>
#include <sys/types.h>

#include "clients/ringmux.h"

struct rmx_daemon {
    pid_t pid;
    char dir[64];
    char socket[96];
    char clip[96]; /* MP4, H.264 and AAC */
};

/* Makes a clip of so many seconds, some 100 KB each, and starts a daemon with these settings
 * (NULL-ended) besides. */
void rmx_daemon_start(
    struct rmx_daemon *daemon, const char *clip_seconds, const char *const *settings);

/* It must end well. */
void rmx_daemon_stop(struct rmx_daemon *daemon);

/* A daemon that serves this client alone and ends with it: RINGMUX_DAEMON's, or the one built with
 * us. settings: NULL-ended. */
struct rmx_client *rmx_daemon_private(const char *const *settings);

/* Submits one job and waits for its end, which must be OK. No other may be in flight. */
void rmx_daemon_run(
    struct rmx_client *client, const struct rmx_job *job, struct rmx_result *result);

/* Makes a clip of so many seconds, some 100 KB each: MP4, H.264 and AAC, its index in front. */
void rmx_daemon_clip(const char *path, const char *seconds);

struct rmx_client *rmx_daemon_client(const struct rmx_daemon *daemon);

/* Anonymous memory that it and its workers have now. */
uint64_t rmx_daemon_bytes(const struct rmx_daemon *daemon);

/* Waits, at most 10 s, until nothing is held for jobs: none in flight, no pair, no descriptor.
 * Returns how long that took, in nanoseconds. */
uint64_t rmx_daemon_quiet(struct rmx_client *client);

/* A job that costs its caller nothing but a message: the clip, opened once, into nothing. */
void rmx_daemon_job(const struct rmx_daemon *daemon, struct rmx_job *job);

#endif
