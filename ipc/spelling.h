/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How far a misspelt name is from a right one, so that a refusal can say which was meant. Runs in
 * every process; pure.
 */
#ifndef RMX_IPC_SPELLING_H
#define RMX_IPC_SPELLING_H

#define RMX_SPELLING_BYTES 64 /* what is longer than that is near nothing */
#define RMX_SPELLING_FAR   3u /* so far away it is another word, not a slip */

/* How many letters to add, drop or change to get from one to the other; UINT_MAX if `to` is longer
 * than RMX_SPELLING_BYTES. */
unsigned rmx_spelling_distance(const char *from, const char *to);

#endif
