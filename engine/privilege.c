/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who the daemon is. See privilege.h.
 */
#include "engine/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/log.h"
#include "ipc/quantity.h"
#include "ring/base.h"

#define STANDARD_USER      "ringmux"
#define STANDARD_DIRECTORY "/run/ringmux"
#define ENTRY_BYTES        4096 /* of the user database, with its texts */

/* What the user database answers, or why it could not. */
static int answer(int error, const struct passwd *found)
{
    bool nobody = error == 0 || error == ENOENT || error == ESRCH;

    if (found != NULL) {
        return 0;
    }
    return nobody ? -ENOENT : -error;
}

/* By name or number; a number need not have a name. Returns 0, -ENOENT: there is nobody called so,
 * or -errno: it cannot be told. */
static int look_up(const char *user, uid_t *uid, gid_t *gid)
{
    char text[ENTRY_BYTES];
    struct passwd entry;
    struct passwd *found = NULL;
    uint64_t number = 0;
    bool by_number = rmx_quantity_number(user, 10, &number) && number < UINT32_MAX;
    int error = getpwnam_r(user, &entry, text, sizeof(text), &found);

    error = answer(error, found);

    if (error == -ENOENT && by_number) {
        error = getpwuid_r((uid_t)number, &entry, text, sizeof(text), &found);
        error = answer(error, found);
    }
    if (error < 0 && !(error == -ENOENT && by_number)) {
        return error;
    }
    *uid = found != NULL ? found->pw_uid : (uid_t)number;
    *gid = found != NULL ? found->pw_gid : (gid_t)number;
    return 0;
}

int rmx_privilege_find(
    const char *user, struct rmx_privilege *privilege, char *why, size_t why_bytes)
{
    struct rmx_privilege found = { .uid = geteuid(), .gid = getegid() };
    bool standard = user[0] == '\0';
    const char *name = standard ? STANDARD_USER : user;
    int error;

    if (standard && geteuid() != 0) {
        *privilege = found;
        return 0;
    }
    error = look_up(name, &found.uid, &found.gid);
    if (error == -ENOENT && !standard) {
        (void)snprintf(why, why_bytes, "user = %s: there is no such user", user);
        return -ENOENT;
    }
    if (error < 0 && error != -ENOENT) {
        (void)snprintf(why, why_bytes, "user = %s: the system's user database does not say: %s",
            name, strerrordesc_np(-error));
        return error;
    }
    if (found.uid != geteuid() && geteuid() != 0) {
        (void)snprintf(why, why_bytes, "user = %s: only root may become another user", user);
        return -EPERM;
    }
    found.drops = found.uid != geteuid();
    found.careless = standard && !found.drops;
    if (prctl(PR_GET_PDEATHSIG, &found.parent_signal) < 0) {
        return -errno;
    }
    if (found.careless) {
        rmx_log(RMX_LOG_WARN, "runs_as_root",
            RMX_LOG_STR("why", "there is no user ringmux, and `user` is not set"),
            RMX_LOG_STR("remedy", "name a user with --user=NAME, or root if it must be"));
    }
    *privilege = found;
    return 0;
}

void rmx_privilege_give_directory(const struct rmx_privilege *privilege, const char *socket)
{
    static const char standard[] = STANDARD_DIRECTORY "/";

    if (privilege->drops && strncmp(socket, standard, sizeof(standard) - 1) == 0) {
        (void)mkdir(STANDARD_DIRECTORY, 0755);
        (void)chown(STANDARD_DIRECTORY, privilege->uid, privilege->gid);
    }
}

void rmx_privilege_lend(const struct rmx_privilege *privilege)
{
    if (privilege->drops) {
        rmx_assert(setegid(privilege->gid) == 0 && seteuid(privilege->uid) == 0);
    }
}

void rmx_privilege_take_back(const struct rmx_privilege *privilege)
{
    if (privilege->drops) {
        rmx_assert(seteuid(0) == 0 && setegid(0) == 0);
    }
}

static int become(const struct rmx_privilege *privilege)
{
    for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++) {
        (void)prctl(PR_CAPBSET_DROP, capability); /* where that is forbidden, setresuid() is too */
    }
    if (setgroups(0, NULL) < 0 || setresgid(privilege->gid, privilege->gid, privilege->gid) < 0 ||
        setresuid(privilege->uid, privilege->uid, privilege->uid) < 0 ||
        prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_PDEATHSIG, privilege->parent_signal) < 0) {
        return -errno;
    }
    return setresuid(0, 0, 0) == 0 ? -EPERM : 0; /* it must not come back */
}

int rmx_privilege_drop(const struct rmx_privilege *privilege)
{
    int error = privilege->drops ? become(privilege) : 0;

    if (error < 0) {
        return error;
    }
    if (privilege->drops) {
        rmx_log(RMX_LOG_INFO, "user", RMX_LOG_U64("uid", privilege->uid),
            RMX_LOG_U64("gid", privilege->gid));
    }
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}
