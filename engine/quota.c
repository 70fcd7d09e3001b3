/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much cpu time our cgroups grant us. See quota.h.
 */
#include "engine/quota.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 1024

/* Finds our group, "/a/b", in lines such as "0::/a/b"; version 1 has other numbers. */
static bool find_group(const char *membership, char group[PATH_BYTES])
{
    FILE *file = fopen(membership, "re");
    char line[PATH_BYTES];
    bool found = false;

    while (file && !found && fgets(line, sizeof(line), file)) {
        found = strncmp(line, "0::/", 4) == 0;
    }
    if (file) {
        fclose(file);
    }
    if (found) {
        line[strcspn(line, "\n")] = '\0';
        memcpy(group, line + 3, strlen(line + 3) + 1);
    }
    return found;
}

/* One cpu.max: "max PERIOD", or "QUOTA PERIOD" in microseconds. 0 = no limit. */
static uint32_t read_group(const char *root, const char *group)
{
    char path[2 * PATH_BYTES];
    char line[64] = "";
    char *end;
    unsigned long quota;
    unsigned long period;
    FILE *file;

    snprintf(path, sizeof(path), "%s%s/cpu.max", root, group);
    file = fopen(path, "re");
    if (!file) {
        return 0;
    }
    if (!fgets(line, sizeof(line), file)) {
        line[0] = '\0';
    }
    fclose(file);
    quota = strtoul(line, &end, 10);
    period = strtoul(end, NULL, 10);
    if (quota == 0 || period == 0) {
        return 0; /* "max", or no numbers */
    }
    quota = quota / period + (quota % period != 0);
    return quota < UINT32_MAX ? (uint32_t)quota : 0;
}

uint32_t rmx_quota_read(const char *membership, const char *root)
{
    char group[PATH_BYTES];
    uint32_t smallest = 0;
    char *slash = group;

    if (!find_group(membership, group)) {
        return 0;
    }
    while (slash) {
        uint32_t quota = read_group(root, group);

        if (quota && (!smallest || quota < smallest)) {
            smallest = quota;
        }
        slash = strrchr(group, '/'); /* on to the group above; the topmost is "" */
        if (slash) {
            *slash = '\0';
        }
    }
    return smallest;
}
