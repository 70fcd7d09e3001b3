/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs over pipes that may be spooled, on a daemon and a client of their own. Every call fails the
 * test when it cannot do its work.
 */
#ifndef RMX_TESTS_SPOOL_CASE_H
#define RMX_TESTS_SPOOL_CASE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/harness.h"

extern struct harness spool_harness;
extern struct rmx_client *spool_client;

void spool_start(const char *const *settings);

/* Nothing of a job may be left. */
void spool_stop(void);

/* A thread at the other end of a pipe. */
struct spool_pump {
    pthread_t thread;
    int from;
    int to;
};

/* A pipe that brings the file's bytes; returns its reading end. */
int spool_pipe_from(struct spool_pump *pump, const char *path);

/* A pipe whose bytes end up in the file; returns its writing end. */
int spool_pipe_into(struct spool_pump *pump, int file);

uint64_t spool_submit(
    int input, int output, const char *format, uint32_t flags, const char *const *options);

/* Runs a job over pipes, in and out as wanted; its output comes to lie in `file`. */
struct rmx_result spool_run(const char *path, bool pipe_in, int file, bool pipe_out,
    const char *format, uint32_t flags, const char *const *options);

void spool_expect(const struct rmx_result *result, uint32_t status);

uint64_t spool_size(int file);
void spool_expect_same(int file, int other);

enum spool_pass { IN_SPOOL, IN_JOB, IN_DELIVER, SPOOL_PASSES };

struct spool_stalled {
    uint64_t id;
    struct spool_pump in; /* but for IN_SPOOL: all of it was read */
    int held[2];          /* ends that we keep and do not serve; -1 = none */
};

/* Starts a job that comes as far as this pass and no farther, and waits until it is there. */
void spool_stall(enum spool_pass pass, struct spool_stalled *stalled);

/* Nothing of its spools may be left. */
void spool_let_go(struct spool_stalled *stalled);

#endif
