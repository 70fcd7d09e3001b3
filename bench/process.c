/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What /proc says of a process. See process.h.
 */
#include "bench/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 48
#define WORKERS_MAX   64

extern char **environ;

_Noreturn void rmx_process_die(const char *what, const char *why)
{
    (void)fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
    exit(1);
}

/* The parent of a process, and whether it is a worker. 0 if it is gone. */
static pid_t parent_of(pid_t pid, int *is_worker)
{
    char path[64];
    char name[32] = "";
    int parent = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%*d (%31[^)]) %*c %d", name, &parent) != 2) { // NOLINT(cert-err34-c)
        parent = 0;
    }
    (void)fclose(file);
    *is_worker = strcmp(name, "ringmux-worker") == 0;
    return parent;
}

/* The daemon's child is the zygote; its children are the worker and the spare. */
static int is_worker_of(pid_t pid, pid_t daemon)
{
    int is_worker = 0;
    int ignored = 0;
    pid_t zygote = parent_of(pid, &is_worker);

    return is_worker && zygote > 1 && parent_of(zygote, &ignored) == daemon;
}

int rmx_process_core(pid_t pid)
{
    cpu_set_t set;

    if (sched_getaffinity(pid, sizeof(set), &set) < 0 || CPU_COUNT(&set) != 1) {
        return -1;
    }
    for (int core = 0; core < CPU_SETSIZE; core++) {
        if (CPU_ISSET((size_t)core, &set)) {
            return core;
        }
    }
    return -1;
}

static bool is_lane(pid_t daemon, const char *thread)
{
    char path[320];
    char name[32] = "";
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", (int)daemon, thread);
    file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    if (fgets(name, sizeof(name), file) == NULL) {
        name[0] = '\0';
    }
    (void)fclose(file);
    return strncmp(name, "ringmux-lane", 12) == 0;
}

int rmx_process_lane_core(pid_t daemon)
{
    char path[64];
    const struct dirent *entry;
    int core = -1;
    DIR *tasks;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)daemon);
    tasks = opendir(path);
    while (tasks != NULL && core < 0 && (entry = readdir(tasks)) != NULL) {
        if (isdigit(entry->d_name[0]) && is_lane(daemon, entry->d_name)) {
            core = rmx_process_core((pid_t)strtol(entry->d_name, NULL, 10));
        }
    }
    if (tasks != NULL) {
        (void)closedir(tasks);
    }
    return core >= 0 ? core : (int)sysconf(_SC_NPROCESSORS_ONLN) - 1;
}

void rmx_process_bind(pid_t pid, int core)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    if (sched_setaffinity(pid, sizeof(set), &set) < 0) {
        rmx_process_die("sched_setaffinity", strerrordesc_np(errno));
    }
}

size_t rmx_process_workers(pid_t daemon, pid_t *pids, size_t max)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    size_t count = 0;

    while (proc != NULL && count < max && (entry = readdir(proc)) != NULL) {
        pid_t pid = isdigit(entry->d_name[0]) ? (pid_t)strtol(entry->d_name, NULL, 10) : 0;

        if (pid > 0 && is_worker_of(pid, daemon)) {
            pids[count++] = pid;
        }
    }
    if (proc != NULL) {
        (void)closedir(proc);
    }
    return count;
}

pid_t rmx_process_worker(pid_t daemon)
{
    pid_t workers[WORKERS_MAX];
    size_t count = rmx_process_workers(daemon, workers, WORKERS_MAX);
    uint64_t most = 0;
    pid_t found = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t used = rmx_process_cpu_ns(workers[i]);

        if (rmx_process_core(workers[i]) >= 0 && used >= most) {
            most = used;
            found = workers[i];
        }
    }
    if (found == 0) {
        rmx_process_die("daemon", "no worker of it is bound to a core");
    }
    return found;
}

static uint64_t thread_cpu_ns(pid_t pid, const char *thread)
{
    char path[320];
    uint64_t ns = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid, thread);
    file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%" SCNu64, &ns) != 1) { // NOLINT(cert-err34-c)
        ns = 0;
    }
    (void)fclose(file);
    return ns;
}

uint64_t rmx_process_cpu_ns(pid_t pid)
{
    char path[64];
    const struct dirent *entry;
    uint64_t ns = 0;
    DIR *tasks;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    tasks = opendir(path);
    while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
        ns += isdigit(entry->d_name[0]) ? thread_cpu_ns(pid, entry->d_name) : 0;
    }
    if (tasks != NULL) {
        (void)closedir(tasks);
    }
    return ns;
}

uint64_t rmx_process_anon_bytes(pid_t pid)
{
    char path[64];
    char line[256];
    uint64_t kib = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "RssAnon:", 8) == 0) {
            kib = strtoull(line + 8, NULL, 10);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return kib * 1024;
}

uint64_t rmx_process_faults(pid_t pid)
{
    char path[64];
    uint64_t faults = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %" SCNu64, &faults) != 1) { // NOLINT
        faults = 0;
    }
    (void)fclose(file);
    return faults;
}

uint64_t rmx_process_absent_pages(pid_t pid)
{
    char path[64];
    char line[512];
    uint64_t absent_kib = 0;
    uint64_t size_kib = 0;
    bool shared = false;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
    file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (line[0] >= 'A' && line[0] <= 'Z') {
            if (strncmp(line, "Size:", 5) == 0) {
                size_kib = strtoull(line + 5, NULL, 10);
            } else if (strncmp(line, "Rss:", 4) == 0 && shared) {
                absent_kib += size_kib - strtoull(line + 4, NULL, 10);
            }
        } else {
            shared = strstr(line, "/memfd:") != NULL;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return absent_kib * 1024 / (uint64_t)sysconf(_SC_PAGESIZE);
}

/* posix_spawn(3) takes char *const[] and changes nothing. */
void rmx_process_ffmpeg(const char *const *arguments)
{
    const char *command[ARGUMENTS_MAX] = { "ffmpeg", "-v", "error", "-nostdin", "-y" };
    char *spawned[ARGUMENTS_MAX];
    size_t count = 5;
    int status = -1;
    pid_t pid;

    for (; *arguments != NULL && count < ARGUMENTS_MAX - 1; arguments++) {
        command[count++] = *arguments;
    }
    memcpy(spawned, command, sizeof(spawned));
    status = posix_spawnp(&pid, "ffmpeg", NULL, NULL, spawned, environ);
    if (status != 0) {
        rmx_process_die("ffmpeg", strerrordesc_np(status));
    }
    if (waitpid(pid, &status, 0) != pid || status != 0) {
        rmx_process_die("ffmpeg", "it failed");
    }
}

unsigned char *rmx_process_slurp(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "re");
    unsigned char *data = NULL;
    long size;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) <= 0) {
        rmx_process_die(path, strerrordesc_np(errno));
    }
    rewind(file);
    data = malloc((size_t)size);
    if (data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size) {
        rmx_process_die(path, "cannot be read");
    }
    (void)fclose(file);
    *bytes = (size_t)size;
    return data;
}
