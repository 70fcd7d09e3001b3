/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ipc/wire.md tells the truth: every diagram in it is compared with the headers, field by field,
 * and no field of a message is missing from it.
 */
#include "ipc/wire.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/channel.h"
#include "ipc/lane_wire.h"
#include "ipc/stats.h"

#define CELLS_MAX 16

struct field {
    const char *of;
    const char *name;
    size_t at;
    size_t bytes;
    bool seen;
};

#define FIELD(of, name)                                                                            \
    {                                                                                              \
#of, #name, offsetof(struct of, name), sizeof(((struct of *)0)->name), false               \
    }
#define REST(of, name)                                                                             \
    {                                                                                              \
#of, #name, offsetof(struct of, name), 0, false                                            \
    }

static struct field fields[] = {
    FIELD(rmx_msg_head, type),
    FIELD(rmx_msg_head, zero0),
    FIELD(rmx_msg_head, bytes),
    FIELD(rmx_msg_head, count),
    FIELD(rmx_msg_head, zero1),
    FIELD(rmx_msg_hello, head),
    FIELD(rmx_msg_hello, version_min),
    FIELD(rmx_msg_hello, version_max),
    FIELD(rmx_msg_hello, features),
    FIELD(rmx_msg_hello, name),
    FIELD(rmx_msg_welcome, head),
    FIELD(rmx_msg_welcome, version),
    FIELD(rmx_msg_welcome, credits),
    FIELD(rmx_msg_welcome, features),
    FIELD(rmx_msg_welcome, arena_bytes),
    FIELD(rmx_msg_welcome, progress_at),
    FIELD(rmx_msg_welcome, progress_slots),
    FIELD(rmx_msg_welcome, daemon_pid),
    FIELD(rmx_msg_welcome, workers),
    FIELD(rmx_msg_welcome, channel_bytes),
    FIELD(rmx_msg_submit, head),
    REST(rmx_msg_submit, jobs),
    FIELD(rmx_job_spec, job),
    FIELD(rmx_job_spec, deadline_ns),
    FIELD(rmx_job_spec, kind),
    FIELD(rmx_job_spec, flags),
    FIELD(rmx_job_spec, class_),
    FIELD(rmx_job_spec, maps),
    FIELD(rmx_job_spec, inputs),
    FIELD(rmx_job_spec, outputs),
    FIELD(rmx_job_spec, input_port),
    FIELD(rmx_job_spec, output_port),
    FIELD(rmx_job_spec, input_format),
    FIELD(rmx_job_spec, format),
    FIELD(rmx_job_spec, traceparent),
    FIELD(rmx_job_spec, map),
    FIELD(rmx_job_spec, options),
    FIELD(rmx_job_spec, channel),
    FIELD(rmx_job_spec, channel_flow),
    FIELD(rmx_job_spec, input_ring),
    FIELD(rmx_job_spec, output_ring),
    FIELD(rmx_job_spec, input_bytes),
    FIELD(rmx_job_spec, interleave_us),
    FIELD(rmx_job_spec, fragment_us),
    FIELD(rmx_job_spec, group),
    FIELD(rmx_job_spec, isolation),
    FIELD(rmx_job_spec, edits),
    FIELD(rmx_msg_cancel, head),
    FIELD(rmx_msg_cancel, job),
    FIELD(rmx_msg_ping, head),
    FIELD(rmx_msg_ping, nonce),
    FIELD(rmx_msg_done, head),
    REST(rmx_msg_done, items),
    FIELD(rmx_done_item, credits),
    FIELD(rmx_done_item, zero),
    FIELD(rmx_done_item, result),
    FIELD(rmx_job_result, job),
    FIELD(rmx_job_result, status),
    FIELD(rmx_job_result, cause),
    FIELD(rmx_job_result, bytes_in),
    FIELD(rmx_job_result, bytes_out),
    FIELD(rmx_job_result, packets_in),
    FIELD(rmx_job_result, packets_out),
    FIELD(rmx_job_result, bytes_expected),
    FIELD(rmx_job_result, queued_ns),
    FIELD(rmx_job_result, run_ns),
    FIELD(rmx_job_result, total_ns),
    FIELD(rmx_job_result, input_wait_ns),
    FIELD(rmx_job_result, output_wait_ns),
    FIELD(rmx_job_result, retry_after_ns),
    FIELD(rmx_job_result, output_status),
    FIELD(rmx_job_result, text),
    FIELD(rmx_msg_credit, head),
    FIELD(rmx_msg_credit, credits),
    FIELD(rmx_msg_credit, zero),
    FIELD(rmx_msg_stats_reply, head),
    REST(rmx_msg_stats_reply, values),
    FIELD(rmx_msg_goodbye, head),
    FIELD(rmx_msg_goodbye, status),
    FIELD(rmx_msg_goodbye, zero),
    FIELD(rmx_job_ring, at),
    FIELD(rmx_job_ring, slots),
    FIELD(rmx_job_ring, chunk_bytes),
    FIELD(rmx_msg_channel, head),
    FIELD(rmx_msg_channel, arena_bytes),
    FIELD(rmx_msg_channel_opened, head),
    FIELD(rmx_msg_channel_opened, channel),
    FIELD(rmx_msg_channel_opened, status),
    FIELD(rmx_msg_channel_lost, head),
    FIELD(rmx_msg_channel_lost, channel),
    FIELD(rmx_msg_channel_lost, zero),
    FIELD(rmx_msg_group, head),
    FIELD(rmx_msg_group, group),
    FIELD(rmx_msg_group, flags),
    FIELD(rmx_msg_group, jobs_max),
    FIELD(rmx_msg_group, zero),
    FIELD(rmx_msg_group, deadline_ns),
    FIELD(rmx_msg_group, name),
    FIELD(rmx_msg_group_name, head),
    FIELD(rmx_msg_group_name, group),
    FIELD(rmx_msg_group_name, zero),
    FIELD(rmx_msg_group_done, head),
    FIELD(rmx_msg_group_done, group),
    FIELD(rmx_msg_group_done, status),
    FIELD(rmx_msg_group_done, first),
    FIELD(rmx_msg_group_done, ended),
    FIELD(rmx_msg_jobs_reply, head),
    FIELD(rmx_msg_jobs_reply, last),
    FIELD(rmx_msg_jobs_reply, zero),
    REST(rmx_msg_jobs_reply, items),
    FIELD(rmx_jobs_item, session),
    FIELD(rmx_jobs_item, pid),
    FIELD(rmx_jobs_item, uid),
    FIELD(rmx_jobs_item, state),
    FIELD(rmx_jobs_item, class_),
    FIELD(rmx_jobs_item, job),
    FIELD(rmx_jobs_item, age_ns),
    FIELD(rmx_jobs_item, left_ns),
    FIELD(rmx_jobs_item, bytes_in),
    FIELD(rmx_jobs_item, bytes_out),
    FIELD(rmx_jobs_item, format),
    FIELD(rmx_jobs_item, group),
    FIELD(rmx_jobs_item, traceparent),
    FIELD(rmx_msg_cancel_jobs, head),
    FIELD(rmx_msg_cancel_jobs, job),
    FIELD(rmx_msg_cancel_jobs, session),
    FIELD(rmx_msg_cancel_jobs, all),
    FIELD(rmx_msg_cancel_jobs, group),
    FIELD(rmx_msg_cancel_reply, head),
    FIELD(rmx_msg_cancel_reply, jobs),
    FIELD(rmx_msg_handover_reply, head),
    FIELD(rmx_msg_handover_reply, status),
    FIELD(rmx_msg_handover_reply, held),
    FIELD(rmx_channel_shm, worker_bell),
    FIELD(rmx_channel_shm, client_bell),
    REST(rmx_channel_shm, to_worker),
    REST(rmx_channel_shm, to_client),
    REST(rmx_channel_shm, rings),
    FIELD(rmx_progress_shm, job),
    FIELD(rmx_progress_shm, bytes_in),
    FIELD(rmx_progress_shm, bytes_out),
    FIELD(rmx_progress_shm, bytes_total),
    FIELD(rmx_lane_msg, type),
    FIELD(rmx_lane_msg, version),
    FIELD(rmx_lane_msg, ticket),
    FIELD(rmx_lane_msg, error),
    FIELD(rmx_lane_msg, pid),
    FIELD(rmx_lane_msg, wait_status),
    FIELD(rmx_lane_msg, arena_bytes),
    FIELD(rmx_lane_msg, flows),
    FIELD(rmx_lane_msg, lacks),
    FIELD(rmx_lane_msg, memory_max_bytes),
    FIELD(rmx_lane_msg, spin_ns),
    FIELD(rmx_lane_msg, lacks_error),
    FIELD(rmx_lane_msg, prefault),
    FIELD(rmx_flow_shm, spec),
    FIELD(rmx_flow_shm, input_bytes),
    FIELD(rmx_flow_shm, input_at),
    FIELD(rmx_flow_shm, output_at),
    FIELD(rmx_flow_shm, input_slots),
    FIELD(rmx_flow_shm, input_chunk_bytes),
    FIELD(rmx_flow_shm, output_slots),
    FIELD(rmx_flow_shm, output_chunk_bytes),
    FIELD(rmx_flow_shm, port),
    FIELD(rmx_flow_shm, stop),
    FIELD(rmx_flow_shm, stage),
    FIELD(rmx_flow_shm, channel),
    FIELD(rmx_flow_shm, party),
    FIELD(rmx_flow_shm, waits_for),
    FIELD(rmx_flow_shm, waits_since_ns),
    FIELD(rmx_flow_shm, waited_ns),
    FIELD(rmx_flow_shm, more_bytes),
    FIELD(rmx_flow_shm, result),
    FIELD(rmx_flow_shm, memory_max_bytes),
    FIELD(rmx_flow_shm, cpu_max_ns),
    FIELD(rmx_flow_shm, cpu_ns),
    FIELD(rmx_flow_shm, zero),
    FIELD(rmx_last_words_shm, flow),
    FIELD(rmx_last_words_shm, stage),
    FIELD(rmx_last_words_shm, jobs),
    FIELD(rmx_last_words_shm, signal),
    FIELD(rmx_last_words_shm, moves),
    FIELD(rmx_last_words_shm, unknown_calls),
    FIELD(rmx_last_words_shm, unknown_call),
    FIELD(rmx_last_words_shm, text),
};

