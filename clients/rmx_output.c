/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where rmx writes (see rmx_output.h). Runs in the process rmx.
 */
#include "clients/rmx_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ring/base.h"

#define TRIES     16 /* for a hidden name nobody else has */
#define LINKS_MAX 40 /* to follow, as the kernel does */

static int open_special(struct rmx_output *output, const char *path)
{
    output->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    return output->fd < 0 ? -errno : 0;
}

static int open_standard(struct rmx_output *output)
{
    int flags = fcntl(STDOUT_FILENO, F_GETFL);

    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) {
        return -EBADF;
    }
    output->fd = STDOUT_FILENO;
    return 0;
}

/* A file's folder and its name in it. The path may be changed. */
static int open_folder(struct rmx_output *output, char *path)
{
    char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    const char *folder = slash == NULL ? "." : slash == path ? "/" : path;
    int bytes = snprintf(output->name, sizeof(output->name), "%s", name);

    if (bytes == 0) {
        return -EISDIR; /* "folder/" */
    }
    if (bytes >= (int)sizeof(output->name)) {
        return -ENAMETOOLONG;
    }
    if (slash != NULL) {
        *slash = '\0';
    }
    output->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return output->folder < 0 ? -errno : 0;
}

/* A name beside the final one, so that a rename can put one in place of the other. */
static int choose_hidden_name(struct rmx_output *output)
{
    uint64_t number;

    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number)) {
        return -EAGAIN;
    }
    snprintf(output->hidden, sizeof(output->hidden), ".%.200s.%016llx.rmx", output->name,
        (unsigned long long)number);
    return 0;
}

static int make_hidden_file(struct rmx_output *output)
{
    for (int i = 0; i < TRIES; i++) {
        int err = choose_hidden_name(output);

        if (err == 0) {
            output->fd =
                openat(output->folder, output->hidden, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
            err = output->fd < 0 ? -errno : 0;
        }
        if (err != -EEXIST) {
            if (err != 0) {
                output->hidden[0] = '\0';
            }
            return err;
        }
    }
    output->hidden[0] = '\0';
    return -EEXIST;
}

static int make_file(struct rmx_output *output)
{
    output->fd = openat(output->folder, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0666);
    if (output->fd >= 0) {
        return 0;
    }
    bool is_unknown = errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT;
    return is_unknown ? make_hidden_file(output) : -errno;
}

/* What stands under the name already: may it go, and which permissions will its successor have? */
static int look_at_old(
    const struct rmx_output *output, const char *path, const struct stat *old, mode_t *mode)
{
    if (S_ISDIR(old->st_mode)) {
        return -EISDIR;
    }
    if (!output->may_replace) {
        return -EEXIST;
    }
    if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0) {
        return -errno;
    }
    *mode = old->st_mode & 0777;
    return 0;
}

/* Puts what the symbolic link *path says in its place; a relative link starts in its folder. */
static int follow_link(char (*path)[PATH_MAX])
{
    char target[PATH_MAX];
    ssize_t bytes = readlink(*path, target, sizeof(target) - 1);

    if (bytes < 0) {
        return -errno;
    }
    target[bytes] = '\0';
    const char *slash = strrchr(*path, '/');
    size_t kept = *target == '/' || slash == NULL ? 0 : (size_t)(slash + 1 - *path);
    if (kept + (size_t)bytes >= sizeof(*path)) {
        return -ENAMETOOLONG;
    }
    memcpy(*path + kept, target, (size_t)bytes + 1);
    return 0;
}

/* Where the file is or will be: the end of a chain of links, which need not exist. */
static int find_end(char (*whole)[PATH_MAX], const char *path)
{
    if (snprintf(*whole, sizeof(*whole), "%s", path) >= (int)sizeof(*whole)) {
        return -ENAMETOOLONG;
    }
    for (int i = 0; i < LINKS_MAX; i++) {
        int err = follow_link(whole);

        if (err != 0) { /* the usual end: it is no link, or nothing */
            return err == -EINVAL || err == -ENOENT ? 0 : err;
        }
    }
    return -ELOOP;
}

static int open_file(struct rmx_output *output, const char *path, const struct stat *old)
{
    char whole[PATH_MAX];
    mode_t mode = 0;
    int err = old != NULL ? look_at_old(output, path, old, &mode) : 0;

    output->replaces = old != NULL;
    if (err == 0) {
        err = find_end(&whole, path);
    }
    if (err == 0) {
        err = open_folder(output, whole);
    }
    if (err == 0) {
        err = make_file(output);
    }
    if (err == 0 && old != NULL && fchmod(output->fd, mode) < 0) {
        err = -errno;
    }
    return err;
}

int rmx_output_open(struct rmx_output *output, const char *path, bool may_replace)
{
    struct stat old;
    int err;

    *output = (struct rmx_output)RMX_OUTPUT_INIT;
    output->may_replace = may_replace;
    if (strcmp(path, "-") == 0) {
        return open_standard(output);
    }
    if (stat(path, &old) == 0) {
        bool is_special = !S_ISREG(old.st_mode) && !S_ISDIR(old.st_mode);

        err = is_special ? open_special(output, path) : open_file(output, path, &old);
    } else {
        err = errno == ENOENT ? open_file(output, path, NULL) : -errno;
    }
    if (err < 0) {
        rmx_output_fini(output);
    }
    return err;
}

