/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Settings that change while the daemon runs (SIGHUP). The supervisor reads them again and posts
 * them; each lane takes them on its own thread, into its own copy. Must never change a setting
 * that config.def does not call reloadable, nor take half of what a file says: it is all of it, or
 * nothing.
 */
#ifndef RMX_ENGINE_RELOAD_H
#define RMX_ENGINE_RELOAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/config.h"

#define RMX_RELOAD_NAMES_BYTES 1024

/* What became of the settings that differ; their names, with a comma between two. */
struct rmx_reload_news {
    char changed[RMX_RELOAD_NAMES_BYTES]; /* those that count from now on: "credits=8, ..." */
    char kept[RMX_RELOAD_NAMES_BYTES];    /* those that only count after a restart */
};

/* Takes what is reloadable and differs from `fresh` into *config. Returns 0, or -EINVAL: what
 * stays and what changes do not fit each other, error says why, and *config is as it was. */
int rmx_reload_merge(struct rmx_config *config, const struct rmx_config *fresh,
    struct rmx_reload_news *news, char *error, size_t error_bytes);

/* Reads the command line and its file again, argv as at the start, and takes what is reloadable
 * into *config. One log line tells what changed, or why nothing did; a second names what a restart
 * would change. Returns 0 or -EINVAL. */
int rmx_reload_read(struct rmx_config *config, int argc, char **argv);

/* A lane's: what it is to take next. Zero is empty. */
struct rmx_reload_box {
    pthread_mutex_t lock; /* of both */
    bool full;
    struct rmx_config config;
};

/* By the supervisor. What was not taken yet is replaced. */
void rmx_reload_post(struct rmx_reload_box *box, const struct rmx_config *config);

/* By the lane. False: there is nothing new, and *config is untouched. */
bool rmx_reload_take(struct rmx_reload_box *box, struct rmx_config *config);

#endif
