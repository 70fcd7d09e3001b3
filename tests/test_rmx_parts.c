/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The parts of the command rmx that need no daemon: durations, slips of the pen, JSON, and files
 * that show only when they are complete.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/rmx_args.h"
#include "clients/rmx_json.h"
#include "clients/rmx_output.h"
#include "clients/rmx_say.h"
#include "clients/rmx_text.h"

/* The linker sends openat() here (--wrap): a file system that knows no unnamed files. */
int __real_openat(int folder, const char *path, int flags, ...);
int __wrap_openat(int folder, const char *path, int flags, ...);
static bool no_tmpfile;

int __wrap_openat(int folder, const char *path, int flags, ...)
{
    va_list arguments;

    va_start(arguments, flags);
    mode_t mode = va_arg(arguments, mode_t);
    va_end(arguments);
    if (no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return __real_openat(folder, path, flags, mode);
}

Test(rmx_args, counts_have_bounds)
{
    uint32_t count = 7;
    char why[RMX_ARGS_WHY_BYTES];

    cr_assert_eq(rmx_args_count("10", 10, &count, why), 0);
    cr_assert_eq(count, 10);
    cr_assert_eq(rmx_args_count("0", 10, &count, why), -EINVAL);
    cr_assert_eq(rmx_args_count("11", 10, &count, why), -EINVAL);
    cr_assert_eq(rmx_args_count("1x", 10, &count, why), -EINVAL);
    cr_assert_eq(rmx_args_count("-1", 10, &count, why), -EINVAL);
    cr_assert_eq(count, 10);
}

Test(rmx_args, a_slip_is_told_from_another_word)
{
    static const char *const known[] = { "format", "input-format", "map", NULL };

    cr_assert_str_eq(rmx_args_nearest("fromat", known), "format");
    cr_assert_str_eq(rmx_args_nearest("input-fromat", known), "input-format");
    cr_assert_null(rmx_args_nearest("verbose", known));
    cr_assert_null(rmx_args_nearest("", known));
}

static void assert_string(const char *text, const char *json)
{
    char line[128] = "";
    FILE *out = fmemopen(line, sizeof(line), "w");

    rmx_json_string(out, text);
    fclose(out);
    cr_assert_str_eq(line, json);
}

Test(rmx_json, strings_are_valid_whatever_goes_in)
{
    assert_string("plain", "\"plain\"");
    assert_string("a\"b\\c\n", "\"a\\\"b\\\\c\\u000a\"");
    assert_string(
        "\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\xac", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\xac\"");
    assert_string("\xff\xc3", "\"\\ufffd\\ufffd\"");
    assert_string("\xc0\xaf", "\"\\ufffd\\ufffd\"");
    assert_string("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"");
    assert_string("\xf0\x9f\x8e", "\"\\ufffd\\ufffd\\ufffd\"");
}

Test(rmx_json, nothing_in_a_string_is_for_the_terminal)
{
    assert_string("\x1b[2J\x7f\302\205", "\"\\u001b[2J\\u007f\\u0085\"");
    assert_string("\302\2332J", "\"\\u009b2J\"");
    assert_string("\u202egpj.\u202c", "\"\\u202egpj.\\u202c\"");
    assert_string("\u2029\u202f\u2065\u206a", "\"\u2029\u202f\u2065\u206a\"");
}

Test(rmx_json, a_copy_is_the_same_json_with_nothing_for_the_terminal)
{
    static const char json[] = "{\n \"a\": \"\u00e9\302\2332J\\\"\u2066\u2069\"}\xc2";
    char line[128] = "";
    FILE *out = fmemopen(line, sizeof(line), "w");

    rmx_json_copy(out, json, strlen(json));
    fclose(out);
    cr_assert_str_eq(line, "{\n \"a\": \"\u00e9\\u009b2J\\\"\\u2066\\u2069\"}\\ufffd");
}

static void assert_tame(const char *text, const char *tame)
{
    char line[64];

    snprintf(line, sizeof(line), "%s", text);
    rmx_text_tame(line);
    cr_assert_str_eq(line, tame);
}

Test(rmx_text, what_is_for_the_terminal_is_a_question_mark)
{
    assert_tame("", "");
    assert_tame("\u00a0\u00e9\u20ac\U0001f3ac", "\u00a0\u00e9\u20ac\U0001f3ac");
    assert_tame("a\nb\x1b[2J\x7f", "a?b?[2J?");
    assert_tame("\302\200\302\2332J\302\237", "??2J?");
    assert_tame("\u202agpj\u202e.\u2066x\u2069\u202c\u202c", "?gpj?.?x???");
    assert_tame("\u2029\u202f\u2065\u206a", "\u2029\u202f\u2065\u206a");
    assert_tame("\x9b\xff\xc0\x9b\xe2\x80", "??????");
}

/* What follows the brace that "format" opens; NULL if it is not there. */
static const char *after_brace(const char *json)
{
    ssize_t at = rmx_json_find_format(json, strlen(json));

    cr_assert(at > 0 || at == -EBADMSG);
    return at > 0 ? json + at : NULL;
}

Test(rmx_json, the_format_is_found_at_the_top_only)
{
    cr_assert_str_eq(after_brace("{\"format\":{\"a\":1}}"), "\"a\":1}}");
    cr_assert_str_eq(after_brace("{\"s\":[{\"format\":{2}}],\"format\" : {1}}"), "1}}");
    cr_assert_str_eq(after_brace("{\"tags\":\"\\\"format\\\":{\",\"format\":{1}}"), "1}}");
    cr_assert_str_eq(after_brace("}}}}{\"format\":{1}"), "1}");
    cr_assert_null(after_brace("{\"format\":1}"));
    cr_assert_null(after_brace("{\"format\""));
    cr_assert_null(after_brace("{\"form"));
    cr_assert_null(after_brace("{\"x\\"));
    cr_assert_null(after_brace("\"format\":{"));
    cr_assert_null(after_brace("{\"\x1b[2J\":1,\"format\":{}}"));
    cr_assert_null(after_brace(""));
}

Test(rmx_say, sizes_times_and_errors_have_words)
{
    char text[RMX_SAY_BYTES];

    cr_assert_str_eq(rmx_say_error(-ENOSPC), "No space left on device");
    cr_assert_gt(strlen(rmx_say_error(-4000)), 0);
    cr_assert_str_eq(rmx_say_bytes(text, 999), "999 B");
    cr_assert_str_eq(rmx_say_bytes(text, 12345678), "12.3 MB");
    cr_assert_str_eq(rmx_say_time(text, 999), "999 ns");
    cr_assert_str_eq(rmx_say_time(text, 1500000), "1.5 ms");
}

/* --- output ------------------------------------------------------------------------------- */

static char folder[] = "/tmp/rmx-test-XXXXXX";
static char before[256];
static struct rmx_output output;

static void enter_folder(void)
{
    cr_assert_not_null(getcwd(before, sizeof(before)));
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
}

static void leave_folder(void)
{
    unlink("out");
    cr_assert_eq(chdir(before), 0);
    cr_assert_eq(rmdir(folder), 0, "nothing was left behind");
}

static void assert_holds(const char *text)
{
    char held[16] = "";
    int fd = open("out", O_RDONLY | O_CLOEXEC);

    cr_assert_geq(fd, 0);
    cr_assert_eq(read(fd, held, sizeof(held) - 1), (ssize_t)strlen(text));
    cr_assert_str_eq(held, text);
    close(fd);
}

static void write_and_keep(const char *text)
{
    struct stat st;
    bool was_there = stat("out", &st) == 0;

    cr_assert_eq(rmx_output_open(&output, "out", true), 0);
    cr_assert_eq(write(output.fd, text, strlen(text)), (ssize_t)strlen(text));
    cr_assert_eq(stat("out", &st) == 0, was_there, "it does not show before it is kept");
    cr_assert_eq(rmx_output_keep(&output), 0);
    rmx_output_fini(&output);
    assert_holds(text);
}

Test(rmx_output, shows_when_it_is_kept, .init = enter_folder, .fini = leave_folder)
{
    write_and_keep("first");
    write_and_keep("second");
    no_tmpfile = true;
    write_and_keep("third");
    unlink("out");
    write_and_keep("fourth");
}

Test(rmx_output, what_is_not_kept_is_gone, .init = enter_folder, .fini = leave_folder)
{
    for (int i = 0; i < 2; i++) {
        no_tmpfile = i == 1;
        cr_assert_eq(rmx_output_open(&output, "out", true), 0);
        rmx_output_fini(&output);
        cr_assert_eq(access("out", F_OK), -1);
    }
}

/* Somebody else makes a file of that name while ours is being written. */
Test(rmx_output, a_race_is_not_won_by_force, .init = enter_folder, .fini = leave_folder)
{
    for (int i = 0; i < 2; i++) {
        no_tmpfile = i == 1;
        cr_assert_eq(rmx_output_open(&output, "out", false), 0);
        int fd = open("out", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        cr_assert_eq(write(fd, "theirs", 6), 6);
        close(fd);
        cr_assert_eq(rmx_output_keep(&output), -EEXIST);
        rmx_output_fini(&output);
        assert_holds("theirs");
        unlink("out");
    }
}

Test(rmx_output, says_why_not, .init = enter_folder, .fini = leave_folder)
{
    char name[300];

    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    cr_assert_eq(rmx_output_open(&output, "missing/out", true), -ENOENT);
    cr_assert_eq(rmx_output_open(&output, ".", true), -EISDIR);
    cr_assert_eq(rmx_output_open(&output, name, true), -ENAMETOOLONG);
    write_and_keep("there");
    cr_assert_eq(rmx_output_open(&output, "out", false), -EEXIST);
    cr_assert_eq(output.fd, -1);
    rmx_output_fini(&output);
}
