/* SPDX-License-Identifier: BSD-2-Clause
 *
 * `rmx formats` and `rmx help FORMAT`: what can be written, and with which options. Runs in the
 * process rmx.
 */
#include "clients/rmx_formats.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "clients/rmx.h"
#include "clients/rmx_args.h"
#include "ipc/format.h"
#include "ipc/option.h"

static const char help[] =
    "usage: rmx formats\n"
    "\n"
    "Lists the containers that can be written: the name for --format, the "
    "extensions that stand for\n"
    "it, and what the output must be. 'rmx help FORMAT' says more about one.\n";

static const struct option options[] = {
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static const struct rmx_args args = { ":h", options, help, NULL, 0, "no arguments" };

static const char *const outputs[] = {
    [RMX_PATCH_NEVER] = "anything",
    [RMX_PATCH_HELPS] = "anything; better a file",
    [RMX_PATCH_ALWAYS] = "a file, or --spool",
};

static const char *output_of(const struct rmx_format *format)
{
    return *format->index ? "several files, in a folder" : outputs[format->patch];
}

/* --- one of them ----------------------------------------------------------------------------- */

static void print_bounds(const struct rmx_option *option)
{
    const char *unit = option->kind == RMX_OPTION_IS_TIME ? " s" : "";

    printf(" (%" PRId64 " to %" PRId64 "%s)", option->least, option->most, unit);
}

static void print_words(const struct rmx_option *option)
{
    const struct rmx_option_word *word;

    for (size_t i = 0; (word = rmx_option_word_at(i)) != NULL; i++) {
        if (strcmp(word->option, option->name) == 0) {
            printf("      %-22s %s\n", word->word, word->help);
        }
    }
}

static void print_option(const struct rmx_option *option)
{
    static const char *const values[] = {
        [RMX_OPTION_IS_NUMBER] = "N",
        [RMX_OPTION_IS_SWITCH] = "0|1",
        [RMX_OPTION_IS_TIME] = "TIME",
        [RMX_OPTION_IS_FLAGS] = "[+-]FLAG...",
        [RMX_OPTION_IS_TEXT] = "TEXT",
        [RMX_OPTION_IS_KEY] = "HEX",
        [RMX_OPTION_IS_NAME] = "NAME",
        [RMX_OPTION_IS_PARTS] = "TEXT",
    };

    printf("  %s=%s\n      %s", option->name, values[option->kind], option->help);
    if (option->kind == RMX_OPTION_IS_NUMBER || option->kind == RMX_OPTION_IS_TIME) {
        print_bounds(option);
    }
    putchar('\n');
    print_words(option);
}

void rmx_formats_describe(const struct rmx_format *format)
{
    const struct rmx_option *option;

    printf("%s: libavformat's muxer %s\n\n", format->name, format->muxer);
    printf("extensions: %s\n", *format->extensions ? format->extensions : "none");
    printf("output:     %s\n", output_of(format));
    if (*format->index) {
        printf("its list:   %s, unless OUT has another name\n", format->index);
    }
    if (*format->options) {
        printf("set first:  %s\n", format->options);
    }
    puts("\noptions, with --opt:");
    for (size_t i = 0; (option = rmx_option_at(i)) != NULL; i++) {
        if (rmx_option_fits(option, format)) {
            print_option(option);
        }
    }
    puts("\nWhat is changed besides the container: ringmux-edits(7).");
}

/* --- all ------------------------------------------------------------------------------------- */

int rmx_formats_main(int argc, char **argv)
{
    const struct rmx_format *format;
    int status = rmx_args_read(argc, argv, &args, NULL);

    if (status >= 0) {
        return status;
    }
    printf("%-10s %-18s %s\n", "FORMAT", "EXTENSIONS", "OUTPUT");
    for (size_t i = 0; (format = rmx_format_at(i)) != NULL; i++) {
        printf("%-10s %-18s %s\n", format->name, format->extensions, output_of(format));
    }
    return 0;
}
