/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The commands of rmx-bench: int rmx_bench_NAME_run(int argc, char **argv), argv[0] being the
 * command's name. Returns what main() shall.
 */
#ifndef RMX_BENCH_COMMAND_H
#define RMX_BENCH_COMMAND_H

#define RMX_COMMAND(name, summary) int rmx_bench_##name##_run(int argc, char **argv);
#include "bench/command.def"
#undef RMX_COMMAND

#endif