static struct field *find(const char *of, const char *name)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strcmp(fields[i].of, of) == 0 && strcmp(fields[i].name, name) == 0) {
            return &fields[i];
        }
    }
    return NULL;
}

/* Splits "0   2    4" into numbers; returns how many. */
static size_t split_numbers(char *line, size_t *numbers)
{
    size_t count = 0;

    for (char *end = line; count < CELLS_MAX; count++) {
        line = end;
        numbers[count] = strtoul(line, &end, 10);
        if (end == line) {
            break;
        }
    }
    return count;
}

/* Compares "| type | zero0 |" with the offsets above it. The last cell of a message with items has
 * no end: its name is followed by dots. */
static void check_row(const char *of, char *offsets, char *names)
{
    size_t numbers[CELLS_MAX] = { 0 };
    size_t count = split_numbers(offsets, numbers);
    size_t i = 0;
    char *rest = NULL;

    for (char *name = strtok_r(names, "| .\n", &rest); name;
         name = strtok_r(NULL, "| .\n", &rest)) {
        struct field *field = find(of, name);

        cr_assert_not_null(field, "%s has no %s", of, name);
        cr_assert_lt(i, count, "%s.%s has no offset", of, name);
        cr_assert_eq(field->at, numbers[i], "%s.%s is at %zu", of, name, field->at);
        if (field->bytes > 0) {
            cr_assert_lt(i + 1, count, "%s.%s has no end", of, name);
            cr_assert_eq(field->bytes, numbers[i + 1] - numbers[i], "%s.%s", of, name);
        }
        field->seen = true;
        i++;
    }
}

