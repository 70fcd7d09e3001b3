/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Values as people write them, on a command line or in a file: sizes, durations, counts, switches
 * and words, from text and back to it. Runs in every process. Pure functions. Must
 * never accept half a text ("12x"), a sign, or what does not fit.
 */
#ifndef RMX_IPC_QUANTITY_H
#define RMX_IPC_QUANTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each returns false, *value untouched, if text is not of its form. Durations are nanoseconds. */
bool rmx_quantity_number(const char *text, unsigned int base, uint64_t *value);
bool rmx_quantity_bytes(const char *text, uint64_t *value);    /* 512, 4K, 4KiB, 1M, 1G, 1T */
bool rmx_quantity_duration(const char *text, uint64_t *value); /* 0, 50us, 10ms, 2s, 5m, 1h */
bool rmx_quantity_bool(const char *text, uint64_t *value);     /* on, yes, true, 1; off, ... */

/* words: "one|two|three"; *value is the word's index. */
bool rmx_quantity_choice(const char *text, const char *words, uint64_t *value);

/* The shortest text that reads back as the same value: 65536 is "64KiB". */
void rmx_quantity_bytes_text(uint64_t value, char *text, size_t bytes);
void rmx_quantity_duration_text(uint64_t value, char *text, size_t bytes);
void rmx_quantity_choice_text(uint64_t value, const char *words, char *text, size_t bytes);

/* All words as a sentence has them: "one, two or three". */
void rmx_quantity_choices(const char *words, char *text, size_t bytes);

#endif
