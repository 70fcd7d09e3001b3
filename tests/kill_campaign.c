/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Kills at random, while some 64 jobs run: workers, their spare and clients die (SIGKILL), or stand
 * still for a while (SIGSTOP, SIGCONT). The daemon lives; each client that lives gets exactly one
 * end of each job; what ended OK has the right bytes, replayed or not; in the end all is given
 * back.
 *
 *     kill_campaign KILLS [SEED]             of workers and clients, on one daemon
 *     kill_campaign --daemon KILLS [SEED]    of the daemon: its clients learn of it at once, all of
 *                                            its processes go with it, and it starts again
 *
 * SIGINT and SIGTERM end it early, as if all had died. Says how many died, what became of the jobs,
 * and how many ran. Exits 1 with the seed if anything is not as it should be; the same seed draws
 * the same victims, but the moments are the machine's.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/process.h"
#include "tests/dice.h"
#include "tests/race.h"

#define CLIENTS     10
#define CREDITS     16
#define PAUSE_MS    24 /* between two victims, on average */
#define STILL_MS    40 /* at most */
#define STOPPED_MAX 4
#define END_SECONDS 40
#define GONE_NS     UINT64_C(1000000000) /* a client knows by then that the daemon is gone */

static const char *const settings[] = { "--workers=4", "--pin=off", "--flows-small=16",
    "--flows-bulk=4", "--credits=16", "--sessions-max=64", "--drain-timeout=3s", "--log-level=warn",
    "--overload-cpu=0", "--overload-queue=0", "--overload-rings=0", NULL };

/* One of ours, or the daemon's, that stands still. */
struct stopped {
    int pidfd; /* -1 = this place is free */
    uint64_t until_ns;
};

struct campaign {
    struct race *race; /* shared with the clients */
    struct dice dice;
    pid_t daemon;
    pid_t client[CLIENTS];
    struct stopped stopped[STOPPED_MAX];
    uint64_t workers_killed;
    uint64_t clients_killed;
    uint64_t stood_still;
    uint64_t running; /* jobs, over all the looks at them */
    uint64_t looks;
};

static volatile sig_atomic_t enough; /* we were told to end */

static void hear_enough(int number)
{
    (void)number;
    enough = 1;
}

/* --- clients ---------------------------------------------------------------------------------- */

static void start_client(struct campaign *campaign, size_t index)
{
    struct race_thread thread = { .race = campaign->race, .seed = dice_roll(&campaign->dice) };
    pid_t pid = fork();

    if (pid < 0) {
        race_fail(campaign->race, "fork: %s", strerrordesc_np(errno));
    }
    if (pid == 0) {
        (void)signal(SIGINT, SIG_IGN); /* its end is told by the race */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)race_client_run(&thread);
        _exit(0);
    }
    campaign->client[index] = pid;
}

/* It ends by itself only when the load does. */
static void expect_alive(const struct campaign *campaign)
{
    int status;

    for (size_t i = 0; i < CLIENTS; i++) {
        if (waitpid(campaign->client[i], &status, WNOHANG) != 0) {
            race_fail(campaign->race, "a client ended with %#x", (unsigned)status);
        }
    }
    if (waitpid(campaign->daemon, &status, WNOHANG) != 0) {
        race_fail(campaign->race, "the daemon ended with %#x", (unsigned)status);
    }
}

static void wait_clients(const struct campaign *campaign)
{
    uint64_t until_ns = race_now_ns() + END_SECONDS * UINT64_C(1000000000);

    for (size_t i = 0; i < CLIENTS; i++) {
        int status = 0;

        while (waitpid(campaign->client[i], &status, WNOHANG) == 0) {
            if (race_now_ns() > until_ns) {
                race_fail(campaign->race, "a client does not come to its end");
            }
            race_nap_ms(5);
        }
        if (status != 0) {
            race_fail(campaign->race, "a client ended with %#x", (unsigned)status);
        }
    }
}

/* --- victims ---------------------------------------------------------------------------------- */

static void wake(struct campaign *campaign, bool all)
{
    for (size_t i = 0; i < STOPPED_MAX; i++) {
        struct stopped *stopped = &campaign->stopped[i];

        if (stopped->pidfd >= 0 && (all || race_now_ns() >= stopped->until_ns)) {
            race_victim_hit(stopped->pidfd, SIGCONT);
            (void)close(stopped->pidfd);
            stopped->pidfd = -1;
        }
    }
}

