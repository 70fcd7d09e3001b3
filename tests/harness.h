/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For end-to-end tests: a real daemon of one's own in a temporary directory, media made by ffmpeg,
 * and a look into /proc. Every call fails the test itself when it cannot do its work.
 */
#ifndef RMX_TESTS_HARNESS_H
#define RMX_TESTS_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "clients/ringmux.h"

struct harness {
    pid_t daemon;
    char dir[64];
    char socket[96];
    char log[96];
};

/* What is started in place of ringmuxd; NULL = ringmuxd itself. */
extern const char *harness_program;

/* A folder of its own, and names in it for a socket and a log; no daemon yet. It goes with the
 * test, passed or not, unless RMX_TEST_KEEP is set. */
void harness_make_place(struct harness *harness);

/* Starts ringmuxd with these settings besides (NULL-ended, may be NULL) and waits until it is
 * ready. */
void harness_start(struct harness *harness, const char *const *settings);

/* The same in the directory and on the socket that *harness has already. */
void harness_start_at(struct harness *harness, const char *const *settings);

/* SIGTERM; the daemon must end with status 0 within 10 s and leave no process behind. A test that
 * has ended it sets harness->daemon to -1. */
void harness_stop(struct harness *harness);

/* A client of it. */
struct rmx_client *harness_client(const struct harness *harness);

/* The worker processes that have an arena now. Returns how many. */
size_t harness_workers(const struct harness *harness, pid_t *pids, size_t max);

/* The path of a clip (static memory), made by ffmpeg once and kept in the build directory:
 * "small.mp4" is 2 s, about 150 KB, H.264 with B-frames and AAC; "small.ts" the same as a transport
 * stream; "live.ts" is more of it, some 1 MB; "large.mp4" is some tens of MB. */
const char *harness_media(const char *name);

/* A file in the harness's directory, opened for reading and writing, empty. */
int harness_output(const struct harness *harness, const char *name);
int harness_input(const char *path);

/* A remux of `path` into `format`, submitted; its output is an unnamed file in the harness's
 * directory. */
uint64_t harness_submit(
    const struct harness *harness, struct rmx_client *client, const char *path, const char *format);

/* The next end, within 20 s. */
struct rmx_result harness_wait(struct rmx_client *client);

/* Submits and waits: must end OK. Returns a hash of the output's bytes. */
uint64_t harness_remux(
    const struct harness *harness, struct rmx_client *client, const char *path, const char *format);

/* Of a file's bytes: as harness_remux() returns. */
uint64_t harness_hash(int fd);

/* The daemon's counter of this name. */
uint64_t harness_counter(struct rmx_client *client, const char *name);

/* Waits, at most 20 s, until the daemon's counter has this value. */
void harness_counter_becomes(struct rmx_client *client, const char *name, uint64_t value);

bool harness_lives(pid_t pid);
size_t harness_descriptors(pid_t pid);

/* Waits, at most 20 s, until it has at most so many: the kernel closes some a moment later. */
void harness_descriptors_at_most(pid_t pid, size_t most);

uint64_t harness_resident_bytes(pid_t pid); /* anonymous and file pages; shared memory not */
uint64_t harness_now_ns(void);

#endif
