/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What stands around a zygote and its workers besides seccomp. See seclusion.h.
 *
 * A zygote that root started makes its namespaces as root, becomes nobody, and only then makes the
 * user namespace: there it could not become nobody any more. Any other user's zygote needs the user
 * namespace first, to be permitted the rest.
 */
#include "engine/worker/seclusion.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/worker/sandbox.h"
#include "engine/worker/sanitizer.h"
#include "ipc/lane_wire.h"
#include "ring/base.h"

#define NOBODY 65534 /* owns no file */

/* Any directory that is there: it is covered, and then it is the root. */
#define COVERED "/proc"

static void note(struct rmx_seclusion *seclusion, enum rmx_lane_wall wall, int error)
{
    if (error < 0) {
        seclusion->lacks |= (uint32_t)wall;
        seclusion->error = seclusion->error == 0 ? error : seclusion->error;
    }
}

/* Our root becomes a file system with nothing in it, where nothing can be made. */
static int empty_root(void)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", COVERED, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
            "size=4k,nr_inodes=2,mode=555") < 0 ||
        chdir(COVERED) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
        umount2(".", MNT_DETACH) < 0 || chdir("/") < 0) {
        return -errno;
    }
    return 0;
}

static int leave(int namespace)
{
    return unshare(namespace) < 0 ? -errno : 0;
}

/* Those that need a privilege, which root has, and anybody in a user namespace of his own. */
static void leave_namespaces(struct rmx_seclusion *seclusion)
{
    note(seclusion, RMX_LANE_WALL_NETWORK, leave(CLONE_NEWNET));
    note(seclusion, RMX_LANE_WALL_IPC, leave(CLONE_NEWIPC));
    note(seclusion, RMX_LANE_WALL_UTS, leave(CLONE_NEWUTS));
    note(seclusion, RMX_LANE_WALL_PID, leave(CLONE_NEWPID));
    note(seclusion, RMX_LANE_WALL_MOUNT, empty_root());
}

static int become_nobody(void)
{
    if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
        setresuid(NOBODY, NOBODY, NOBODY) < 0) {
        return -errno;
    }
    return 0;
}

/* Neither those of the user namespace, nor any that a program could bring. */
static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

    for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++) {
        (void)prctl(PR_CAPBSET_DROP, capability); /* may be forbidden: then we have none to bring */
    }
    rmx_assert(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    rmx_assert(syscall(SYS_capset, &header, none) == 0);
}

/* --- Landlock -------------------------------------------------------------------------------- */

/* Of linux/landlock.h, which may be older than the kernel. */
struct landlock_attributes {
    uint64_t files;
    uint64_t network;
    uint64_t scopes;
};

/* Everything that this version of it can take away. Returns the attributes' size. */
static size_t take_all(long version, struct landlock_attributes *all)
{
    static const unsigned int file_rights[] = { 0, 13, 14, 15, 15, 16 };
    bool newest = version >= (long)(sizeof(file_rights) / sizeof(file_rights[0]));

    all->files = (1ull << (newest ? 16 : file_rights[version])) - 1;
    all->network = 3; /* bind and connect */
    all->scopes = 3;  /* abstract sockets and signals */
    return version >= 6   ? sizeof(*all)
           : version >= 4 ? offsetof(struct landlock_attributes, scopes)
                          : offsetof(struct landlock_attributes, network);
}

static long landlock_version(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1u);
}

int rmx_seclusion_landlock(void)
{
    rmx_autofd int ruleset = -1;
    struct landlock_attributes all;
    long version = landlock_version();
    size_t bytes;

    if (version < 1 || RMX_WITH_SANITIZER) { /* whose report reads files */
        return 0;
    }
    bytes = take_all(version, &all);
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, bytes, 0);
    if (ruleset < 0 || syscall(SYS_landlock_restrict_self, ruleset, 0) < 0) {
        return -errno;
    }
    return 0;
}

/* --- the zygote ------------------------------------------------------------------------------ */

void rmx_seclusion_enter(struct rmx_seclusion *seclusion)
{
    *seclusion = (struct rmx_seclusion){ .lacks = 0 };
    note(seclusion, RMX_LANE_WALL_LANDLOCK, landlock_version() < 1 ? -errno : 0);
    if (RMX_WITH_SANITIZER) { /* whose reports need files, and other processes */
        return;
    }
    if (geteuid() == 0) {
        leave_namespaces(seclusion);
        note(seclusion, RMX_LANE_WALL_IDENTITY, become_nobody());
        note(seclusion, RMX_LANE_WALL_USER, leave(CLONE_NEWUSER));
    } else {
        note(seclusion, RMX_LANE_WALL_USER, leave(CLONE_NEWUSER));
        leave_namespaces(seclusion);
    }
    drop_capabilities();
}

/* Outside of the namespace the parent has no number in it: getppid() would not tell that it died
 * before we could ask to end with it. Its pidfd does. */
static _Noreturn void hold_open(int parent_fd)
{
    struct pollfd parent_ended = { .fd = parent_fd, .events = POLLIN };

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || poll(&parent_ended, 1, 0) != 0 ||
        close_range(0, ~0U, 0) < 0 || prctl(PR_SET_NAME, "ringmux-init") < 0 ||
        rmx_seclusion_landlock() < 0 || rmx_sandbox_enter() < 0) {
        _exit(1);
    }
    for (;;) {
        (void)poll(NULL, 0, -1);
    }
}

int rmx_seclusion_keep(const struct rmx_seclusion *seclusion)
{
    rmx_autofd int self_fd = -1;
    pid_t pid;

    if ((seclusion->lacks & RMX_LANE_WALL_PID) != 0 || RMX_WITH_SANITIZER) {
        return 0;
    }
    self_fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (self_fd < 0) {
        return -errno;
    }
    pid = fork();
    if (pid == 0) {
        hold_open(self_fd);
    }
    return pid < 0 ? -errno : pid;
}
