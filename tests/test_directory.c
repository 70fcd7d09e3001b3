/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A directory as a sink, given pieces by hand: what shows when, what is left behind, and what a
 * worker gone mad cannot do.
 */
#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/ringmux.h"

static char place[64];
static int folder;
static struct rmx_directory *directory;
static struct rmx_sink sink;

static void make_place(void)
{
    snprintf(place, sizeof(place), "/tmp/test_directory.XXXXXX");
    cr_assert_not_null(mkdtemp(place));
    folder = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
    cr_assert_geq(folder, 0);
}

static void open_directory(uint32_t flags)
{
    cr_assert_eq(rmx_directory_open(&directory, folder, flags), 0);
    rmx_directory_sink(directory, &sink);
}

static void begin_place(uint32_t flags)
{
    make_place();
    open_directory(flags);
}

static void remove_entries(void)
{
    DIR *entries = opendir(place);
    const struct dirent *entry;

    cr_assert_not_null(entries);
    while ((entry = readdir(entries)) != NULL) {
        unlinkat(dirfd(entries), entry->d_name, entry->d_type == DT_DIR ? AT_REMOVEDIR : 0);
    }
    closedir(entries);
}

static void end_place(void)
{
    rmx_directory_close(&directory);
    rmx_directory_close(&directory); /* accepts one that is closed */
    close(folder);
    remove_entries();
    cr_assert_eq(rmdir(place), 0);
}

static int give(uint32_t part, const char *bytes, uint64_t offset, uint32_t flags)
{
    const struct rmx_piece piece = {
        .bytes = bytes, .size = strlen(bytes), .offset = offset, .part = part, .flags = flags
    };

    return sink.write(sink.user, &piece);
}

static int begin(uint32_t part, const char *name)
{
    return give(part, name, 0, RMX_PIECE_NAME);
}

/* A whole file in three pieces. */
static int put(uint32_t part, const char *name, const char *bytes)
{
    int err = begin(part, name);

    err = err == 0 ? give(part, bytes, 0, 0) : err;
    return err == 0 ? give(part, "", strlen(bytes), RMX_PIECE_PART_END) : err;
}

/* What is in the directory under that name; "" = nothing, or no such file. */
static const char *look(const char *name)
{
    static char bytes[64];
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t got = fd < 0 ? 0 : read(fd, bytes, sizeof(bytes) - 1);

    bytes[got < 0 ? 0 : got] = '\0';
    if (fd >= 0) {
        close(fd);
    }
    return bytes;
}

static unsigned count_entries(void)
{
    DIR *entries = opendir(place);
    unsigned count = 0;

    cr_assert_not_null(entries);
    while (readdir(entries) != NULL) {
        count++;
    }
    closedir(entries);
    return count - 2; /* "." and ".." */
}

TestSuite(directory, .timeout = 30);

Test(directory, nothing_shows_before_it_is_kept_and_then_all)
{
    begin_place(0);
    cr_assert_eq(put(0, "a0.ts", "abc"), 0);
    cr_assert_eq(put(1, "a.m3u8", "list"), 0);
    cr_assert_str_eq(look("a0.ts"), "");
    cr_assert_eq(give(0, "", 3, RMX_PIECE_END), 0);
    cr_assert_eq(rmx_directory_keep(directory), 0);
    cr_assert_str_eq(look("a0.ts"), "abc");
    cr_assert_str_eq(look("a.m3u8"), "list");
    rmx_directory_close(&directory);
    cr_assert_eq(count_entries(), 2);
    end_place();
}

Test(directory, what_is_not_kept_leaves_nothing_behind)
{
    begin_place(0);
    cr_assert_eq(put(0, "whole", "abc"), 0);
    cr_assert_eq(begin(1, "half"), 0);
    cr_assert_eq(give(1, "x", 0, 0), 0);
    cr_assert_eq(begin(1, "other"), 0, "its number is another file's now");
    rmx_directory_close(&directory);
    cr_assert_eq(count_entries(), 0);
    end_place();
}

Test(directory, each_file_shows_at_once_when_somebody_reads_along)
{
    begin_place(RMX_DIRECTORY_AT_ONCE);
    cr_assert_eq(begin(0, "a0.ts"), 0);
    cr_assert_eq(give(0, "abc", 0, 0), 0);
    cr_assert_str_eq(look("a0.ts"), "");
    cr_assert_eq(give(0, "d", 3, RMX_PIECE_PART_END), 0);
    cr_assert_str_eq(look("a0.ts"), "abcd");
    cr_assert_eq(begin(1, "half"), 0);
    rmx_directory_close(&directory);
    cr_assert_eq(count_entries(), 1);
    end_place();
}

Test(directory, list_that_is_written_again_is_replaced_in_one_step)
{
    begin_place(RMX_DIRECTORY_AT_ONCE | RMX_DIRECTORY_NO_CLOBBER);
    cr_assert_eq(put(0, "list", "first, and longer"), 0);
    cr_assert_eq(begin(0, "list"), 0);
    cr_assert_eq(give(0, "sec", 0, 0), 0);
    cr_assert_str_eq(look("list"), "first, and longer");
    cr_assert_eq(give(0, "ond", 3, RMX_PIECE_PART_END), 0);
    cr_assert_str_eq(look("list"), "second");
    end_place();
}

