/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much cpu time our cgroups grant (engine/quota.h), in a made-up tree.
 */
#include "engine/quota.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/test_quota_XXXXXX";
static char membership[64];

static void write_file(const char *name, const char *text)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", root, name);
    file = fopen(path, "we");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static void make_tree(void)
{
    char path[128];

    cr_assert_not_null(mkdtemp(root));
    snprintf(path, sizeof(path), "%s/pod", root);
    cr_assert_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/pod/job", root);
    cr_assert_eq(mkdir(path, 0700), 0);
    snprintf(membership, sizeof(membership), "%s/membership", root);
    write_file("membership", "3:cpuset:/elsewhere\n0::/pod/job\n");
}

static void remove_tree(void)
{
    static const char *const names[] = { "pod/job/cpu.max", "pod/cpu.max", "cpu.max", "membership",
        "pod/job", "pod", "" };
    char path[128];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", root, names[i]);
        (void)remove(path);
    }
}

TestSuite(quota, .init = make_tree, .fini = remove_tree);

Test(quota, nothing_written_is_no_limit)
{
    cr_assert_eq(rmx_quota_read(membership, root), 0);
    cr_assert_eq(rmx_quota_read("/nonexistent", root), 0);
    write_file("membership", "3:cpuset:/pod\n");
    cr_assert_eq(rmx_quota_read(membership, root), 0);
}

Test(quota, max_and_nonsense_are_no_limit)
{
    static const char *const texts[] = { "max 100000\n", "", "\n", "-", "0 100000\n", "100000\n",
        "100000 0\n" };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        write_file("pod/job/cpu.max", texts[i]);
        cr_expect_eq(rmx_quota_read(membership, root), 0, "'%s'", texts[i]);
    }
}

Test(quota, a_part_of_a_cpu_counts_as_one)
{
    write_file("pod/job/cpu.max", "200000 100000\n");
    cr_assert_eq(rmx_quota_read(membership, root), 2);
    write_file("pod/job/cpu.max", "250000 100000\n");
    cr_assert_eq(rmx_quota_read(membership, root), 3);
    write_file("pod/job/cpu.max", "1000 100000\n");
    cr_assert_eq(rmx_quota_read(membership, root), 1);
}

Test(quota, the_smallest_of_all_groups_above_counts)
{
    write_file("pod/job/cpu.max", "max 100000\n");
    write_file("pod/cpu.max", "300000 100000\n");
    cr_assert_eq(rmx_quota_read(membership, root), 3);
    write_file("pod/job/cpu.max", "800000 100000\n");
    cr_assert_eq(rmx_quota_read(membership, root), 3);
    write_file("cpu.max", "100000 100000\n");
    cr_assert_eq(rmx_quota_read(membership, root), 1);
}

Test(quota, a_group_that_is_the_root_is_looked_at)
{
    write_file("membership", "0::/\n");
    write_file("cpu.max", "400000 100000\n");
    cr_assert_eq(rmx_quota_read(membership, root), 4);
}
