/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The rows of config.def as a table, and a single setting's way from text to its place in struct
 * rmx_config and back. Pure functions. Must never store a value its row does not allow.
 */
#ifndef RMX_ENGINE_SETTING_H
#define RMX_ENGINE_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/config.h"

enum rmx_setting_type {
    RMX_SETTING_GROUP, /* no setting: the title of those that follow */
    RMX_SETTING_TEXT,
    RMX_SETTING_BYTES,
    RMX_SETTING_COUNT,
    RMX_SETTING_MODE,
    RMX_SETTING_DURATION,
    RMX_SETTING_SPIN,
    RMX_SETTING_BOOL,
    RMX_SETTING_CHOICE,
    RMX_SETTING_USERS,
    RMX_SETTING_GROUPS,
};

/* A row of config.def. */
struct rmx_setting {
    enum rmx_setting_type type;
    const char *name; /* of a GROUP: its title */
    const char *standard;
    bool reloadable; /* a new value counts in a daemon that runs */
    uint64_t min;
    uint64_t max;
    const char *note;
    const char *prose;
    size_t offset; /* in struct rmx_config */
};

/* The rows, in order, and how many. */
const struct rmx_setting *rmx_setting_rows(size_t *count);

/* The setting called so (a dash is as good as an underscore), or NULL. */
const struct rmx_setting *rmx_setting_find(const char *name);

/* The setting that a wrong name most likely means, or NULL. */
const struct rmx_setting *rmx_setting_nearest(const char *name);

/* Stores the text's value in its place; false, nothing stored, if the row does not allow it. */
bool rmx_setting_store(
    const struct rmx_setting *setting, const char *text, struct rmx_config *config);

/* Writes the value as the file would say it, always with a NUL. */
void rmx_setting_text(
    const struct rmx_setting *setting, const struct rmx_config *config, char *text, size_t bytes);

/* Writes what is allowed: "1 to 64", "on or off", "auto, json or text". */
void rmx_setting_range(const struct rmx_setting *setting, char *text, size_t bytes);

#endif
