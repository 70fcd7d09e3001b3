/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The rows of config.def as a table, and one setting from text and back. See setting.h.
 */
#include "engine/setting.h"

#include <stdio.h>
#include <string.h>

#include "ipc/quantity.h"

#define NAME_BYTES 64

/* Where each type's member lies. */
#define OFFSET_TEXT(name)     offsetof(struct rmx_config, name)
#define OFFSET_BYTES(name)    offsetof(struct rmx_config, name)
#define OFFSET_COUNT(name)    offsetof(struct rmx_config, name)
#define OFFSET_MODE(name)     offsetof(struct rmx_config, name)
#define OFFSET_DURATION(name) offsetof(struct rmx_config, name##_ns)
#define OFFSET_SPIN(name)     offsetof(struct rmx_config, name##_ns)
#define OFFSET_BOOL(name)     offsetof(struct rmx_config, name)
#define OFFSET_CHOICE(name)   offsetof(struct rmx_config, name)
#define OFFSET_USERS(name)    offsetof(struct rmx_config, name)
#define OFFSET_GROUPS(name)   offsetof(struct rmx_config, name)

/* Whether a new value counts in a daemon that runs. */
#define TAKEN_START  false
#define TAKEN_RELOAD true

static const struct rmx_setting rows[] = {
#define RMX_GROUP(title) { .type = RMX_SETTING_GROUP, .name = (title) },
#define RMX_SETTING(type_, name_, standard_, taken_, min_, max_, note_, prose_)                    \
    {                                                                                              \
        .type = RMX_SETTING_##type_,                                                               \
        .name = #name_,                                                                            \
        .standard = (standard_),                                                                   \
        .reloadable = TAKEN_##taken_,                                                              \
        .min = (min_),                                                                             \
        .max = (max_),                                                                             \
        .note = (note_),                                                                           \
        .prose = (prose_),                                                                         \
        .offset = OFFSET_##type_(name_),                                                           \
    },
#include "engine/config.def"
#undef RMX_SETTING
#undef RMX_GROUP
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

const struct rmx_setting *rmx_setting_rows(size_t *count)
{
    *count = ROWS;
    return rows;
}

static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        if (*a != *b && !(*a == '-' && *b == '_')) {
            return false;
        }
    }
    return *a == *b;
}

const struct rmx_setting *rmx_setting_find(const char *name)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].type != RMX_SETTING_GROUP && same_name(name, rows[i].name)) {
            return &rows[i];
        }
    }
    return NULL;
}

/* How many letters must change to make a into b (Levenshtein); names are short. */
static size_t distance(const char *a, const char *b)
{
    size_t cost[NAME_BYTES];
    size_t width = strnlen(b, NAME_BYTES - 1);

    for (size_t j = 0; j <= width; j++) {
        cost[j] = j;
    }
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = cost[0];

        cost[0] = i;
        for (size_t j = 1; j <= width; j++) {
            size_t best =
                diagonal + !(a[i - 1] == b[j - 1] || (a[i - 1] == '-' && b[j - 1] == '_'));

            diagonal = cost[j];
            best = cost[j] + 1 < best ? cost[j] + 1 : best;
            best = cost[j - 1] + 1 < best ? cost[j - 1] + 1 : best;
            cost[j] = best;
        }
    }
    return cost[width];
}

const struct rmx_setting *rmx_setting_nearest(const char *name)
{
    const struct rmx_setting *nearest = NULL;
    size_t best = strlen(name) / 3 + 2;

    for (size_t i = 0; i < ROWS; i++) {
        size_t far = rows[i].type == RMX_SETTING_GROUP ? SIZE_MAX : distance(name, rows[i].name);

        if (far < best) {
            best = far;
            nearest = &rows[i];
        }
    }
    return nearest;
}

/* The text as the setting's type reads it. A TEXT's value is its length. */
static bool parse(const struct rmx_setting *setting, const char *text, uint64_t *value)
{
    switch (setting->type) {
    case RMX_SETTING_TEXT:
        *value = strlen(text);
        return *value < RMX_CONFIG_TEXT_BYTES;
    case RMX_SETTING_BYTES:
        return rmx_quantity_bytes(text, value);
    case RMX_SETTING_COUNT:
        return rmx_quantity_number(text, 10, value);
    case RMX_SETTING_MODE:
        return rmx_quantity_number(text, 8, value);
    case RMX_SETTING_DURATION:
    case RMX_SETTING_SPIN:
        return rmx_quantity_duration(text, value);
    case RMX_SETTING_BOOL:
        return rmx_quantity_bool(text, value);
    case RMX_SETTING_CHOICE:
        return rmx_quantity_choice(text, setting->note, value);
    case RMX_SETTING_USERS:
    case RMX_SETTING_GROUPS:
    case RMX_SETTING_GROUP:
        break;
    }
    return false;
}

static bool is_identities(const struct rmx_setting *setting)
{
    return setting->type == RMX_SETTING_USERS || setting->type == RMX_SETTING_GROUPS;
}

