/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Text from others that goes to a terminal: file names, tags, a worker's words. Runs in the process
 * rmx. What this lets pass moves no cursor and turns no line round.
 */
#ifndef RMX_CLIENTS_RMX_TEXT_H
#define RMX_CLIENTS_RMX_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The UTF-8 character that the text begins with. Returns how many bytes it has and sets *point; 0:
 * it is none, being cut short, too long a form, or a surrogate. */
size_t rmx_text_next(const char *text, size_t bytes, uint32_t *point);

/* Is it for the terminal, not for the reader? The control characters of ASCII and Latin-1 are, and
 * those that change the direction of what is around them. */
bool rmx_text_is_control(uint32_t point);

/* Puts '?' in place of each control character, and of each byte that is no character. */
void rmx_text_tame(char *text);

#endif
