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

/* The one of several that the words begin with, "output 1 (webm): ..."; or -1. */
static int numbered(const char *words, const char *head, size_t count)
{
    size_t bytes = strlen(head);
    bool is_one = strncmp(words, head, bytes) == 0 && words[bytes] >= '0' && words[bytes] <= '9' &&
                  (size_t)(words[bytes] - '0') < count;

    return is_one ? words[bytes] - '0' : -1;
}

/* The output that ended the job; if nothing says which, the first. */
static size_t failed_output(const struct rmx_report *report, const struct rmx_result *result)
{
    for (size_t i = 0; i < report->output_count && report->output_count > 1; i++) {
        if (result->output_status[i] == result->status) {
            return i;
        }
    }
    int said = numbered(result->text, "output ", report->output_count);

    return said > 0 ? (size_t)said : 0;
}

/* The file that it is about, or NULL. */
static const char *culprit(const struct rmx_report *report, const struct rmx_result *result)
{
    const char *fault = rmx_end_fault(result->status);
    bool is_output = strcmp(fault, "SINK") == 0 || result->status == RMX_NEEDS_SEEKABLE_OUTPUT;
    int input = numbered(result->text, "input ", report->input_count);

    if (is_output && report->output != NULL) {
        size_t output = failed_output(report, result);

        return rmx_report_name(
            output > 0 ? report->outputs[output] : report->output, "standard output");
    }
    if (report->input == NULL || (strcmp(fault, "ENGINE") == 0 && result->id == 0)) {
        return NULL;
    }
    return rmx_report_name(input > 0 ? report->inputs[input] : report->input, "standard input");
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

/* Does the result say which of several outputs failed? */
static bool has_blamed(const struct rmx_report *report, const struct rmx_result *result)
{
    size_t output = 0;

    while (output < report->output_count && result->output_status[output] == RMX_OK) {
        output++;
    }
    return report->output_count > 1 && output < report->output_count;
}

/* How one output of a job ended: as the job did, but for one that failed on its own. Those that
 * another one took with it are cancelled. */
static uint32_t output_end(
    const struct rmx_report *report, const struct rmx_result *result, size_t output)
{
    if (!has_blamed(report, result)) {
        return result->status;
    }
    if (result->output_status[output] != RMX_OK) {
        return result->output_status[output];
    }
    bool is_others = strcmp(rmx_end_fault(result->status), "SINK") == 0;

    return is_others ? RMX_CANCELLED : result->status;
}

static bool is_dropped(
    const struct rmx_report *report, const struct rmx_result *result, size_t output)
{
    return result->status == RMX_OK && output_end(report, result, output) != RMX_OK;
}

/* UINT64_MAX = unknown: what is no file, one of several. */
static uint64_t output_bytes(
    const struct rmx_report *report, const struct rmx_result *result, size_t output)
{
    bool is_known = report->bytes[output] != UINT64_MAX;

    return is_known || report->output_count > 1 ? report->bytes[output] : result->bytes_out;
}

void rmx_report_dropped(const struct rmx_report *report, const struct rmx_result *result)
{
    char place[32] = "";

    if (report->line != 0) {
        snprintf(place, sizeof(place), "line %" PRIu64 ": ", report->line);
    }
    for (size_t i = 0; i < report->output_count; i++) {
        if (is_dropped(report, result, i)) {
            uint32_t end = output_end(report, result, i);

            rmx_say("%s%s: %s: dropped, the job went on without it: %s", place,
                rmx_report_name(report->outputs[i], "standard output"), rmx_end_name(end),
                rmx_end_text(end));
        }
    }
}

/* One of several: "talk.ts: mpegts, 1.2 MB". */
static void report_output(
    const struct rmx_report *report, const struct rmx_result *result, size_t output)
{
    uint64_t bytes = output_bytes(report, result, output);
    char size[RMX_SAY_BYTES] = "written";

    if (bytes != UINT64_MAX) {
        rmx_say_bytes(size, (double)bytes);
    }
    rmx_say("%s: %s, %s", rmx_report_name(report->outputs[output], "standard output"),
        report->formats[output], size);
}

void rmx_report_success(const struct rmx_report *report, const struct rmx_result *result)
{
    const char *name = rmx_report_name(report->output, "standard output");
    char count[RMX_SAY_BYTES];
    char bytes[RMX_SAY_BYTES];
    char time[RMX_SAY_BYTES];

    for (size_t i = 0; i < report->output_count && report->output_count > 1; i++) {
        if (!is_dropped(report, result, i)) {
            report_output(report, result, i);
        }
    }
    snprintf(count, sizeof(count), "%zu outputs", report->output_count);
    rmx_say("%s: %s, %" PRIu64 " packets, in %s", report->output_count > 1 ? count : name,
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

static void print_inputs(FILE *out, const struct rmx_report *report)
{
    fputs(",\"inputs\":[", out);
    for (size_t i = 0; i < report->input_count; i++) {
        fputs(i > 0 ? "," : "", out);
        rmx_json_string(out, report->inputs[i]);
    }
    fputc(']', out);
}

static void print_outputs(
    FILE *out, const struct rmx_report *report, const struct rmx_result *result)
{
    fputs(",\"outputs\":[", out);
    for (size_t i = 0; i < report->output_count; i++) {
        uint32_t end = output_end(report, result, i);
        uint64_t bytes = output_bytes(report, result, i);
        const char *state = is_dropped(report, result, i) ? "dropped"
                            : end != RMX_OK               ? "failed"
                                                          : "ok";

        fprintf(out, "%s{\"name\":", i > 0 ? "," : "");
        rmx_json_string(out, report->outputs[i]);
        fputs(",\"format\":", out);
        print_name(out, report->formats[i]);
        fprintf(out, ",\"state\":\"%s\",\"status\":\"%s\",\"bytes\":", state, rmx_end_name(end));
        if (bytes != UINT64_MAX) {
            fprintf(out, "%" PRIu64 "}", bytes);
        } else {
            fputs("null}", out);
        }
    }
    fputc(']', out);
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
    print_inputs(out, report);
    print_outputs(out, report, result);
    fputs("}\n", out);
}

int rmx_report_exit(const struct rmx_result *result)
{
    if (result->status != RMX_OK && rmx_signal_seen() != 0) {
        return 128 + rmx_signal_seen();
    }
    return rmx_end_exit(result->status);
}
