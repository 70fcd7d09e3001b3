/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lists of users and groups: what they may be written as, and what is refused.
 */
#include "engine/identity.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct rmx_identities list;

static bool read_users(const char *text)
{
    return rmx_identity_read(text, RMX_IDENTITY_USERS, &list);
}

Test(identity, names_and_numbers_stand_with_commas_between)
{
    cr_assert(read_users("root, 1004,65534"));
    cr_assert_eq(list.count, 3);
    cr_assert(rmx_identity_has(&list, 0));
    cr_assert(rmx_identity_has(&list, 1004));
    cr_assert(rmx_identity_has(&list, 65534));
    cr_assert_not(rmx_identity_has(&list, 1));
    cr_assert_str_eq(list.text, "root, 1004,65534");
    cr_assert(rmx_identity_read("root", RMX_IDENTITY_GROUPS, &list));
    cr_assert(rmx_identity_has(&list, 0));
}

Test(identity, an_empty_list_has_nobody)
{
    cr_assert(read_users(""));
    cr_assert_eq(list.count, 0);
    cr_assert_not(rmx_identity_has(&list, 0));
}

Test(identity, who_does_not_exist_is_refused_and_nothing_changes)
{
    char many[8 * RMX_IDENTITIES_MAX] = "";
    char longer[RMX_IDENTITIES_TEXT_BYTES + 1];

    cr_assert(read_users("7"));
    cr_assert_not(read_users("root, nobody-is-called-so"));
    cr_assert_not(read_users("-1"));
    cr_assert_not(read_users("4294967295"));
    cr_assert_not(read_users("99999999999"));
    for (uint32_t i = 0; i <= RMX_IDENTITIES_MAX; i++) {
        memcpy(many + 2 * i, "5,", 3);
    }
    cr_assert_not(read_users(many));
    many[2 * RMX_IDENTITIES_MAX] = '\0';
    memset(longer, ' ', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    cr_assert_not(read_users(longer));
    memset(longer, '5', 70);
    longer[70] = '\0';
    cr_assert_not(read_users(longer));
    cr_assert_str_eq(list.text, "7");
    cr_assert(read_users(many));
    cr_assert_eq(list.count, RMX_IDENTITIES_MAX);
}
