/* SPDX-License-Identifier: BSD-2-Clause
 *
 * `rmx jobs`: what the daemon has in hand. Runs in the process rmx.
 */
#include "clients/rmx.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "clients/rmx_args.h"
#include "clients/rmx_choice.h"
#include "clients/rmx_connect.h"
#include "clients/rmx_json.h"
#include "clients/rmx_manner.h"
#include "clients/rmx_report.h"
#include "clients/rmx_say.h"
#include "clients/rmx_text.h"

#define JOBS_GUESS 256 /* how many there may be, before one knows */
#define ROW_BYTES  512

static const char help[] =
    "usage: rmx jobs [OPTION...]\n"
    "\n"
    "Lists the jobs that the daemon has in hand, whoever's they are. For root, the daemon's own\n"
    "user and its operator_gids.\n"
    "\n"
    "  --json               one JSON object a line\n" RMX_CONNECT_SOCKET_TEXT "\n"
    "examples:\n"
    "  rmx jobs\n"
    "  rmx jobs --json | jq -r 'select(.age_ns > 60e9).name' | xargs rmx cancel\n";

static const struct option options[] = {
    RMX_MANNER_JSON_ROW,
    RMX_CONNECT_SOCKET_ROW,
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static int take(void *to, int option, char why[RMX_ARGS_WHY_BYTES])
{
    return rmx_manner_take(to, option, why);
}

static const struct rmx_args args = { ":h", options, help, take, 0, "no arguments" };

static const char *stage_name(uint32_t stage)
{
    static const char *const names[] = {
        [RMX_STAGE_WAITING] = "waiting",
        [RMX_STAGE_QUEUED] = "queued",
        [RMX_STAGE_RUNNING] = "running",
        [RMX_STAGE_DRAINING] = "draining",
    };
    bool is_known = stage >= RMX_STAGE_WAITING && stage <= RMX_STAGE_DRAINING;

    return is_known ? names[stage] : "unknown";
}

static void print_json(const struct rmx_job_info *job)
{
    printf("{\"name\":\"%" PRIu32 "/%" PRIu64 "\",\"session\":%" PRIu32 ",\"job\":%" PRIu64
           ",\"state\":\"%s\",\"class\":\"%s\",\"age_ns\":%" PRIu64 ",\"left_ns\":",
        job->session, job->job, job->session, job->job, stage_name(job->stage),
        rmx_choice_class_name(job->job_class), job->age_ns);
    if (job->left_ns == UINT64_MAX) {
        fputs("null", stdout);
    } else {
        printf("%" PRIu64, job->left_ns);
    }
    printf(",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64 ",\"format\":", job->bytes_in,
        job->bytes_out);
    rmx_json_string(stdout, job->format);
    fputs(",\"group\":", stdout);
    rmx_json_string(stdout, job->group);
    fputs(",\"traceparent\":", stdout);
    rmx_json_string(stdout, job->traceparent);
    printf(",\"pid\":%" PRId32 ",\"uid\":%" PRIu32 "}\n", job->pid, job->uid);
}

static const char *or_dash(const char *text)
{
    return *text != '\0' ? text : "-";
}

static void print_row(const struct rmx_job_info *job)
{
    char name[40];
    char age[RMX_SAY_BYTES];
    char left[RMX_SAY_BYTES] = "-";
    char in[RMX_SAY_BYTES];
    char out[RMX_SAY_BYTES];
    char row[ROW_BYTES];

    snprintf(name, sizeof(name), "%" PRIu32 "/%" PRIu64, job->session, job->job);
    if (job->left_ns != UINT64_MAX) {
        rmx_say_time(left, job->left_ns);
    }
    snprintf(row, sizeof(row), "%-14s %-9s %-11s %10s %10s %10s %10s %-9s %-16s %7" PRId32 " %s",
        name, stage_name(job->stage), rmx_choice_class_name(job->job_class),
        rmx_say_time(age, job->age_ns), left, rmx_say_bytes(in, (double)job->bytes_in),
        rmx_say_bytes(out, (double)job->bytes_out), or_dash(job->format), or_dash(job->group),
        job->pid, or_dash(job->traceparent));
    rmx_text_tame(row);
    puts(row);
}

/* All that there are, owned by the caller. Returns how many, or -errno. */
static int list_jobs(struct rmx_client *client, struct rmx_job_info **jobs)
{
    size_t room = JOBS_GUESS;

    for (;;) {
        struct rmx_job_info *more = reallocarray(*jobs, room, sizeof(**jobs));
        if (more == NULL) {
            return -ENOMEM;
        }
        *jobs = more;
        int count = rmx_jobs(client, *jobs, room);
        if (count < 0 || (size_t)count <= room) {
            return count;
        }
        room = (size_t)count + JOBS_GUESS; /* more may have come meanwhile */
    }
}

static void show(struct rmx_client *client, bool json, struct rmx_result *result)
{
    struct rmx_job_info *jobs = NULL;
    int count = list_jobs(client, &jobs);

    if (count < 0) {
        rmx_connect_failed(result, count);
    } else if (!json) {
        printf("%-14s %-9s %-11s %10s %10s %10s %10s %-9s %-16s %7s %s\n", "SESSION/JOB", "STATE",
            "CLASS", "AGE", "LEFT", "IN", "OUT", "FORMAT", "GROUP", "PID", "TRACEPARENT");
    }
    for (int i = 0; i < count; i++) {
        if (json) {
            print_json(&jobs[i]);
        } else {
            print_row(&jobs[i]);
        }
    }
    free(jobs);
}

int rmx_jobs_main(int argc, char **argv)
{
    static const struct rmx_report nameless;
    struct rmx_manner manner = { .connect = { .is_operator = true } };
    struct rmx_client *client = NULL;
    struct rmx_result result = { .status = RMX_OK };
    int status = rmx_args_read(argc, argv, &args, &manner);

    if (status >= 0) {
        return status;
    }
    int err = rmx_connect_open(&manner.connect, &client, &result);
    if (err == 0) {
        show(client, manner.json, &result);
    }
    rmx_close(&client);
    rmx_report_failure(&nameless, &result);
    return err == -EPERM ? RMX_CONNECT_DENIED : rmx_report_exit(&result);
}
