/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Files that are kept in memory until they are whole (see kept.h). Worker process, a job's fiber.
 */
#include "engine/worker/kept.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libavutil/bprint.h>
#include <libavutil/mem.h>

#include "engine/worker/cipher.h"
#include "engine/worker/options.h"
#include "engine/worker/target.h"
#include "ipc/file_name.h"
#include "ipc/format.h"
#include "ring/base.h"

struct rmx_kept_file {
    struct rmx_kept_file *next;
    AVIOContext *io;
    bool encrypted;
    uint8_t key[RMX_KEPT_KEY_BYTES];
    uint8_t iv[RMX_KEPT_KEY_BYTES];
    char name[RMX_FILE_NAME_BYTES];
};

static bool is_list(const struct rmx_words *words, const char *name)
{
    return strcmp(name, rmx_target_name(words->spec)) == 0;
}

static bool is_hls(const struct rmx_words *words)
{
    return strcmp(rmx_format_find(words->spec->format)->muxer, "hls") == 0;
}

bool rmx_kept_takes(const struct rmx_words *words, const char *name)
{
    if (rmx_options_wants_single_dash(words->spec)) {
        return rmx_volumes_know(name) || is_list(words, name);
    }
    return is_hls(words) && is_list(words, name);
}

/* --- in -------------------------------------------------------------------------------------- */

static struct rmx_kept_file *new_file(const struct rmx_words *words, const char *name)
{
    struct rmx_kept_file *file = av_mallocz(sizeof(*file));

    if (!file || avio_open_dyn_buf(&file->io) < 0) {
        av_free(file);
        return NULL;
    }
    snprintf(file->name, sizeof(file->name), "%s", name);
    file->next = words->kept->open;
    words->kept->open = file;
    return file;
}

int rmx_kept_open(const struct rmx_words *words, const char *name, AVIOContext **io)
{
    struct rmx_kept_file *file = NULL;

    if (!rmx_file_name_is_plain(name, strlen(name))) {
        return AVERROR(EINVAL);
    }
    file = new_file(words, name);
    if (file) {
        *io = file->io;
    }
    return file ? 0 : AVERROR(ENOMEM);
}

int rmx_kept_open_encrypted(const struct rmx_words *words, const uint8_t key[RMX_KEPT_KEY_BYTES],
    const uint8_t iv[RMX_KEPT_KEY_BYTES], AVIOContext **io)
{
    struct rmx_kept_file *file = new_file(words, "");

    if (!file) {
        return AVERROR(ENOMEM);
    }
    file->encrypted = true;
    memcpy(file->key, key, sizeof(file->key));
    memcpy(file->iv, iv, sizeof(file->iv));
    *io = file->io;
    return 0;
}

static struct rmx_kept_file **find(struct rmx_kept *kept, const AVIOContext *io)
{
    struct rmx_kept_file **link = &kept->open;

    while (*link && (*link)->io != io) {
        link = &(*link)->next;
    }
    return link;
}

bool rmx_kept_has(const struct rmx_words *words, const AVIOContext *io)
{
    return *find(words->kept, io);
}

/* --- out ------------------------------------------------------------------------------------- */

static int keep_encrypted(
    struct rmx_kept *kept, const struct rmx_kept_file *file, const uint8_t *bytes, size_t size)
{
    struct rmx_cipher *cipher = rmx_cipher_new(file->key, file->iv);
    uint8_t *segment = av_malloc(size + RMX_CIPHER_BLOCK + RMX_CIPHER_ROOM);
    size_t made = 0;

    if (!cipher || !segment) {
        rmx_cipher_free(&cipher);
        av_free(segment);
        return AVERROR(ENOMEM);
    }
    for (size_t done = 0; done < size;) {
        size_t some = size - done;

        made += rmx_cipher_take(cipher, bytes + done, &some, segment + made);
        done += some;
    }
    rmx_cipher_end(cipher, segment + made);
    rmx_cipher_free(&cipher);
    av_free(kept->segment);
    kept->segment = segment;
    kept->segment_bytes = made + RMX_CIPHER_BLOCK;
    return 0;
}

static int send(const struct rmx_outlet *outlet, const char *name, const AVBPrint *text)
{
    AVIOContext *io = NULL;
    int err = av_bprint_is_complete(text) ? 0 : AVERROR(ENOMEM);

    err = err < 0 ? err : outlet->open_part(outlet->owner, name, &io);
    if (err < 0) {
        return err;
    }
    avio_write(io, (const unsigned char *)text->str, (int)text->len);
    return outlet->close_part(outlet->owner, io);
}

static int send_list(const struct rmx_words *words, const char *name, const char *text)
{
    struct rmx_kept *kept = words->kept;
    AVBPrint edited;
    int err = 0;

    av_bprint_init(&edited, 0, AV_BPRINT_SIZE_UNLIMITED);
    if (is_hls(words)) {
        rmx_lists_edit(&kept->lists, text, &edited);
    } else {
        err = rmx_volumes_edit(&kept->volumes, text, &edited);
    }
    if (err >= 0 && kept->lists.ending) { /* and then the list that says what is in them */
        err = rmx_volumes_close(&kept->volumes, words->outlet);
    }
    err = err < 0 ? err : send(words->outlet, name, &edited);
    av_bprint_finalize(&edited, NULL);
    return err;
}

int rmx_kept_close(const struct rmx_words *words, AVIOContext *io)
{
    struct rmx_kept_file **link = find(words->kept, io);
    struct rmx_kept_file *file = *link;
    uint8_t *bytes = NULL;
    int err = io->error;

    rmx_assert(file);
    avio_w8(io, 0); /* so that it is a text */
    int size = avio_close_dyn_buf(io, &bytes) - 1;

    *link = file->next;
    if (err == 0 && (!bytes || size < 0)) {
        err = AVERROR(ENOMEM);
    }
    if (err == 0 && file->encrypted) {
        err = keep_encrypted(words->kept, file, bytes, (size_t)size);
    } else if (err == 0 && is_list(words, file->name)) {
        err = send_list(words, file->name, (const char *)bytes);
    } else if (err == 0) {
        err = rmx_volumes_put(&words->kept->volumes, words->outlet, rmx_target_name(words->spec),
            file->name, bytes, (size_t)size);
    }
    av_free(bytes);
    explicit_bzero(file->key, sizeof(file->key));
    av_free(file);
    return err;
}

bool rmx_kept_drop(const struct rmx_words *words, const char *name)
{
    bool ours = rmx_options_wants_single_dash(words->spec) && rmx_volumes_know(name);

    if (ours) {
        rmx_volumes_forget(&words->kept->volumes, name);
    }
    return ours;
}

void rmx_kept_fini(struct rmx_kept *kept)
{
    while (kept->open) {
        struct rmx_kept_file *file = kept->open;
        uint8_t *bytes = NULL;

        kept->open = file->next;
        avio_close_dyn_buf(file->io, &bytes);
        av_free(bytes);
        explicit_bzero(file->key, sizeof(file->key));
        av_free(file);
    }
    rmx_volumes_fini(&kept->volumes);
    av_freep(&kept->segment);
}
