/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The daemon's settings: defaults, then a file, then the command line, each with the same names,
 * all made from engine/config.def. Runs in ringmuxd's main thread, before anything else exists and
 * with each reload. Must never guess: what is unknown, out of range or contradicts itself is an
 * error that says where it stands and what would be right.
 */
#ifndef RMX_ENGINE_CONFIG_H
#define RMX_ENGINE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/identity.h"
#include "engine/limits.h"

#define RMX_CONFIG_TEXT_BYTES 512 /* a TEXT setting with its NUL */
#define RMX_CONFIG_SECOND_NS  1000000000ull
#define RMX_CONFIG_AUTO       UINT64_MAX /* spin_ns: measure it */

struct rmx_config {
#define RMX_MEMBER_TEXT(name)     char name[RMX_CONFIG_TEXT_BYTES];
#define RMX_MEMBER_BYTES(name)    uint64_t name;
#define RMX_MEMBER_COUNT(name)    uint32_t name;
#define RMX_MEMBER_MODE(name)     uint32_t name;
#define RMX_MEMBER_DURATION(name) uint64_t name##_ns;
#define RMX_MEMBER_SPIN(name)     uint64_t name##_ns;
#define RMX_MEMBER_BOOL(name)     bool name;
#define RMX_MEMBER_CHOICE(name)   uint32_t name;
#define RMX_MEMBER_USERS(name)    struct rmx_identities name;
#define RMX_MEMBER_GROUPS(name)   struct rmx_identities name;
#define RMX_GROUP(title)
#define RMX_SETTING(type, name, ...) RMX_MEMBER_##type(name)
#include "engine/config.def"
#undef RMX_SETTING
#undef RMX_GROUP
    bool replace; /* --replace, which stands on the command line alone: take over from a daemon */
    const char *topology; /* --topology, of argv, likewise; NULL = this machine */
};

enum rmx_config_next {
    RMX_CONFIG_RUN,        /* *config is complete */
    RMX_CONFIG_PLACEMENT,  /* it is, and --print-placement asks for its plan only */
    RMX_CONFIG_EXIT_OK,    /* it was a question (--help, ...) and stdout has the answer */
    RMX_CONFIG_EXIT_USAGE, /* error says what is wrong, in one line */
};

/* Reads the command line, and the file it names with --config. argv is main's. */
enum rmx_config_next rmx_config_load(
    struct rmx_config *config, int argc, char **argv, char *error, size_t error_bytes);

/* Do the settings fit each other? If not, error says what is wrong, in one line. */
bool rmx_config_fits(const struct rmx_config *config, char *error, size_t error_bytes);

/* What a daemon with this configuration takes; does not depend on the media or the load. */
struct rmx_config_budget {
    uint64_t worker_arena_bytes;   /* one worker's mail, flow table and rings */
    uint64_t session_arena_bytes;  /* one session's progress slots */
    uint64_t trial_arena_bytes;    /* the same of a lane's trial berth */
    uint64_t isolated_arena_bytes; /* and of an isolated one */
    uint64_t workers_bytes;        /* all arenas of all workers */
    uint64_t sessions_bytes;
    uint64_t jobs_bytes;  /* all lanes' job tables */
    uint64_t total_bytes; /* of the above; the programs' own memory is not in it */
    uint64_t descriptors; /* open at once, at most */
    uint64_t processes;   /* of workers: shared, isolated, for trials, and spares */
};

/* workers and lanes: as planned, not as configured (there 0 means "as many as ..."). job_bytes: of
 * one entry of a job table. */
void rmx_config_budget(const struct rmx_config *config, uint32_t workers, uint32_t lanes,
    size_t job_bytes, struct rmx_config_budget *budget);

#endif
