/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The subcommands of rmx: each is a main() of its own, with argv[0] its name, and returns what rmx
 * exits with: 0, 2 for a usage error, or a row's exit code in ipc/status.def. Runs in the process
 * rmx.
 */
#ifndef RMX_CLIENTS_RMX_H
#define RMX_CLIENTS_RMX_H

int rmx_remux_main(int argc, char **argv);
int rmx_probe_main(int argc, char **argv);
int rmx_batch_main(int argc, char **argv);
int rmx_jobs_main(int argc, char **argv);
int rmx_cancel_main(int argc, char **argv);
int rmx_ping_main(int argc, char **argv);
int rmx_stat_main(int argc, char **argv);
int rmx_formats_main(int argc, char **argv);

#endif
