/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a race remuxes, and how that ends when nothing disturbs it. See race.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/process.h"
#include "tests/race_job.h"

#define PATIENCE_MS 20000

#define SOURCE                                                                                     \
    "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25", "-f", "lavfi", "-i",                     \
        "sine=frequency=440:sample_rate=48000", "-t", "2"
#define CODECS                                                                                     \
    "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25", "-bf", "2",      \
        "-b:v", "500k", "-c:a", "aac", "-b:a", "64k"

/* Those without arguments are of the collection. */
static const struct {
    const char *name;
    const char *arguments[40];
} recipes[] = {
    { "race.mp4", { SOURCE, CODECS, "-movflags", "+faststart", NULL } },
    { "race.ts", { SOURCE, CODECS, NULL } },
    { "race.mkv", { SOURCE, CODECS, NULL } },
    { "race.mp3", { SOURCE, "-vn", "-c:a", "libmp3lame", NULL } },
    { "mkv/sample_with_vorbis_audio.mkv", { NULL } },
    { "webm/bbb_642x642_768kbps_30fps_vp9.webm", { NULL } },
    { "webm/fixture.webm", { NULL } },
};

static void make(const char *path, const char *const *arguments)
{
    const char *command[48];
    size_t count = 0;

    while (arguments[count] != NULL) {
        command[count] = arguments[count];
        count++;
    }
    command[count++] = path;
    command[count] = NULL;
    rmx_process_ffmpeg(command);
}

void race_media_load(struct race *race)
{
    const char *collection = getenv("RMX_MEDIA");

    for (size_t i = 0; i < sizeof(recipes) / sizeof(recipes[0]); i++) {
        struct race_clip *clip = &race->clip[race->clips];
        bool own = recipes[i].arguments[0] != NULL;

        (void)snprintf(clip->path, sizeof(clip->path), "%s/%s%s",
            own                  ? race->dir
            : collection == NULL ? RMX_RACE_MEDIA
                                 : collection,
            own ? "" : "good/", recipes[i].name);
        if (own && access(clip->path, R_OK) < 0) {
            make(clip->path, recipes[i].arguments);
        }
        if (access(clip->path, R_OK) == 0) {
            clip->bytes = rmx_process_slurp(clip->path, &clip->size);
            race->clips++;
        }
    }
}

/* --- references ------------------------------------------------------------------------------- */

static void learn_one(
    struct race *race, struct rmx_client *client, size_t clip, size_t format, enum race_kind way)
{
    struct race_job job;
    struct rmx_result result;
    uint64_t until_ns = race_now_ns() + PATIENCE_MS * UINT64_C(1000000);
    uint64_t id = 0;
    int got;

    race_job_make_way(&job, race, clip, format, way);
    got = rmx_submit(client, &job.job, 1, &id);
    if (got != 1) {
        race_fail(race, "a job of the reference: %s", strerrordesc_np(-got));
    }
    race_job_sent(&job, id);
    do {
        race_job_move(&job, client);
        got = rmx_wait(client, &result, 1, 1);
    } while (got == 0 && race_now_ns() < until_ns);
    if (got != 1) {
        race_fail(race, "a job of the reference does not end");
    }
    race_job_learn(&job, &result, &race->reference[clip][format][way]);
}

static void name_file(const struct race *race, char *path, size_t bytes)
{
    (void)snprintf(path, bytes, "%s/references", race->dir);
}

void race_media_learn(struct race *race)
{
    static const char *const settings[] = { "--workers=1", NULL };
    pid_t daemon = race_daemon_start(race, settings);
    struct rmx_client *client = race_daemon_connect(race);
    char path[256];
    FILE *file;

    for (size_t clip = 0; clip < race->clips; clip++) {
        for (size_t format = 0; format < RACE_FORMATS; format++) {
            for (enum race_kind way = 0; way < RACE_WAYS; way++) {
                learn_one(race, client, clip, format, way);
            }
        }
    }
    rmx_close(&client);
    (void)kill(daemon, SIGTERM);
    race_daemon_wait(race, daemon, 15);
    name_file(race, path, sizeof(path));
    file = fopen(path, "we");
    if (file == NULL || fwrite(race->reference, sizeof(race->reference), 1, file) != 1 ||
        fclose(file) != 0) {
        race_fail(race, "%s: %s", path, strerrordesc_np(errno));
    }
}

void race_media_recall(struct race *race)
{
    char path[256];
    FILE *file;

    name_file(race, path, sizeof(path));
    file = fopen(path, "re");
    if (file == NULL || fread(race->reference, sizeof(race->reference), 1, file) != 1) {
        race_fail(race, "%s: %s", path, strerrordesc_np(errno));
    }
    (void)fclose(file);
}

void race_media_forget(const struct race *race)
{
    DIR *dir = opendir(race->dir);
    const struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    (void)rmdir(race->dir);
}
