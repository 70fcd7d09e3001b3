/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A daemon that does what a test tells it to, lies included: a thread that takes one client on an
 * abstract socket and runs a script.
 */
#ifndef RMX_TESTS_FAKE_DAEMON_H
#define RMX_TESTS_FAKE_DAEMON_H

#include <pthread.h>
#include <stdint.h>

#include "ipc/sock.h"
#include "ipc/wire.h"
#include "ring/region.h"

#define FAKE_DAEMON_WORKERS       2
#define FAKE_DAEMON_CHANNEL_BYTES (UINT64_C(4) << 20)

struct fake_daemon {
    char path[64]; /* for rmx_open() */
    int listener;
    int fd; /* the session */
    pthread_t thread;
    void (*script)(struct fake_daemon *daemon);
    void *user;
    struct rmx_region arena;
    int step_fd;             /* an eventfd: the test lets the script go on */
    int passed_fd;           /* an eventfd: the script lets the test go on */
    struct rmx_sock_fds fds; /* of the message heard last */
    _Alignas(uint64_t) unsigned char message[RMX_WIRE_BYTES_MAX];
};

/* Listens, and runs the script for the first client that comes. */
void fake_daemon_start(struct fake_daemon *daemon, void (*script)(struct fake_daemon *daemon));

/* The same, with daemon->user set before. */
void fake_daemon_start_with(
    struct fake_daemon *daemon, void (*script)(struct fake_daemon *daemon), void *user);

/* Listens where `last` does, which does not any more, for a client that moves on. */
void fake_daemon_succeed(struct fake_daemon *daemon, struct fake_daemon *last,
    void (*script)(struct fake_daemon *daemon), void *user);

/* Listens at this path, where nobody does. */
void fake_daemon_return(struct fake_daemon *daemon, const char *path,
    void (*script)(struct fake_daemon *daemon), void *user);

/* Waits until the script is through; its session is closed then. */
void fake_daemon_stop(struct fake_daemon *daemon);

/* The test and the script in step: the one waits until the other came as far. At most 20 s. */
void fake_daemon_go_on(struct fake_daemon *daemon);   /* test */
void fake_daemon_wait(struct fake_daemon *daemon);    /* test */
void fake_daemon_pause(struct fake_daemon *daemon);   /* script: waits for go_on */
void fake_daemon_arrived(struct fake_daemon *daemon); /* script: lets the test's wait return */

/* For scripts. Hears one message, which must be of that type; its descriptors stay in daemon->fds
 * until the next one. Returns its head.count. */
uint32_t fake_daemon_hear(struct fake_daemon *daemon, uint16_t type);

/* Hears any message. Returns its type, 0 when the client is gone. */
uint16_t fake_daemon_hear_any(struct fake_daemon *daemon);

/* Is the client gone? Waits for it. */
void fake_daemon_hear_end(struct fake_daemon *daemon);

/* The spec of job i in the SUBMIT heard last. */
struct rmx_job_spec fake_daemon_spec(const struct fake_daemon *daemon, uint32_t i);

void fake_daemon_say(struct fake_daemon *daemon, const void *message, size_t bytes);
void fake_daemon_welcome(struct fake_daemon *daemon, uint32_t credits); /* HELLO and WELCOME */
void fake_daemon_done(struct fake_daemon *daemon, uint64_t job, uint32_t status, uint32_t credits);
void fake_daemon_refuse(struct fake_daemon *daemon, uint64_t job); /* DRAINING, nothing done */
void fake_daemon_goodbye(struct fake_daemon *daemon, uint32_t status);
void fake_daemon_welcome_operator(struct fake_daemon *daemon);

/* The end of a group whose first failure was this job's; 0 = there was none. */
void fake_daemon_group_done(
    struct fake_daemon *daemon, uint32_t group, uint32_t status, uint64_t first);

/* Hears GROUP. */
struct rmx_msg_group fake_daemon_hear_group(struct fake_daemon *daemon);

/* Hears GROUP_CLOSE or GROUP_CANCEL. Returns the group. */
uint32_t fake_daemon_hear_name(struct fake_daemon *daemon, uint16_t type);

/* The progress slots of the arena. */
#define FAKE_DAEMON_SLOTS 4
struct rmx_progress_shm *fake_daemon_slots(const struct fake_daemon *daemon);

#endif
