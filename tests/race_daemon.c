/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The daemon of a race: started, looked at, waited for. See race.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/race.h"

#define SETTINGS_MAX 24
#define START_NS     UINT64_C(20000000000)
#define QUIET_NS     UINT64_C(10000000000)
#define COUNTERS_MAX 256
#define CREDITS_MAX  64

/* --- its life --------------------------------------------------------------------------------- */

static _Noreturn void become_daemon(const struct race *race, char *const *arguments)
{
    char log[256];
    int fd;

    (void)snprintf(log, sizeof(log), "%s/log", race->dir);
    fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* it ends with the race, whatever way that ends */
    (void)dup2(fd, STDERR_FILENO);
    (void)execv(arguments[0], arguments);
    _exit(127);
}

/* Through a failed start, too: the log says why. */
static void wait_ready(const struct race *race, pid_t daemon)
{
    uint64_t until_ns = race_now_ns() + START_NS;
    struct rmx_client *client = NULL;

    while (rmx_open(&client, race->socket) < 0) {
        if (waitpid(daemon, NULL, WNOHANG) != 0 || race_now_ns() > until_ns) {
            race_fail(race, "the daemon does not start");
        }
        (void)poll(NULL, 0, 10);
    }
    rmx_close(&client);
}

pid_t race_daemon_start(const struct race *race, const char *const *settings)
{
    char socket[256];
    char program[] = RMX_BUILD_DIR "/ringmuxd";
    const char *command[SETTINGS_MAX] = { program, socket, "--log-format=text" };
    char *arguments[SETTINGS_MAX]; /* the same, typed as exec wants it */
    size_t count = 3;
    pid_t daemon;

    (void)snprintf(socket, sizeof(socket), "--socket=%s", race->socket);
    for (; *settings != NULL && count < SETTINGS_MAX - 1; settings++) {
        command[count++] = *settings;
    }
    memcpy(arguments, command, sizeof(arguments));
    daemon = fork();
    if (daemon == 0) {
        become_daemon(race, arguments);
    }
    if (daemon < 0) {
        race_fail(race, "fork: %s", strerrordesc_np(errno));
    }
    wait_ready(race, daemon);
    return daemon;
}

void race_daemon_leave(const struct race *race, pid_t daemon, unsigned seconds)
{
    uint64_t until_ns = race_now_ns() + seconds * UINT64_C(1000000000);
    int status = 0;

    while (waitpid(daemon, &status, WNOHANG) == 0) {
        if (race_now_ns() > until_ns) {
            race_fail(race, "the daemon that was replaced does not leave");
        }
        (void)poll(NULL, 0, 2);
    }
    if (status != 0) {
        race_fail(race, "the daemon that was replaced ended with %#x", (unsigned)status);
    }
}

/* Whoever loses its parent becomes our child: nobody is left when we have none. */
void race_daemon_wait(const struct race *race, pid_t daemon, unsigned seconds)
{
    uint64_t until_ns = race_now_ns() + seconds * UINT64_C(1000000000);
    int status = 0;
    pid_t ended = 0;

    while (ended >= 0) {
        ended = waitpid(-1, &status, WNOHANG);
        if (ended == daemon && status != 0) {
            race_fail(race, "the daemon ended with %#x", (unsigned)status);
        }
        if (ended == 0 && race_now_ns() > until_ns) {
            race_fail(race, "the daemon, or a process of it, is left");
        }
        if (ended == 0) {
            (void)poll(NULL, 0, 2);
        }
    }
}

struct rmx_client *race_daemon_connect(const struct race *race)
{
    uint64_t until_ns = race_now_ns() + START_NS;
    struct rmx_client *client = NULL;
    int error = rmx_open(&client, race->socket);

