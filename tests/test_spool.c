/* SPDX-License-Identifier: BSD-2-Clause
 *
 * engine/spool: files that have no name, are bounded, and leave nothing.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/spool.h"

static struct rmx_loop loop;
static struct rmx_spool_dir dir;
static char path[] = "/tmp/rmx-spool-XXXXXX";
static int error;
static unsigned opens;
static unsigned closes;

static void set_up(void)
{
    const char *remedy = "";

    cr_assert_eq(rmx_loop_init(&loop, 64, &remedy), 0, "%s", remedy);
    cr_assert_not_null(mkdtemp(path));
    cr_assert_eq(rmx_spool_dir_init(&dir, &loop, path), 0);
    dir.job_bytes_max = 1000;
    dir.bytes_max = 1500;
}

/* No name is left in the directory. */
static void tear_down(void)
{
    cr_assert_eq(dir.open, 0);
    cr_assert_eq(dir.bytes, 0);
    cr_assert_eq(rmdir(path), 0, "it is not empty");
    rmx_loop_fini(&loop);
}

TestSuite(spool, .init = set_up, .fini = tear_down);

static void opened(struct rmx_spool *spool, int result)
{
    (void)spool;
    opens++;
    error = result;
}

static void closed(struct rmx_spool *spool)
{
    (void)spool;
    closes++;
}

static void turn_until(const unsigned *count, unsigned value)
{
    for (int i = 0; i < 1000 && *count != value; i++) {
        cr_assert_geq(rmx_loop_turn(&loop, 10000000), 0);
    }
    cr_assert_eq(*count, value);
}

static void open_one(struct rmx_spool *spool)
{
    *spool = (struct rmx_spool){ .file = RMX_FILE_INIT, .opened = opened, .closed = closed };
    rmx_spool_open(spool, &dir);
    cr_assert_not(rmx_spool_is_gone(spool));
    turn_until(&opens, opens + 1);
}

static void close_one(struct rmx_spool *spool)
{
    rmx_spool_close(spool);
    turn_until(&closes, closes + 1);
    cr_assert(rmx_spool_is_gone(spool));
}

static void expect_a_nameless_file(struct rmx_spool *spool)
{
    struct stat st;

    cr_assert_eq(error, 0);
    cr_assert_eq(dir.open, 1);
    cr_assert_eq(fstat(spool->file.fd, &st), 0);
    cr_assert_eq(st.st_nlink, 0);
    cr_assert_neq(fcntl(spool->file.fd, F_GETFD) & FD_CLOEXEC, 0);
    cr_assert_eq(rmx_spool_grow(spool, 5, 0), 0);
    cr_assert_eq(pwrite(spool->file.fd, "spool", 5, 0), 5);
    rmx_spool_rewind(spool, 3);
    cr_assert_eq(spool->file.size, 3);
    rmx_spool_rewind(spool, 5);
    cr_assert_eq(spool->file.size, 5);
    cr_assert_neq(spool->file.kind, RMX_FILE_STREAM, "it is read by offset");
}

Test(spool, file_has_no_name_and_leaves_nothing)
{
    struct rmx_spool spool;

    open_one(&spool);
    expect_a_nameless_file(&spool);
    close_one(&spool);
}

Test(spool, directory_that_wants_names_will_do)
{
    struct rmx_spool spool;

    dir.named = true;
    open_one(&spool);
    expect_a_nameless_file(&spool);
    close_one(&spool);
}

Test(spool, bytes_are_bounded_for_a_job_and_for_all)
{
    struct rmx_spool one;
    struct rmx_spool other;

    open_one(&one);
    open_one(&other);
    cr_assert_eq(rmx_spool_grow(&one, 1000, 0), 0);
    cr_assert_eq(rmx_spool_grow(&one, 1001, 0), -E2BIG);
    cr_assert_eq(rmx_spool_grow(&one, 500, 900), 0, "a patch makes it no larger");
    cr_assert_eq(rmx_spool_grow(&other, 1, 1000), -E2BIG, "the other is the same job's");
    cr_assert_eq(rmx_spool_grow(&other, UINT64_MAX, 0), -E2BIG);
    cr_assert_eq(rmx_spool_grow(&other, 501, 0), -EOVERFLOW);
    cr_assert_eq(rmx_spool_grow(&other, 500, 0), 0);
    cr_assert_eq(dir.bytes, 1500);
    close_one(&one);
    cr_assert_eq(rmx_spool_grow(&other, 501, 0), 0);
    close_one(&other);
}

Test(spool, directory_that_cannot_be_used_is_found_out_at_once)
{
    struct rmx_spool_dir none;

    cr_assert_eq(rmx_spool_dir_init(&none, &loop, "/nowhere/at/all"), -ENOENT);
    cr_assert_null(none.path);
    cr_assert_eq(rmx_spool_dir_init(&none, &loop, "/dev/null"), -ENOTDIR);
}

Test(spool, one_that_cannot_be_opened_says_why)
{
    struct rmx_spool spool;

    dir.path = "/nowhere/at/all";
    open_one(&spool);
    cr_assert_eq(error, -ENOENT);
    cr_assert(rmx_spool_is_gone(&spool));
}

Test(spool, default_directory_is_one_for_large_files)
{
    struct rmx_spool_dir standard;

    cr_assert_eq(rmx_spool_dir_init(&standard, &loop, ""), 0);
    cr_assert_str_eq(standard.path, "/var/tmp");
}
