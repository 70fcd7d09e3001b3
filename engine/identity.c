/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lists of users or groups. See identity.h.
 */
#include "engine/identity.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "ipc/quantity.h"

#define NAME_BYTES 64
#define BETWEEN    ", "

#define WORDS_BYTES 65536 /* for all that is known of one: a group's members, too */

static bool find_user(const char *name, uint32_t *id)
{
    char words[WORDS_BYTES];
    struct passwd user;
    struct passwd *found = NULL;

    if (getpwnam_r(name, &user, words, sizeof(words), &found) != 0 || found == NULL) {
        return false;
    }
    *id = user.pw_uid;
    return true;
}

static bool find_group(const char *name, uint32_t *id)
{
    char words[WORDS_BYTES];
    struct group group;
    struct group *found = NULL;

    if (getgrnam_r(name, &group, words, sizeof(words), &found) != 0 || found == NULL) {
        return false;
    }
    *id = group.gr_gid;
    return true;
}

/* One user or group; false: there is none. (uid_t)-1 is nobody: chown(2) and others say so. */
static bool read_one(const char *name, enum rmx_identity_kind kind, uint32_t *id)
{
    uint64_t number = 0;

    if (rmx_quantity_number(name, 10, &number)) {
        *id = (uint32_t)number;
        return number < UINT32_MAX;
    }
    return kind == RMX_IDENTITY_USERS ? find_user(name, id) : find_group(name, id);
}

bool rmx_identity_read(
    const char *text, enum rmx_identity_kind kind, struct rmx_identities *identities)
{
    struct rmx_identities read = { .count = 0 };
    const char *at = text + strspn(text, BETWEEN);

    if (strlen(text) >= sizeof(read.text)) {
        return false;
    }
    while (*at != '\0') {
        size_t length = strcspn(at, BETWEEN);
        char name[NAME_BYTES];

        if (read.count == RMX_IDENTITIES_MAX || length >= sizeof(name)) {
            return false;
        }
        memcpy(name, at, length);
        name[length] = '\0';
        if (!read_one(name, kind, &read.ids[read.count])) {
            return false;
        }
        read.count++;
        at += length + strspn(at + length, BETWEEN);
    }
    (void)snprintf(read.text, sizeof(read.text), "%s", text);
    *identities = read;
    return true;
}

bool rmx_identity_has(const struct rmx_identities *identities, uint32_t id)
{
    for (uint32_t i = 0; i < identities->count; i++) {
        if (identities->ids[i] == id) {
            return true;
        }
    }
    return false;
}
