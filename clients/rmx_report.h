/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How rmx says how a job went: to a person on stderr, to a program as one line of JSON, to the
 * shell as an exit code. Runs in the process rmx.
 */
#ifndef RMX_CLIENTS_RMX_REPORT_H
#define RMX_CLIENTS_RMX_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "clients/ringmux.h"

struct rmx_report {
    const char *input;         /* the names as the user gave them; */
    const char *output;        /* NULL where there is none */
    bool allows_truncated;     /* --allow-truncated was given */
    bool may_spool;            /* --spool was not given, and could be */
    uint64_t line;             /* of a batch, where it stands; 0 = it was a command */
    const char *const *inputs; /* all of them: the first is `input`, */
    size_t input_count;
    const char *const *outputs; /* or `output` */
    size_t output_count;
    const char *const *formats; /* each output's container */
    const uint64_t *bytes;      /* each output's, when it is written; UINT64_MAX = unknown */
};

/* What to call a file in a message: "-" has a name too. */
const char *rmx_report_name(const char *path, const char *instead);

/* One line on stderr that says what failed and what can be done. Nothing for OK. */
void rmx_report_failure(const struct rmx_report *report, const struct rmx_result *result);

/* A line on stderr for each output that a job that ended OK went on without: it is not there. */
void rmx_report_dropped(const struct rmx_report *report, const struct rmx_result *result);

/* One line on stderr that says what was done; of several outputs, one for each that is there. */
void rmx_report_success(const struct rmx_report *report, const struct rmx_result *result);

/* One line of JSON. */
void rmx_report_json(FILE *out, const struct rmx_report *report, const struct rmx_result *result);

/* What the shell gets to see: a signal's 128 + number if there was one, else the status's. */
int rmx_report_exit(const struct rmx_result *result);

#endif
