/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Settings from defaults, file and command line (engine/config.h, setting.h, manual.h).
 */
#include "engine/config.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/manual.h"
#include "engine/setting.h"

#define ARGS_MAX 8

static struct rmx_config config;
static char error[256];

/* Loads with up to six arguments; the last one given must be NULL. */
static enum rmx_config_next load(const char *const *args)
{
    char *argv[ARGS_MAX] = { (char[]){ "ringmuxd" } };
    char copies[ARGS_MAX][256];
    int argc = 1;

    for (; args[argc - 1]; argc++) {
        cr_assert_lt(argc, ARGS_MAX - 1);
        snprintf(copies[argc], sizeof(copies[argc]), "%s", args[argc - 1]);
        argv[argc] = copies[argc];
    }
    error[0] = '\0';
    return rmx_config_load(&config, argc, argv, error, sizeof(error));
}

#define LOAD(...) load((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

/* Writes a configuration file and loads it; its name is "test.conf" in the messages. */
static enum rmx_config_next load_text(const char *text)
{
    char path[] = "/tmp/test_config_XXXXXX";
    int fd = mkstemp(path);
    enum rmx_config_next next;

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    next = LOAD("--config", path);
    unlink(path);
    if (strncmp(error, path, strlen(path)) == 0) { /* the name is not the same twice */
        memmove(error, error + strlen(path), strlen(error + strlen(path)) + 1);
    }
    return next;
}

Test(config, without_arguments_every_setting_has_its_default)
{
    cr_assert_eq(LOAD(), RMX_CONFIG_RUN, "%s", error);
    cr_assert_eq(config.workers, 0);
    cr_assert_eq(config.jobs_max, 1024);
    cr_assert_eq(config.socket_mode, 0660);
    cr_assert_eq(config.ring_small_bytes, 256 * 1024);
    cr_assert_eq(config.chunk_bulk_bytes, 64 * 1024);
    cr_assert_eq(config.spin_ns, RMX_CONFIG_AUTO);
    cr_assert_eq(config.drain_timeout_ns, 30 * RMX_CONFIG_SECOND_NS);
    cr_assert(config.pin);
    cr_assert_not(config.huge_pages);
    cr_assert(config.prefault);
    cr_assert_str_eq(config.worker_program, "");
}

Test(config, the_default_socket_of_a_user_is_in_their_runtime_directory)
{
    const char *wanted =
        geteuid() == 0 ? "/run/ringmux/ringmux.sock" : "/run/user/1000/ringmux.sock";

    setenv("XDG_RUNTIME_DIR", "/run/user/1000", 1);
    cr_assert_eq(LOAD(), RMX_CONFIG_RUN);
    cr_assert_str_eq(config.socket, wanted);
    unsetenv("XDG_RUNTIME_DIR");
    cr_assert_eq(LOAD(), RMX_CONFIG_RUN);
    cr_assert_str_eq(config.socket, "/run/ringmux/ringmux.sock");
}

Test(config, the_command_line_takes_both_forms_and_dashes)
{
    cr_assert_eq(LOAD("--workers=3", "--socket-mode", "0600", "--log_level=debug"), RMX_CONFIG_RUN,
        "%s", error);
    cr_assert_eq(config.workers, 3);
    cr_assert_eq(config.socket_mode, 0600);
    cr_assert_eq(config.log_level, 3);
    cr_assert_eq(LOAD("--spin=20us", "--pin", "off"), RMX_CONFIG_RUN, "%s", error);
    cr_assert_eq(config.spin_ns, 20000);
    cr_assert_not(config.pin);
}

Test(config, replacing_is_no_setting_but_a_word_on_the_command_line)
{
    cr_assert_eq(LOAD("--workers=3"), RMX_CONFIG_RUN, "%s", error);
    cr_assert_not(config.replace);
    cr_assert_eq(LOAD("--replace", "--workers=3"), RMX_CONFIG_RUN, "%s", error);
    cr_assert(config.replace);
    cr_assert_eq(config.workers, 3);
    cr_assert_eq(load_text("replace = on\n"), RMX_CONFIG_EXIT_USAGE);
    cr_assert_str_eq(error, ":1: unknown setting 'replace'");
}

Test(config, the_last_of_two_on_the_command_line_counts)
{
    cr_assert_eq(LOAD("--workers=3", "--workers=5"), RMX_CONFIG_RUN, "%s", error);
    cr_assert_eq(config.workers, 5);
}

Test(config, a_file_may_be_indented_and_commented)
{
    cr_assert_eq(load_text("# a comment\n"
                           "; another\n"
                           "\n"
                           "workers = 3\n"
                           "   lanes=2   # two\n"
                           "\tlog_format : json\r\n"
                           "socket-mode=0600\n"
                           "worker_program =\n"
                           "credits = 8"),
        RMX_CONFIG_RUN, "%s", error);
    cr_assert_eq(config.workers, 3);
    cr_assert_eq(config.lanes, 2);
    cr_assert_eq(config.log_format, 1);
    cr_assert_eq(config.socket_mode, 0600);
    cr_assert_eq(config.credits, 8);
}

