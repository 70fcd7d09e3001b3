/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What /proc says of a process: whose worker it is, the core it is bound to, the time and memory it
 * took. And ffmpeg run to its end. For benchmarks: a failure ends the program with a line on
 * stderr.
 */
#ifndef RMX_BENCH_PROCESS_H
#define RMX_BENCH_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Ends the program with "what: why". */
_Noreturn void rmx_process_die(const char *what, const char *why);

/* The processes forked for a daemon's work, its spare included. Returns how many, at most `max`. */
size_t rmx_process_workers(pid_t daemon, pid_t *pids, size_t max);

/* The worker of a daemon with one worker. It must have worked: the time it has taken is what tells
 * it from the spare. */
pid_t rmx_process_worker(pid_t daemon);

/* The only core a process may run on; -1 if there are several. */
int rmx_process_core(pid_t pid);

/* The core a daemon's first lane is bound to; the machine's last one if it is bound to none. */
int rmx_process_lane_core(pid_t daemon);

/* Binds a process, 0 = the calling thread, to a core. */
void rmx_process_bind(pid_t pid, int core);

/* CPU time all of its threads have used. */
uint64_t rmx_process_cpu_ns(pid_t pid);

/* Anonymous memory it has now. */
uint64_t rmx_process_anon_bytes(pid_t pid);

/* Minor page faults it has had, all threads; 0 if it is gone. */
uint64_t rmx_process_faults(pid_t pid);

/* Pages of its memfd mappings that it has no page table entry for: the first touch of each will be
 * a fault. */
uint64_t rmx_process_absent_pages(pid_t pid);

/* Runs ffmpeg with these arguments (NULL-ended, at most 40); it must succeed. */
void rmx_process_ffmpeg(const char *const *arguments);

/* A whole file; free() it. */
unsigned char *rmx_process_slurp(const char *path, size_t *bytes);

#endif