/* What stands under the list's name already; the other files' names are not known yet. */
static int look_at_old_list(const struct rmx_output *output)
{
    struct stat old;

    if (fstatat(output->folder, output->name, &old, AT_SYMLINK_NOFOLLOW) < 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    return S_ISDIR(old.st_mode) ? -EISDIR : !output->may_replace ? -EEXIST : 0;
}

int rmx_output_open_several(
    struct rmx_output *output, const char *path, bool may_replace, bool at_once)
{
    uint32_t flags =
        (at_once ? RMX_DIRECTORY_AT_ONCE : 0) | (may_replace ? 0 : RMX_DIRECTORY_NO_CLOBBER);
    char whole[PATH_MAX];

    *output = (struct rmx_output)RMX_OUTPUT_INIT;
    output->may_replace = may_replace;
    if (strcmp(path, "-") == 0) {
        return -ENOTSUP;
    }
    if (snprintf(whole, sizeof(whole), "%s", path) >= (int)sizeof(whole)) {
        return -ENAMETOOLONG;
    }
    int err = open_folder(output, whole);
    if (err == 0) {
        err = look_at_old_list(output);
    }
    if (err == 0) {
        err = rmx_directory_open(&output->directory, output->folder, flags);
    }
    if (err < 0) {
        rmx_output_fini(output);
        return err;
    }
    rmx_directory_sink(output->directory, &output->sink);
    return 0;
}

void rmx_output_attach(struct rmx_output *output, struct rmx_job *job)
{
    if (output->directory == NULL) {
        job->output = output->fd;
        return;
    }
    job->output = RMX_RING;
    job->sink = &output->sink;
    job->flags |= RMX_PARTS | RMX_POSITIONAL;
}

static int look(const char *path, int standard, struct stat *st)
{
    return strcmp(path, "-") == 0 ? fstat(standard, st) : stat(path, st);
}

bool rmx_output_is_input(const char *output, const char *input)
{
    struct stat out;
    struct stat in;

    return look(output, STDOUT_FILENO, &out) == 0 && S_ISREG(out.st_mode) &&
           look(input, STDIN_FILENO, &in) == 0 && in.st_dev == out.st_dev &&
           in.st_ino == out.st_ino;
}

int rmx_output_find(struct rmx_output_place *place, const char *path)
{
    struct rmx_output output = RMX_OUTPUT_INIT;
    char whole[PATH_MAX];
    struct stat st;
    int err = find_end(&whole, path);

    if (err == 0 && stat(whole, &st) == 0 && !S_ISREG(st.st_mode)) {
        err = S_ISDIR(st.st_mode) ? -EISDIR : -ENOTBLK;
    }
    if (err == 0) {
        err = open_folder(&output, whole);
    }
    if (err == 0 && fstat(output.folder, &st) < 0) {
        err = -errno;
    }
    if (err == 0) {
        place->device = st.st_dev;
        place->folder = st.st_ino;
        memcpy(place->name, output.name, sizeof(place->name));
    }
    rmx_output_fini(&output);
    return err;
}

/* Names the unnamed file. AT_EMPTY_PATH would need a capability, so the way leads through /proc. */
static int link_file(const struct rmx_output *output, const char *name)
{
    char self[64];

    snprintf(self, sizeof(self), "/proc/self/fd/%d", output->fd);
    int err = linkat(AT_FDCWD, self, output->folder, name, AT_SYMLINK_FOLLOW);
    return err < 0 ? -errno : 0;
}

/* An unnamed file can take a free name, but not another file's: then it gets a hidden one first. */
static int link_hidden(struct rmx_output *output)
{
    int err = -EEXIST;

    for (int i = 0; i < TRIES && err == -EEXIST; i++) {
        err = choose_hidden_name(output);
        if (err == 0) {
            err = link_file(output, output->hidden);
        }
    }
    if (err < 0) {
        output->hidden[0] = '\0';
    }
    return err;
}

static int rename_hidden(struct rmx_output *output)
{
    unsigned int flags = output->may_replace ? 0 : RENAME_NOREPLACE;

    if (renameat2(output->folder, output->hidden, output->folder, output->name, flags) < 0) {
        return -errno;
    }
    output->hidden[0] = '\0';
    return 0;
}

int rmx_output_prepare(struct rmx_output *output)
{
    bool is_plain = output->directory == NULL && output->folder >= 0;

    return is_plain && output->hidden[0] == '\0' ? link_hidden(output) : 0;
}

void rmx_output_forsake(struct rmx_output *output)
{
    if (output->directory == NULL && output->folder >= 0 && !output->replaces) {
        unlinkat(output->folder, output->name, 0);
    }
}

int rmx_output_keep(struct rmx_output *output)
{
    if (output->directory != NULL) {
        return rmx_directory_keep(output->directory);
    }
    rmx_assert(output->fd >= 0);
    if (output->folder < 0) {
        lseek(output->fd, 0, SEEK_END); /* the next program writes behind ours; a pipe just fails */
        return 0;
    }
    if (output->hidden[0] == '\0') {
        int err = link_file(output, output->name);

        if (err != -EEXIST || !output->may_replace) {
            return err;
        }
        err = link_hidden(output);
        if (err < 0) {
            return err;
        }
    }
    return rename_hidden(output);
}

void rmx_output_fini(struct rmx_output *output)
{
    rmx_directory_close(&output->directory);
    if (output->hidden[0] != '\0') {
        unlinkat(output->folder, output->hidden, 0);
        output->hidden[0] = '\0';
    }
    if (output->fd != STDOUT_FILENO) {
        rmx_base_close(&output->fd);
    }
    output->fd = -1;
    rmx_base_close(&output->folder);
}
