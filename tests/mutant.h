/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Makes of a file one that is wrong, here and there: bits, bytes, numbers and ranges anywhere, and,
 * where anatomy.h knows what it is made of, whole boxes, elements, packets, and what they say of
 * their size. The same dice, the same file. Runs in test programs only.
 */
#ifndef RMX_TESTS_MUTANT_H
#define RMX_TESTS_MUTANT_H

#include <stddef.h>
#include <stdint.h>

#include "tests/dice.h"

/* Changes bytes[0..size) once, in place; may grow up to `room`. Returns the new size; of an empty
 * one 0. */
size_t mutant_change(uint8_t *bytes, size_t size, size_t room, struct dice *dice);

/* As many changes as makes sense, mostly few. What was Ogg has right checksums mostly. */
size_t mutant_make(uint8_t *bytes, size_t size, size_t room, struct dice *dice);

#endif
