/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How often the jobs of a daemon went from one state to another: a file that the daemon, made for
 * it, and the test have both mapped.
 */
#ifndef RMX_TESTS_EDGE_BOOK_H
#define RMX_TESTS_EDGE_BOOK_H

#include <stdatomic.h>
#include <stdint.h>

#include "engine/flow.h"

struct edge_book {
    _Atomic uint64_t taken[RMX_FLOW_STATES][RMX_FLOW_STATES]; /* [from][to] */
};

#endif
