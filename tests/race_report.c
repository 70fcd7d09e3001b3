/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a race says: how its jobs ended, or why it failed. See race.h.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/race.h"

#define LOG_TAIL 4096

void race_show_log(const struct race *race)
{
    char path[256];
    char text[LOG_TAIL];
    ssize_t bytes;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/log", race->dir);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    (void)lseek(fd, -(off_t)sizeof(text), SEEK_END); /* if there is as much */
    bytes = read(fd, text, sizeof(text));
    (void)fprintf(stderr, "the daemon's last words:\n%.*s\n", bytes > 0 ? (int)bytes : 0, text);
    (void)close(fd);
}

_Noreturn void race_fail(const struct race *race, const char *format, ...)
{
    static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
    va_list arguments;

    (void)pthread_mutex_lock(&once); /* and never unlocked: the first says it */
    (void)fprintf(stderr, "seed %" PRIu64 "%s: ", race->seed, race->kills ? ", workers die" : "");
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    race_show_log(race);
    _exit(1);
}

void race_print_ends(const struct race *race)
{
    for (uint32_t status = 0; status < RMX_END_KINDS; status++) {
        uint64_t count = atomic_load_explicit(&race->ended[status], memory_order_relaxed);

        if (count > 0) {
            printf(" %" PRIu64 " %s", count, rmx_end_name(status));
        }
    }
    printf("; none seen to be due for longer than %" PRIu64 " ms\n",
        atomic_load_explicit(&race->latest_ns, memory_order_relaxed) / 1000000);
    (void)fflush(stdout);
}
