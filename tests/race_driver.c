/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Races, until the time is up: cancel against completion, deadline against the death of a worker,
 * disconnect against drain, one's failure against its siblings, a daemon against its successor.
 * Each round starts a daemon, under the shim as its clients are, lets some clients loose on it, and
 * looks: every submit has exactly one end, and one that it may have; what ended OK has the right
 * bytes; all is given back; the daemon ends well, and nobody is left.
 *
 *     race_driver SECONDS [SEED]      0 seconds: one round
 *
 * Rounds count up from the seed. A failure ends the run with 1, and says its seed; the same seed
 * makes the same choices, but the moments are the machine's, so try it more than once.
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/dice.h"
#include "tests/race.h"

#define THREADS_MAX 6
#define ROUND_NS    UINT64_C(60000000000) /* after that it is stuck */
#define LOAD_MS     1200
#define CREDITS     16
#define END_SECONDS 15
#define SETTINGS                                                                                   \
    "--workers=2", "--pin=off", "--flows-small=6", "--flows-bulk=2", "--credits=16",               \
        "--drain-timeout=3s", "--drop-after=50ms", "--log-level=warn"

/* --- one round -------------------------------------------------------------------------------- */

static const char *const settings[] = { SETTINGS, NULL };
static const char *const successor[] = { SETTINGS, "--replace", NULL };

enum ending { END_QUIET, END_REPLACE, END_DRAIN, END_TWICE, ENDINGS };

static void hurt(pid_t daemon, struct dice *dice)
{
    int pidfd = race_victim_worker(daemon, dice_roll(dice));

    if (pidfd >= 0) {
        race_victim_hit(pidfd, SIGKILL);
        (void)close(pidfd);
    }
}

/* The load, with workers that die under it. */
static void hurt_for(struct race *race, struct dice *dice, pid_t daemon, uint64_t ms)
{
    uint64_t until_ns = race_now_ns() + ms * 1000000;

    while (race_now_ns() < until_ns) {
        race_nap_ms(20 + dice_below(dice, 150));
        if (race->kills) {
            hurt(daemon, dice);
        }
    }
}

/* Another daemon takes the place of this one while the load goes on. */
static pid_t replace(struct race *race, struct dice *dice, pid_t daemon)
{
    pid_t next;

    atomic_store_explicit(&race->replaced, true, memory_order_relaxed);
    atomic_store_explicit(&race->drain_ns, race_now_ns(), memory_order_relaxed);
    next = race_daemon_start(race, successor);
    race_daemon_leave(race, daemon, END_SECONDS);
    hurt_for(race, dice, next, dice_below(dice, LOAD_MS / 2));
    return next;
}

static void end_load(struct race *race, struct dice *dice, pid_t daemon, enum ending ending)
{
    if (ending >= END_DRAIN) {
        atomic_store_explicit(&race->drain_ns, race_now_ns(), memory_order_relaxed);
        (void)kill(daemon, SIGTERM);
        race_nap_ms(dice_below(dice, 60));
    }
    if (ending == END_TWICE) {
        atomic_store_explicit(&race->hasty, true, memory_order_relaxed);
        (void)kill(daemon, SIGTERM);
    }
    atomic_store_explicit(&race->until_ns, 0, memory_order_relaxed);
}