Test(config, the_command_line_wins_over_the_file)
{
    char path[] = "/tmp/test_config_XXXXXX";
    int fd = mkstemp(path);

    cr_assert_eq(write(fd, "workers = 3\ncredits = 9\n", 24), 24);
    close(fd);
    cr_assert_eq(LOAD("--workers=4", "--config", path), RMX_CONFIG_RUN, "%s", error);
    unlink(path);
    cr_assert_eq(config.workers, 4);
    cr_assert_eq(config.credits, 9);
}

static const struct {
    const char *text;
    const char *error;
} wrong_files[] = {
    { "workers = 5000\n", ":1: workers=5000: must be 0 to 256, 0 = one for each allowed core" },
    { "\n\nworkers = -1\n", ":3: workers=-1: must be 0 to 256, 0 = one for each allowed core" },
    { "worker = 3\n", ":1: unknown setting 'worker'; did you mean 'workers'?" },
    { "ring-small-byte = 1M\n",
        ":1: unknown setting 'ring-small-byte'; did you mean 'ring_small_bytes'?" },
    { "colour = red\n", ":1: unknown setting 'colour'" },
    { "pin = maybe\n", ":1: pin=maybe: must be on or off" },
    { "log_format = xml\n", ":1: log_format=xml: must be auto, json or text" },
    { "drain_timeout = 5\n", ":1: drain_timeout=5: must be 0 to 1h" },
    { "spin = 2s\n", ":1: spin=2s: must be auto, or 0 to 1s, 0 = sleep at once" },
    { "socket_mode = 888\n", ":1: socket_mode=888: must be 0000 to 0777, octal" },
    { "socket =\n", ":1: socket=: must be a path, at most 107 bytes" },
    { "chunk_bulk_bytes = 2MiB\n",
        ":1: chunk_bulk_bytes=2MiB: must be 4KiB to 1MiB, a power of two" },
    { "workers = 1\nlanes = 1\nworkers = 2\n", ":3: workers is set twice" },
    { "[lanes]\nworkers = 1\n", ":1: there are no [sections] here, only name = value" },
    { "workers = 1\nhello\n", ":2: not of the form name = value" },
    { "hello\nworkers = 1\n", ":1: not of the form name = value" },
};

Test(config, a_wrong_file_says_where_and_what_is_allowed)
{
    for (size_t i = 0; i < sizeof(wrong_files) / sizeof(wrong_files[0]); i++) {
        cr_expect_eq(
            load_text(wrong_files[i].text), RMX_CONFIG_EXIT_USAGE, "%s", wrong_files[i].text);
        cr_expect_str_eq(error, wrong_files[i].error);
    }
}

Test(config, a_line_that_is_too_long_or_holds_a_nul_is_refused)
{
    static char text[3000];
    char path[] = "/tmp/test_config_XXXXXX";
    int fd = mkstemp(path);

    memset(text, 'x', sizeof(text) - 2);
    text[0] = '#';
    text[sizeof(text) - 2] = '\n';
    cr_assert_eq(load_text(text), RMX_CONFIG_EXIT_USAGE);
    cr_assert_str_eq(error, ":1: the line is longer than 1022 bytes, or not text");
    cr_assert_eq(write(fd, "workers = 1\nlanes\0 = 2\ncredits = 3\n", 35), 35);
    close(fd);
    cr_assert_eq(LOAD("--config", path), RMX_CONFIG_EXIT_USAGE);
    unlink(path);
    cr_assert(strstr(error, ":2: the line is longer"), "%s", error);
}

