/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a worker may still do. See sandbox.h.
 *
 * Three answers. What is needed is allowed, with its arguments where they matter. What would reach
 * out of the process (other files, sockets, programs, processes, the kernel's large interfaces)
 * kills it: nothing we run asks for it, so whoever does is not us. All else fails with ENOSYS,
 * since such a list is never complete and C libraries fall back.
 */
#include "engine/worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/worker/sanitizer.h"
#include "ipc/lane_wire.h"
#include "ring/base.h"

/* The lane gives no more channels than the limit allows that we inherit. */
#define DESCRIPTORS_MAX (RMX_WORKER_FDS + RMX_CHANNEL_FDS * RMX_WORKER_CHANNELS_MAX)

static const char *const allowed[] = {
    /* talk */
    "read", "write", "readv", "writev", "recvmsg", "sendmsg", "ppoll", "poll", "close", "lseek",
    "fstat", "fstatfs", "epoll_wait", "epoll_pwait", "epoll_ctl",
    /* memory; mmap and mprotect are below */
    "munmap", "madvise", "mremap", "brk",
    /* time and turns */
    "clock_gettime", "clock_getres", "gettimeofday", "time", "futex", "sched_yield",
    "sched_getaffinity", "getcpu", "restart_syscall",
    /* signals and the end */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "exit", "exit_group",
    /* who am I, give me entropy */
    "getpid", "gettid", "getrandom", "set_robust_list", "rseq"
};

#if !RMX_WITH_SANITIZER
static const char *const deadly[] = {
    /* other programs and processes */
    "execve", "execveat", "fork", "vfork", "clone", "clone3", "ptrace", "kill", "tkill",
    "rt_sigqueueinfo", "rt_tgsigqueueinfo", "process_vm_readv", "process_vm_writev",
    "process_madvise", "process_mrelease", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "kcmp",
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

/* A name that this libseccomp or this machine does not have needs no rule. */
static int add_all(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        int error = number == __NR_SCMP_ERROR || number < 0
                        ? 0
                        : seccomp_rule_add(filter, action, number, 0);

        if (error < 0) {
            return error;
        }
    }
    return 0;
}

/* Allowed only with such an argument; with another it is as unknown as the rest. */
static int add_with_argument(scmp_filter_ctx filter)
{
    const struct {
        int number;
        struct scmp_arg_cmp argument; /* which, how, against what */
    } rules[] = {
        { SCMP_SYS(mmap), { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } },
        { SCMP_SYS(mprotect), { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } },
        { SCMP_SYS(tgkill), { 0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0 } },
        { SCMP_SYS(fcntl), { 1, SCMP_CMP_EQ, F_GETFL, 0 } },
        { SCMP_SYS(fcntl), { 1, SCMP_CMP_EQ, F_GET_SEALS, 0 } },
        /* fstat() of some C libraries is this, with an empty name. */
        { SCMP_SYS(newfstatat), { 3, SCMP_CMP_EQ, AT_EMPTY_PATH, 0 } },
    };
    int error = 0;

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && error == 0; i++) {
        error =
            seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rules[i].number, 1, &rules[i].argument);
    }
    return error;
}

#if RMX_WITH_SANITIZER
/* A sanitizer's report reads /proc/self and asks for limits; nothing kills it. Never in a product,
 * but what has no rule is still refused. */
static int add_deadly(scmp_filter_ctx filter)
{
    static const char *const needed[] = { "open", "openat", "readlink", "readlinkat", "prctl",
        "prlimit64", "getrlimit", "personality", "sysinfo", "stat" };

    return add_all(filter, SCMP_ACT_ALLOW, needed, sizeof(needed) / sizeof(needed[0]));
}
#else
static int add_deadly(scmp_filter_ctx filter)
{
    return add_all(filter, SCMP_ACT_KILL_PROCESS, deadly, sizeof(deadly) / sizeof(deadly[0]));
}
#endif

static int fill(scmp_filter_ctx filter)
{
    int error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

    /* A tree of comparisons: the lists are long. */
    error = error < 0 ? error : seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    error = error < 0
                ? error
                : add_all(filter, SCMP_ACT_ALLOW, allowed, sizeof(allowed) / sizeof(allowed[0]));
    error = error < 0 ? error : add_with_argument(filter);
    return error < 0 ? error : add_deadly(filter);
}

int rmx_sandbox_enter(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    int error;

    if (filter == NULL) {
        return -ENOMEM;
    }
    error = fill(filter);
    error = error < 0 ? error : seccomp_load(filter);
    seccomp_release(filter);
    return error;
}

static int limit(__rlimit_resource_t resource, rlim_t most)
{
    struct rlimit limits = { .rlim_cur = most, .rlim_max = most };

    return setrlimit(resource, &limits) < 0 ? -errno : 0;
}

/* What is in use now, in bytes: the whole address space, and what of it is private and writable. */
static int measure_memory(uint64_t *all, uint64_t *own)
{
    char line[128] = "";
    uint64_t numbers[6] = { 0 }; /* in pages: all, resident, shared, text, libraries, data */
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    char *at = line;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file != NULL) {
        (void)!fgets(line, sizeof(line), file);
        (void)fclose(file);
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        numbers[i] = (uint64_t)strtoul(at, &at, 10);
    }
    if (numbers[0] == 0 || numbers[5] == 0) {
        return -ENOSYS;
    }
    *all = numbers[0] * page;
    *own = numbers[5] * page;
    return 0;
}

/* Arenas are the daemon's to bound, and those of clients may be large: what jobs allocate has a
 * limit of its own, so that no room for an arena becomes room for a heap. */
static int limit_memory(const struct rmx_sandbox_room *room)
{
    uint64_t all = 0;
    uint64_t own = 0;
    int error;

    if (RMX_WITH_SANITIZER || room->own_bytes == 0) { /* shadow memory is terabytes */
        return 0;
    }
    error = measure_memory(&all, &own);
    error = error < 0 ? error : limit(RLIMIT_DATA, own + room->own_bytes);
    return error < 0 ? error : limit(RLIMIT_AS, all + room->own_bytes + room->shared_bytes);
}

/* Where even the daemon may not have so many, a worker with many channels will run out. */
static int limit_descriptors(void)
{
    struct rlimit now;

    if (getrlimit(RLIMIT_NOFILE, &now) < 0) {
        return -errno;
    }
    return limit(RLIMIT_NOFILE, now.rlim_max < DESCRIPTORS_MAX ? now.rlim_max : DESCRIPTORS_MAX);
}

int rmx_sandbox_limit(int last_fd, const struct rmx_sandbox_room *room)
{
    int error = limit_memory(room);

    if (error == 0 && close_range((unsigned int)last_fd + 1, ~0U, 0) < 0) {
        error = -errno;
    }
    if (error == 0 &&
        (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)) {
        error = -errno;
    }
    error = error < 0 ? error : limit(RLIMIT_CORE, 0);
    error = error < 0 ? error : limit(RLIMIT_NPROC, 0);
    error = error < 0 ? error : limit_descriptors();
    if (error == 0 && !RMX_WITH_SANITIZER) { /* whose reports may go to a file */
        error = signal(SIGXFSZ, SIG_IGN) == SIG_ERR ? -errno : limit(RLIMIT_FSIZE, 0);
    }
    return error;
}
