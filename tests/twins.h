/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A file read twice: by our demuxer of plain MP4 (engine/worker/native.h) and by libavformat's.
 * What the one takes, it must read as the other does, to the last field; and be written as the
 * other writes it. Runs in test programs only.
 */
#ifndef RMX_TESTS_TWINS_H
#define RMX_TESTS_TWINS_H

#include <stddef.h>
#include <stdint.h>

#define TWINS_WHY_BYTES 160

enum twins {
    TWINS_LEFT, /* to libavformat */
    TWINS_SAME,
    TWINS_DIFFER, /* why says in what */
};

/* The job that puts them into fragments: the same bytes from the fragmenter
 * (engine/worker/fragmenter.h) as from libavformat's muxer, and the same end. LEFT: our demuxer
 * does not take them. */
enum twins twins_compare_outputs(const uint8_t *bytes, size_t size, char why[TWINS_WHY_BYTES]);

/* format: the job's. The bytes are not changed. */
enum twins twins_compare(
    const uint8_t *bytes, size_t size, const char *format, char why[TWINS_WHY_BYTES]);

#endif
