/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Input that does evil to a worker, if that is tests/stuck-worker.
 */
#ifndef RMX_TESTS_BAD_WAV_H
#define RMX_TESTS_BAD_WAV_H

#include "tests/harness.h"

enum bad_wav {
    BAD_WAV_LOOPS,   /* its demuxer never comes back */
    BAD_WAV_CRASHES, /* its demuxer aborts */
    BAD_WAV_LEAVES,  /* its demuxer ends the process, without a word */
};

/* A second of silence, opened for reading. */
int bad_wav_open(const struct harness *harness, enum bad_wav kind);

/* Submits its remux. Returns the job's name. */
uint64_t bad_wav_submit(const struct harness *harness, struct rmx_client *client, enum bad_wav kind,
    uint64_t deadline_ns);

#endif
