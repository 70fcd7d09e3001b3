/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How rmx says how a job went (see rmx_report.h). Runs in the process rmx.
 */
#include "clients/rmx_report.h"

#include <inttypes.h>
#include <string.h>

#include "clients/rmx_json.h"
#include "clients/rmx_say.h"
#include "clients/rmx_signal.h"

#define LINE_BYTES 1024

const char *rmx_report_name(const char *path, const char *instead)
{
    return strcmp(path, "-") == 0 ? instead : path;
}

/* The remedy that is an option of ours, or a key of a batch's line; most statuses' own text says
 * what to do. */
static const char *remedy(const struct rmx_report *report, uint32_t status)
{
    bool is_command = report->line == 0;

    switch (status) {
    case RMX_TRUNCATED:
        return report->allows_truncated ? ""
               : is_command             ? " (--allow-truncated keeps what there is)"
                                        : " (\"allow_truncated\": true keeps what there is)";
    case RMX_NEEDS_SEEKABLE_INPUT:
    case RMX_NEEDS_SEEKABLE_OUTPUT:
        return !report->may_spool ? "" : is_command ? " (--spool)" : " (\"spool\": true)";
    case RMX_NO_STREAMS:
        return is_command ? " ('rmx probe' lists the streams, --map chooses)"
                          : " ('rmx probe' lists the streams, \"map\" chooses)";
    case RMX_DEADLINE:
        return is_command ? " (--deadline)" : " (\"deadline\", --deadline)";
    case RMX_WORKER_LOST:
        return " (run the command again; if this comes again, report it with the file)";
    case RMX_POISON:
        return " (please report it with the file)";
    case RMX_DAEMON_LOST:
        return " (run the command again)";
    default:
        return "";
    }
}

/* What is wrong with a request says more than that something is; and nothing is said twice. */
static bool says_it_all(uint32_t status, const char *words)
{
    switch (status) {
    case RMX_BUSY:
    case RMX_NO_STREAMS:
    case RMX_BAD_JOB:
    case RMX_BAD_OPTION:
    case RMX_NEEDS_SEEKABLE_INPUT:
    case RMX_NEEDS_SEEKABLE_OUTPUT:
    case RMX_PEER_CORRUPT:
        return true;
    default:
        return strstr(words, rmx_end_text(status)) != NULL;
    }
}

/* "the input ends before its media does: it promises 9 bytes: what the media library said" */
static void describe(char line[LINE_BYTES], const struct rmx_result *result)
{
    const char *cause = result->cause != 0 ? rmx_say_error(result->cause) : "";
    const char *colon = *cause != '\0' ? ": " : "";
    const char *known = rmx_end_text(result->status);
    const char *words = strstr(known, result->text) == NULL ? result->text : "";
    char expected[64] = "";

    if (result->id == 0) { /* it never started: the words are ours and say it all */
        snprintf(line, LINE_BYTES, "%s%s%s", result->text, colon, cause);
        return;
    }
    if (*words != '\0' && *cause == '\0' && says_it_all(result->status, words)) {
        snprintf(line, LINE_BYTES, "%s", words);
        return;
    }
    if (result->bytes_expected != 0) {
        snprintf(
            expected, sizeof(expected), ": it promises %" PRIu64 " bytes", result->bytes_expected);
    }
    snprintf(line, LINE_BYTES, "%s%s%s%s%s%s", known, expected, colon, cause,
        *words != '\0' ? ": " : "", words);
}

/* The file that it is about, or NULL. */
static const char *culprit(const struct rmx_report *report, const struct rmx_result *result)
{
    const char *fault = rmx_end_fault(result->status);
    bool is_output = strcmp(fault, "SINK") == 0 || result->status == RMX_NEEDS_SEEKABLE_OUTPUT;

    if (is_output && report->output != NULL) {
        return rmx_report_name(report->output, "standard output");
    }
    if (report->input == NULL || (strcmp(fault, "ENGINE") == 0 && result->id == 0)) {
        return NULL;
    }
    return rmx_report_name(report->input, "standard input");
}

void rmx_report_failure(const struct rmx_report *report, const struct rmx_result *result)
{
    char line[LINE_BYTES];
    char place[32] = "";
    const char *name = culprit(report, result);

    if (result->status == RMX_OK) {
        return;
    }
    describe(line, result);
    if (report->line != 0) {
        snprintf(place, sizeof(place), "line %" PRIu64 ": ", report->line);
    }
    rmx_say("%s%s%s%s: %s%s", place, name != NULL ? name : "", name != NULL ? ": " : "",
        rmx_end_name(result->status), line, result->id != 0 ? remedy(report, result->status) : "");
}

void rmx_report_success(const struct rmx_report *report, const struct rmx_result *result)
{
    char bytes[RMX_SAY_BYTES];
    char time[RMX_SAY_BYTES];

    rmx_say("%s: %s, %" PRIu64 " packets, in %s",
        rmx_report_name(report->output, "standard output"),
        rmx_say_bytes(bytes, (double)result->bytes_out), result->packets_out,
        rmx_say_time(time, result->total_ns));
}

static void print_name(FILE *out, const char *name)
{
    if (name != NULL) {
        rmx_json_string(out, name);
    } else {
        fputs("null", out);
    }
}

void rmx_report_json(FILE *out, const struct rmx_report *report, const struct rmx_result *result)
{
    fputc('{', out);
    if (report->line != 0) {
        fprintf(out, "\"line\":%" PRIu64 ",\"input\":", report->line);
        print_name(out, report->input);
        fputc(',', out);
    }
    fprintf(out, "\"status\":\"%s\",\"fault\":\"%s\",\"text\":", rmx_end_name(result->status),
        rmx_end_fault(result->status));
    rmx_json_string(out, *result->text != '\0' ? result->text : rmx_end_text(result->status));
    fprintf(out,
        ",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64 ",\"packets_in\":%" PRIu64
        ",\"packets_out\":%" PRIu64 ",\"bytes_expected\":%" PRIu64 ",\"queued_ns\":%" PRIu64
        ",\"run_ns\":%" PRIu64 ",\"total_ns\":%" PRIu64 ",\"input_wait_ns\":%" PRIu64
        ",\"output_wait_ns\":%" PRIu64 ",\"retry_after_ns\":%" PRIu64 ",\"output\":",
        result->bytes_in, result->bytes_out, result->packets_in, result->packets_out,
        result->bytes_expected, result->queued_ns, result->run_ns, result->total_ns,
        result->input_wait_ns, result->output_wait_ns, result->retry_after_ns);
    print_name(out, result->status == RMX_OK ? report->output : NULL);
    fputs("}\n", out);
}

int rmx_report_exit(const struct rmx_result *result)
{
    if (result->status != RMX_OK && rmx_signal_seen() != 0) {
        return 128 + rmx_signal_seen();
    }
    return rmx_end_exit(result->status);
}
