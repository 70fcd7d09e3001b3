/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For end-to-end tests. See harness.h.
 */
#include "tests/harness.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SETTINGS_MAX = 24, WAIT_MS = 20000, DEPTH_MAX = 8 };

extern char **environ;

const char *harness_program;

uint64_t harness_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void nap_ms(unsigned ms)
{
    (void)poll(NULL, 0, (int)ms);
}

/* --- its place -------------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static void remove_place(const char *dir)
{
    (void)nftw(dir, remove_entry, DEPTH_MAX, FTW_DEPTH | FTW_PHYS);
}

/* Waits until the test is gone, by an assertion or a signal too, and removes what it left. */
static void hire_janitor(const char *dir)
{
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t janitor = fork();
    cr_assert_geq(janitor, 0);
    if (janitor == 0) {
        char byte;

        (void)dup2(ends[0], STDIN_FILENO);
        (void)close_range(STDIN_FILENO + 1, ~0u, 0);
        while (read(STDIN_FILENO, &byte, 1) > 0) {
        }
        remove_place(dir);
        _exit(0);
    }
    close(ends[0]); /* the other one closes when we end */
}

void harness_make_place(struct harness *harness)
{
    *harness = (struct harness){ .daemon = -1, .dir = "/tmp/ringmux-test-XXXXXX" };
    cr_assert_not_null(mkdtemp(harness->dir));
    (void)snprintf(harness->socket, sizeof(harness->socket), "%s/socket", harness->dir);
    (void)snprintf(harness->log, sizeof(harness->log), "%s/log", harness->dir);
    if (getenv("RMX_TEST_KEEP") == NULL) {
        hire_janitor(harness->dir);
    }
}

/* --- the daemon ------------------------------------------------------------------------------- */

bool harness_lives(pid_t pid)
{
    char path[64];
    char state = 'X';
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) {
        state = 'X';
    }
    (void)fclose(file);
    return state != 'Z' && state != 'X'; /* a zombie is gone: only its parent has not looked */
}

/* The whole log, NUL-terminated; the caller frees it. */
static char *read_log(const struct harness *harness)
{
    FILE *file = fopen(harness->log, "re");
    size_t size = 0;
    char *text = NULL;

    cr_assert_not_null(file);
    if (getdelim(&text, &size, 0, file) < 0) {
        free(text);
        text = strdup("");
    }
    (void)fclose(file);
    return text;
}

static void wait_ready(const struct harness *harness)
{
    uint64_t until = harness_now_ns() + WAIT_MS * 1000000ull;

    while (harness_now_ns() < until) {
        char *log = read_log(harness);
        bool ready = strstr(log, "\"event\":\"ready\"") != NULL;

        if (!ready && waitpid(harness->daemon, NULL, WNOHANG) == harness->daemon) {
            cr_assert_fail("ringmuxd ended at once: %s", log);
        }
        free(log);
        if (ready) {
            return;
        }
        nap_ms(5);
    }
    cr_assert_fail("ringmuxd did not get ready");
}

/* Dies with the test, whatever way it ends, and holds none of its pipes. */
static _Noreturn void become_daemon(char *const *argv, int log)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(null, STDOUT_FILENO);
    (void)dup2(log, STDERR_FILENO);
    (void)execv(argv[0], argv);
    _exit(127);
}

void harness_start(struct harness *harness, const char *const *settings)
{
    harness_make_place(harness);
    harness_start_at(harness, settings);
}

void harness_start_at(struct harness *harness, const char *const *settings)
{
    const char *program = harness_program != NULL ? harness_program : RMX_BUILD_DIR "/ringmuxd";
    char socket[128];
    const char *argv[SETTINGS_MAX + 4] = { program, socket, "--log-format=json" };
    char *arguments[SETTINGS_MAX + 4]; /* the same, typed as exec wants it */
    size_t argc = 3;
    int log;

    (void)unlink(harness->log);
    (void)snprintf(socket, sizeof(socket), "--socket=%s", harness->socket);
    for (; settings != NULL && *settings != NULL; settings++) {
        cr_assert_lt(argc, SETTINGS_MAX + 3);
        argv[argc++] = *settings;
    }
    memcpy(arguments, argv, sizeof(arguments));
    log = open(harness->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    cr_assert_geq(log, 0);
    harness->daemon = fork();
    cr_assert_geq(harness->daemon, 0);
    if (harness->daemon == 0) {
        become_daemon(arguments, log);
    }
    close(log);
    wait_ready(harness);
}

void harness_stop(struct harness *harness)
{
    uint64_t until = harness_now_ns() + WAIT_MS / 2 * 1000000ull;
    pid_t workers[64];
    size_t count = harness_workers(harness, workers, 64);
    int status = -1;

    if (harness->daemon < 0) {
        remove_place(harness->dir);
        return;
    }
    (void)kill(harness->daemon, SIGTERM);
    while (waitpid(harness->daemon, &status, WNOHANG) == 0) {
        cr_assert_lt(harness_now_ns(), until, "ringmuxd does not end");
        nap_ms(2);
    }
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "ringmuxd ended with %#x", status);
    for (size_t i = 0; i < count; i++) {
        while (harness_lives(workers[i])) {
            cr_assert_lt(harness_now_ns(), until, "worker %d is left behind", (int)workers[i]);
            nap_ms(2);
        }
    }
    remove_place(harness->dir);
}

