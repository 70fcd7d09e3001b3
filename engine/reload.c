/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Settings that change while the daemon runs. See reload.h.
 */
#include "engine/reload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/log.h"
#include "engine/setting.h"
#include "ring/base.h"

/* Puts one more name into a list, with its value if there is one. What does not fit is left out:
 * the list is for people. */
static void name(char *list, const char *what, const char *value)
{
    size_t used = strlen(list);

    (void)snprintf(list + used, RMX_RELOAD_NAMES_BYTES - used, "%s%s%s%s", used > 0 ? ", " : "",
        what, value != NULL ? "=" : "", value != NULL ? value : "");
}

int rmx_reload_merge(struct rmx_config *config, const struct rmx_config *fresh,
    struct rmx_reload_news *news, char *error, size_t error_bytes)
{
    struct rmx_config merged = *config;
    size_t count;
    const struct rmx_setting *rows = rmx_setting_rows(&count);

    *news = (struct rmx_reload_news){ .changed = "" };
    for (size_t i = 0; i < count; i++) {
        char was[RMX_CONFIG_TEXT_BYTES];
        char is[RMX_CONFIG_TEXT_BYTES];

        rmx_setting_text(&rows[i], config, was, sizeof(was));
        rmx_setting_text(&rows[i], fresh, is, sizeof(is));
        if (strcmp(was, is) == 0) {
            continue;
        }
        if (rows[i].reloadable) {
            bool stored = rmx_setting_store(&rows[i], is, &merged);

            rmx_assert(stored); /* it was read from text, too */
            name(news->changed, rows[i].name, is);
        } else {
            name(news->kept, rows[i].name, NULL);
        }
    }
    if (!rmx_config_fits(&merged, error, error_bytes)) {
        return -EINVAL;
    }
    *config = merged;
    return 0;
}

int rmx_reload_read(struct rmx_config *config, int argc, char **argv)
{
    struct rmx_config fresh;
    struct rmx_reload_news news;
    char error[512];

    if (rmx_config_load(&fresh, argc, argv, error, sizeof(error)) != RMX_CONFIG_RUN ||
        rmx_reload_merge(config, &fresh, &news, error, sizeof(error)) < 0) {
        rmx_log(RMX_LOG_ERROR, "reload_refused", RMX_LOG_STR("why", error),
            RMX_LOG_STR("settings", "as before"));
        return -EINVAL;
    }
    rmx_log(RMX_LOG_INFO, "reloaded", RMX_LOG_STR("changed", news.changed));
    if (news.kept[0] != '\0') {
        rmx_log(RMX_LOG_WARN, "reload_needs_restart", RMX_LOG_STR("settings", news.kept));
    }
    return 0;
}

void rmx_reload_post(struct rmx_reload_box *box, const struct rmx_config *config)
{
    (void)pthread_mutex_lock(&box->lock);
    box->config = *config;
    box->full = true;
    (void)pthread_mutex_unlock(&box->lock);
}

bool rmx_reload_take(struct rmx_reload_box *box, struct rmx_config *config)
{
    bool full;

    (void)pthread_mutex_lock(&box->lock);
    full = box->full;
    if (full) {
        *config = box->config;
        box->full = false;
    }
    (void)pthread_mutex_unlock(&box->lock);
    return full;
}
