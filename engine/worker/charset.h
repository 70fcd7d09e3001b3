/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The character sets that broadcasters write service names in. The MPEG-TS demuxer turns them into
 * UTF-8 with iconv(3), and glibc loads each one's converter from a file when it is first opened: a
 * locked-down worker could not. Runs in the zygote, once, before the first fork.
 */
#ifndef RMX_ENGINE_WORKER_CHARSET_H
#define RMX_ENGINE_WORKER_CHARSET_H

/* Loads every converter that EN 300 468 annex A.2 names, and keeps it. One that this system does
 * not have stays missing: the demuxer then takes such names as they are. */
void rmx_charset_init_process(void);

#endif
