/* SPDX-License-Identifier: BSD-2-Clause
 *
 * `rmx cancel`: end jobs, whoever's they are. Runs in the process rmx.
 */
#include "clients/rmx.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "clients/rmx_args.h"
#include "clients/rmx_choice.h"
#include "clients/rmx_connect.h"
#include "clients/rmx_report.h"
#include "clients/rmx_say.h"

struct request {
    struct rmx_connect connect;
    struct rmx_job_match match; /* what the options say; nothing: the arguments do */
    char **names;               /* NULL-ended: SESSION/JOB each */
};

static const char help[] =
    "usage: rmx cancel [OPTION...] SESSION/JOB...\n"
    "       rmx cancel [OPTION...] --session N | --group NAME | --all\n"
    "\n"
    "Asks the daemon to end jobs early, whoever's they are: they end CANCELLED. For root, the\n"
    "daemon's own user and its operator_gids. 'rmx jobs' says what they are called.\n"
    "\n"
    "  --session N          all jobs of that client\n"
    "  --group NAME         all jobs of groups of that name\n"
    "  --all                all jobs of everybody\n" RMX_CONNECT_SOCKET_TEXT "\n"
    "examples:\n"
    "  rmx cancel 3/17\n"
    "  rmx cancel --group nightly\n";

enum { OPT_SESSION = RMX_ARGS_OWN, OPT_GROUP, OPT_ALL };

static const struct option options[] = {
    { "session", required_argument, NULL, OPT_SESSION },
    { "group", required_argument, NULL, OPT_GROUP },
    { "all", no_argument, NULL, OPT_ALL },
    RMX_CONNECT_SOCKET_ROW,
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

/* "3/17". Returns 0 or -EINVAL. */
static int read_name(const char *text, struct rmx_job_match *match)
{
    unsigned long long session;
    char *end = NULL;

    if (!isdigit((unsigned char)*text)) {
        return -EINVAL;
    }
    errno = 0;
    session = strtoull(text, &end, 10);
    if (errno != 0 || session == 0 || session > UINT32_MAX || *end != '/' ||
        !isdigit((unsigned char)end[1])) {
        return -EINVAL;
    }
    unsigned long long job = strtoull(end + 1, &end, 10);
    if (errno != 0 || *end != '\0' || job == 0) {
        return -EINVAL;
    }
    *match = (struct rmx_job_match)RMX_JOB_MATCH_INIT;
    match->session = (uint32_t)session;
    match->job = job;
    return 0;
}

static int take(void *to, int option, char why[RMX_ARGS_WHY_BYTES])
{
    struct request *request = to;

    switch (option) {
    case OPT_SESSION:
        return rmx_args_count(optarg, UINT32_MAX, &request->match.session, why);
    case OPT_GROUP:
        request->match.group = optarg;
        return rmx_choice_group(optarg, why);
    case OPT_ALL:
        request->match.all = 1;
        return 0;
    default:
        return rmx_connect_take(&request->connect, option);
    }
}

static const struct rmx_args args = { ":h", options, help, take, -1, NULL };

/* Which of the four ways to name jobs was taken: one must be. Returns -1 or RMX_ARGS_USAGE. */
static int check(const struct request *request)
{
    const struct rmx_job_match *match = &request->match;
    int ways = (*request->names != NULL) + (match->session != 0) + (match->group != NULL) +
               (match->all != 0);
    struct rmx_job_match one;

    if (ways != 1) {
        rmx_say("cancel: give SESSION/JOB..., or one of --session, --group and --all: see 'rmx "
                "help cancel'");
        return RMX_ARGS_USAGE;
    }
    for (char **name = request->names; *name != NULL; name++) {
        if (read_name(*name, &one) < 0) {
            rmx_say("cancel: '%s' is no SESSION/JOB: see 'rmx jobs'", *name);
            return RMX_ARGS_USAGE;
        }
    }
    return -1;
}

/* Returns -1 when there is work to do, else what to exit with. */
static int parse(struct request *request, int argc, char **argv)
{
    int status = rmx_args_read(argc, argv, &args, request);

    request->names = argv + optind;
    return status >= 0 ? status : check(request);
}

/* Returns 0 or -errno; *told counts on either way. */
static int cancel(struct rmx_client *client, const struct request *request, uint64_t *told)
{
    uint64_t count = 0;

    if (*request->names == NULL) {
        return rmx_cancel_jobs(client, &request->match, told);
    }
    for (char **name = request->names; *name != NULL; name++) {
        struct rmx_job_match match;
        int err = read_name(*name, &match);

        if (err == 0) {
            err = rmx_cancel_jobs(client, &match, &count);
        }
        if (err < 0) {
            return err;
        }
        *told += count;
    }
    return 0;
}

int rmx_cancel_main(int argc, char **argv)
{
    static const struct rmx_report nameless;
    struct request request = {
        .connect = { .is_operator = true },
        .match = RMX_JOB_MATCH_INIT,
        .names = argv + argc,
    };
    struct rmx_client *client = NULL;
    struct rmx_result result = { .status = RMX_OK };
    uint64_t told = 0;
    int status = parse(&request, argc, argv);

    if (status >= 0) {
        return status;
    }
    int denied = rmx_connect_open(&request.connect, &client, &result);
    if (denied == 0) {
        int err = cancel(client, &request, &told);

        if (err < 0) {
            rmx_connect_failed(&result, err);
        }
        printf("%" PRIu64 " job%s told to end\n", told, told == 1 ? "" : "s");
    }
    rmx_close(&client);
    rmx_report_failure(&nameless, &result);
    return denied == -EPERM ? RMX_CONNECT_DENIED : rmx_report_exit(&result);
}
