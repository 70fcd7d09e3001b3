/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a fault campaign, the flows it runs and the daemon's shim share: a file that all of them
 * map. The shim notes each point it passes while armed; the campaign says which of them is to fail,
 * and how. tests/fault_campaign.py knows this layout too.
 *
 * A point is a call and where it was made from: up to four return addresses, relative to the
 * module they lie in, so that they are the same in each daemon of one build.
 */
#ifndef RMX_TESTS_FAULT_PAGE_H
#define RMX_TESTS_FAULT_PAGE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define FAULT_POINTS_MAX 8191
#define FAULT_FRAMES     4
#define FAULT_SHORT      (-1) /* in place of an errno: fewer bytes than were asked for */

/* A frame is module << 48 | offset; module 0 is ringmuxd itself. */
#define FAULT_MODULE_SHIFT 48

struct fault_point {
    _Atomic uint64_t key;    /* 0 = free */
    _Atomic uint32_t visits; /* since armed */
    char name[20];           /* of the call */
    uint64_t frame[FAULT_FRAMES];
};

struct fault_page {
    _Atomic uint32_t armed; /* points count, and the one below fails */
    uint32_t role;          /* of this daemon only (RMX_FAULT_ROLE) */
    uint64_t key;           /* 0 = none fails */
    uint32_t nth;           /* visit, from 1 */
    int32_t error;          /* errno, or FAULT_SHORT */
    _Atomic uint32_t fired;
    uint32_t unused[9];
    struct fault_point point[FAULT_POINTS_MAX];
};

_Static_assert(offsetof(struct fault_page, point) == 64, "the campaign reads it");
_Static_assert(sizeof(struct fault_point) == 64, "the campaign reads it");

#endif