struct rmx_client *harness_client(const struct harness *harness)
{
    struct rmx_client *client = NULL;

    cr_assert_eq(rmx_open(&client, harness->socket), 0);
    return client;
}

size_t harness_workers(const struct harness *harness, pid_t *pids, size_t max)
{
    char *log = read_log(harness);
    size_t count = 0;

    for (char *at = log; (at = strstr(at, "\"event\":\"worker_ready\"")) != NULL; at++) {
        const char *pid_text = strstr(at, "\"pid\":");
        pid_t pid = pid_text == NULL ? -1 : (pid_t)strtol(pid_text + 6, NULL, 10);

        if (pid > 0 && count < max && harness_lives(pid)) {
            pids[count++] = pid;
        }
    }
    free(log);
    return count;
}

/* --- media ------------------------------------------------------------------------------------ */

#define SOURCE                                                                                     \
    "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25", "-f", "lavfi", "-i",                     \
        "sine=frequency=440:sample_rate=48000"
#define CODECS                                                                                     \
    "-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "25", "-bf", "2", "-c:a", "aac", "-b:a", "64k"
#define LARGE                                                                                      \
    "-preset", "ultrafast", "-bf", "0", "-b:v", "8M", "-minrate", "8M", "-maxrate", "8M",          \
        "-bufsize", "1M", "-nal-hrd", "cbr"

static const struct {
    const char *name;
    const char *arguments[40];
} recipes[] = {
    { "small.mp4", { SOURCE, "-t", "2", CODECS, "-b:v", "500k", "-movflags", "+faststart", NULL } },
    { "small.ts", { SOURCE, "-t", "2", CODECS, "-b:v", "500k", NULL } },
    { "live.ts", { SOURCE, "-t", "15", CODECS, "-b:v", "500k", NULL } },
    { "large.mp4", { SOURCE, "-t", "30", CODECS, LARGE, NULL } },
    { "large.ts", { SOURCE, "-t", "30", CODECS, LARGE, NULL } },
    { "sound.mov", { SOURCE, "-t", "60", "-map", "1", "-c:a", "pcm_s16le", NULL } },
};

static void make_media(const char *path, const char *const *arguments)
{
    char temporary[320];
    const char *argv[64] = { "ffmpeg", "-v", "error", "-nostdin", "-y" };
    char *spawned[64]; /* the same, typed as exec wants it */
    size_t argc = 5;
    pid_t pid;
    int status = -1;

    (void)snprintf(
        temporary, sizeof(temporary), "%s.%d%s", path, (int)getpid(), strrchr(path, '.'));
    for (; *arguments != NULL; arguments++) {
        argv[argc++] = *arguments;
    }
    argv[argc] = temporary;
    memcpy(spawned, argv, sizeof(spawned));
    cr_assert_eq(posix_spawnp(&pid, "ffmpeg", NULL, NULL, spawned, environ), 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0, "ffmpeg cannot make %s", path);
    cr_assert_eq(rename(temporary, path), 0);
}

const char *harness_media(const char *name)
{
    static char path[256];

    (void)mkdir(RMX_BUILD_DIR "/tests/media", 0755);
    (void)snprintf(path, sizeof(path), "%s/tests/media/%s", RMX_BUILD_DIR, name);
    for (size_t i = 0; i < sizeof(recipes) / sizeof(recipes[0]); i++) {
        if (strcmp(recipes[i].name, name) == 0) {
            if (access(path, R_OK) < 0) {
                make_media(path, recipes[i].arguments);
            }
            return path;
        }
    }
    cr_assert_fail("no recipe for %s", name);
    return NULL;
}