static bool store_identities(
    const struct rmx_setting *setting, const char *text, struct rmx_identities *member)
{
    struct rmx_identities read;
    enum rmx_identity_kind kind =
        setting->type == RMX_SETTING_USERS ? RMX_IDENTITY_USERS : RMX_IDENTITY_GROUPS;

    if (!rmx_identity_read(text, kind, &read) || read.count > setting->max) {
        return false;
    }
    *member = read;
    return true;
}

bool rmx_setting_store(
    const struct rmx_setting *setting, const char *text, struct rmx_config *config)
{
    void *member = (char *)config + setting->offset;
    uint64_t value = 0;

    if (is_identities(setting)) {
        return store_identities(setting, text, member);
    }

    if (setting->type == RMX_SETTING_SPIN && strcmp(text, "auto") == 0) {
        value = RMX_CONFIG_AUTO;
    } else if (!parse(setting, text, &value) || value < setting->min || value > setting->max) {
        return false;
    }
    if (setting->type == RMX_SETTING_TEXT) {
        memcpy(member, text, value + 1);
    } else if (setting->type == RMX_SETTING_BOOL) {
        *(bool *)member = value != 0;
    } else if (setting->type == RMX_SETTING_COUNT || setting->type == RMX_SETTING_MODE ||
               setting->type == RMX_SETTING_CHOICE) {
        *(uint32_t *)member = (uint32_t)value;
    } else {
        *(uint64_t *)member = value;
    }
    return true;
}

void rmx_setting_text(
    const struct rmx_setting *setting, const struct rmx_config *config, char *text, size_t bytes)
{
    const void *member = (const char *)config + setting->offset;

    switch (setting->type) {
    case RMX_SETTING_GROUP:
        snprintf(text, bytes, "%s", "");
        break;
    case RMX_SETTING_TEXT:
        snprintf(text, bytes, "%s", (const char *)member);
        break;
    case RMX_SETTING_USERS:
    case RMX_SETTING_GROUPS:
        snprintf(text, bytes, "%s", ((const struct rmx_identities *)member)->text);
        break;
    case RMX_SETTING_COUNT:
        snprintf(text, bytes, "%u", *(const uint32_t *)member);
        break;
    case RMX_SETTING_MODE:
        snprintf(text, bytes, "%04o", *(const uint32_t *)member);
        break;
    case RMX_SETTING_BOOL:
        snprintf(text, bytes, "%s", *(const bool *)member ? "on" : "off");
        break;
    case RMX_SETTING_CHOICE:
        rmx_quantity_choice_text(*(const uint32_t *)member, setting->note, text, bytes);
        break;
    case RMX_SETTING_BYTES:
        rmx_quantity_bytes_text(*(const uint64_t *)member, text, bytes);
        break;
    case RMX_SETTING_SPIN:
    case RMX_SETTING_DURATION:
        if (*(const uint64_t *)member == RMX_CONFIG_AUTO) {
            snprintf(text, bytes, "auto");
        } else {
            rmx_quantity_duration_text(*(const uint64_t *)member, text, bytes);
        }
        break;
    }
}

void rmx_setting_range(const struct rmx_setting *setting, char *text, size_t bytes)
{
    char low[32];
    char high[32];
    const char *and_note = setting->note && setting->note[0] ? ", " : "";
    const char *note = setting->note ? setting->note : "";

    switch (setting->type) {
    case RMX_SETTING_GROUP:
        snprintf(text, bytes, "%s", "");
        return;
    case RMX_SETTING_TEXT:
        snprintf(text, bytes, "%s, at most %ju bytes", note, (uintmax_t)setting->max);
        return;
    case RMX_SETTING_USERS:
    case RMX_SETTING_GROUPS:
        snprintf(text, bytes, "names or numbers of %s, at most %ju",
            setting->type == RMX_SETTING_USERS ? "users" : "groups", (uintmax_t)setting->max);
        return;
    case RMX_SETTING_BOOL:
        snprintf(text, bytes, "on or off");
        return;
    case RMX_SETTING_CHOICE:
        rmx_quantity_choices(note, text, bytes);
        return;
    case RMX_SETTING_MODE:
        snprintf(low, sizeof(low), "%04jo", (uintmax_t)setting->min);
        snprintf(high, sizeof(high), "%04jo", (uintmax_t)setting->max);
        break;
    case RMX_SETTING_COUNT:
        snprintf(low, sizeof(low), "%ju", (uintmax_t)setting->min);
        snprintf(high, sizeof(high), "%ju", (uintmax_t)setting->max);
        break;
    case RMX_SETTING_BYTES:
        rmx_quantity_bytes_text(setting->min, low, sizeof(low));
        rmx_quantity_bytes_text(setting->max, high, sizeof(high));
        break;
    case RMX_SETTING_DURATION:
    case RMX_SETTING_SPIN:
        rmx_quantity_duration_text(setting->min, low, sizeof(low));
        rmx_quantity_duration_text(setting->max, high, sizeof(high));
        break;
    }
    snprintf(text, bytes, "%s%s to %s%s%s", setting->type == RMX_SETTING_SPIN ? "auto, or " : "",
        low, high, and_note, note);
}
