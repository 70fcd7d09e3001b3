/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The settings as people read them: --help, --print-config, the options of the man page; all from
 * config.def. Runs in ringmuxd when it was asked a question instead of started.
 */
#ifndef RMX_ENGINE_MANUAL_H
#define RMX_ENGINE_MANUAL_H

#include <stdio.h>

#include "engine/config.h"

/* How to call ringmuxd, and each setting with what it allows. */
void rmx_manual_help(FILE *out);

/* A configuration file that says what config says, with defaults, ranges and prose as comments. */
void rmx_manual_config(FILE *out, const struct rmx_config *config);

/* The settings in mdoc(7), for engine/ringmuxd.8. */
void rmx_manual_options(FILE *out);

#endif
