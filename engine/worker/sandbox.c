/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a worker may still call. See sandbox.h.
 *
 * Three answers. What is needed is allowed, with its arguments where they matter. All else traps
 * (trap.h), and is not done: what would reach out of the process (other files, sockets, programs,
 * processes, the kernel's large interfaces) ends it there, since nothing we run asks for it, so
 * whoever does is not us; what is merely unknown is counted and fails with ENOSYS, since such a
 * list is never complete and C libraries fall back.
 */
#include "engine/worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/worker/sanitizer.h"

#ifndef MADV_POPULATE_WRITE /* Linux 5.14 */
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

static const char *const allowed[] = {
    /* talk */
    "read", "write", "readv", "writev", "recvmsg", "sendmsg", "ppoll", "poll", "close", "lseek",
    "fstat", "fstatfs", "epoll_wait", "epoll_pwait", "epoll_ctl",
    /* memory; mmap, mprotect and madvise are below */
    "munmap", "mremap", "brk",
    /* time and turns */
    "clock_gettime", "clock_getres", "gettimeofday", "time", "futex", "sched_yield",
    "sched_getaffinity", "getcpu", "restart_syscall",
    /* signals and the end; rt_sigaction and tgkill are below */
    "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "exit", "exit_group",
    /* who am I, give me entropy */
    "getpid", "gettid", "getrandom", "set_robust_list", "rseq"
};

#if RMX_WITH_SANITIZER
/* A sanitizer's report reads /proc/self and asks for limits; nothing ends it. Never in a product,
 * but what has no rule is still refused. */
static const char *const for_sanitizer[] = { "open", "openat", "readlink", "readlinkat", "prctl",
    "prlimit64", "getrlimit", "personality", "sysinfo", "stat", "newfstatat", "rt_sigaction",
    "madvise" };
static const char *const dangers[] = { "execve" };
#else
static const char *const for_sanitizer[] = { "exit" };
static const char *const dangers[] = {
    /* other programs and processes; tgkill of another process than this one */
    "execve", "execveat", "fork", "vfork", "clone", "clone3", "ptrace", "kill", "tkill", "tgkill",
    "rt_sigqueueinfo", "rt_tgsigqueueinfo", "process_vm_readv", "process_vm_writev",
    "process_madvise", "process_mrelease", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "kcmp",
    /* memory that can be executed, and the handler that tells of dangers */
    "mmap", "mprotect", "pkey_mprotect", "rt_sigaction",
    /* files by name */
    "open", "openat", "openat2", "creat", "open_by_handle_at", "name_to_handle_at", "unlink",
    "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat",
    "mkdir", "mkdirat", "rmdir", "mknod", "mknodat", "chmod", "fchmodat", "chown", "fchownat",
    "truncate", "setxattr", "chroot", "chdir", "fchdir",
    /* sockets and other new descriptors */
    "socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "memfd_create",
    "memfd_secret", "eventfd", "eventfd2", "epoll_create", "epoll_create1", "inotify_init1",
    "fanotify_init", "userfaultfd", "perf_event_open", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "io_setup", "io_submit", "bpf",
    /* the system */
    "mount", "umount2", "pivot_root", "move_mount", "open_tree", "fsopen", "fsmount", "fsconfig",
    "mount_setattr", "unshare", "setns", "init_module", "finit_module", "delete_module",
    "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "settimeofday", "clock_settime",
    "adjtimex", "clock_adjtime", "sethostname", "setdomainname", "syslog", "acct", "quotactl",
    "iopl", "ioperm", "modify_ldt", "personality",
    /* identity */
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid",
    "setfsgid", "capset", "add_key", "request_key", "keyctl"
};
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The dangers as the kernel calls them; negative: this machine does not have it. */
static int danger_numbers[COUNT(dangers)];

/* A name that this libseccomp or this machine does not have needs no rule. */
static int allow_all(scmp_filter_ctx filter, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        int error = number < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);

        if (error < 0) {
            return error;
        }
    }
    return 0;
}

/* Allowed only with such an argument. Most are compared as a whole: what the kernel would cut off
 * makes them unequal. */
static int allow_with_argument(scmp_filter_ctx filter)
{
    const struct {
        int number;
        struct scmp_arg_cmp argument; /* which, how, against what */
    } rules[] = {
        { SCMP_SYS(mmap), { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } },
        { SCMP_SYS(mprotect), { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } },
        { SCMP_SYS(madvise), { 2, SCMP_CMP_EQ, MADV_DONTNEED, 0 } },
        { SCMP_SYS(madvise), { 2, SCMP_CMP_EQ, MADV_FREE, 0 } },
        { SCMP_SYS(madvise), { 2, SCMP_CMP_EQ, MADV_HUGEPAGE, 0 } },
        { SCMP_SYS(madvise), { 2, SCMP_CMP_EQ, MADV_NOHUGEPAGE, 0 } },
        { SCMP_SYS(madvise), { 2, SCMP_CMP_EQ, MADV_POPULATE_READ, 0 } },
        { SCMP_SYS(madvise), { 2, SCMP_CMP_EQ, MADV_POPULATE_WRITE, 0 } },
        { SCMP_SYS(tgkill), { 0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0 } },
        { SCMP_SYS(rt_sigaction), { 0, SCMP_CMP_EQ, SIGABRT, 0 } }, /* abort() does */
        { SCMP_SYS(fcntl), { 1, SCMP_CMP_EQ, F_GETFL, 0 } },
        { SCMP_SYS(fcntl), { 1, SCMP_CMP_EQ, F_GET_SEALS, 0 } },
    };
    int error = 0;

    for (size_t i = 0; i < COUNT(rules) && error == 0; i++) {
        error =
            seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rules[i].number, 1, &rules[i].argument);
    }
    return error;
}

static int fill(scmp_filter_ctx filter)
{
    int error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

    /* A tree of comparisons: the lists are long. */
    error = error < 0 ? error : seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    error = error < 0 ? error : allow_all(filter, allowed, COUNT(allowed));
    error = error < 0 ? error : allow_all(filter, for_sanitizer, COUNT(for_sanitizer));
    return error < 0 ? error : allow_with_argument(filter);
}

int rmx_sandbox_enter(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
    int error;

    if (filter == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < COUNT(dangers); i++) {
        danger_numbers[i] = seccomp_syscall_resolve_name(dangers[i]);
    }
    error = fill(filter);
    error = error < 0 ? error : seccomp_load(filter);
    seccomp_release(filter);
    return error;
}

const char *rmx_sandbox_danger(int number)
{
    for (size_t i = 0; i < COUNT(dangers); i++) {
        if (number >= 0 && danger_numbers[i] == number) {
            return dangers[i];
        }
    }
    return NULL;
}
