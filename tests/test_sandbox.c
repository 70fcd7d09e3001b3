/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The sandbox, and what is left when something dies in it.
 */
#include "engine/worker/sandbox.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/obituary.h"
#include "engine/worker/bounds.h"
#include "engine/worker/lastwords.h"
#include "engine/worker/sanitizer.h"
#include "engine/worker/seclusion.h"
#include "engine/worker/selftest.h"
#include "engine/worker/trap.h"
#include "ring/base.h"

TestSuite(sandbox, .timeout = 60);

Test(sandbox, refuses_all_it_must_and_nothing_it_must_not)
{
    struct rmx_selftest test;

    cr_assert_eq(rmx_selftest_start(&test), 0);
    cr_assert_eq(rmx_selftest_finish(&test, true), 0);
}

/* Of the last child: how often a call of its failed with ENOSYS, and which was the last. */
static uint32_t unknown_calls;
static uint32_t unknown_call;

/* Runs `die` in a locked-down child and returns its wait status and last words. */
static int run_child(void (*die)(void), struct rmx_last_words *words)
{
    struct rmx_last_words_shm *shm =
        mmap(NULL, sizeof(*shm), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    pid_t pid;

    cr_assert_neq((void *)shm, MAP_FAILED);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        const struct rmx_bounds_room room = { .own_bytes = 64u << 20, .shared_bytes = 2u << 30 };

        struct rmx_bounds_use use;

        rmx_lastwords_init();
        rmx_trap_init();
        if (rmx_bounds_measure(&use) < 0 || rmx_bounds_set(STDERR_FILENO, &use, &room) < 0 ||
            rmx_sandbox_enter() < 0) {
            _exit(99);
        }
        rmx_lastwords_adopt(shm);
        rmx_lastwords_on_core(3);
        die();
        _exit(98);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    rmx_obituary_read(shm, 10, words);
    unknown_calls = atomic_load(&shm->unknown_calls);
    unknown_call = atomic_load(&shm->unknown_call);
    cr_assert_eq(munmap(shm, sizeof(*shm)), 0);
    return status;
}

static void fail_assert(void)
{
    rmx_assert(1 + 1 == 3);
}

Test(sandbox, failed_assert_leaves_place_and_reason)
{
    struct rmx_last_words words;
    int status = run_child(fail_assert, &words);

    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    cr_assert_eq(words.signal, SIGABRT);
    cr_assert_eq(words.flow, 3);
    cr_assert_not_null(strstr(words.text, "test_sandbox.c:"));
    cr_assert_not_null(strstr(words.text, "1 + 1 == 3"));
}

#if !RMX_WITH_SANITIZER
static void touch_nothing(void)
{
    volatile int *volatile nowhere = (volatile int *)16;

    *nowhere = 1;
}

static void take_too_much(void)
{
    void *memory = mmap(NULL, 1u << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    _exit(memory == MAP_FAILED ? 0 : 1);
}

Test(sandbox, crash_leaves_signal_and_address)
{
    struct rmx_last_words words;
    int status = run_child(touch_nothing, &words);

    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    cr_assert_eq(words.signal, SIGSEGV);
    cr_assert_str_eq(words.text, "SIGSEGV at 0x10");
}

static void open_a_file(void)
{
    (void)!open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static void open_a_file_unheard(void)
{
    sigset_t all;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    (void)!open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static void go_online(void)
{
    (void)socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void run_a_program(void)
{
    (void)execl("/bin/true", "true", NULL);
}

static void trace_the_parent(void)
{
    (void)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static void signal_the_parent(void)
{
    (void)kill(getppid(), SIGKILL);
}

static void make_code(void)
{
    (void)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void become_deaf(void)
{
    (void)signal(SIGSYS, SIG_IGN);
}

Test(sandbox, dangerous_call_ends_the_process_and_is_named)
{
    const struct {
        void (*dare)(void);
        const char *words;
    } dares[] = {
        { open_a_file, "seccomp: openat" },
        { go_online, "seccomp: socket" },
        { run_a_program, "seccomp: execve" },
        { trace_the_parent, "seccomp: ptrace" },
        { signal_the_parent, "seccomp: kill" },
        { make_code, "seccomp: mmap" },
        { become_deaf, "seccomp: rt_sigaction" },
    };

    for (size_t i = 0; i < sizeof(dares) / sizeof(dares[0]); i++) {
        struct rmx_last_words words;
        int status = run_child(dares[i].dare, &words);

        cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%s", dares[i].words);
        cr_assert_eq(words.signal, SIGSYS);
        cr_assert_str_eq(words.text, dares[i].words);
    }
}

Test(sandbox, dangerous_call_ends_even_who_does_not_listen)
{
    struct rmx_last_words words;
    int status = run_child(open_a_file_unheard, &words);

    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

Test(sandbox, room_for_arenas_is_not_room_for_a_heap)
{
    struct rmx_last_words words;
    int status = run_child(take_too_much, &words);

    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
#endif

/* --- Landlock, where seccomp would not be there ----------------------------------------------- */

static long landlock_version(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1u);
}

/* Bit n: the nth of what is tried is not refused as Landlock refuses it. */
static int reach_out(const struct sockaddr_un *ours, socklen_t bytes)
{
    const struct sockaddr_in port = { .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    long version = landlock_version();
    bool held[] = {
        open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES,
        mkdir("/tmp/ringmux-test-landlock", 0700) < 0 && errno == EACCES,
        version < 4 ||
            (bind(tcp, (const struct sockaddr *)&port, sizeof(port)) < 0 && errno == EACCES),
        version < 6 || (connect(local, (const struct sockaddr *)ours, bytes) < 0 && errno == EPERM),
        version < 6 || (kill(getppid(), 0) < 0 && errno == EPERM),
    };
    int missed = 0;

    for (size_t i = 0; i < sizeof(held); i++) {
        missed |= held[i] ? 0 : 1 << i;
    }
    return missed;
}

Test(sandbox, landlock_alone_leaves_no_file_no_port_no_socket_and_no_signal,
    .disabled = RMX_WITH_SANITIZER)
{
    struct sockaddr_un ours = { .sun_family = AF_UNIX };
    socklen_t bytes = sizeof(sa_family_t); /* the kernel picks an abstract name */
    rmx_autofd int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int status = 0;
    pid_t pid;

    if (landlock_version() < 1) {
        cr_skip_test("there is no Landlock here: %s", strerror(errno));
    }
    cr_assert_eq(bind(listener, (const struct sockaddr *)&ours, bytes), 0);
    bytes = sizeof(ours);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&ours, &bytes), 0);
    cr_assert_eq(listen(listener, 1), 0);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || rmx_seclusion_landlock() < 0) {
            _exit(99);
        }
        _exit(reach_out(&ours, bytes));
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0, "%#x", (unsigned)status);
}

/* --- calls that nobody knows ------------------------------------------------------------------ */

static void make_unknown_calls(void)
{
    bool refused = true;

    for (int i = 0; i < 3; i++) {
        errno = 0;
        refused = refused && syscall(SYS_getpriority, PRIO_PROCESS, 0) == -1 && errno == ENOSYS;
    }
    errno = 0;
    refused = refused && madvise(NULL, 4096, MADV_MERGEABLE) == -1 && errno == ENOSYS;
    _exit(refused ? 0 : 1);
}

Test(sandbox, unknown_call_fails_with_ENOSYS_and_is_counted, .disabled = RMX_WITH_SANITIZER)
{
    struct rmx_last_words words;
    int status = run_child(make_unknown_calls, &words);

    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_assert_eq(words.signal, 0);
    cr_assert_eq(unknown_calls, 4);
    cr_assert_eq(unknown_call, SYS_madvise);
}

Test(sandbox, last_words_of_a_liar_are_harmless)
{
    struct rmx_last_words_shm shm;
    struct rmx_last_words words;

    memset(&shm, 0xff, sizeof(shm));
    rmx_obituary_read(&shm, 10, &words);
    cr_assert_eq(words.flow, UINT32_MAX);
    cr_assert_eq(strlen(words.text), sizeof(words.text) - 1);
    cr_assert_eq(words.text[0], '?');
}
