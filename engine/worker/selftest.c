/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shows that the sandbox does what it must. See selftest.h.
 */
#include "engine/worker/selftest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/worker/bounds.h"
#include "engine/worker/sandbox.h"
#include "engine/worker/sanitizer.h"
#include "engine/worker/seclusion.h"
#include "engine/worker/trap.h"
#include "ipc/lane_wire.h"
#include "ring/base.h"

#define CHILD_BROKEN 2 /* exit code: the child could not lock itself down */

enum verdict { REFUSED, ALLOWED };

/* What one attempt came to. */
struct rmx_selftest_outcome {
    long result;  /* of the system call */
    bool refused; /* by the sandbox, and for no other reason */
    bool danger;  /* and a worker would have died of it */
    bool reached; /* it was tried at all */
};

static long try_open(void)
{
    return RMX_WITH_SANITIZER ? -1 : syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}

#ifdef SYS_open /* not every machine has the old way */
static long try_name(void)
{
    return RMX_WITH_SANITIZER ? -1 : syscall(SYS_open, "/etc/passwd", O_RDONLY);
}
#endif

/* As some C libraries look at a descriptor; with a name it would say of any file what it is. */
static long try_look(void)
{
    struct stat st;

    return RMX_WITH_SANITIZER
               ? -1
               : syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &st, AT_EMPTY_PATH);
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

static long try_thread_kill(void)
{
    return syscall(SYS_tgkill, getpid() + 1, getpid() + 1, 0);
}

static long try_other_handler(void)
{
    struct sigaction action = { .sa_handler = SIG_IGN };

    return RMX_WITH_SANITIZER ? -1 : sigaction(SIGSYS, &action, NULL);
}

static long try_leave(void)
{
    return syscall(SYS_unshare, CLONE_FILES);
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
    return syscall(SYS_getpriority, 0, 0);
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
#ifdef SYS_open
    { "open a file the old way", try_name, REFUSED },
#endif
    { "look at a file by its name", try_look, REFUSED },
    { "make a socket", try_socket, REFUSED },
    { "connect a socket", try_connect, REFUSED },
    { "run a program", try_execve, REFUSED },
    { "make a process", try_fork, REFUSED },
    { "trace a process", try_ptrace, REFUSED },
    { "send a signal", try_kill, REFUSED },
    { "send a thread a signal", try_thread_kill, REFUSED },
    { "handle refusals itself", try_other_handler, REFUSED },
    { "leave a namespace", try_leave, REFUSED },
    { "set up io_uring", try_io_uring, REFUSED },
    { "make a memory file", try_memfd, REFUSED },
    { "make an epoll descriptor", try_epoll, REFUSED },
    { "read a process's memory", try_read_of_others, REFUSED },
    { "make memory executable", try_executable_memory, REFUSED },
    { "use an unlisted system call", try_unknown, REFUSED },
    { "allocate memory", try_memory, ALLOWED },
    { "ask for the time", try_time, ALLOWED },
};

#define PROBES (sizeof(probes) / sizeof(probes[0]))

/* --- the child that tries --------------------------------------------------------------------- */

static struct rmx_selftest_outcome *trying;

/* In place of a worker's handler (trap.h): what was refused is noted, and the next may be tried. */
static void on_refused(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    trying->refused = true;
    trying->danger = rmx_sandbox_danger(info->si_syscall) != NULL;
    if (!rmx_trap_answer(context, -EPERM)) {
        _exit(CHILD_BROKEN);
    }
}

static void lock_down(void)
{
    const struct rmx_bounds_room room = { .own_bytes = 64u << 20 };
    struct rmx_bounds_use use = { .all_bytes = 1ull << 40, .own_bytes = 1ull << 40 };

    if (rmx_bounds_set(STDERR_FILENO, &use, &room) < 0 || rmx_seclusion_landlock() < 0 ||
        rmx_sandbox_enter() < 0) {
        _exit(CHILD_BROKEN);
    }
}