static const struct {
    const char *args[4];
    const char *error;
} wrong_arguments[] = {
    { { "--workers=900" }, "--workers=900: must be 0 to 256, 0 = one for each allowed core" },
    { { "--workers" }, "--workers needs a value" },
    { { "--wrokers=1" }, "unknown setting 'wrokers'; did you mean 'workers'?" },
    { { "workers=1" }, "'workers=1' is no setting: they are --name=value, see --help" },
    { { "-x" }, "'-x' is no setting: they are --name=value, see --help" },
    { { "--" }, "'--' is no setting: they are --name=value, see --help" },
    { { "--=3" }, "'--=3' is no setting: they are --name=value, see --help" },
    { { "--help=3" }, "--help takes no value" },
    { { "--replace=on" }, "--replace takes no value" },
    { { "--replace", "--private-fd=9" }, "--replace and private_fd exclude each other" },
    { { "--config=/nonexistent/ringmuxd.conf" },
        "--config=/nonexistent/ringmuxd.conf: No such file or directory" },
    { { "--config=/dev/null", "--config=/dev/null" }, "--config is given twice" },
    { { "--ring-small-bytes=300KiB" }, "ring_small_bytes must be a power of two" },
    { { "--chunk-small-bytes=5000" }, "chunk_small_bytes must be a power of two" },
    { { "--ring-bulk-bytes=64KiB" }, "chunk_bulk_bytes must be at most half of ring_bulk_bytes" },
    { { "--chunk-small-bytes=128KiB" },
        "read_depth=8 needs as many chunks, but a small ring has 2" },
    { { "--flows-small=1000", "--flows-bulk=100" },
        "flows_small, flows_bulk and flows_ring must be at most 2048 together" },
    { { "--channels-bytes=128MiB" }, "channels_bytes must be at least channel_bytes" },
    { { "--spool-dir=spools" }, "spool_dir=spools: must be an absolute path" },
    { { "--spool-bytes=32GiB" }, "spool_total_bytes must be at least spool_bytes" },
    { { "--sessions-max=1000", "--jobs-max=500" },
        "jobs_max=500 must be at least sessions_max=1000" },
    { { "--credits=70", "--jobs-max=64" }, "jobs_max=64 must be at least credits=70" },
    { { "--workers=1", "--lanes=2" }, "workers=1 must be at least lanes=2" },
    { { "--worker-memory-bytes=128MiB" }, "alloc_max_bytes must be at most worker_memory_bytes" },
};

Test(config, a_wrong_command_line_says_what_and_what_is_allowed)
{
    for (size_t i = 0; i < sizeof(wrong_arguments) / sizeof(wrong_arguments[0]); i++) {
        cr_expect_eq(
            load(wrong_arguments[i].args), RMX_CONFIG_EXIT_USAGE, "%s", wrong_arguments[i].args[0]);
        cr_expect_str_eq(error, wrong_arguments[i].error);
    }
}

Test(config, a_directory_is_no_configuration_file)
{
    cr_assert_eq(LOAD("--config", "/tmp"), RMX_CONFIG_EXIT_USAGE);
    cr_assert(strstr(error, "cannot be read"), "%s", error);
}

Test(config, a_pipe_is_no_configuration_file_and_is_not_waited_for)
{
    int ends[2];
    char name[64];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    snprintf(name, sizeof(name), "/proc/self/fd/%d", ends[0]);
    cr_assert_eq(LOAD("--config", name), RMX_CONFIG_EXIT_USAGE);
    cr_assert(strstr(error, "a pipe cannot be read again"), "%s", error);
    close(ends[0]);
    close(ends[1]);
}

Test(config, an_error_that_does_not_fit_is_cut_off)
{
    char argument[] = "--workers=900";
    char *argv[] = { argument, argument, NULL };
    char tiny[8] = "xxxxxxx";

    cr_assert_eq(rmx_config_load(&config, 2, argv, tiny, sizeof(tiny)), RMX_CONFIG_EXIT_USAGE);
    cr_assert_str_eq(tiny, "--worke");
}

Test(config, every_name_is_found_with_underscores_and_with_dashes)
{
    size_t count;
    const struct rmx_setting *rows = rmx_setting_rows(&count);

    for (size_t i = 0; i < count; i++) {
        char name[64];

        if (rows[i].type == RMX_SETTING_GROUP) {
            cr_expect_null(rmx_setting_find(rows[i].name));
            continue;
        }
        cr_expect_eq(rmx_setting_find(rows[i].name), &rows[i]);
        snprintf(name, sizeof(name), "%s", rows[i].name);
        for (char *at = strchr(name, '_'); at; at = strchr(at, '_')) {
            *at = '-';
        }
        cr_expect_eq(rmx_setting_find(name), &rows[i], "%s", name);
    }
    cr_assert_null(rmx_setting_find("worker"));
    cr_assert_null(rmx_setting_find("workersx"));
    cr_assert_null(rmx_setting_find(""));
}

Test(config, what_is_printed_loads_again_as_the_same)
{
    static struct rmx_config before;
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    size_t count;
    const struct rmx_setting *rows = rmx_setting_rows(&count);

    cr_assert_eq(LOAD("--workers=7", "--spin=3us", "--ring-bulk-bytes=8M", "--pin=no",
                     "--log-level=warn", "--worker-program=/opt/a program"),
        RMX_CONFIG_RUN, "%s", error);
    before = config;
    rmx_manual_config(out, &before);
    fclose(out);
    cr_assert_eq(load_text(text), RMX_CONFIG_RUN, "%s", error);
    for (size_t i = 0; i < count; i++) {
        char was[RMX_CONFIG_TEXT_BYTES];
        char is[RMX_CONFIG_TEXT_BYTES];

        rmx_setting_text(&rows[i], &before, was, sizeof(was));
        rmx_setting_text(&rows[i], &config, is, sizeof(is));
        cr_expect_str_eq(is, was, "%s", rows[i].name);
    }
    cr_assert_eq(config.spin_ns, 3000);
    cr_assert_str_eq(config.worker_program, "/opt/a program");
    free(text);
}

