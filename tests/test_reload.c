/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which settings a reload takes, and how lanes come to them (engine/reload.h).
 */
#include "engine/reload.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/setting.h"

static struct rmx_config config;
static struct rmx_config fresh;
static struct rmx_reload_news news;
static char error[256];

static void load(struct rmx_config *to, const char *one, const char *two)
{
    char arguments[3][64] = { "ringmuxd" };
    char *argv[] = { arguments[0], arguments[1], arguments[2] };
    int argc = one == NULL ? 1 : two == NULL ? 2 : 3;

    (void)snprintf(arguments[1], sizeof(arguments[1]), "%s", one != NULL ? one : "");
    (void)snprintf(arguments[2], sizeof(arguments[2]), "%s", two != NULL ? two : "");
    cr_assert_eq(
        rmx_config_load(to, argc, argv, error, sizeof(error)), RMX_CONFIG_RUN, "%s", error);
}

static int merge(void)
{
    return rmx_reload_merge(&config, &fresh, &news, error, sizeof(error));
}

Test(reload, reloadable_settings_count_and_the_others_are_named)
{
    load(&config, NULL, NULL);
    load(&fresh, "--credits=8", "--workers=3");
    cr_assert_eq(merge(), 0);
    cr_expect_eq(config.credits, 8);
    cr_expect_eq(config.workers, 0);
    cr_expect_str_eq(news.changed, "credits=8");
    cr_expect_str_eq(news.kept, "workers");
}

Test(reload, nothing_changed_is_no_news)
{
    load(&config, "--credits=8", NULL);
    load(&fresh, "--credits=8", NULL);
    cr_assert_eq(merge(), 0);
    cr_expect_str_eq(news.changed, "");
    cr_expect_str_eq(news.kept, "");
}

/* Of a setting's place in struct rmx_config. */
static size_t bytes_of(enum rmx_setting_type type)
{
    switch (type) {
    case RMX_SETTING_BOOL:
        return sizeof(bool);
    case RMX_SETTING_COUNT:
    case RMX_SETTING_MODE:
    case RMX_SETTING_CHOICE:
        return sizeof(uint32_t);
    default:
        return sizeof(uint64_t);
    }
}

/* Each setting by itself: what is reloadable is taken, nothing else is touched. */
Test(reload, every_setting_does_what_its_row_says)
{
    size_t count;
    const struct rmx_setting *rows = rmx_setting_rows(&count);

    for (size_t i = 0; i < count; i++) {
        char was[RMX_CONFIG_TEXT_BYTES];
        char is[RMX_CONFIG_TEXT_BYTES];
        uint64_t other = rows[i].max;

        if (rows[i].type == RMX_SETTING_GROUP || rows[i].type == RMX_SETTING_TEXT) {
            cr_expect_not(rows[i].reloadable, "%s: its readers hold on to it", rows[i].name);
            continue;
        }
        load(&config, NULL, NULL);
        fresh = config;
        rmx_setting_text(&rows[i], &config, was, sizeof(was));
        memcpy((char *)&fresh + rows[i].offset, &other, bytes_of(rows[i].type));
        rmx_setting_text(&rows[i], &fresh, is, sizeof(is));
        if (strcmp(is, was) == 0 || merge() < 0) { /* too much for the others: tested below */
            continue;
        }
        cr_expect_eq(news.changed[0] != '\0', rows[i].reloadable, "%s", rows[i].name);
        cr_expect_eq(news.kept[0] == '\0', rows[i].reloadable, "%s", rows[i].name);
        rmx_setting_text(&rows[i], &config, was, sizeof(was));
        cr_expect_eq(strcmp(is, was) == 0, rows[i].reloadable, "%s", rows[i].name);
    }
}

/* The file is right as a whole, but not together with what only a restart changes. */
Test(reload, what_does_not_fit_what_stays_is_refused)
{
    load(&config, "--jobs-max=64", NULL);
    load(&fresh, "--jobs-max=128", "--credits=100");
    cr_assert_eq(merge(), -EINVAL);
    cr_expect_str_eq(error, "jobs_max=64 must be at least credits=100");
    cr_expect_eq(config.credits, 64);
}

Test(reload, box_is_emptied_once_and_holds_the_latest)
{
    static struct rmx_reload_box box = { .lock = PTHREAD_MUTEX_INITIALIZER };
    static struct rmx_config taken;

    cr_assert_not(rmx_reload_take(&box, &taken));
    load(&config, "--credits=8", NULL);
    rmx_reload_post(&box, &config);
    load(&config, "--credits=9", NULL);
    rmx_reload_post(&box, &config);
    cr_assert(rmx_reload_take(&box, &taken));
    cr_assert_eq(taken.credits, 9);
    cr_assert_not(rmx_reload_take(&box, &taken));
}