static _Noreturn void try_all(struct rmx_selftest_outcome *outcomes)
{
    struct sigaction action = { .sa_sigaction = on_refused, .sa_flags = SA_SIGINFO };

    rmx_assert(sigaction(SIGSYS, &action, NULL) == 0);
    lock_down();
    for (size_t i = 0; i < PROBES; i++) {
        trying = &outcomes[i];
        trying->result = probes[i].attempt();
        trying->reached = true;
    }
    _exit(0);
}

/* With the handler that workers have. */
static _Noreturn void die_of_danger(void)
{
    rmx_trap_init();
    lock_down();
    (void)try_execve();
    _exit(0);
}

/* --- the parent that judges ------------------------------------------------------------------- */

static bool judge(const struct probe *probe, const struct rmx_selftest_outcome *outcome, bool aloud)
{
    bool refused = outcome->result == -1 && (outcome->refused || RMX_WITH_SANITIZER);
    bool good = outcome->reached && refused == (probe->wanted == REFUSED);
    const char *how = !outcome->reached ? "not tried"
                      : !refused        ? "allowed"
                      : outcome->danger ? "refused, ends the process"
                                        : "refused";

    if (aloud) {
        (void)printf("%-4s %-28s %s\n", good ? "ok" : "BAD", probe->name, how);
    } else if (!good) {
        (void)fprintf(
            stderr, "ringmux-worker: the sandbox does not hold here: %s: %s\n", probe->name, how);
    }
    return good;
}

/* Returns the child's wait status, or -1. One that could have itself traced, by us, stops at its
 * next signal: it goes on, or nobody would ever come to an end. */
static int await(pid_t pid)
{
    int status = 0;

    while (pid > 0 && waitpid(pid, &status, 0) == pid) {
        if (!WIFSTOPPED(status)) {
            return status;
        }
        (void)ptrace(PTRACE_CONT, pid, NULL, NULL);
    }
    return -1;
}

static bool ends_who_dares(pid_t pid, bool aloud)
{
    const struct probe probe = { .name = "die of running a program", .wanted = REFUSED };
    struct rmx_selftest_outcome outcome = { .reached = true, .refused = true, .danger = true };
    int status = await(pid);

    outcome.result = status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? -1 : 0;
    return RMX_WITH_SANITIZER || judge(&probe, &outcome, aloud);
}

int rmx_selftest_start(struct rmx_selftest *test)
{
    void *outcomes = mmap(NULL, sizeof(struct rmx_selftest_outcome) * PROBES,
        PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (outcomes == MAP_FAILED) {
        return -errno;
    }
    (void)fflush(stdout);
    test->outcomes = outcomes;
    test->tries = fork();
    if (test->tries == 0) {
        try_all(test->outcomes);
    }
    test->dares = fork();
    if (test->dares == 0) {
        die_of_danger();
    }
    return 0;
}

int rmx_selftest_finish(struct rmx_selftest *test, bool aloud)
{
    bool good = await(test->tries) == 0;
    bool died = ends_who_dares(test->dares, good && aloud);

    if (!good) {
        (void)fprintf(stderr, "ringmux-worker: the sandbox cannot be set up here\n");
    }
    for (size_t i = 0; i < PROBES && good; i++) {
        good = judge(&probes[i], &test->outcomes[i], aloud);
    }
    (void)munmap(test->outcomes, sizeof(struct rmx_selftest_outcome) * PROBES);
    return good && died ? 0 : 1;
}

/* --- by hand ---------------------------------------------------------------------------------- */

int rmx_selftest_show(void)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } walls[] = {
#define WALL(name, bit, text) { 1u << (bit), text },
        RMX_LANE_WALLS(WALL)
#undef WALL
    };
    struct rmx_seclusion seclusion;
    struct rmx_selftest test;

    if (rmx_selftest_start(&test) < 0) {
        perror("ringmux-worker: selftest");
        return 1;
    }
    rmx_seclusion_enter(&seclusion);
    for (size_t i = 0; i < sizeof(walls) / sizeof(walls[0]); i++) {
        bool lacks = (seclusion.lacks & walls[i].bit) != 0;

        (void)printf("%-4s %-36s %s\n", lacks ? "--" : "ok", walls[i].name,
            lacks ? "not permitted on this machine" : "in place");
    }
    return rmx_selftest_finish(&test, true);
}
