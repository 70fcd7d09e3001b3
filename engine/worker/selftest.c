/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shows that the sandbox does what it must. See selftest.h.
 */
#include "engine/worker/selftest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/worker/sandbox.h"
#include "engine/worker/sanitizer.h"

#define CHILD_LOCKED 0 /* the attempt failed with an error */
#define CHILD_OPEN   1 /* it worked */
#define CHILD_BROKEN 2 /* the sandbox could not be set up */

enum verdict { REFUSED, ALLOWED };

/* Each returns a system call's result: -1 = refused. */

static long try_open(void)
{
    return RMX_WITH_SANITIZER ? -1 : syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}

static long try_socket(void)
{
    return syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
}

static long try_connect(void)
{
    struct sockaddr address = { .sa_family = AF_UNSPEC };

    return syscall(SYS_connect, STDERR_FILENO, &address, sizeof(address));
}

static long try_execve(void)
{
    static char program[] = "/bin/true";
    static char *arguments[] = { program, NULL };

    return syscall(SYS_execve, program, arguments, NULL);
}

static long try_fork(void)
{
    long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

    if (pid == 0) {
        _exit(0);
    }
    return pid;
}

static long try_ptrace(void)
{
    return syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
}

static long try_kill(void)
{
    return syscall(SYS_kill, getpid(), 0);
}

static long try_io_uring(void)
{
    struct io_uring_params params;

    memset(&params, 0, sizeof(params));
    return syscall(SYS_io_uring_setup, 4, &params);
}

static long try_memfd(void)
{
    return syscall(SYS_memfd_create, "probe", 0);
}

static long try_read_of_others(void)
{
    char byte = 0;
    struct iovec part = { &byte, 1 };

    return syscall(SYS_process_vm_readv, getpid(), &part, 1, &part, 1, 0);
}

static long try_executable_memory(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? -1
               : 0;
}

static long try_unknown(void)
{
    long result = syscall(SYS_getpriority, 0, 0);

    return result == -1 && errno == ENOSYS ? -1 : 0;
}

static long try_epoll(void)
{
    return syscall(SYS_epoll_create1, 0);
}

static long try_memory(void)
{
    return mmap(NULL, 8u << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                   MAP_FAILED
               ? -1
               : 0;
}

static long try_time(void)
{
    struct timespec now;

    return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
}

static const struct probe {
    const char *name;
    long (*attempt)(void);
    enum verdict wanted;
} probes[] = {
    { "open a file", try_open, REFUSED },
    { "make a socket", try_socket, REFUSED },
    { "connect a socket", try_connect, REFUSED },
    { "run a program", try_execve, REFUSED },
    { "make a process", try_fork, REFUSED },
    { "trace a process", try_ptrace, REFUSED },
    { "send a signal", try_kill, REFUSED },
    { "set up io_uring", try_io_uring, REFUSED },
    { "make a memory file", try_memfd, REFUSED },
    { "make an epoll descriptor", try_epoll, REFUSED },
    { "read a process's memory", try_read_of_others, REFUSED },
    { "make memory executable", try_executable_memory, REFUSED },
    { "use an unlisted system call", try_unknown, REFUSED },
    { "allocate memory", try_memory, ALLOWED },
    { "ask for the time", try_time, ALLOWED },
};

static _Noreturn void be_child(const struct probe *probe)
{
    const struct rmx_sandbox_room room = { .own_bytes = 64u << 20 };

    if (rmx_sandbox_limit(STDERR_FILENO, &room) < 0 || rmx_sandbox_enter() < 0) {
        _exit(CHILD_BROKEN);
    }
    _exit(probe->attempt() == -1 ? CHILD_LOCKED : CHILD_OPEN);
}

/* Returns whether it went as wanted. */
static bool run(const struct probe *probe)
{
    int status = 0;
    bool killed;
    bool good;
    pid_t pid = fork();

    if (pid == 0) {
        be_child(probe);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        perror("ringmux-worker: selftest");
        return false;
    }
    killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
    if (probe->wanted == REFUSED) {
        good = killed || (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_LOCKED);
    } else {
        good = WIFEXITED(status) && WEXITSTATUS(status) == CHILD_OPEN;
    }
    (void)printf("%-4s %-28s %s\n", good ? "ok" : "BAD", probe->name,
        killed                                ? "killed"
        : !WIFEXITED(status)                  ? "died otherwise"
        : WEXITSTATUS(status) == CHILD_BROKEN ? "the sandbox could not be set up"
        : WEXITSTATUS(status) == CHILD_LOCKED ? "refused"
                                              : "allowed");
    (void)fflush(stdout);
    return good;
}

int rmx_selftest_run(void)
{
    bool good = true;

    for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
        good = run(&probes[i]) && good;
    }
    return good ? 0 : 1;
}