Test(wire, every_diagram_is_what_the_headers_say_and_no_field_is_missing)
{
    FILE *file = fopen(RMX_SOURCE_DIR "/ipc/wire.md", "r");
    char line[512];
    char before[512] = "";
    char of[64] = "";

    cr_assert_not_null(file);
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, "struct %63s", of) == 1) {
            before[0] = 0;
        } else if (line[0] == '|' && isdigit((unsigned char)before[0])) {
            check_row(of, before, line);
        }
        snprintf(before, sizeof(before), "%s", line);
    }
    fclose(file);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        cr_assert(fields[i].seen, "%s.%s is not drawn", fields[i].of, fields[i].name);
    }
}

Test(wire, sizes_and_limits_are_those_the_document_names)
{
    cr_assert_eq(RMX_WIRE_VERSION, 6);
    cr_assert_eq(RMX_WIRE_BYTES_MAX, 32768);
    cr_assert_eq(RMX_WIRE_FDS_MAX, 32);
    cr_assert_eq(RMX_SUBMIT_JOBS_MAX, 8);
    cr_assert_eq(RMX_DONE_JOBS_MAX, 16);
    cr_assert_eq(RMX_CREDITS_MAX, 1024);
    cr_assert_eq(RMX_CHANNELS_MAX, 64);
    cr_assert_eq(RMX_GROUPS_MAX, 64);
    cr_assert_eq(RMX_GROUP_ENDS, 32);
    cr_assert_eq(RMX_JOBS_ITEMS_MAX, 64);
    cr_assert_eq(RMX_STATS_VALUES_MAX, 256);
    cr_assert_eq(RMX_STATS_ENDED_SLOTS, 32);
    cr_assert_eq(RMX_JOB_WAIT_US_MAX, 60000000);
    cr_assert_eq(RMX_CHANNEL_BYTES_MIN, 1u << 20);
    cr_assert_eq(RMX_CHANNEL_BYTES_MAX, 4096ull << 20);
    cr_assert_eq(RMX_CHANNEL_FLOWS_MAX, 1024);
    cr_assert_eq(RMX_CHANNEL_MAIL_SLOTS, 4096);
    cr_assert_eq(RMX_LANE_WIRE_VERSION, 6);
    cr_assert_eq(RMX_WORKER_MAIL_SLOTS, 16384);
    cr_assert_eq(RMX_WORKER_FLOWS_MAX, 2048);
    cr_assert_eq(RMX_WORKER_CHANNELS_MAX, 256);
    cr_assert_eq(RMX_WORKER_PARTIES, 2048);
}

