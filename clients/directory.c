/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A directory as a sink for a job of several files (see ringmux.h). Runs in the client process, on
 * the thread that serves its sinks, with the caller's own rights: the daemon never writes into a
 * directory, since whoever may read one could make it write there for him.
 *
 * What a worker says is not trusted: a name is a plain one, it is opened beneath the directory and
 * through no link, and only what this job wrote is ever deleted. A file is written in a hidden
 * directory beside its place and moved there when it is complete.
 */
#include "clients/ringmux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/file_name.h"
#include "ring/base.h"

#define OPEN_MAX_FILES 32 /* at once: a muxer writes one for each stream */
#define TRIES          16 /* for a hidden name nobody else has */
#define HIDDEN_BYTES   40
#define ROOM_AT_FIRST  16u
#define FLAGS_ALL      (RMX_DIRECTORY_AT_ONCE | RMX_DIRECTORY_NO_CLOBBER)

struct file { /* what the worker calls by a number */
    char *name;
    int fd;         /* open; -1 = not begun, or complete */
    bool is_shown;  /* it has been moved to its place */
    uint64_t bytes; /* of it */
    uint64_t whole; /* when it was complete, as a count; 0 = not yet */
};

struct rmx_directory {
    int folder;  /* where the files go */
    int staging; /* where they are until then; -1 = there was none yet */
    char hidden[HIDDEN_BYTES];
    uint32_t flags;
    uint32_t opened;
    uint64_t clock; /* files that were completed */
    struct file *files;
    uint32_t room;
};

/* --- the hidden directory ------------------------------------------------------------------ */

static int make_staging(struct rmx_directory *directory)
{
    int err = -EEXIST;

    for (int i = 0; i < TRIES && err == -EEXIST; i++) {
        uint64_t number;

        if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number)) {
            return -EAGAIN;
        }
        snprintf(directory->hidden, sizeof(directory->hidden), ".ringmux.%016llx",
            (unsigned long long)number);
        err = mkdirat(directory->folder, directory->hidden, 0700) < 0 ? -errno : 0;
    }
    if (err < 0) {
        directory->hidden[0] = '\0';
        return err;
    }
    directory->staging =
        openat(directory->folder, directory->hidden, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return directory->staging < 0 ? -errno : 0;
}

