/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How far a misspelt name is from a right one (see spelling.h). Runs in every process.
 */
#include "ipc/spelling.h"

#include <limits.h>
#include <string.h>

static unsigned least_of(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;

    return least < c ? least : c;
}

unsigned rmx_spelling_distance(const char *from, const char *to)
{
    unsigned row[RMX_SPELLING_BYTES + 1];
    size_t width = strlen(to);

    if (width > RMX_SPELLING_BYTES) {
        return UINT_MAX;
    }
    for (unsigned column = 0; column <= width; column++) {
        row[column] = column;
    }
    for (unsigned line = 1; *from != '\0'; from++, line++) {
        unsigned diagonal = row[0];

        row[0] = line;
        for (unsigned column = 1; column <= width; column++) {
            unsigned above = row[column];

            row[column] =
                least_of(above + 1, row[column - 1] + 1, diagonal + (*from != to[column - 1]));
            diagonal = above;
        }
    }
    return row[width];
}
