/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The first process of the guest that tests/guest/run.py starts: runs a daemon with two lanes and
 * jobs on it, and writes to the console what run.py judges: the plan, the daemon's counters and
 * log, and of each process with an arena its cpus and where its pages lie. Judges nothing itself.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SOCKET     "--socket=/run/ringmux.sock"
#define CLIENTS    24
#define PATIENCE_S 120
#define LINE_BYTES 4096
#define DAEMON_LOG "/run/log"
#define CLIENT_LOG "/run/rmx"
#define ARENA_NAME "memfd:ringmux-worker"

static void mount_all(void)
{
    static const struct {
        const char *type;
        const char *where;
    } mounts[] = { { "proc", "/proc" }, { "sysfs", "/sys" }, { "devtmpfs", "/dev" },
        { "tmpfs", "/run" }, { "tmpfs", "/tmp" } };

    for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
        (void)mkdir(mounts[i].where, 0755);
        if (mount(mounts[i].type, mounts[i].where, mounts[i].type, 0, NULL) < 0) {
            perror(mounts[i].where);
        }
    }
}

/* Starts a program; log: where its standard error goes, NULL = the console. */
static pid_t start(char *const argv[], const char *log)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (log != NULL) {
            int fd = open(log, O_CREAT | O_WRONLY | O_APPEND, 0600);

            (void)dup2(fd, STDERR_FILENO);
        }
        execv(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    return pid;
}

static int finish(pid_t pid)
{
    int status = -1;

    (void)waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* Lines of a file, or those with a word in them, each after a prefix. */
static void dump(const char *prefix, const char *path, const char *word)
{
    char line[LINE_BYTES];
    FILE *file = fopen(path, "r");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (word == NULL || strstr(line, word) != NULL) {
            line[strcspn(line, "\n")] = '\0';
            (void)printf("%s %s\n", prefix, line);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

static void dump_process(const char *when, const char *pid)
{
    static const char *const files[] = { "stat", "status", "maps", "numa_maps" };
    static const char *const words[] = { NULL, "Cpus_allowed_list", ARENA_NAME, ARENA_NAME };
    char path[300];
    char prefix[300];

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        (void)snprintf(path, sizeof(path), "/proc/%s/%s", pid, files[i]);
        (void)snprintf(prefix, sizeof(prefix), "@%s_%s %s", when, files[i], pid);
        dump(prefix, path, words[i]);
    }
}

/* when: "before" the jobs, or "after" them. */
static void dump_processes(const char *when)
{
    DIR *folder = opendir("/proc");
    struct dirent *entry;

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0])) {
            dump_process(when, entry->d_name);
        }
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
}

/* Waits until the daemon answers. */
static int await_daemon(void)
{
    static char *const ping[] = { "/bin/rmx", "ping", SOCKET, NULL };
    const struct timespec pause = { .tv_nsec = 200000000 };

    for (time_t end = time(NULL) + PATIENCE_S; time(NULL) < end;) {
        if (finish(start(ping, "/run/ping")) == 0) {
            return 0;
        }
        (void)nanosleep(&pause, NULL);
    }
    return -1;
}

/* Many clients at once, so that each lane has some. */
static void run_jobs(void)
{
    pid_t client[CLIENTS];
    char out[32];
    char *job[] = { "/bin/rmx", "remux", SOCKET, "/clip.mp4", out, NULL };

    for (int i = 0; i < CLIENTS; i++) {
        (void)snprintf(out, sizeof(out), "/tmp/%d.ts", i);
        client[i] = start(job, CLIENT_LOG); /* no terminal: no progress */
    }
    for (int i = 0; i < CLIENTS; i++) {
        (void)printf("@job %d\n", finish(client[i]));
    }
}

int main(void)
{
    static char *const plan[] = { "/bin/ringmuxd", "--print-placement", NULL };
    static char *const stat[] = { "/bin/rmx", "stat", "--json", SOCKET, NULL };
    static char *const daemon[] = { "/bin/ringmuxd", SOCKET, "--user=root", "--log-format=json",
        "--flows-small=8", "--flows-bulk=1", "--flows-ring=16", "--isolated-workers=0", NULL };
    pid_t pid;

    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    mount_all();
    (void)finish(start(plan, NULL));
    pid = start(daemon, DAEMON_LOG);
    (void)printf("@daemon %d\n", (int)pid);
    if (await_daemon() == 0) {
        dump_processes("before");
        run_jobs();
        (void)finish(start(stat, NULL));
        dump_processes("after");
    }
    dump("@log", DAEMON_LOG, NULL);
    dump("@rmx", CLIENT_LOG, NULL);
    (void)printf("@end\n");
    sync();
    (void)reboot(RB_POWER_OFF);
    return 1;
}
