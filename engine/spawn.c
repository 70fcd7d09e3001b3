/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Starts the zygote. See spawn.h.
 */
#include "engine/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/sock.h"
#include "ring/base.h"

#define WORKER_NAME  "ringmux-worker"
#define CHILD_CTL_FD 3 /* where the zygote looks for its control socket */

static int use(const char *candidate, char *path, size_t path_bytes)
{
    int length;

    if (access(candidate, X_OK) < 0) {
        return -errno;
    }
    length = snprintf(path, path_bytes, "%s", candidate);
    return length < 0 || (size_t)length >= path_bytes ? -ENAMETOOLONG : 0;
}

int rmx_spawn_find(const char *wanted, char *path, size_t path_bytes)
{
    char self[512];
    char beside[sizeof(self) + sizeof(WORKER_NAME)];
    ssize_t length;
    char *slash;

    if (wanted != NULL && wanted[0] != '\0') {
        return use(wanted, path, path_bytes);
    }
    length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (length > 0) {
        self[length] = '\0';
        slash = strrchr(self, '/');
        rmx_assert(slash != NULL);
        slash[1] = '\0';
        (void)snprintf(beside, sizeof(beside), "%s%s", self, WORKER_NAME);
        if (use(beside, path, path_bytes) == 0) {
            return 0;
        }
    }
    return use(RMX_WORKER_DIR "/" WORKER_NAME, path, path_bytes);
}

/* The socket on 3, nothing on 0 and 1, our stderr, and no other descriptor. */
static int describe_files(posix_spawn_file_actions_t *actions, int child_fd)
{
    int error = posix_spawn_file_actions_adddup2(actions, child_fd, CHILD_CTL_FD);

    if (error == 0) {
        error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
    }
    if (error == 0) {
        error = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null", O_RDWR, 0);
    }
    if (error == 0) {
        error = posix_spawn_file_actions_addclosefrom_np(actions, CHILD_CTL_FD + 1);
    }
    return -error;
}

/* The daemon's own handlers and masks are not the zygote's. */
static int describe_signals(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t all;
    int error;

    rmx_assert(sigemptyset(&none) == 0 && sigfillset(&all) == 0);
    error = posix_spawnattr_setsigmask(attributes, &none);
    if (error == 0) {
        error = posix_spawnattr_setsigdefault(attributes, &all);
    }
    if (error == 0) {
        error =
            posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    return -error;
}

static int run(const char *path, uint64_t alloc_max_bytes, int child_fd, pid_t *pid)
{
    extern char **environ;
    char name[] = WORKER_NAME;
    char zygote[] = "--zygote";
    char bytes[24];
    char *const arguments[] = { name, zygote, bytes, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error;

    (void)snprintf(bytes, sizeof(bytes), "%" PRIu64, alloc_max_bytes);
    rmx_assert(posix_spawn_file_actions_init(&actions) == 0);
    rmx_assert(posix_spawnattr_init(&attributes) == 0);
    error = describe_files(&actions, child_fd);
    error = error < 0 ? error : describe_signals(&attributes);
    error = error < 0 ? error : -posix_spawn(pid, path, &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

int rmx_spawn_zygote(const char *path, uint64_t alloc_max_bytes, struct rmx_spawned *spawned)
{
    int pair[2];
    pid_t pid = 0;
    int pidfd = -1;
    int error = rmx_sock_pair(pair);

    if (error < 0) {
        return error;
    }
    error = run(path, alloc_max_bytes, pair[1], &pid);
    rmx_base_close(&pair[1]);
    if (error == 0) {
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0) {
            error = -errno;
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, NULL, 0);
        }
    }
    if (error < 0) {
        rmx_base_close(&pair[0]);
        return error;
    }
    *spawned = (struct rmx_spawned){ .pid = pid, .pidfd = pidfd, .ctl_fd = pair[0] };
    return 0;
}