/* Takes the descriptor. */
static void hold(struct campaign *campaign, int pidfd)
{
    for (size_t i = 0; i < STOPPED_MAX; i++) {
        struct stopped *stopped = &campaign->stopped[i];

        if (stopped->pidfd < 0) {
            race_victim_hit(pidfd, SIGSTOP);
            stopped->pidfd = pidfd;
            stopped->until_ns =
                race_now_ns() + (1 + dice_below(&campaign->dice, STILL_MS)) * 1000000;
            campaign->stood_still++;
            return;
        }
    }
    (void)close(pidfd);
}

static void hurt_worker(struct campaign *campaign, bool kills)
{
    int pidfd = race_victim_worker(campaign->daemon, dice_roll(&campaign->dice));

    if (pidfd >= 0 && kills) {
        race_victim_hit(pidfd, SIGKILL);
        (void)close(pidfd);
        campaign->workers_killed++;
    } else if (pidfd >= 0) {
        hold(campaign, pidfd);
    }
}

static void hurt_client(struct campaign *campaign, bool kills)
{
    size_t index = (size_t)dice_below(&campaign->dice, CLIENTS);
    pid_t pid = campaign->client[index]; /* a child of ours that nobody has waited for */

    if (!kills) {
        int pidfd = race_victim_open(pid);

        if (pidfd >= 0) {
            hold(campaign, pidfd);
        }
        return;
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    campaign->clients_killed++;
    start_client(campaign, index);
}

static uint64_t counter(
    const struct campaign *campaign, struct rmx_client *client, const char *name)
{
    struct rmx_counter counters[256];
    int count = rmx_stats(client, counters, 256);

    for (int i = 0; i < count; i++) {
        if (strcmp(counters[i].name, name) == 0) {
            return counters[i].value;
        }
    }
    race_fail(campaign->race, "%s: %s", name, count < 0 ? strerrordesc_np(-count) : "no counter");
}

/* --- of workers and clients ------------------------------------------------------------------- */

static void kill_all(struct campaign *campaign, uint64_t kills)
{
    struct rmx_client *client = race_daemon_connect(campaign->race);

    while (campaign->workers_killed + campaign->clients_killed < kills && enough == 0) {
        uint64_t roll = dice_below(&campaign->dice, 100);

        race_nap_ms(PAUSE_MS / 2 + dice_below(&campaign->dice, PAUSE_MS));
        expect_alive(campaign);
        wake(campaign, false);
        campaign->running += counter(campaign, client, "jobs_in_flight");
        campaign->looks++;
        if (roll < 65) {
            hurt_worker(campaign, roll < 55);
        } else {
            hurt_client(campaign, roll < 90);
        }
    }
    wake(campaign, true);
    rmx_close(&client);
}

/* What became of those whose worker died. */
static void print_replays(const struct campaign *campaign)
{
    struct rmx_client *client = race_daemon_connect(campaign->race);

    printf("%" PRIu64 " times a job ran again among others, %" PRIu64 " alone\n",
        counter(campaign, client, "jobs_replayed"), counter(campaign, client, "jobs_tried_alone"));
    rmx_close(&client);
}

static void run(struct campaign *campaign, uint64_t kills)
{
    struct race *race = campaign->race;
    uint64_t begun_ns = race_now_ns();
    double seconds;

    race->kills = true;
    atomic_store_explicit(&race->until_ns, UINT64_MAX, memory_order_relaxed);
    campaign->daemon = race_daemon_start(race, settings);
    for (size_t i = 0; i < CLIENTS; i++) {
        start_client(campaign, i);
    }
    kill_all(campaign, kills);
    seconds = (double)(race_now_ns() - begun_ns) / 1e9;
    atomic_store_explicit(&race->until_ns, 0, memory_order_relaxed);
    wait_clients(campaign);
    race_daemon_check_quiet(race, CREDITS);
    print_replays(campaign);
    (void)kill(campaign->daemon, SIGTERM);
    race_daemon_wait(race, campaign->daemon, END_SECONDS);
    printf("seed %" PRIu64 ": %" PRIu64 " workers and %" PRIu64 " clients killed, %" PRIu64
           " times one stood still, in %.0f s; %.0f jobs under way on average\n",
        race->seed, campaign->workers_killed, campaign->clients_killed, campaign->stood_still,
        seconds, (double)campaign->running / (double)(campaign->looks > 0 ? campaign->looks : 1));
    race_print_ends(race);
}

/* --- of the daemon ---------------------------------------------------------------------------- */

static bool is_among(pid_t pid, const pid_t *pids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (pids[i] == pid) {
            return true;
        }
    }
    return false;
}

