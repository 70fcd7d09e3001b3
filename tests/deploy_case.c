/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For the tests of deploying. See deploy_case.h.
 */
#include "tests/deploy_case.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/sock.h"

enum { SETTINGS_MAX = 12, WAIT_MS = 20000, INHERITED_FD = 3 };

static void set_environment(const struct deploy_inherit *inherit)
{
    char pid[16];

    (void)snprintf(pid, sizeof(pid), "%d", (int)getpid() + (inherit->for_somebody_else ? 1 : 0));
    if (inherit->listen_fds != NULL) {
        (void)setenv("LISTEN_PID", pid, 1);
        (void)setenv("LISTEN_FDS", inherit->listen_fds, 1);
    }
    if (inherit->notify != NULL) {
        (void)setenv("NOTIFY_SOCKET", inherit->notify, 1);
    }
}

static _Noreturn void become(
    char *const *argv, const char *log, const struct deploy_inherit *inherit)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(null, STDOUT_FILENO);
    (void)dup2(log_fd, STDERR_FILENO);
    if (inherit->socket == INHERITED_FD) {
        (void)fcntl(INHERITED_FD, F_SETFD, 0);
    } else if (inherit->socket >= 0) {
        (void)dup2(inherit->socket, INHERITED_FD);
    }
    set_environment(inherit);
    (void)execv(argv[0], argv);
    _exit(127);
}

void deploy_spawn(const struct harness *harness, struct harness *next, const char *const *settings,
    const struct deploy_inherit *inherit)
{
    static const struct deploy_inherit nothing = DEPLOY_INHERIT_INIT;
    static const char program[] = RMX_BUILD_DIR "/ringmuxd";
    static int daemons;
    char socket[128];
    const char *argv[SETTINGS_MAX + 6] = { program, socket, "--log-format=json", "--workers=1",
        "--flows-small=8" };
    char *arguments[SETTINGS_MAX + 6]; /* the same, typed as exec wants it */
    size_t argc = 5;

    *next = *harness;
    (void)snprintf(next->log, sizeof(next->log), "%s/log%d", next->dir, ++daemons);
    (void)snprintf(socket, sizeof(socket), "--socket=%s", next->socket);
    for (; *settings != NULL; settings++) {
        cr_assert_lt(argc, SETTINGS_MAX + 5);
        argv[argc++] = *settings;
    }
    memcpy(arguments, argv, sizeof(arguments));
    next->daemon = fork();
    cr_assert_geq(next->daemon, 0);
    if (next->daemon == 0) {
        become(arguments, next->log, inherit != NULL ? inherit : &nothing);
    }
}

const char *deploy_log(const struct harness *harness)
{
    static char text[1 << 18];
    int fd = open(harness->log, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

    text[bytes > 0 ? bytes : 0] = '\0';
    close(fd);
    return text;
}

static bool has(const struct harness *harness, const char *event, int nth, const char *says)
{
    char wanted[64];
    const char *at = deploy_log(harness);

    (void)snprintf(wanted, sizeof(wanted), "\"event\":\"%s\"", event);
    while ((at = strstr(at, wanted)) != NULL && --nth > 0) {
        at++;
    }
    if (at == NULL) {
        return false;
    }
    const char *found = strstr(at, says);

    return found != NULL && found < at + strcspn(at, "\n");
}

void deploy_await(const struct harness *harness, const char *event, int nth, const char *says)
{
    uint64_t until = harness_now_ns() + WAIT_MS * 1000000ull;

    while (!has(harness, event, nth, says)) {
        cr_assert_lt(
            harness_now_ns(), until, "no %s with \"%s\" in %s", event, says, deploy_log(harness));
        (void)poll(NULL, 0, 2);
    }
}

int deploy_exit(struct harness *harness)
{
    uint64_t until = harness_now_ns() + WAIT_MS * 1000000ull;
    int status = -1;

    while (waitpid(harness->daemon, &status, WNOHANG) == 0) {
        cr_assert_lt(harness_now_ns(), until, "ringmuxd does not end: %s", deploy_log(harness));
        (void)poll(NULL, 0, 2);
    }
    cr_assert(WIFEXITED(status), "%#x: %s", status, deploy_log(harness));
    harness->daemon = -1;
    return WEXITSTATUS(status);
}

void deploy_make_place(struct harness *harness)
{
    harness_make_place(harness);
    close(harness_output(harness, "log"));
}

void deploy_remove_place(const struct harness *harness)
{
    struct harness gone = *harness;

    gone.daemon = -1;
    harness_stop(&gone); /* only removes what is there */
}

int deploy_listen(const struct harness *harness)
{
    int fd = rmx_sock_listen(harness->socket, 0600);

    cr_assert_geq(fd, 0);
    return fd;
}
