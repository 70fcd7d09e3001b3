/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A file read twice: by our demuxer of plain MP4 (engine/worker/native.h) and by libavformat's.
 * What the one takes, it must read as the other does, to the last field. Runs in test programs
 * only.
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

/* format: the job's. The bytes are not changed. */
enum twins twins_compare(
    const uint8_t *bytes, size_t size, const char *format, char why[TWINS_WHY_BYTES]);

#endif
