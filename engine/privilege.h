/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who the daemon is: one that root starts makes its socket and becomes somebody else, for good.
 * Runs on the main thread, before there is another. Must never leave a part of root behind: neither
 * group nor capability, nor a way to get one back.
 */
#ifndef RMX_ENGINE_PRIVILEGE_H
#define RMX_ENGINE_PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct rmx_privilege {
    bool drops; /* we are root, and to be: */
    uid_t uid;
    gid_t gid;
    int parent_signal; /* that comes when our parent dies: a change of identity clears it */
    bool careless;     /* we are root, stay root, and nobody wanted that: the log says so */
};

/* Whom the setting `user` means. Returns 0, or with why: -ENOENT, -EPERM (only root may become
 * another), or another -errno where the system cannot say. */
int rmx_privilege_find(
    const char *user, struct rmx_privilege *privilege, char *why, size_t why_bytes);

/* For a daemon that will drop: makes the directory of the default socket its user's; of no other
 * socket. Where that cannot be done, opening the socket says so. */
void rmx_privilege_give_directory(const struct rmx_privilege *privilege, const char *socket);

/* Between the two, files are made as that user, who may have them afterwards. Without drops they do
 * nothing. */
void rmx_privilege_lend(const struct rmx_privilege *privilege);
void rmx_privilege_take_back(const struct rmx_privilege *privilege);

/* Becomes that user: no supplementary group, no capability, no program that brings one, nobody
 * looks into our memory. Without drops only takes away that programs may bring privileges. Returns
 * 0 or -errno; then the process must end. */
int rmx_privilege_drop(const struct rmx_privilege *privilege);

#endif
