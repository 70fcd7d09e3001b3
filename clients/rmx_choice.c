/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the words of a request for a remux mean (see rmx_choice.h). Runs in the process rmx.
 */
#include "clients/rmx_choice.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "clients/rmx_report.h"
#include "ipc/format.h"
#include "ipc/spelling.h"

static const char *const classes[] = { "critical", "normal", "background" };

#define CLASSES (sizeof(classes) / sizeof(classes[0]))

/* The name that was probably meant, or NULL. */
static const char *nearest_format(const char *name)
{
    const struct rmx_format *format;
    const char *best = NULL;
    unsigned nearest = RMX_SPELLING_FAR;

    for (size_t i = 0; (format = rmx_format_at(i)) != NULL; i++) {
        unsigned away = rmx_spelling_distance(name, format->name);

        if (away < nearest) {
            nearest = away;
            best = format->name;
        }
    }
    return best;
}

static void refuse_format(const char *name, char why[RMX_ARGS_WHY_BYTES])
{
    const char *other = nearest_format(name);

    if (other != NULL) {
        snprintf(why, RMX_ARGS_WHY_BYTES, "no format '%.200s': is '%s' meant?", name, other);
    } else {
        snprintf(why, RMX_ARGS_WHY_BYTES, "no format '%.200s': rmx formats lists them", name);
    }
}

uint32_t rmx_choice_format(struct rmx_job *job, const char *output, char why[RMX_ARGS_WHY_BYTES])
{
    const char *name = job->format;
    const struct rmx_format *format =
        name != NULL ? rmx_format_find(name) : rmx_format_guess(output);

    if (format != NULL) {
        job->format = format->name;
        return RMX_OK;
    }
    if (name != NULL) {
        refuse_format(name, why);
    } else {
        snprintf(why, RMX_ARGS_WHY_BYTES,
            "%.200s does not tell the container: give its format (rmx formats lists them)",
            rmx_report_name(output, "standard output"));
    }
    return RMX_BAD_JOB;
}

const char *rmx_choice_index(const struct rmx_job *job)
{
    const struct rmx_format *format = job->format != NULL ? rmx_format_find(job->format) : NULL;

    return format != NULL ? format->index : "";
}

bool rmx_choice_shows_at_once(const struct rmx_job *job)
{
    static const char key[] = "hls_playlist_type=";
    bool grows = false;

    for (const char *const *option = job->options; option != NULL && *option != NULL; option++) {
        if (strncmp(*option, key, strlen(key)) == 0) {
            const char *value = *option + strlen(key);

            grows = strcmp(value, "vod") != 0 && strcmp(value, "2") != 0;
        }
    }
    return grows || (job->flags & RMX_LIVE) != 0;
}

const char *rmx_choice_map(const char *output)
{
    static const struct {
        const char *extension;
        const char *map;
    } rows[] = { { ".mka", "a:0" }, { ".cmfa", "a:0" }, { ".mks", "s:0" } };
    const char *dot = strrchr(output, '.');

    for (size_t i = 0; dot != NULL && i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcasecmp(dot, rows[i].extension) == 0) {
            return rows[i].map;
        }
    }
    return NULL;
}

/* Sets *chosen to which of the words it is. Returns 0 or -EINVAL. */
static int choose(uint32_t *chosen, const char *const *words, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(words[i], name) == 0) {
            *chosen = i;
            return 0;
        }
    }
    return -EINVAL;
}

int rmx_choice_class(struct rmx_job *job, const char *name)
{
    return choose(&job->job_class, classes, CLASSES, name);
}

int rmx_choice_isolation(struct rmx_job *job, const char *name)
{
    static const char *const levels[] = { "shared", "client", "job" };

    return choose(&job->isolation, levels, sizeof(levels) / sizeof(levels[0]), name);
}

const char *rmx_choice_class_name(uint32_t job_class)
{
    return job_class < CLASSES ? classes[job_class] : "unknown";
}

int rmx_choice_group(const char *name, char why[RMX_ARGS_WHY_BYTES])
{
    size_t bytes = 0;

    while (name[bytes] >= ' ' && name[bytes] <= '~') {
        bytes++;
    }
    if (bytes == 0 || bytes > RMX_GROUP_NAME_MAX || name[bytes] != '\0') {
        snprintf(
            why, RMX_ARGS_WHY_BYTES, "give a name of 1 to %d ASCII characters", RMX_GROUP_NAME_MAX);
        return -EINVAL;
    }
    return 0;
}
