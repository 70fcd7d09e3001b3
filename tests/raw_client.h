/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A client that speaks the protocol by itself, over raw_sock, so that what the library would never
 * send can be sent. Every call fails the test when the daemon does not do its part.
 */
#ifndef RMX_TESTS_RAW_CLIENT_H
#define RMX_TESTS_RAW_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/channel.h"
#include "ipc/sock.h"
#include "ipc/status.h"
#include "ring/bell.h"
#include "ring/chunk.h"
#include "ring/mail.h"
#include "tests/harness.h"

#define RAW_ARENA_BYTES (4u << 20)
#define RAW_SLOTS       16u
#define RAW_CHUNK_BYTES 8192u

/* A channel as its client has it. */
struct raw_channel {
    uint32_t name;
    struct rmx_region arena;
    struct rmx_channel_shm *shm;
    struct rmx_bell worker_bell;
    int watch;
    struct rmx_mail to_worker;
    struct rmx_mail to_client;
};

extern int raw_sock; /* the session's */

/* Connects and says hello. Returns the socket. */
int raw_session(const struct harness *harness);
int raw_receive(int fd, void *message, size_t size, struct rmx_sock_fds *fds);

/* Sends CHANNEL; as rmx_sock_send(). */
int raw_say_channel(int fd, uint64_t bytes, int arena_fd, int flags);

/* The same, and takes the answer. Returns its status. */
uint32_t raw_ask_channel(
    uint64_t bytes, int arena_fd, struct rmx_msg_channel_opened *opened, struct rmx_sock_fds *fds);

/* What the daemon says to this arena; nothing else is kept. */
uint32_t raw_answer_to(uint64_t bytes, int arena_fd);

/* A channel with an arena of RAW_ARENA_BYTES. */
void raw_open(struct raw_channel *channel);
void raw_close(struct raw_channel *channel);

/* A job numbered 100 + n, channel_flow n, from ring 2n to ring 2n + 1 of the arena, into fmp4. */
struct rmx_job_spec raw_ring_job(const struct raw_channel *channel, uint32_t n);

/* Empties both rings; ends are our ends of them. */
void raw_make_rings(
    struct raw_channel *channel, const struct rmx_job_spec *spec, struct rmx_chunk_ring ends[2]);

void raw_submit(const struct rmx_job_spec *spec, const int *fds, int count);
void raw_cancel(uint64_t job);

/* The next message is the end of one job; and of this one, with this status. */
struct rmx_job_result raw_end(void);
void raw_expect(uint64_t job, enum rmx_status status);

/* Takes what is in an output ring. Returns whether there was any. */
bool raw_drain(struct raw_channel *channel, uint32_t flow, struct rmx_chunk_ring *output,
    uint64_t *drained, bool *ended);

/* Sleeps until the worker rings. */
void raw_sleep(struct raw_channel *channel, struct rmx_chunk_ring *input, bool fed_all,
    struct rmx_chunk_ring *output);

/* Runs a job with two rings on a file, from its submit to its last byte. Returns how many came. */
uint64_t raw_move(struct raw_channel *channel, const struct rmx_job_spec *spec, int fd);

#endif
