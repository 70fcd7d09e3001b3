/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Log lines (engine/log.h): text form, levels, and a standard error that nobody reads. What JSON
 * lines look like is test_log_json.py's.
 */
#include "engine/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/hush.h"

#define THREADS          4
#define LINES_PER_THREAD 40 /* no more than are written at once */

static int reader = -1;

/* Standard error becomes a pipe that `reader` is the other end of. */
static void take_stderr(void)
{
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    cr_assert_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    close(ends[1]);
    reader = ends[0];
}

/* What came since the last look; the pipe must not be empty. */
static const char *read_all(void)
{
    static char text[1 << 16];
    ssize_t got = read(reader, text, sizeof(text) - 1);

    cr_assert_gt(got, 0);
    text[got] = '\0';
    return text;
}

TestSuite(log, .init = take_stderr);

Test(log, text_is_time_level_event_and_fields)
{
    const char *line;

    rmx_log_init(RMX_LOG_TEXT, RMX_LOG_INFO);
    rmx_log(RMX_LOG_WARN, "job_ended", RMX_LOG_U64("job", 17), RMX_LOG_STR("why", "a \"b\"\x1b[m"),
        RMX_LOG_BOOL("retry", true), RMX_LOG_I64("delta", -3));
    line = read_all();
    cr_assert_eq(line[2], ':');
    cr_assert_eq(line[12], ' ');
    cr_assert_str_eq(
        line + 13, "WARN  job_ended job=17 why=\"a \\\"b\\\"\\u001b[m\" retry=true delta=-3\n");
}

Test(log, auto_is_json_where_no_terminal_is)
{
    rmx_log_init(RMX_LOG_AUTO, RMX_LOG_INFO);
    rmx_log(RMX_LOG_INFO, "ready");
    cr_assert_eq(read_all()[0], '{');
}

Test(log, auto_is_text_on_a_terminal)
{
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char line[128] = "";

    cr_assert_geq(terminal, 0);
    cr_assert(grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    int theirs = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
    cr_assert_eq(dup2(theirs, STDERR_FILENO), STDERR_FILENO);
    rmx_log_init(RMX_LOG_AUTO, RMX_LOG_INFO);
    rmx_log(RMX_LOG_INFO, "ready");
    cr_assert_gt(read(terminal, line, sizeof(line) - 1), 0);
    cr_assert(strstr(line, "INFO  ready"), "%s", line);
}

Test(log, only_the_chosen_level_and_graver_is_written)
{
    rmx_log_init(RMX_LOG_TEXT, RMX_LOG_WARN);
    cr_assert_not(rmx_log_enabled(RMX_LOG_INFO));
    cr_assert(rmx_log_enabled(RMX_LOG_WARN));
    rmx_log(RMX_LOG_INFO, "not_this");
    rmx_log(RMX_LOG_ERROR, "this");
    cr_assert_str_eq(read_all() + 13, "ERROR this\n");
}

Test(log, errno_is_as_it_was)
{
    rmx_log_init(RMX_LOG_TEXT, RMX_LOG_INFO);
    close(STDERR_FILENO);
    errno = EXDEV;
    rmx_log(RMX_LOG_INFO, "lost");
    cr_assert_eq(errno, EXDEV);
}

Test(log, a_full_pipe_drops_lines_without_waiting_and_the_next_one_says_how_many, .timeout = 10)
{
    uint64_t written = 0;
    const char *line;
    char *end;

    rmx_log_init(RMX_LOG_TEXT, RMX_LOG_INFO);
    cr_assert_gt(fcntl(STDERR_FILENO, F_SETPIPE_SZ, 4096), 0);
    while (rmx_log_dropped() < 5) {
        rmx_log(RMX_LOG_INFO, "flood");
        cr_assert_lt(++written, 10000);
    }
    read_all();
    rmx_log(RMX_LOG_INFO, "after");
    line = read_all();
    cr_assert_str_eq(line + 13, "INFO  after lines_dropped=5\n");
    rmx_log(RMX_LOG_INFO, "later");
    cr_assert_str_eq(read_all() + 13, "INFO  later\n");
    cr_assert_eq(rmx_log_dropped(), 5);
    (void)strtol(line, &end, 10);
    cr_assert_eq(*end, ':');
}

Test(log, a_dead_reader_kills_nobody)
{
    rmx_log_init(RMX_LOG_JSON, RMX_LOG_INFO);
    close(reader);
    rmx_log(RMX_LOG_INFO, "lost");
    rmx_log(RMX_LOG_INFO, "lost");
    cr_assert_eq(rmx_log_dropped(), 2);
}

Test(log, an_event_without_end_is_kept_back_but_not_its_errors)
{
    const struct timespec rest = { .tv_nsec = RMX_HUSH_LINE_NS };
    int count = 0;

    cr_assert_geq(fcntl(STDERR_FILENO, F_SETPIPE_SZ, 1 << 16), 1 << 16);
    rmx_log_init(RMX_LOG_TEXT, RMX_LOG_INFO);
    for (uint32_t i = 0; i < 2 * RMX_HUSH_LINES; i++) {
        rmx_log(RMX_LOG_WARN, "flood");
    }
    for (const char *line = read_all(); *line; line = strchr(line, '\n') + 1) {
        count++;
    }
    cr_assert(count >= (int)RMX_HUSH_LINES && count < (int)(2 * RMX_HUSH_LINES), "%d", count);
    rmx_log(RMX_LOG_ERROR, "flood");
    cr_assert_str_eq(read_all() + 13, "ERROR flood\n");
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, NULL);
    rmx_log(RMX_LOG_WARN, "flood");
    cr_assert_not_null(strstr(read_all(), "WARN  flood suppressed="));
}

static void *write_lines(void *name)
{
    for (int i = 0; i < LINES_PER_THREAD; i++) {
        rmx_log(RMX_LOG_INFO, "line", RMX_LOG_STR("thread", name));
    }
    return NULL;
}

Test(log, lines_of_several_threads_do_not_mix, .timeout = 10)
{
    pthread_t thread[THREADS];
    int lines = 0;

    cr_assert_geq(fcntl(STDERR_FILENO, F_SETPIPE_SZ, 1 << 16), 1 << 16);
    rmx_log_init(RMX_LOG_TEXT, RMX_LOG_INFO);
    for (int i = 0; i < THREADS; i++) {
        static char names[] = "aaaa";

        cr_assert_eq(pthread_create(&thread[i], NULL, write_lines, names), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    for (const char *line = read_all(); *line; line = strchr(line, '\n') + 1) {
        cr_assert_eq(strncmp(line + 13, "INFO  line thread=\"aaaa\"\n", 25), 0, "%.50s", line);
        lines++;
    }
    cr_assert_eq(lines, THREADS * LINES_PER_THREAD);
    cr_assert_eq(rmx_log_dropped(), 0);
}