Test(directory, file_of_others_is_replaced_unless_that_is_forbidden)
{
    begin_place(RMX_DIRECTORY_AT_ONCE);
    cr_assert_eq(put(0, "a", "old"), 0);
    rmx_directory_close(&directory);
    open_directory(RMX_DIRECTORY_AT_ONCE | RMX_DIRECTORY_NO_CLOBBER);
    cr_assert_eq(put(0, "a", "new"), -EEXIST);
    cr_assert_str_eq(look("a"), "old");
    rmx_directory_close(&directory);
    open_directory(0);
    cr_assert_eq(put(0, "a", "new"), 0);
    cr_assert_eq(rmx_directory_keep(directory), 0);
    cr_assert_str_eq(look("a"), "new");
    end_place();
}

Test(directory, only_what_the_job_wrote_is_deleted)
{
    begin_place(RMX_DIRECTORY_AT_ONCE);
    cr_assert_eq(put(0, "mine", "x"), 0);
    cr_assert_eq(put(1, "yours", "y"), 0);
    rmx_directory_close(&directory);
    open_directory(RMX_DIRECTORY_AT_ONCE);
    cr_assert_eq(put(0, "a0.ts", "abc"), 0);
    cr_assert_eq(give(0, "", 0, RMX_PIECE_PART_GONE), 0);
    cr_assert_str_eq(look("a0.ts"), "");
    cr_assert_eq(give(0, "", 0, RMX_PIECE_PART_GONE), -EBADMSG, "it is gone");
    cr_assert_eq(give(1, "", 0, RMX_PIECE_PART_GONE), -EBADMSG, "there was none");
    cr_assert_eq(begin(2, "yours"), 0);
    cr_assert_eq(give(2, "", 0, RMX_PIECE_PART_GONE), -EBADMSG, "it was never complete");
    cr_assert_str_eq(look("yours"), "y");
    end_place();
}

Test(directory, file_that_is_out_of_date_before_it_showed_never_does)
{
    begin_place(0);
    cr_assert_eq(put(0, "a", "abc"), 0);
    cr_assert_eq(give(0, "", 0, RMX_PIECE_PART_GONE), 0);
    cr_assert_eq(rmx_directory_keep(directory), 0);
    rmx_directory_close(&directory);
    cr_assert_eq(count_entries(), 0);
    end_place();
}

Test(directory, names_that_lead_elsewhere_are_refused)
{
    static const char *const names[] = { "../a", "/a", "a/b", ".", "..", ".a", "a\n", "a:b", "" };

    begin_place(0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        cr_assert_eq(begin(0, names[i]), -EBADMSG, "%s", names[i]);
    }
    cr_assert_eq(begin(1u << 20, "a"), -EBADMSG);
    cr_assert_eq(count_entries(), 0);
    end_place();
}

Test(directory, link_in_the_way_is_replaced_and_not_followed)
{
    begin_place(0);
    cr_assert_eq(symlinkat("/etc/hostname", folder, "a"), 0);
    cr_assert_eq(put(0, "a", "abc"), 0);
    cr_assert_eq(rmx_directory_keep(directory), 0);
    cr_assert_str_eq(look("a"), "abc");
    end_place();
}

Test(directory, bytes_of_no_file_and_holes_are_refused)
{
    begin_place(0);
    cr_assert_eq(give(0, "x", 0, 0), -EBADMSG, "no file has begun");
    cr_assert_eq(begin(0, "a"), 0);
    cr_assert_eq(give(0, "x", 1, 0), -EBADMSG);
    cr_assert_eq(give(0, "abc", 0, RMX_PIECE_PART_END), 0);
    cr_assert_eq(give(0, "x", 3, 0), -EBADMSG, "it is complete");
    cr_assert_eq(give(0, "", 3, RMX_PIECE_PART_END), -EBADMSG);
    cr_assert_eq(give(7, "", 0, RMX_PIECE_PART_END), -EBADMSG);
    cr_assert_eq(give(99, "x", 0, 0), -EBADMSG);
    end_place();
}

Test(directory, patches_go_where_they_belong)
{
    begin_place(RMX_DIRECTORY_AT_ONCE);
    cr_assert_eq(begin(0, "a"), 0);
    cr_assert_eq(give(0, "abcdef", 0, 0), 0);
    cr_assert_eq(give(0, "XY", 1, 0), 0);
    cr_assert_eq(give(0, "", 3, RMX_PIECE_PART_END), 0);
    cr_assert_str_eq(look("a"), "aXYdef");
    end_place();
}

Test(directory, few_files_are_open_at_once)
{
    char name[8];
    int err = 0;
    uint32_t part = 0;

    begin_place(0);
    for (; part < 1000 && err == 0; part++) {
        snprintf(name, sizeof(name), "%u", part);
        err = begin(part, name);
    }
    cr_assert_eq(err, -EMFILE);
    cr_assert_leq(part, 64);
    end_place();
}

Test(directory, what_is_no_directory_is_refused)
{
    int file = open("/dev/null", O_RDWR | O_CLOEXEC);

    make_place();
    cr_assert_eq(rmx_directory_open(&directory, file, 0), -ENOTDIR);
    cr_assert_eq(rmx_directory_open(&directory, -1, 0), -EBADF);
    cr_assert_eq(rmx_directory_open(&directory, folder, 4), -EINVAL);
    cr_assert_null(directory);
    close(file);
    end_place();
}

Test(directory, directory_that_is_in_the_way_of_a_file_is_an_error)
{
    begin_place(0);
    cr_assert_eq(mkdirat(folder, "a", 0700), 0);
    cr_assert_eq(put(0, "a", "abc"), 0);
    cr_assert_eq(rmx_directory_keep(directory), -EISDIR);
    end_place();
}