static void run_round(struct race *race)
{
    static const char *const names[ENDINGS] = { "", ", replaced", ", drained",
        ", drained in haste" };
    struct dice dice = { race->seed };
    size_t count = 2 + (size_t)dice_below(&dice, THREADS_MAX - 1);
    enum ending ending = dice_below(&dice, 2) ? END_QUIET : (enum ending)dice_below(&dice, ENDINGS);
    struct race_thread thread[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    pid_t daemon;

    race->kills = dice_one_in(&dice, 3);
    atomic_store_explicit(&race->until_ns, UINT64_MAX, memory_order_relaxed);
    daemon = race_daemon_start(race, settings);
    for (size_t i = 0; i < count; i++) {
        thread[i] = (struct race_thread){ .race = race, .seed = dice_roll(&dice) };
        if (pthread_create(&threads[i], NULL, race_client_run, &thread[i]) != 0) {
            race_fail(race, "no thread");
        }
    }
    hurt_for(race, &dice, daemon, LOAD_MS / 2 + dice_below(&dice, LOAD_MS));
    for (uint64_t times = ending == END_REPLACE ? 1 + dice_below(&dice, 2) : 0; times > 0;
         times--) {
        daemon = replace(race, &dice, daemon);
    }
    end_load(race, &dice, daemon, ending);
    for (size_t i = 0; i < count; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    if (ending < END_DRAIN) {
        race_daemon_check_quiet(race, CREDITS);
        (void)kill(daemon, SIGTERM);
    }
    race_daemon_wait(race, daemon, END_SECONDS);
    printf("seed %" PRIu64 "%s%s:", race->seed, names[ending], race->kills ? ", workers die" : "");
    race_print_ends(race);
}

/* --- rounds ----------------------------------------------------------------------------------- */

static struct race the_race;

/* A round has a process of its own: it starts with the shim, and one that is stuck can be ended. */
static pid_t start_round(const char *dir, uint64_t seed)
{
    char text[32];
    char name[] = "race_driver";
    char option[] = "--round";
    char place[200];
    char *const arguments[] = { name, option, place, text, NULL };
    pid_t pid;

    (void)snprintf(text, sizeof(text), "%" PRIu64, seed);
    (void)snprintf(place, sizeof(place), "%s", dir);
    pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)setenv("LD_PRELOAD", RMX_BUILD_DIR "/tests/librmx_shim.so", 1);
        (void)setenv("RMX_SHIM_SEED", text, 1);
        (void)execv("/proc/self/exe", arguments);
        _exit(127);
    }
    return pid;
}

static bool wait_round(pid_t pid, uint64_t seed)
{
    uint64_t until_ns = race_now_ns() + ROUND_NS;
    int status = 0;

    while (pid > 0 && waitpid(pid, &status, WNOHANG) == 0) {
        if (race_now_ns() > until_ns) {
            (void)fprintf(stderr, "seed %" PRIu64 ": the round is stuck\n", seed);
            race_show_log(&the_race);
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
        }
        race_nap_ms(5);
    }
    return pid > 0 && status == 0;
}

static void name_race(struct race *race, const char *dir, uint64_t seed)
{
    race->seed = seed;
    (void)snprintf(race->dir, sizeof(race->dir), "%s", dir);
    (void)snprintf(race->socket, sizeof(race->socket), "%s/socket", dir);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static void forget_log(const struct race *race)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/log", race->dir);
    (void)unlink(path);
}

static int race_on(uint64_t seconds, uint64_t seed)
{
    char dir[] = "/tmp/ringmux-race-XXXXXX";
    uint64_t until_ns;
    uint64_t rounds = 0;

    if (mkdtemp(dir) == NULL) {
        perror(dir);
        return 2;
    }
    name_race(&the_race, dir, seed);
    race_media_load(&the_race);
    race_media_learn(&the_race);
    until_ns = race_now_ns() + seconds * UINT64_C(1000000000);
    do {
        forget_log(&the_race);
        if (!wait_round(start_round(dir, seed), seed)) {
            (void)fprintf(stderr, "to repeat: %s/tests/race_driver 0 %" PRIu64 "   (%s is kept)\n",
                RMX_BUILD_DIR, seed, dir);
            return 1;
        }
        seed++;
        rounds++;
    } while (race_now_ns() < until_ns);
    race_media_forget(&the_race);
    printf("%" PRIu64 " rounds\n", rounds);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--round") == 0) {
        name_race(&the_race, argv[2], strtoull(argv[3], NULL, 10));
        race_media_load(&the_race);
        race_media_recall(&the_race);
        run_round(&the_race);
        return 0;
    }
    if (argc < 2 || argc > 3) {
        (void)fprintf(stderr, "usage: race_driver SECONDS [SEED]\n");
        return 2;
    }
    return race_on(strtoull(argv[1], NULL, 10),
        argc == 3 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL) * 1000);
}
