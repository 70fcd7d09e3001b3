/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The daemon's settings from arbitrary bytes: the input is a configuration file. What is taken fits
 * together, and each setting can be said and read again; what is not says why in one line.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/config.h"
#include "engine/setting.h"
#include "ring/base.h"
#include "tests/fuzz_drive.h"

static void say_and_read_again(const struct rmx_config *config)
{
    size_t count;
    const struct rmx_setting *rows = rmx_setting_rows(&count);
    struct rmx_config again = *config;
    char text[2][RMX_CONFIG_TEXT_BYTES];

    for (size_t i = 0; i < count; i++) {
        if (rows[i].type == RMX_SETTING_GROUP) {
            continue;
        }
        rmx_setting_text(&rows[i], config, text[0], sizeof(text[0]));
        rmx_assert(rmx_setting_store(&rows[i], text[0], &again));
        rmx_setting_text(&rows[i], &again, text[1], sizeof(text[1]));
        rmx_assert(strcmp(text[0], text[1]) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[64];
    static struct rmx_config config;
    char *argv[] = { (char[]){ "ringmuxd" }, (char[]){ "--config" }, path, NULL };
    char error[512] = "";

    if (fd < 0) {
        fd = memfd_create("config", MFD_CLOEXEC);
        rmx_assert(fd >= 0);
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    rmx_assert(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    enum rmx_config_next next = rmx_config_load(&config, 3, argv, error, sizeof(error));
    rmx_assert(next != RMX_CONFIG_EXIT_OK);
    if (next == RMX_CONFIG_RUN) {
        rmx_assert(rmx_config_fits(&config, error, sizeof(error)));
        say_and_read_again(&config);
    } else {
        rmx_assert(error[0] != '\0' && strchr(error, '\n') == NULL);
    }
    return 0;
}

/* Settings in order, as they would be printed, from the n-th on. */
size_t fuzz_seed(unsigned n, uint8_t *data)
{
    static struct rmx_config config;
    size_t count;
    const struct rmx_setting *rows = rmx_setting_rows(&count);
    char *argv[] = { (char[]){ "ringmuxd" }, NULL };
    char error[512];
    size_t size = 0;

    rmx_assert(rmx_config_load(&config, 1, argv, error, sizeof(error)) == RMX_CONFIG_RUN);
    for (size_t i = n % count; i < count; i++) {
        char text[RMX_CONFIG_TEXT_BYTES];

        if (rows[i].type != RMX_SETTING_GROUP) {
            rmx_setting_text(&rows[i], &config, text, sizeof(text));
            size += (size_t)snprintf((char *)data + size, FUZZ_SEED_BYTES_MAX - size, "%s = %s%s\n",
                rows[i].name, text, i % 5 == 0 ? " # a remark" : "");
        }
    }
    return size;
}
