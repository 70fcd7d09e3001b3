/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What one would use instead of ringmux. See rivals.h.
 */
#include "bench/rivals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/process.h"

#define ARGUMENTS_MAX 48
#define START_TRIES   500
#define START_NAP_NS  10000000

extern char **environ;

bool rmx_rivals_have(const char *program)
{
    const char *at = getenv("PATH");
    char path[512];

    while (at != NULL && *at != '\0') {
        size_t length = strcspn(at, ":");

        (void)snprintf(path, sizeof(path), "%.*s/%s", (int)length, at, program);
        if (access(path, X_OK) == 0) {
            return true;
        }
        at += length + (at[length] == ':');
    }
    return false;
}

/* --- processes ---------------------------------------------------------------------------------
 */

pid_t rmx_rivals_spawn(const char *const *arguments, int in, int out)
{
    char *spawned[ARGUMENTS_MAX] = { NULL }; /* typed as posix_spawn(3) wants them */
    posix_spawn_file_actions_t actions;
    size_t count = 0;
    pid_t pid = -1;
    int error;

    while (arguments[count] != NULL && count < ARGUMENTS_MAX - 1) {
        count++;
    }
    memcpy(spawned, arguments, count * sizeof(*spawned));
    (void)posix_spawn_file_actions_init(&actions);
    if (in >= 0) {
        (void)posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    } else {
        (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    }
    if (out >= 0) {
        (void)posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    } else {
        (void)posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    }
    error = posix_spawnp(&pid, arguments[0], &actions, NULL, spawned, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        rmx_process_die(arguments[0], strerrordesc_np(error));
    }
    return pid;
}

void rmx_rivals_reap(pid_t pid)
{
    int status = -1;

    if (waitpid(pid, &status, 0) != pid || status != 0) {
        rmx_process_die("a process to compare with", "it failed");
    }
}

/* Returns whether more is to be written. */
static bool put(int in, const unsigned char **bytes, size_t *left)
{
    ssize_t n = write(in, *bytes, *left);

    if (n < 0 && errno != EAGAIN) {
        rmx_process_die("a peer's input", strerrordesc_np(errno));
    }
    *bytes += n > 0 ? n : 0;
    *left -= n > 0 ? (size_t)n : 0;
    return *left > 0;
}

uint64_t rmx_rivals_exchange(int in, int out, const void *bytes, size_t size)
{
    static unsigned char buffer[262144];
    const unsigned char *from = bytes;
    struct pollfd polls[2] = { { .fd = out, .events = POLLIN }, { .fd = in, .events = POLLOUT } };
    uint64_t came = 0;
    ssize_t n = 1;

    (void)fcntl(in, F_SETFL, O_NONBLOCK);
    (void)fcntl(out, F_SETFL, O_NONBLOCK);
    while (n != 0) {
        (void)poll(polls, 2, -1);
        if (polls[1].fd >= 0 && polls[1].revents != 0 && !put(in, &from, &size)) {
            polls[1].fd = -1;
            if (in == out) {
                (void)shutdown(in, SHUT_WR);
            } else {
                close(in);
            }
        }
        n = polls[0].revents != 0 ? read(out, buffer, sizeof(buffer)) : -1;
        if (n < 0 && polls[0].revents != 0 && errno != EAGAIN) {
            rmx_process_die("a peer's output", strerrordesc_np(errno));
        }
        came += n > 0 ? (uint64_t)n : 0;
    }
    if (size > 0 || came == 0) {
        rmx_process_die("a peer", "it made nothing of its input");
    }
    close(out);
    return came;
}

/* --- libavformat -------------------------------------------------------------------------------
 */

bool rmx_rivals_loop_start(struct rmx_rivals_loop *loop)
{
    const char *const arguments[] = { RMX_BENCH_PEERS "/libavformat", NULL };
    int in[2];
    int out[2];

    *loop = (struct rmx_rivals_loop){ .pid = 0 };
    if (access(arguments[0], X_OK) < 0) {
        return false;
    }
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0) {
        rmx_process_die("pipe", strerrordesc_np(errno));
    }
    loop->pid = rmx_rivals_spawn(arguments, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    loop->to = fdopen(in[1], "w");
    loop->from = fdopen(out[0], "r");
    if (loop->to == NULL || loop->from == NULL) {
        rmx_process_die("fdopen", strerrordesc_np(errno));
    }
    return true;
}

void rmx_rivals_loop_tell(struct rmx_rivals_loop *loop, const struct rmx_order *order)
{
    if (fwrite(order, sizeof(*order), 1, loop->to) != 1 || fflush(loop->to) != 0) {
        rmx_process_die("libavformat in process", "it is gone");
    }
}

struct rmx_answer rmx_rivals_loop_hear(struct rmx_rivals_loop *loop)
{
    struct rmx_answer answer;

    if (fread(&answer, sizeof(answer), 1, loop->from) != 1) {
        rmx_process_die("libavformat in process", "it failed");
    }
    return answer;
}

void rmx_rivals_loop_end(struct rmx_rivals_loop *loop)
{
    if (loop->pid > 0) {
        (void)fclose(loop->to);
        (void)fclose(loop->from);
        rmx_rivals_reap(loop->pid);
        loop->pid = 0;
    }
}

/* --- Go ----------------------------------------------------------------------------------------
 */

static int call(const char *socket_path)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", socket_path);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool rmx_rivals_forks_start(
    struct rmx_rivals_forks *forks, const char *dir, const char *const *arguments)
{
    const char *command[ARGUMENTS_MAX] = { RMX_BENCH_PEERS "/forks", forks->socket };
    const struct timespec nap = { .tv_nsec = START_NAP_NS };
    int fd = -1;

    *forks = (struct rmx_rivals_forks){ .pid = 0 };
    if (access(command[0], X_OK) < 0) {
        return false;
    }
    (void)snprintf(forks->socket, sizeof(forks->socket), "%s/forks", dir);
    for (size_t i = 2; *arguments != NULL && i < ARGUMENTS_MAX - 1; i++) {
        command[i] = *arguments++;
    }
    forks->pid = rmx_rivals_spawn(command, -1, -1);
    while (access(forks->socket, F_OK) < 0 && ++fd < START_TRIES) {
        (void)nanosleep(&nap, NULL);
    }
    return true;
}

int rmx_rivals_forks_call(const struct rmx_rivals_forks *forks)
{
    int fd = call(forks->socket);

    if (fd < 0) {
        rmx_process_die("the Go service", strerrordesc_np(errno));
    }
    return fd;
}

void rmx_rivals_forks_end(struct rmx_rivals_forks *forks)
{
    if (forks->pid > 0) {
        (void)kill(forks->pid, SIGTERM);
        (void)waitpid(forks->pid, NULL, 0);
        (void)unlink(forks->socket);
        forks->pid = 0;
    }
}