    while (error < 0) {
        bool draining = atomic_load_explicit(&race->drain_ns, memory_order_relaxed) != 0 &&
                        !atomic_load_explicit(&race->replaced, memory_order_relaxed);

        if (draining && (error == -ESHUTDOWN || error == -ENOENT || error == -ECONNREFUSED ||
                            error == -ECONNRESET)) {
            return NULL;
        }
        if ((error != -EINTR && error != -EBUSY) || race_now_ns() > until_ns) {
            race_fail(race, "rmx_open: %s", strerrordesc_np(-error));
        }
        (void)poll(NULL, 0, 1);
        error = rmx_open(&client, race->socket);
    }
    return client;
}

/* --- whether it is quiet ---------------------------------------------------------------------- */

static bool must_be_zero(const char *name)
{
    static const char *const names[] = { "jobs_in_flight", "jobs_queued", "jobs_running",
        "fds_open", "pairs_small_used", "pairs_bulk_used", "pairs_bare_used", "channels_open",
        "spools_open", "spool_bytes", "groups_open" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* Finds what is not as it should be. Returns its name, or NULL. */
static const char *find_unrest(const struct rmx_counter *counters, int count, uint64_t *value)
{
    uint64_t submitted = 0;
    uint64_t ended = 0;

    for (int i = 0; i < count; i++) {
        *value = counters[i].value;
        if (*value != 0 && must_be_zero(counters[i].name)) {
            return counters[i].name;
        }
        if (strcmp(counters[i].name, "sessions_open") == 0 && *value != 1) {
            return counters[i].name;
        }
        if (strcmp(counters[i].name, "jobs_submitted") == 0) {
            submitted = *value;
        }
        if (strncmp(counters[i].name, "jobs_ended_", 11) == 0) {
            ended += *value;
        }
    }
    *value = submitted - ended;
    return submitted == ended ? NULL : "jobs_submitted less those that ended";
}

static int look(const struct race *race, struct rmx_client *client, struct rmx_counter *counters)
{
    int count;

    do {
        count = rmx_stats(client, counters, COUNTERS_MAX);
    } while (count == -EINTR || count == -EAGAIN);
    if (count < 0) {
        race_fail(race, "rmx_stats: %s", strerrordesc_np(-count));
    }
    return count;
}

/* All at once, or not yet; those taken have to end. Returns whether all were taken. */
static bool spend(const struct race *race, struct rmx_client *client, unsigned credits)
{
    struct rmx_job jobs[CREDITS_MAX];
    struct rmx_result result;
    int taken;
    int got = 1;

    for (unsigned i = 0; i < credits; i++) {
        rmx_job_init(&jobs[i]);
        jobs[i].kind = RMX_NOOP;
    }
    taken = rmx_submit(client, jobs, credits, NULL);
    for (int left = taken; left > 0; left -= got == 1) {
        got = rmx_wait(client, &result, 1, 10000);
        if (got == 0 || (got < 0 && got != -EINTR) || (got == 1 && result.status != RMX_OK)) {
            race_fail(
                race, "an empty job in a quiet daemon: %s", got == 1 ? result.text : "no end");
        }
    }
    return taken == (int)credits;
}

void race_daemon_check_quiet(const struct race *race, unsigned credits)
{
    struct rmx_client *client = race_daemon_connect(race);
    struct rmx_counter counters[COUNTERS_MAX];
    uint64_t until_ns = race_now_ns() + QUIET_NS;
    uint64_t value = 0;
    const char *unrest = find_unrest(counters, look(race, client, counters), &value);

    while (unrest != NULL) {
        if (race_now_ns() > until_ns) {
            race_fail(race, "%s stays %llu", unrest, (unsigned long long)value);
        }
        (void)poll(NULL, 0, 5);
        unrest = find_unrest(counters, look(race, client, counters), &value);
    }
    while (!spend(race, client, credits)) {
        if (race_now_ns() > until_ns) {
            race_fail(race, "credits are lost");
        }
        (void)poll(NULL, 0, 5);
    }
    rmx_close(&client);
}
