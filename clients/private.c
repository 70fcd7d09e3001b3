/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A daemon for one client's own life (see private.h). Runs in the client process, on the caller's
 * thread.
 */
#include "clients/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clients/clock.h"
#include "ipc/sock.h"
#include "ring/base.h"

#define DAEMON        "ringmuxd"
#define ARGUMENTS_MAX (32 + 3) /* 32 settings, the program, the session, NULL */
#define SESSION_FD    3        /* in the daemon's process */
#define SESSION_TEXT  "3"
#define STOP_NS       UINT64_C(2000000000)

/* Is there a daemon in this folder? Then *path names it. */
static bool is_in(char (*path)[PATH_MAX], const char *folder, size_t folder_bytes)
{
    int bytes = snprintf(*path, PATH_MAX, "%.*s/%s", (int)folder_bytes, folder, DAEMON);

    return bytes > 0 && bytes < PATH_MAX && access(*path, X_OK) == 0;
}

static bool is_beside_us(char (*path)[PATH_MAX])
{
    char self[PATH_MAX];
    ssize_t bytes = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (bytes <= 0) {
        return false;
    }
    self[bytes] = '\0';
    const char *name = strrchr(self, '/');
    return name != NULL && is_in(path, self, (size_t)(name - self));
}

static bool is_in_path(char (*path)[PATH_MAX])
{
    const char *folder = secure_getenv("PATH");

    while (folder != NULL && *folder != '\0') {
        size_t bytes = strcspn(folder, ":");

        /* An empty entry means the current folder: nothing is started from there unasked. */
        if (bytes > 0 && is_in(path, folder, bytes)) {
            return true;
        }
        folder += bytes + (folder[bytes] == ':');
    }
    return false;
}

static int find_daemon(char (*path)[PATH_MAX], const struct rmx_private_options *options)
{
    const char *named = options->daemon != NULL ? options->daemon : secure_getenv("RINGMUX_DAEMON");

    if (named != NULL) {
        int bytes = snprintf(*path, PATH_MAX, "%s", named);

        return bytes < PATH_MAX ? 0 : -ENOENT;
    }
    if (is_beside_us(path) || is_in(path, RMX_SBINDIR, strlen(RMX_SBINDIR)) ||
        is_in(path, RMX_BINDIR, strlen(RMX_BINDIR)) || is_in_path(path)) {
        return 0;
    }
    return -ENOENT;
}

/* Standard input and output would keep the caller's pipes open; stderr is for its last words. */
static int plan_files(posix_spawn_file_actions_t *files, int session)
{
    int err = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDWR, 0);

    if (err == 0) {
        err = posix_spawn_file_actions_adddup2(files, STDIN_FILENO, STDOUT_FILENO);
    }
    if (err == 0) {
        err = posix_spawn_file_actions_adddup2(files, session, SESSION_FD);
    }
    if (err == 0) {
        err = posix_spawn_file_actions_addclosefrom_np(files, SESSION_FD + 1);
    }
    return -err;
}

/* The child starts with no signal blocked, none ignored, and out of the terminal's reach. */
static int plan_signals(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t all;

    sigemptyset(&none);
    sigfillset(&all);
    int err = posix_spawnattr_setflags(
        attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

    if (err == 0) {
        err = posix_spawnattr_setsigmask(attributes, &none);
    }
    if (err == 0) {
        err = posix_spawnattr_setsigdefault(attributes, &all);
    }
    return -err;
}

/* The program, the settings, the session. posix_spawn(3) takes char *const[] for history's sake and
 * changes nothing. */
static int plan_arguments(
    const char *argv[ARGUMENTS_MAX], const char *path, const char *const *settings)
{
    /* For one client: ready in a third of the time a whole host's daemon takes. */
    static const char *const defaults[] = { "--log-level=error", "--workers=1", "--pin=off",
        "--flows-small=8", "--flows-bulk=2", "--flows-ring=64", NULL };
    size_t count = 0;

    if (settings == NULL) {
        settings = defaults;
    }
    argv[count++] = path;
    for (; *settings != NULL; settings++) {
        if (count == ARGUMENTS_MAX - 2) {
            return -EINVAL;
        }
        argv[count++] = *settings;
    }
    argv[count++] = "--private-fd=" SESSION_TEXT;
    argv[count] = NULL;
    return 0;
}

static int spawn(pid_t *pid, const char *argv[ARGUMENTS_MAX], int session)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    char *arguments[ARGUMENTS_MAX];
    int err = -posix_spawn_file_actions_init(&files);

    if (err != 0) {
        return err;
    }
    err = -posix_spawnattr_init(&attributes);
    if (err == 0) {
        err = plan_files(&files, session);
        if (err == 0) {
            err = plan_signals(&attributes);
        }
        if (err == 0) {
            memcpy(arguments, argv, sizeof(arguments));
            err = -posix_spawn(pid, argv[0], &files, &attributes, arguments, environ);
        }
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&files);
    return err;
}

/* The daemon's end lies above its session number, or duplicating it there would do nothing and the
 * close that follows would take it. */
static int make_pair(int *ours, int *theirs)
{
    int pair[2];
    int err = rmx_sock_pair(pair);

    if (err < 0) {
        return err;
    }
    *ours = pair[0];
    *theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, SESSION_FD + 1);
    err = *theirs < 0 ? -errno : 0;
    rmx_base_close(&pair[1]);
    return err;
}

static bool are_sane(const struct rmx_private_options *options)
{
    for (size_t i = 0; i < sizeof(options->reserved) / sizeof(options->reserved[0]); i++) {
        if (options->reserved[i] != 0) {
            return false;
        }
    }
    return true;
}

int rmx_private_start(
    struct rmx_private *private, const struct rmx_private_options *options, int *fd)
{
    static const struct rmx_private_options defaults;
    const char *argv[ARGUMENTS_MAX] = { NULL };
    char path[PATH_MAX] = "";
    rmx_autofd int ours = -1;
    rmx_autofd int theirs = -1;
    pid_t pid = 0;

    if (options == NULL) {
        options = &defaults;
    }
    if (!are_sane(options)) {
        return -EINVAL;
    }
    int err = plan_arguments(argv, path, options->settings);
    if (err == 0) {
        err = find_daemon(&path, options);
    }
    if (err == 0) {
        err = make_pair(&ours, &theirs);
    }
    if (err == 0) {
        err = spawn(&pid, argv, theirs);
    }
    if (err != 0) {
        return err;
    }
    *private = (struct rmx_private){ .pid = pid, .pidfd = pidfd_open(pid, 0) };
    if (private->pidfd < 0) {
        err = -errno;
        kill(pid, SIGKILL); /* ours and not yet waited for: the number cannot be another's */
        rmx_private_stop(private);
        return err;
    }
    *fd = rmx_take_fd(&ours);
    return 0;
}

void rmx_private_stop(struct rmx_private *private)
{
    if (private->pid == 0) {
        return;
    }
    if (private->pidfd >= 0) {
        uint64_t until_ns = rmx_clock_in(STOP_NS);
        int ended = 0;

        do {
            ended = rmx_clock_readable(private->pidfd, until_ns);
        } while (ended == -EINTR);
        if (ended == 0) {
            pidfd_send_signal(private->pidfd, SIGKILL, NULL, 0);
        }
    }
    while (waitpid(private->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    rmx_base_close(&private->pidfd);
    private->pid = 0;
}
