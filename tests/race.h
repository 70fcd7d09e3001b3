/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the parts of race_driver share: a race is one daemon under the shim, some client threads
 * that do random things to it, and an end. Nothing here knows of a test framework: what is wrong
 * ends the process, and says how to repeat it.
 */
#ifndef RMX_TESTS_RACE_H
#define RMX_TESTS_RACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "clients/ringmux.h"

#define RACE_CLIPS_MAX 8
#define RACE_FORMATS   5

/* What a job does. Those before RACE_WAYS move a clip, and are known from a quiet daemon. */
enum race_kind {
    RACE_FILE,    /* file to file */
    RACE_PIPE,    /* from a pipe, fed to its end */
    RACE_RING,    /* memory to memory */
    RACE_TO_PIPE, /* into a pipe that is read now and then */
    RACE_PROBE,   /* file to JSON */
    RACE_WAYS,
    RACE_NOOP = RACE_WAYS,
    RACE_STALL,      /* a pipe that says no more after its first bytes */
    RACE_RING_STALL, /* a ring likewise */
    RACE_CLOSED,     /* into a pipe nobody reads */
    RACE_FULL,       /* into /dev/full */
    RACE_NONSENSE,   /* to a container that there is not */
    RACE_TEE,        /* file to file, and to a pipe that nobody reads: it is dropped */
    RACE_KINDS
};

struct race_clip {
    char path[400];
    unsigned char *bytes;
    size_t size;
};

/* How a way ends when nothing disturbs it. */
struct race_reference {
    uint32_t status;
    uint64_t hash;
    uint64_t total_ns;
};

struct race {
    uint64_t seed;
    char dir[200];
    char socket[240];
    struct race_clip clip[RACE_CLIPS_MAX];
    size_t clips;
    struct race_reference reference[RACE_CLIPS_MAX][RACE_FORMATS][RACE_WAYS];
    bool kills;                 /* workers die */
    bool calm;                  /* jobs are let run to their end, but for a few */
    _Atomic uint64_t until_ns;  /* the load ends */
    _Atomic uint64_t drain_ns;  /* the daemon was told to end; 0 = not yet */
    _Atomic bool hasty;         /* and told twice */
    _Atomic bool replaced;      /* by another that takes its place */
    _Atomic uint64_t ended[32]; /* by status, to be printed */
    _Atomic uint64_t latest_ns; /* so long after it was due an end was seen not to be there */
};

extern const char *const race_format[RACE_FORMATS];

/* Ends the process with "seed N: what", and the daemon with it. */
_Noreturn void race_fail(const struct race *race, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --- race_report.c: race_fail(), and what else is said ---------------------------------------- */

/* The end of the daemon's log, on stderr. */
void race_show_log(const struct race *race);

/* How the jobs ended, to the end of a line. */
void race_print_ends(const struct race *race);

/* --- race_clock.c ----------------------------------------------------------------------------- */

uint64_t race_now_ns(void);

/* A signal ends it early. */
void race_nap_ms(uint64_t ms);

/* So long, ever, somebody on this machine waited for a core: what is late by no more than that may
 * not have been given one. 0 where the kernel does not say. */
uint64_t race_starved_ns(void);

/* --- race_media.c: what there is to remux ----------------------------------------------------- */

/* Loads the clips: our own, made by ffmpeg in race->dir unless they are there, and some of the
 * collection of media, if there is one. */
void race_media_load(struct race *race);

/* Runs each clip each way through a daemon that nobody disturbs, and keeps how that ended in a
 * file; takes it from there. */
void race_media_learn(struct race *race);
void race_media_recall(struct race *race);

/* Removes race->dir and what is in it. */
void race_media_forget(const struct race *race);

/* --- race_daemon.c: the daemon ---------------------------------------------------------------- */

/* Starts it with these settings besides (NULL-ended), and waits until it listens. */
pid_t race_daemon_start(const struct race *race, const char *const *settings);

/* Waits, at most so long, until it has ended, with status 0, and nobody is left behind. */
void race_daemon_wait(const struct race *race, pid_t daemon, unsigned seconds);

/* Waits, at most so long, until this one has ended, with status 0. */
void race_daemon_leave(const struct race *race, pid_t daemon, unsigned seconds);

/* Everything is given back: counters are zero, every submit had its end, a client gets all its
 * credits. Nobody else is connected any more. */
void race_daemon_check_quiet(const struct race *race, unsigned credits);

/* A client of it. NULL: it is draining or gone, as it may be. */
struct rmx_client *race_daemon_connect(const struct race *race);

/* --- race_victim.c: who is killed, or stopped ------------------------------------------------- */

/* A pidfd. Of a child that nobody has waited for: its number is nobody else's. */
int race_victim_open(pid_t pid);

void race_victim_hit(int pidfd, int number);

/* A pidfd of one of its workers, `pick` says which, and of nobody else. -1: there is none now. */
int race_victim_worker(pid_t daemon, uint64_t pick);

void race_victim_kill_workers(pid_t daemon);

/* --- race_client.c: a client ------------------------------------------------------------------ */

/* One client's life: a thread; its seed is `argument`'s. */
struct race_thread {
    struct race *race;
    uint64_t seed;
};
void *race_client_run(void *argument);

#endif
