/* SPDX-License-Identifier: BSD-2-Clause
 *
 * rmx-bench: measures ringmux, beside what one would use instead.
 *
 *     rmx-bench COMMAND [OPTION]...      prints JSON; where it is on standard error
 *     rmx-bench aims                     what is aimed at, as JSON
 *     rmx-bench COMMAND --help
 *
 * Exits 0, 1 if something could not be measured, 2 if it was asked for nothing it knows. How a
 * command is added: bench/README.md.
 */
#include <stdio.h>
#include <string.h>

#include "bench/aim.h"
#include "bench/command.h"
#include "bench/document.h"

static const struct {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
#define RMX_COMMAND(name, summary) { #name, summary, rmx_bench_##name##_run },
#include "bench/command.def"
#undef RMX_COMMAND
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int print_aims(void)
{
    struct rmx_document json = { .file = stdout };

    rmx_document_open(&json, NULL, '[');
    for (size_t i = 0; i < RMX_AIM_COUNT; i++) {
        const struct rmx_aim *aim = rmx_aim_at((enum rmx_aim_name)i);

        rmx_document_open(&json, NULL, '{');
        rmx_document_text(&json, "name", aim->name);
        rmx_document_text(&json, "command", aim->command);
        rmx_document_text(&json, "compare", rmx_aim_compare_name(aim->compare));
        if (aim->compare == STATED) {
            rmx_document_null(&json, "aim");
        } else {
            rmx_document_number(&json, "aim", aim->aim);
        }
        rmx_document_text(&json, "unit", aim->unit);
        rmx_document_text(&json, "what", aim->what);
        rmx_document_text(&json, "beside", aim->beside);
        rmx_document_close(&json, '}');
    }
    rmx_document_close(&json, ']');
    return rmx_document_failed(&json) ? 1 : 0;
}

static void print_usage(FILE *file)
{
    (void)fprintf(file, "usage: rmx-bench COMMAND [OPTION]...\n"
                        "       rmx-bench COMMAND --help\n\n");
    for (size_t i = 0; i < COMMANDS; i++) {
        (void)fprintf(file, "  %-10s %s\n", commands[i].name, commands[i].summary);
    }
    (void)fprintf(file, "  %-10s %s\n", "aims", "what is aimed at: the table's rows");
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (strcmp(name, "aims") == 0) {
        return print_aims();
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    if (strcmp(name, "--help") == 0) {
        print_usage(stdout);
        return 0;
    }
    print_usage(stderr);
    return 2;
}
