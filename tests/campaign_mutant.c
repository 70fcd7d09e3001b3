/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The mutants of a campaign. See campaign_mutant.h.
 */
#include "tests/campaign_mutant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/ringmux.h"
#include "ipc/format.h"
#include "ring/base.h"
#include "tests/mutant.h"

#define FILES_MAX 1024u

struct file {
    char *name;
    uint8_t *at;
    size_t size;
};

static struct {
    struct file files[FILES_MAX];
    uint32_t count;
} collection;

static int load_file(const char *path)
{
    rmx_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct file *file = &collection.files[collection.count];
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        return -errno;
    }
    if (st.st_size == 0 || st.st_size > CAMPAIGN_FILE_BYTES_MAX || collection.count == FILES_MAX) {
        return 0;
    }
    file->size = (size_t)st.st_size;
    file->at = malloc(file->size);
    file->name = strdup(path);
    if (file->at == NULL || file->name == NULL || read(fd, file->at, file->size) != st.st_size) {
        return -EIO;
    }
    collection.count++;
    return 0;
}

int campaign_mutant_load(const char *list)
{
    FILE *paths = fopen(list, "re");
    char path[4096];
    int error = paths == NULL ? -errno : 0;

    while (error == 0 && fgets(path, sizeof(path), paths) != NULL) {
        path[strcspn(path, "\n")] = '\0';
        error = load_file(path);
    }
    if (paths != NULL) {
        (void)fclose(paths);
    }
    return error < 0 ? error : (int)collection.count;
}

const char *campaign_mutant_name(const struct campaign_mutant *mutant)
{
    return collection.files[mutant->file].name;
}

/* Half of them what people use most, the others any container of one file. */
static const struct rmx_format *pick_format(struct dice *dice)
{
    static const char *const usual[] = { "mp4", "fmp4", "cmaf", "mov", "mpegts", "matroska", "webm",
        "flv", "ogg", "adts", "mp3", "wav", "flac" };
    const struct rmx_format *format = NULL;
    uint64_t count = 0;

    if (dice_one_in(dice, 2)) {
        return rmx_format_find(usual[dice_below(dice, sizeof(usual) / sizeof(*usual))]);
    }
    while (rmx_format_at(count) != NULL) {
        count++;
    }
    rmx_assert(count > 0);
    while (format == NULL || *format->index != '\0') {
        format = rmx_format_at(dice_below(dice, count));
    }
    return format;
}

struct campaign_mutant campaign_mutant_make(uint64_t seed, uint64_t index, uint8_t *bytes)
{
    static const enum campaign_way ways[] = { CAMPAIGN_BY_FILE, CAMPAIGN_BY_FILE, CAMPAIGN_BY_FILE,
        CAMPAIGN_BY_FILE, CAMPAIGN_BY_PIPE, CAMPAIGN_BY_RING };
    struct dice dice = { seed };
    struct campaign_mutant mutant = { .index = index, .kind = RMX_REMUX };

    dice.state = dice_roll(&dice) + index * UINT64_C(0x9e3779b97f4a7c15);
    dice.state = dice_roll(&dice);
    mutant.file = (uint32_t)dice_below(&dice, collection.count);
    const struct rmx_format *format = pick_format(&dice);
    mutant.format = format->name;
    mutant.input = ways[dice_below(&dice, sizeof(ways) / sizeof(*ways))];
    mutant.output = ways[dice_below(&dice, sizeof(ways) / sizeof(*ways))];
    if (dice_one_in(&dice, 8)) {
        mutant.kind = RMX_PROBE;
        mutant.format = NULL;
    }
    mutant.flags |= mutant.kind == RMX_REMUX && dice_one_in(&dice, 2) ? RMX_ALL_STREAMS : 0;
    mutant.flags |= dice_one_in(&dice, 2) ? RMX_ALLOW_TRUNCATED : 0;
    if (dice_one_in(&dice, 4) && mutant.input != CAMPAIGN_BY_RING &&
        mutant.output != CAMPAIGN_BY_RING) {
        mutant.flags |= RMX_SPOOL;
    } else if (mutant.kind == RMX_REMUX && format->patch != RMX_PATCH_ALWAYS &&
               dice_one_in(&dice, 3)) {
        mutant.flags |= RMX_LIVE;
    }
    mutant.flags |= mutant.output == CAMPAIGN_BY_RING ? RMX_POSITIONAL : 0;
    const struct file *file = &collection.files[mutant.file];
    memcpy(bytes, file->at, file->size);
    mutant.size = mutant_make(bytes, file->size, CAMPAIGN_ROOM_BYTES, &dice);
    return mutant;
}