static int open_beneath(const struct rmx_directory *directory, const char *name)
{
    const struct open_how how = {
        .flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
        .mode = 0666,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd = syscall(SYS_openat2, directory->staging, name, &how, sizeof(how));

    return fd < 0 ? -errno : (int)fd;
}

/* Moves a complete file to its place. One that this job wrote before is replaced in any case. */
static int show(struct rmx_directory *directory, struct file *file)
{
    bool keeps = (directory->flags & RMX_DIRECTORY_NO_CLOBBER) != 0 && !file->is_shown;

    if (renameat2(directory->staging, file->name, directory->folder, file->name,
            keeps ? RENAME_NOREPLACE : 0) < 0) {
        return -errno;
    }
    file->is_shown = true;
    file->whole = 0;
    return 0;
}

/* --- files --------------------------------------------------------------------------------- */

static void close_file(struct rmx_directory *directory, struct file *file)
{
    if (file->fd >= 0) {
        rmx_base_close(&file->fd);
        directory->opened--;
    }
}

/* Room for that number. Returns the file, or NULL with *err. */
static struct file *reach(struct rmx_directory *directory, uint32_t part, int *err)
{
    uint32_t room = directory->room == 0 ? ROOM_AT_FIRST : directory->room;

    *err = part < RMX_FILE_NAMES_MAX ? 0 : -EBADMSG;
    while (room <= part) {
        room *= 2;
    }
    if (*err == 0 && room > directory->room) {
        struct file *files = reallocarray(directory->files, room, sizeof(*files));

        if (files == NULL) {
            *err = -ENOMEM;
            return NULL;
        }
        for (uint32_t i = directory->room; i < room; i++) {
            files[i] = (struct file){ .fd = -1 };
        }
        directory->files = files;
        directory->room = room;
    }
    return *err == 0 ? &directory->files[part] : NULL;
}

/* The number is another file's from now on. */
static int rename_entry(struct rmx_directory *directory, struct file *file, const char *name)
{
    bool is_waiting = file->whole != 0 && (directory->flags & RMX_DIRECTORY_AT_ONCE) == 0;

    if (is_waiting) {
        return -EOVERFLOW; /* more files than can wait for the end */
    }
    if (file->name != NULL) {
        unlinkat(directory->staging, file->name, 0); /* if it was never complete */
        free(file->name);
    }
    *file = (struct file){ .fd = -1, .name = strdup(name) };
    return file->name == NULL ? -ENOMEM : 0;
}

static int begin(struct rmx_directory *directory, const struct rmx_piece *piece)
{
    char name[RMX_FILE_NAME_BYTES];
    int err;
    struct file *file = reach(directory, piece->part, &err);

    if (file == NULL) {
        return err;
    }
    if (piece->size >= sizeof(name)) {
        return -EBADMSG;
    }
    memcpy(name, piece->bytes, piece->size); /* and looked at only then: it is shared memory */
    name[piece->size] = '\0';
    if (!rmx_file_name_is_plain(name, piece->size)) {
        return -EBADMSG;
    }
    close_file(directory, file);
    if (file->name == NULL || strcmp(file->name, name) != 0) {
        err = rename_entry(directory, file, name);
    }
    if (err == 0 && directory->staging < 0) {
        err = make_staging(directory);
    }
    if (err == 0 && directory->opened == OPEN_MAX_FILES) {
        err = -EMFILE;
    }
    if (err < 0) {
        return err;
    }
    file->fd = open_beneath(directory, name);
    if (file->fd < 0) {
        err = file->fd;
        file->fd = -1;
        return err;
    }
    directory->opened++;
    file->bytes = 0;
    file->whole = 0;
    return 0;
}

static int write_all(struct file *file, const struct rmx_piece *piece)
{
    const unsigned char *bytes = piece->bytes;
    size_t done = 0;

    if (file->fd < 0 || piece->offset > file->bytes) {
        return -EBADMSG; /* no muxer leaves holes */
    }
    while (done < piece->size) {
        ssize_t put =
            pwrite(file->fd, bytes + done, piece->size - done, (off_t)(piece->offset + done));

        if (put < 0 && errno != EINTR) {
            return -errno;
        }
        done += put > 0 ? (size_t)put : 0;
    }
    uint64_t end = piece->offset + piece->size;
    file->bytes = end > file->bytes ? end : file->bytes;
    return 0;
}

static int end_file(struct rmx_directory *directory, struct file *file)
{
    if (file->fd < 0) {
        return -EBADMSG;
    }
    close_file(directory, file);
    file->whole = ++directory->clock;
    return (directory->flags & RMX_DIRECTORY_AT_ONCE) != 0 ? show(directory, file) : 0;
}

/* Only what this job wrote; that it is there no more is no failure. */
static int delete_file(struct rmx_directory *directory, struct file *file)
{
    int from = file->is_shown ? directory->folder : directory->staging;

    if (file->name == NULL || file->fd >= 0 || (!file->is_shown && file->whole == 0)) {
        return -EBADMSG;
    }
    file->whole = 0;
    file->is_shown = false;
    return unlinkat(from, file->name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int write_directory(void *user, const struct rmx_piece *piece)
{
    struct rmx_directory *directory = user;

    if ((piece->flags & RMX_PIECE_NAME) != 0) {
        return begin(directory, piece);
    }
    if (piece->size == 0 && (piece->flags & (RMX_PIECE_PART_END | RMX_PIECE_PART_GONE)) == 0) {
        return 0; /* the end of it all */
    }
    if (piece->part >= directory->room) {
        return -EBADMSG;
    }
    struct file *file = &directory->files[piece->part];
    int err = piece->size > 0 ? write_all(file, piece) : 0;
    if (err == 0 && (piece->flags & RMX_PIECE_PART_END) != 0) {
        err = end_file(directory, file);
    }
    if (err == 0 && (piece->flags & RMX_PIECE_PART_GONE) != 0) {
        err = delete_file(directory, file);
    }
    return err;
}

/* --- all of it ----------------------------------------------------------------------------- */

int rmx_directory_open(struct rmx_directory **directory, int folder, uint32_t flags)
{
    struct rmx_directory *made;
    struct stat st;

    if ((flags & ~(uint32_t)FLAGS_ALL) != 0) {
        return -EINVAL;
    }
    if (fstat(folder, &st) < 0) {
        return -errno;
    }
    if (!S_ISDIR(st.st_mode)) {
        return -ENOTDIR;
    }
    made = malloc(sizeof(*made));
    if (made == NULL) {
        return -ENOMEM;
    }
    *made = (struct rmx_directory){ .staging = -1, .flags = flags };
    made->folder = fcntl(folder, F_DUPFD_CLOEXEC, 0);
    if (made->folder < 0) {
        int err = -errno;

        free(made);
        return err;
    }
    *directory = made;
    return 0;
}

void rmx_directory_sink(struct rmx_directory *directory, struct rmx_sink *sink)
{
    *sink = (struct rmx_sink){ .write = write_directory, .user = directory };
}

/* The file that was completed first of those that wait; NULL = none waits. */
static struct file *first_waiting(const struct rmx_directory *directory)
{
    struct file *first = NULL;

    for (uint32_t i = 0; i < directory->room; i++) {
        struct file *file = &directory->files[i];

        if (file->whole != 0 && (first == NULL || file->whole < first->whole)) {
            first = file;
        }
    }
    return first;
}

int rmx_directory_keep(struct rmx_directory *directory)
{
    struct file *file;
    int err = 0;

    while (err == 0 && (file = first_waiting(directory)) != NULL) {
        err = show(directory, file);
    }
    return err;
}

void rmx_directory_close(struct rmx_directory **directory)
{
    struct rmx_directory *gone = *directory;

    if (gone == NULL) {
        return;
    }
    for (uint32_t i = 0; i < gone->room; i++) {
        struct file *file = &gone->files[i];

        close_file(gone, file);
        if (file->name != NULL && gone->staging >= 0) {
            unlinkat(gone->staging, file->name, 0);
        }
        free(file->name);
    }
    if (gone->hidden[0] != '\0') {
        unlinkat(gone->folder, gone->hidden, AT_REMOVEDIR);
    }
    rmx_base_close(&gone->staging);
    rmx_base_close(&gone->folder);
    free(gone->files);
    free(gone);
    *directory = NULL;
}