Test(config, questions_are_answered_on_standard_output)
{
    cr_redirect_stdout();
    cr_assert_eq(LOAD("--version"), RMX_CONFIG_EXIT_OK);
    fflush(stdout);
    cr_assert_stdout_eq_str("ringmuxd " RMX_VERSION "\n");
}

Test(config, help_is_given_even_where_another_setting_is_wrong)
{
    cr_redirect_stdout();
    cr_assert_eq(LOAD("--workers=900", "-h"), RMX_CONFIG_EXIT_OK);
    cr_assert_eq(LOAD("--workers=900", "--print-config"), RMX_CONFIG_EXIT_USAGE);
}

Test(config, help_names_every_setting_and_stays_within_100_columns)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    size_t count;
    const struct rmx_setting *rows = rmx_setting_rows(&count);

    rmx_manual_help(out);
    fclose(out);
    for (size_t i = 0; i < count; i++) {
        char wanted[80];

        snprintf(wanted, sizeof(wanted), "--%s=", rows[i].name);
        for (char *at = strchr(wanted, '_'); at; at = strchr(at, '_')) {
            *at = '-';
        }
        cr_expect(rows[i].type == RMX_SETTING_GROUP || strstr(text, wanted), "%s", wanted);
    }
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        cr_expect_leq(strcspn(line, "\n"), 100, "%.40s...", line);
    }
    free(text);
}

Test(config, what_is_reloadable_is_said_wherever_settings_are_shown)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    rmx_manual_help(out);
    rmx_manual_options(out);
    rmx_manual_config(out, &config);
    fclose(out);
    cr_expect_not_null(strstr(text, "[1 to 1024; reloadable]\n  --jobs-max=1024\n"));
    cr_expect_not_null(strstr(text, "[1 to 16384]\n"));
    cr_expect_not_null(strstr(text, "Allowed: 1 to 1024.\nReloadable.\n.It Ic jobs_max"));
    cr_expect_not_null(strstr(text, "Allowed: 1 to 16384.\n.El"));
    cr_expect_not_null(strstr(text, "Allowed: 1 to 1024. Reloadable.\ncredits ="));
    cr_expect_not_null(strstr(text, "Allowed: 1 to 16384.\njobs_max ="));
    free(text);
    cr_expect(rmx_setting_find("log_level")->reloadable);
    cr_expect_not(rmx_setting_find("socket")->reloadable);
}

Test(config, the_manual_has_the_settings_as_the_program_prints_them)
{
    static char manual[1 << 16];
    FILE *file = fopen(RMX_SOURCE_DIR "/engine/ringmuxd.8", "re");
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    cr_assert_not_null(file);
    manual[fread(manual, 1, sizeof(manual) - 1, file)] = '\0';
    fclose(file);
    rmx_manual_options(out);
    fclose(out);
    cr_assert_not_null(strstr(manual, text),
        "put the output of ringmuxd --print-man-options under SETTINGS of engine/ringmuxd.8");
    free(text);
}

Test(config, the_budget_is_what_the_settings_say)
{
    struct rmx_config_budget one;
    struct rmx_config_budget two;

    cr_assert_eq(LOAD("--flows-small=2", "--flows-bulk=1"), RMX_CONFIG_RUN, "%s", error);
    rmx_config_budget(&config, 1, 1, 1000, &one);
    rmx_config_budget(&config, 2, 1, 1000, &two);
    cr_assert_geq(one.worker_arena_bytes, 2 * (2 * 256 * 1024) + 2 * 4194304);
    cr_assert_leq(
        one.worker_arena_bytes, 2 * (2 * 256 * 1024) + 2 * 4194304 + 1024 * 4096 + (1 << 20));
    cr_assert_eq(one.jobs_bytes, 1024 * 1000);
    cr_assert_eq(one.total_bytes, one.workers_bytes + one.sessions_bytes + one.jobs_bytes);
    cr_assert_eq(two.total_bytes - one.total_bytes, one.worker_arena_bytes);
    cr_assert_eq(one.workers_bytes,
        one.worker_arena_bytes + one.trial_arena_bytes + one.isolated_arena_bytes);
    cr_assert_leq(one.trial_arena_bytes, 2 * 256 * 1024 + 2 * 4194304 + (1 << 20));
    cr_assert_eq(one.processes, 4, "shared, isolated, for trials, and a spare");
    cr_assert_eq(two.processes, 5);
    cr_assert_geq(one.descriptors, 2 * 1024 + 2 * 64);
}
