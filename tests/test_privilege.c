/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whom the setting `user` means.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/privilege.h"

static char why[160];

static int find(const char *user)
{
    struct rmx_privilege privilege;

    return rmx_privilege_find(user, &privilege, why, sizeof(why));
}

TestSuite(privilege, .timeout = 60);

Test(privilege, who_we_are_is_found_by_number)
{
    char number[16];

    snprintf(number, sizeof(number), "%u", (unsigned)geteuid());
    cr_assert_eq(find(number), 0, "%s", why);
}

Test(privilege, who_we_are_is_found_by_name)
{
    const struct passwd *me = getpwuid(geteuid());

    cr_assert_not_null(me, "we have no name");
    cr_assert_eq(find(me->pw_name), 0, "%s", why);
}

Test(privilege, name_of_nobody_is_ENOENT)
{
    cr_assert_eq(find("nobody-is-called-so"), -ENOENT);
    cr_assert_not_null(strstr(why, "there is no such user"), "%s", why);
}

/* No descriptor is left to read the user database with. */
Test(privilege, database_that_cannot_be_read_is_not_a_user_that_is_missing)
{
    struct rlimit before;
    struct rlimit none;
    int error;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
    (void)setrlimit(RLIMIT_NOFILE, &none); /* no assert until it has some again */
    error = find("nobody-is-called-so");
    (void)setrlimit(RLIMIT_NOFILE, &before);
    cr_assert_eq(error, -EMFILE, "%d: %s", error, why);
    cr_assert_not_null(strstr(why, strerrordesc_np(EMFILE)), "%s", why);
}