/* --- jobs ------------------------------------------------------------------------------------- */

int harness_input(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
    return fd;
}

int harness_output(const struct harness *harness, const char *name)
{
    char path[160];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", harness->dir, name);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
    return fd;
}

static uint64_t submit(struct rmx_client *client, int input, int output, const char *format)
{
    struct rmx_job job = RMX_JOB_INIT;
    uint64_t id = 0;

    job.input = input;
    job.output = output;
    job.format = format;
    job.flags = RMX_BITEXACT;
    cr_assert_eq(rmx_submit(client, &job, 1, &id), 1);
    return id;
}

static int unnamed_output(const struct harness *harness)
{
    int fd = open(harness->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    cr_assert_geq(fd, 0, "%s: %s", harness->dir, strerror(errno));
    return fd;
}

uint64_t harness_submit(
    const struct harness *harness, struct rmx_client *client, const char *path, const char *format)
{
    int input = harness_input(path);
    int output = unnamed_output(harness);
    uint64_t id = submit(client, input, output, format);

    close(input);
    close(output);
    return id;
}

struct rmx_result harness_wait(struct rmx_client *client)
{
    struct rmx_result result;

    cr_assert_eq(rmx_wait(client, &result, 1, WAIT_MS), 1, "no end came");
    return result;
}

uint64_t harness_hash(int fd)
{
    unsigned char bytes[4096];
    uint64_t hash = 14695981039346656037ull; /* FNV-1a */
    ssize_t count;

    for (off_t at = 0; (count = pread(fd, bytes, sizeof(bytes), at)) > 0; at += count) {
        for (ssize_t i = 0; i < count; i++) {
            hash = (hash ^ bytes[i]) * 1099511628211ull;
        }
    }
    return hash;
}

uint64_t harness_remux(
    const struct harness *harness, struct rmx_client *client, const char *path, const char *format)
{
    int input = harness_input(path);
    int output = unnamed_output(harness);
    uint64_t id = submit(client, input, output, format);
    struct rmx_result result = harness_wait(client);
    uint64_t hash = harness_hash(output);

    cr_assert_eq(result.id, id);
    cr_assert_eq(result.status, RMX_OK, "%s: %s", rmx_end_name(result.status), result.text);
    cr_assert_gt(result.bytes_out, 0);
    close(input);
    close(output);
    return hash;
}

uint64_t harness_counter(struct rmx_client *client, const char *name)
{
    struct rmx_counter counters[256];
    int count = rmx_stats(client, counters, 256);

    cr_assert_gt(count, 0);
    for (int i = 0; i < count; i++) {
        if (strcmp(counters[i].name, name) == 0) {
            return counters[i].value;
        }
    }
    cr_assert_fail("the daemon has no counter %s", name);
    return 0;
}

void harness_counter_becomes(struct rmx_client *client, const char *name, uint64_t value)
{
    uint64_t until = harness_now_ns() + WAIT_MS * 1000000ull;

    while (harness_counter(client, name) != value) {
        cr_assert_lt(harness_now_ns(), until, "%s stays %llu, not %llu", name,
            (unsigned long long)harness_counter(client, name), (unsigned long long)value);
        nap_ms(1);
    }
}

/* --- /proc ------------------------------------------------------------------------------------ */

size_t harness_descriptors(pid_t pid)
{
    char path[64];
    size_t count = 0;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    dir = opendir(path);
    cr_assert_not_null(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    (void)closedir(dir);
    return count - 2;
}

void harness_descriptors_at_most(pid_t pid, size_t most)
{
    uint64_t until = harness_now_ns() + WAIT_MS * 1000000ull;

    while (harness_descriptors(pid) > most) {
        cr_assert_lt(harness_now_ns(), until, "%d keeps %zu descriptors, beyond %zu", (int)pid,
            harness_descriptors(pid), most);
        nap_ms(1);
    }
}

uint64_t harness_resident_bytes(pid_t pid)
{
    char path[64];
    char line[256];
    uint64_t kib = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    file = fopen(path, "re");
    cr_assert_not_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "RssAnon:", 8) == 0 || strncmp(line, "RssFile:", 8) == 0) {
            kib += strtoull(line + 8, NULL, 10);
        }
    }
    (void)fclose(file);
    return kib * 1024;
}
