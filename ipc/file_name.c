/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The names of a job's several files (see file_name.h). Runs in every process.
 */
#include "ipc/file_name.h"

#include <string.h>

#include "ipc/format.h"
#include "ipc/status.h"

static bool may_stand(char c)
{
    return (unsigned char)c >= 0x20 && c != 0x7f && c != '/' && c != '\\' && c != ':';
}

bool rmx_file_name_is_plain(const char *name, size_t length)
{
    for (size_t at = 0; at < length; at++) {
        if (!may_stand(name[at])) {
            return false;
        }
    }
    return length > 0 && length < RMX_FILE_NAME_BYTES && name[0] != '.';
}

bool rmx_file_name_is_fixed(const char *name, size_t length)
{
    return rmx_file_name_is_plain(name, length) && memchr(name, '%', length) == NULL;
}

/* The length of "%d", "%3d" or "%03d" at the front; 0 = it is none of them. */
static size_t pattern_length(const char *text, size_t length)
{
    size_t at = 1;

    at += at < length && text[at] == '0';
    at += at < length && text[at] >= '1' && text[at] <= '9';
    return at < length && text[at] == 'd' ? at + 1 : 0;
}

bool rmx_file_name_is_numbered(const char *name, size_t length)
{
    const char *percent = length > 0 ? memchr(name, '%', length) : NULL;

    if (percent == NULL || !rmx_file_name_is_plain(name, length)) {
        return false;
    }
    size_t left = length - (size_t)(percent - name);
    size_t pattern = pattern_length(percent, left);

    return pattern > 0 && memchr(percent + 1, '%', left - 1) == NULL;
}

int rmx_file_name_check(const char *name, const char *container, const char **why)
{
    const struct rmx_format *format = name != NULL ? rmx_format_find(container) : NULL;

    if (format == NULL) {
        return 0;
    }
    bool is_one = format->index[0] == '\0';
    bool numbered = strchr(format->index, '%') != NULL;
    const char *wrong = NULL;

    if (is_one) {
        wrong = "edits: output_name: this container is one file";
    } else if (numbered && !rmx_file_name_is_numbered(name, strlen(name))) {
        wrong = "edits: output_name: say where the number goes: part%03d.mp4";
    } else if (!numbered && !rmx_file_name_is_fixed(name, strlen(name))) {
        wrong = "edits: output_name: give a name without a folder, and without '%'";
    }
    *why = wrong != NULL ? wrong : *why;
    return wrong != NULL ? RMX_STATUS_BAD_OPTION : 0;
}
