/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Names of a job's several files: which lead nowhere else, and which fit a container.
 */
#include "ipc/file_name.h"

#include <criterion/criterion.h>
#include <string.h>

#include "ipc/status.h"

Test(file_name, plain_ones_stay_where_they_are)
{
    static const char *const good[] = { "a", "talk0.ts", "My Talk.m3u8", "caf\xc3\xa9", "a%d" };
    static const char *const bad[] = { "", ".", "..", ".a", "a/b", "a\\b", "a:b", "a\n", "a\x7f" };
    char longest[RMX_FILE_NAME_BYTES];

    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        cr_assert(rmx_file_name_is_plain(good[i], strlen(good[i])), "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        cr_assert_not(rmx_file_name_is_plain(bad[i], strlen(bad[i])), "%s", bad[i]);
    }
    memset(longest, 'a', sizeof(longest));
    cr_assert(rmx_file_name_is_plain(longest, sizeof(longest) - 1));
    cr_assert_not(rmx_file_name_is_plain(longest, sizeof(longest)));
    cr_assert_not(rmx_file_name_is_plain("a\0b", 3));
}

Test(file_name, fixed_ones_have_no_number_and_numbered_ones_have_one)
{
    static const char *const good[] = { "a%d", "%d", "a%03d.ts", "a%3d" };
    static const char *const bad[] = { "a", "a%", "a%s", "a%0", "a%00d", "a%13d", "a%d%d", "a%%d",
        "a%ld", "../%d", "" };

    cr_assert(rmx_file_name_is_fixed("a.m3u8", 6));
    cr_assert_not(rmx_file_name_is_fixed("a%d", 3));
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        cr_assert(rmx_file_name_is_numbered(good[i], strlen(good[i])), "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        cr_assert_not(rmx_file_name_is_numbered(bad[i], strlen(bad[i])), "%s", bad[i]);
    }
}

static void expect(int status, const char *name, const char *container, const char *sentence)
{
    const char *why = "";

    cr_assert_eq(rmx_file_name_check(name, container, &why), status, "%s", name);
    cr_assert(strstr(why, sentence), "%s: %s", name, why);
}

Test(file_name, each_container_has_names_that_fit_it)
{
    expect(0, "a.m3u8", "hls", "");
    expect(0, NULL, "mp4", "");
    expect(0, "a", "nothing", "");
    expect(RMX_STATUS_BAD_OPTION, "a.mp4", "mp4", "is one file");
    expect(RMX_STATUS_BAD_OPTION, "a%d.m3u8", "hls", "without '%'");
}
