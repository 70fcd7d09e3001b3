/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The settings as people read them. See manual.h.
 */
#include "engine/manual.h"

#include <string.h>

#include "engine/setting.h"

#define WIDTH 92 /* columns that prose may take, indent included */

/* Writes text in lines that start with indent, broken at spaces. */
static void wrap(FILE *out, const char *indent, const char *text)
{
    size_t room = WIDTH - strlen(indent);

    while (*text) {
        size_t length = strlen(text);

        if (length > room) {
            length = room;
            while (length > 0 && text[length] != ' ') {
                length--;
            }
            length = length ? length : strcspn(text, " ");
        }
        fprintf(out, "%s%.*s\n", indent, (int)length, text);
        text += length;
        text += strspn(text, " ");
    }
}

/* Writes text with each sentence on lines of its own, as mdoc(7) wants them. */
static void write_sentences(FILE *out, const char *text)
{
    char sentence[512];

    while (*text) {
        const char *end = strstr(text, ". ");
        size_t length = end ? (size_t)(end - text) + 1 : strlen(text);

        snprintf(sentence, sizeof(sentence), "%.*s", (int)length, text);
        wrap(out, "", sentence);
        text += length;
        text += strspn(text, " ");
    }
}

/* An option's name as the command line has it. */
static const char *dashed(const char *name, char *text, size_t bytes)
{
    snprintf(text, bytes, "%s", name);
    for (char *at = strchr(text, '_'); at; at = strchr(at, '_')) {
        *at = '-';
    }
    return text;
}

void rmx_manual_help(FILE *out)
{
    size_t count;
    const struct rmx_setting *row = rmx_setting_rows(&count);

    fputs(
        "usage: ringmuxd [--config FILE] [--replace] [--NAME=VALUE]...\n"
        "       ringmuxd [...] --print-config | --print-placement [--topology WHICH]\n"
        "       ringmuxd --help | --version\n\n"
        "Remuxes media for the processes of this host that connect to its socket.\n\n"
        "  --config FILE\n"
        "      Read settings from FILE: name = value, one a line, # starts a comment. The names\n"
        "      are those below; the command line wins.\n"
        "  --replace\n"
        "      Take over the socket of the daemon that listens there, when all is ready; that one\n"
        "      then drains and ends. Where there is none, listen.\n"
        "  --print-config\n"
        "      Print every setting with its value, in the form of such a file, and exit.\n"
        "  --print-placement\n"
        "      Print which cpus and nodes lanes and workers would have, and exit.\n"
        "  --topology WHICH\n"
        "      Print it for another machine: a file of hwloc's XML (a name with a slash, or "
        ".xml),\n"
        "      or a description such as \"numa:2 l3:1 core:4 pu:2\".\n\n"
        "SIGHUP: settings that say `reloadable` are read again.\n",
        out);
    for (const struct rmx_setting *end = row + count; row < end; row++) {
        char name[64];
        char range[128];

        if (row->type == RMX_SETTING_GROUP) {
            fprintf(out, "\n%s\n", row->name);
            continue;
        }
        rmx_setting_range(row, range, sizeof(range));
        fprintf(out, "  --%s=%s\n", dashed(row->name, name, sizeof(name)), row->standard);
        wrap(out, "      ", row->prose);
        fprintf(out, "      [%s%s]\n", range, row->reloadable ? "; reloadable" : "");
    }
}

void rmx_manual_config(FILE *out, const struct rmx_config *config)
{
    size_t count;
    const struct rmx_setting *row = rmx_setting_rows(&count);

    fputs("# Settings of ringmuxd, as it runs with them. See ringmuxd(8).\n", out);
    for (const struct rmx_setting *end = row + count; row < end; row++) {
        char value[RMX_CONFIG_TEXT_BYTES];
        char range[128];

        if (row->type == RMX_SETTING_GROUP) {
            fprintf(out, "\n# --- %s ---\n", row->name);
            continue;
        }
        rmx_setting_text(row, config, value, sizeof(value));
        rmx_setting_range(row, range, sizeof(range));
        fputs("\n", out);
        wrap(out, "# ", row->prose);
        fprintf(out, "# Default: %s. Allowed: %s.%s\n", row->standard[0] ? row->standard : "empty",
            range, row->reloadable ? " Reloadable." : "");
        fprintf(out, "%s =%s%s\n", row->name, value[0] ? " " : "", value);
    }
}

void rmx_manual_options(FILE *out)
{
    size_t count;
    const struct rmx_setting *row = rmx_setting_rows(&count);

    for (const struct rmx_setting *end = row + count; row < end; row++) {
        char range[128];

        if (row->type == RMX_SETTING_GROUP) {
            fprintf(out, ".Ss %s\n", row->name);
            fputs(".Bl -tag -width Ds\n", out);
        } else {
            rmx_setting_range(row, range, sizeof(range));
            fprintf(
                out, ".It Ic %s No = Ar %s\n", row->name, row->standard[0] ? row->standard : "\\&");
            write_sentences(out, row->prose);
            fprintf(out, "Allowed: %s.\n%s", range, row->reloadable ? "Reloadable.\n" : "");
        }
        if (row + 1 == end || row[1].type == RMX_SETTING_GROUP) {
            fputs(".El\n", out);
        }
    }
}