Test(wire, types_have_the_numbers_of_the_document)
{
    static const int types[] = { RMX_MSG_HELLO, RMX_MSG_SUBMIT, RMX_MSG_CANCEL, RMX_MSG_PING,
        RMX_MSG_STATS, RMX_MSG_WELCOME, RMX_MSG_DONE, RMX_MSG_CREDIT, RMX_MSG_PONG,
        RMX_MSG_STATS_REPLY, RMX_MSG_GOODBYE, RMX_MSG_CHANNEL, RMX_MSG_CHANNEL_OPENED,
        RMX_MSG_CHANNEL_LOST, RMX_MSG_GROUP, RMX_MSG_GROUP_CLOSE, RMX_MSG_GROUP_CANCEL,
        RMX_MSG_GROUP_DONE, RMX_MSG_JOBS, RMX_MSG_CANCEL_JOBS, RMX_MSG_HANDOVER, RMX_MSG_JOBS_REPLY,
        RMX_MSG_CANCEL_REPLY, RMX_MSG_HANDOVER_REPLY, RMX_MSG_TYPES };
    static const int lane_types[] = { RMX_LANE_FORK, RMX_LANE_FORKED, RMX_LANE_EXITED,
        RMX_LANE_READY, RMX_LANE_ADOPT, RMX_LANE_SHARE, RMX_LANE_UNSHARE };
    static const int notes[] = { RMX_NOTE_RUN, RMX_NOTE_CANCEL, RMX_NOTE_INPUT, RMX_NOTE_OUTPUT,
        RMX_NOTE_DONE, RMX_NOTE_CTL, RMX_NOTE_UNSHARED };

    for (int i = 0; i < 25; i++) {
        cr_assert_eq(types[i], i + 1);
    }
    for (int i = 0; i < 7; i++) {
        cr_assert_eq(lane_types[i], i + 1);
        cr_assert_eq(notes[i], i + 1);
    }
}

Test(wire, bits_have_the_values_of_the_document)
{
    static const int flags[] = { RMX_JOB_ALL_STREAMS, RMX_JOB_BITEXACT, RMX_JOB_ALLOW_TRUNCATED,
        RMX_JOB_SEEKABLE_INPUT, RMX_JOB_POSITIONAL, RMX_JOB_PARTS, RMX_JOB_SPOOL, RMX_JOB_LIVE };
    static const int ports[] = { RMX_PORT_SEEKABLE_IN, RMX_PORT_SEEKABLE_OUT, RMX_PORT_SPOOLED_OUT,
        RMX_PORT_CHANNEL_IN, RMX_PORT_CHANNEL_OUT };
    static const int chunks[] = { RMX_CHUNK_END, RMX_CHUNK_ERROR, RMX_CHUNK_FLUSH, RMX_CHUNK_NAME,
        RMX_CHUNK_PART_END, RMX_CHUNK_PART_GONE };

    for (int i = 0; i < 8; i++) {
        cr_assert_eq(flags[i], 1 << i);
    }
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(ports[i], 1 << i);
    }
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(chunks[i], 1 << i);
    }
    cr_assert_eq(RMX_FEATURE_OPERATOR, 1);
    cr_assert_eq(RMX_GROUP_COLLECT_ALL, 1);
    cr_assert_eq(RMX_JOB_WAITING, 1);
    cr_assert_eq(RMX_JOB_QUEUED, 2);
    cr_assert_eq(RMX_JOB_RUNNING, 3);
    cr_assert_eq(RMX_JOB_DRAINING, 4);
    cr_assert_eq(RMX_WAIT_INPUT, 1);
    cr_assert_eq(RMX_WAIT_OUTPUT, 2);
    cr_assert_eq(RMX_JOB_DESCRIPTOR, 0);
    cr_assert_eq(RMX_JOB_RING, 1);
    cr_assert_eq(RMX_STAGE_JOB, 0);
    cr_assert_eq(RMX_STAGE_SPOOL, 1);
    cr_assert_eq(RMX_STAGE_DELIVER, 2);
}

Test(wire, a_full_message_of_each_kind_fits_its_limits)
{
    cr_assert_leq(16 + RMX_STATS_VALUES_MAX * sizeof(uint64_t), RMX_WIRE_BYTES_MAX);
    cr_assert_leq(RMX_SUBMIT_JOBS_MAX * 2, RMX_WIRE_FDS_MAX);
    cr_assert_eq(sizeof(struct rmx_progress_shm), 32);
}