/* On a busy machine the last to be gone is often the zygote: the kernel ends its namespaces. */
static void check_gone(const struct race *race, uint64_t took_ns, uint64_t starved_ns)
{
    if (took_ns > starved_ns + GONE_NS) {
        race_fail(race,
            "the last was gone %" PRIu64 " ms after the daemon; for %" PRIu64
            " of them somebody had no core",
            took_ns / 1000000, starved_ns / 1000000);
    }
}

/* Everybody who was there is gone: its workers are our children now. */
static void wait_nobody(const struct campaign *campaign, uint64_t killed_ns)
{
    uint64_t until_ns = killed_ns + END_SECONDS * UINT64_C(1000000000);
    uint64_t last_ns = killed_ns;
    uint64_t starved_ns = race_starved_ns();
    int status = 0;
    pid_t ended;

    while ((ended = waitpid(-1, &status, WNOHANG)) >= 0) {
        bool ours = is_among(ended, campaign->client, CLIENTS);

        if (ended > 0 && ours && status != 0) {
            race_fail(campaign->race, "a client ended with %#x", (unsigned)status);
        }
        last_ns = ended > 0 ? race_now_ns() : last_ns;
        if (race_now_ns() > until_ns) {
            race_fail(campaign->race, "a process of the daemon's, or a client, is left");
        }
        race_nap_ms(ended == 0 ? 1 : 0);
    }
    check_gone(campaign->race, last_ns - killed_ns, race_starved_ns() - starved_ns);
}

/* A daemon that is to die is one that drains and waits for nobody: its clients bear it. */
static void kill_daemon(struct campaign *campaign)
{
    struct race *race = campaign->race;
    uint64_t killed_ns;

    atomic_store_explicit(&race->until_ns, UINT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&race->drain_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&race->hasty, false, memory_order_relaxed);
    campaign->daemon = race_daemon_start(race, settings);
    for (size_t i = 0; i < CLIENTS; i++) {
        start_client(campaign, i);
    }
    race_nap_ms(20 + dice_below(&campaign->dice, 400));
    expect_alive(campaign);
    atomic_store_explicit(&race->hasty, true, memory_order_relaxed);
    killed_ns = race_now_ns();
    atomic_store_explicit(&race->drain_ns, killed_ns, memory_order_relaxed);
    (void)kill(campaign->daemon, SIGKILL);
    atomic_store_explicit(&race->until_ns, 0, memory_order_relaxed);
    wait_nobody(campaign, killed_ns);
}

static void run_daemon(struct campaign *campaign, uint64_t kills)
{
    for (uint64_t i = 0; i < kills; i++) {
        kill_daemon(campaign);
    }
    printf("seed %" PRIu64 ": %" PRIu64 " daemons killed;", campaign->race->seed, kills);
    race_print_ends(campaign->race);
}

/* --- one campaign ----------------------------------------------------------------------------- */

static void prepare(struct campaign *campaign, uint64_t seed, const char *dir)
{
    struct race *race =
        mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (race == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    *campaign = (struct campaign){ .race = race, .dice.state = seed };
    for (size_t i = 0; i < STOPPED_MAX; i++) {
        campaign->stopped[i].pidfd = -1;
    }
    race->seed = seed;
    race->calm = true;
    (void)snprintf(race->dir, sizeof(race->dir), "%s", dir);
    (void)snprintf(race->socket, sizeof(race->socket), "%s/socket", dir);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGINT, hear_enough);
    (void)signal(SIGTERM, hear_enough);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    race_media_load(race);
    race_media_learn(race);
}

int main(int argc, char **argv)
{
    bool of_daemon = argc > 1 && strcmp(argv[1], "--daemon") == 0;
    int first = of_daemon ? 2 : 1;
    char dir[] = "/tmp/ringmux-kill-XXXXXX";
    struct campaign campaign;
    uint64_t kills;

    if (argc <= first || argc > first + 2) {
        (void)fprintf(stderr, "usage: kill_campaign [--daemon] KILLS [SEED]\n");
        return 2;
    }
    if (mkdtemp(dir) == NULL) {
        perror(dir);
        return 2;
    }
    kills = strtoull(argv[first], NULL, 10);
    prepare(&campaign,
        argc == first + 2 ? strtoull(argv[first + 1], NULL, 10) : (uint64_t)time(NULL), dir);
    if (of_daemon) {
        run_daemon(&campaign, kills);
    } else {
        run(&campaign, kills);
    }
    race_media_forget(campaign.race);
    return 0;
}
