/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Keys on the command line (see rmx_secret.h). Runs in the process rmx.
 */
#include "clients/rmx_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clients/rmx_say.h"
#include "ipc/option.h"

#define KEY_BYTES 16 /* of AES-128 */

/* Is the name before '=' that of an option that is a key? */
static bool is_key_option(const char *pair)
{
    size_t bytes = strcspn(pair, "=");
    const struct rmx_option *option;

    for (size_t i = 0; (option = rmx_option_at(i)) != NULL; i++) {
        if (option->kind == RMX_OPTION_IS_KEY && strlen(option->name) == bytes &&
            memcmp(option->name, pair, bytes) == 0) {
            return true;
        }
    }
    return false;
}

/* Where the key begins, or NULL: there is none. */
static char *find(enum rmx_request_word word, char *argument)
{
    char *equals = strchr(argument, '=');

    switch (word) {
    case RMX_REQUEST_DECRYPTION_KEY: { /* "1=KEY" */
        size_t digits = strspn(argument, "01234567");

        return digits == 1 && argument[1] == '=' ? argument + 2 : argument;
    }
    case RMX_REQUEST_OPTIONS:
        return equals != NULL && is_key_option(argument) ? equals + 1 : NULL;
    case RMX_REQUEST_OUTPUT_OPT: { /* "1:hls_enc_key=KEY" */
        const char *pair = argument + strcspn(argument, ":=");

        return equals != NULL && *pair == ':' && is_key_option(pair + 1) ? equals + 1 : NULL;
    }
    default:
        return NULL;
    }
}

/* Adds to `text` what the file has: a line, or the bytes of a key. Returns 0 or -errno. */
static int read_file(const char *path, char *text, size_t room)
{
    char bytes[RMX_SECRET_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, bytes, sizeof(bytes) - 1) : -1;
    int err = got < 0 ? -errno : 0;

    if (fd >= 0) {
        close(fd);
    }
    if (err < 0) {
        return err;
    }
    if (got == KEY_BYTES && room > 2 * (size_t)KEY_BYTES) {
        for (size_t i = 0; i < KEY_BYTES; i++) {
            snprintf(text + 2 * i, 3, "%02x", (unsigned)(unsigned char)bytes[i]);
        }
        return 0;
    }
    bytes[got] = '\0';
    bytes[strcspn(bytes, "\r\n")] = '\0';
    return snprintf(text, room, "%s", bytes) < (int)room ? 0 : -EMSGSIZE;
}

static int read_environment(const char *name, char *text, size_t room)
{
    const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe): rmx has one thread. */

    if (value == NULL) {
        return -ENOENT;
    }
    return snprintf(text, room, "%s", value) < (int)room ? 0 : -EMSGSIZE;
}

int rmx_secret_take(struct rmx_secrets *secrets, enum rmx_request_word word, char *argument,
    const char **value, char why[RMX_ARGS_WHY_BYTES])
{
    char *key = find(word, argument);
    size_t head = key != NULL ? (size_t)(key - argument) : 0;
    int err = 0;

    *value = argument;
    if (key == NULL) {
        return 0;
    }
    if (secrets->count == RMX_SECRET_MAX || head >= RMX_SECRET_BYTES) {
        snprintf(why, RMX_ARGS_WHY_BYTES, "that is one key more than %d", RMX_SECRET_MAX);
        return -EINVAL;
    }
    char *text = secrets->text[secrets->count++];
    size_t room = RMX_SECRET_BYTES - head;

    memcpy(text, argument, head);
    if (strncmp(key, "file:", 5) == 0) {
        err = read_file(key + 5, text + head, room);
    } else if (strncmp(key, "env:", 4) == 0) {
        err = read_environment(key + 4, text + head, room);
    } else {
        snprintf(text + head, room, "%s", key); /* cut, it is as wrong as it was */
        memset(key, 'x', strlen(key));
    }
    if (err < 0) {
        snprintf(why, RMX_ARGS_WHY_BYTES, "there is no key: %s", rmx_say_error(err));
        return -EINVAL;
    }
    *value = text;
    return 0;
}
