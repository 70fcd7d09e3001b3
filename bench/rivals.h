/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What one would use instead of ringmux: other programs that do the same job. Each may be missing
 * here, which their users say in the report. For benchmarks: one that fails ends the program.
 */
#ifndef RMX_BENCH_RIVALS_H
#define RMX_BENCH_RIVALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "bench/peers/libavformat.h"

/* Is it in PATH? */
bool rmx_rivals_have(const char *program);

/* --- a process for each job --------------------------------------------------------------------
 */

/* Starts one; its arguments, the program first, end with NULL. in, out: what its standard input and
 * output shall be; -1 = nothing. */
pid_t rmx_rivals_spawn(const char *const *arguments, int in, int out);

/* It must end well. */
void rmx_rivals_reap(pid_t pid);

/* Writes all of it, closes the writing end, and reads until there is no more, into nothing. `in`
 * and `out` are closed; they may be one socket. Returns how many bytes came. */
uint64_t rmx_rivals_exchange(int in, int out, const void *bytes, size_t size);

/* --- libavformat in a process of its own (peers/libavformat.c) ---------------------------------
 */

struct rmx_rivals_loop {
    pid_t pid;
    FILE *to;
    FILE *from;
};

/* Returns false if that program was not built. */
bool rmx_rivals_loop_start(struct rmx_rivals_loop *loop);
void rmx_rivals_loop_tell(struct rmx_rivals_loop *loop, const struct rmx_order *order);
struct rmx_answer rmx_rivals_loop_hear(struct rmx_rivals_loop *loop);
void rmx_rivals_loop_end(struct rmx_rivals_loop *loop);

/* --- a Go service that forks ffmpeg (peers/forks.go) -------------------------------------------
 */

#define RMX_RIVALS_FORKS_SLOTS 50

struct rmx_rivals_forks {
    pid_t pid;
    char socket[96];
};

/* Its socket will be in `dir`; each request becomes ffmpeg with these arguments (NULL-ended).
 * Returns false if it was not built: there was no Go. */
bool rmx_rivals_forks_start(
    struct rmx_rivals_forks *forks, const char *dir, const char *const *arguments);

/* A connection: write, shut down, read. */
int rmx_rivals_forks_call(const struct rmx_rivals_forks *forks);
void rmx_rivals_forks_end(struct rmx_rivals_forks *forks);

#endif
