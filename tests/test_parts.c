/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Several files through one ring, by hand and by the muxers that write them.
 */
#include "engine/worker/parts.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/worker/remux.h"
#include "engine/worker/sandbox.h"
#include "ipc/file_name.h"
#include "tests/ends.h"
#include "tests/media.h"

#define SLOTS       4u
#define CHUNK_BYTES 512u

static struct rmx_parts parts;
static struct media input;
static struct rmx_job_result result;

static AVIOContext *begin(const char *name)
{
    AVIOContext *io = NULL;

    cr_assert_eq(rmx_parts_open(&parts, name, &io), 0, "%s", name);
    return io;
}

static void open_ends(void)
{
    ends_open(input.bytes, input.size, true, SLOTS, CHUNK_BYTES);
    rmx_parts_init(&parts, &ends.sink);
}

static void close_ends(void)
{
    rmx_parts_fini(&parts);
    ends_close();
}

static void expect_part(unsigned number, const char *name, unsigned begun, const char *bytes)
{
    cr_assert_str_eq(ends.parts[number].name, name);
    cr_assert_eq(ends.parts[number].begun, begun);
    cr_assert_eq(ends.parts[number].size, strlen(bytes));
    cr_assert_arr_eq(ends.parts[number].bytes, bytes, strlen(bytes));
}

TestSuite(parts, .timeout = 30);

Test(parts, each_name_is_a_file_of_its_own)
{
    open_ends();
    AVIOContext *one = begin("one.ts");
    AVIOContext *two = begin("two-2_.m4s");

    avio_write(one, (const unsigned char *)"abc", 3);
    avio_write(two, (const unsigned char *)"12", 2);
    avio_write(one, (const unsigned char *)"def", 3);
    cr_assert_eq(rmx_parts_close(&parts, one), 0);
    avio_write(two, (const unsigned char *)"34", 2);
    cr_assert_eq(rmx_parts_close(&parts, two), 0);
    ends_finish();
    cr_assert(ends.ended);
    expect_part(0, "one.ts", 1, "abcdef");
    expect_part(1, "two-2_.m4s", 1, "1234");
    cr_assert_eq(ends.sink.total, 10);
    close_ends();
}

Test(parts, file_that_is_begun_anew_loses_what_it_had)
{
    open_ends();
    for (int i = 0; i < 3; i++) {
        AVIOContext *io = begin("list");

        avio_printf(io, "%d", i);
        cr_assert_eq(rmx_parts_close(&parts, io), 0);
    }
    ends_finish();
    expect_part(0, "list", 3, "2");
    close_ends();
}

Test(parts, names_that_could_mean_another_place_are_refused)
{
    static char too_long[RMX_FILE_NAME_BYTES + 1];
    static const char *const names[] = { "", ".", "..", ".x", "a/b", "/a", "a\\b", "a\n", "a:b",
        "a\x7f", too_long };
    AVIOContext *io = NULL;

    open_ends();
    memset(too_long, 'a', RMX_FILE_NAME_BYTES);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        cr_assert_eq(rmx_parts_open(&parts, names[i], &io), AVERROR(EINVAL), "%s", names[i]);
        cr_assert_null(io);
    }
    cr_assert_eq(ends.chunks, 0);
    close_ends();
}

Test(parts, job_that_is_over_begins_no_file)
{
    AVIOContext *io = NULL;

    open_ends();
    AVIOContext *before = begin("a");

    rmx_avio_end(&ends.avio, RMX_STATUS_OUTPUT_CLOSED, 0);
    cr_assert_eq(rmx_parts_open(&parts, "b", &io), AVERROR_EXIT);
    avio_write(before, (const unsigned char *)"x", 1);
    cr_assert_eq(rmx_parts_close(&parts, before), AVERROR_EXIT);
    close_ends();
}

Test(parts, when_all_numbers_are_given_away_the_oldest_file_that_is_complete_loses_its_own)
{
    AVIOContext *io = NULL;
    char name[16];

    ends_open("", 0, true, SLOTS, CHUNK_BYTES);
    ends.forgetful = true;
    rmx_parts_init(&parts, &ends.sink);
    AVIOContext *first = begin("0");

    for (unsigned i = 1; i < RMX_FILE_NAMES_MAX; i++) {
        snprintf(name, sizeof(name), "%u", i);
        rmx_parts_close(&parts, begin(name));
    }
    io = begin("more");
    rmx_parts_close(&parts, io);
    rmx_parts_close(&parts, first);
    cr_assert_eq(parts.count, RMX_FILE_NAMES_MAX);
    cr_assert_str_eq(parts.names[0].text, "0", "it was open");
    cr_assert_str_eq(parts.names[1].text, "more");
    close_ends();
}

Test(parts, complete_file_says_so_and_so_does_one_out_of_date)
{
    open_ends();
    AVIOContext *io = begin("a.ts");

    avio_write(io, (const unsigned char *)"abc", 3);
    cr_assert_eq(rmx_parts_drop(&parts, "a.ts"), 0, "one that is open stays");
    cr_assert_eq(rmx_parts_close(&parts, io), 0);
    begin("b.ts");
    cr_assert_eq(rmx_parts_drop(&parts, "a.ts"), 0);
    cr_assert_eq(rmx_parts_drop(&parts, "c.ts"), 0, "nobody knows it");
    ends_finish();
    cr_assert_eq(ends.parts[0].ended, 1);
    cr_assert_eq(ends.parts[0].gone, 1);
    cr_assert_eq(ends.parts[1].ended, 0);
    cr_assert_eq(ends.parts[1].gone, 0);
    close_ends();
}

Test(parts, file_that_is_opened_twice_belongs_to_who_opened_it_last)
{
    open_ends();
    AVIOContext *one = begin("a.ts");
    AVIOContext *two = begin("a.ts");

    avio_write(two, (const unsigned char *)"abc", 3);
    cr_assert_eq(rmx_parts_close(&parts, two), 0);
    avio_write(one, (const unsigned char *)"x", 1);
    cr_assert_eq(rmx_parts_close(&parts, one), AVERROR(EIO));
    ends_finish();
    expect_part(0, "a.ts", 2, "abc");
    cr_assert_eq(ends.parts[0].ended, 1);
    close_ends();
}

/* --- the muxers ------------------------------------------------------------------------------ */

static void init_process(void)
{
    static bool ready;

    if (!ready) {
        rmx_remux_init_process((size_t)64 << 20);
        ready = true;
    }
}

static enum rmx_status run_spec(struct rmx_job_spec *spec, const char *option)
{
    const struct rmx_inlet inlet = { .io = { ends.source.input[0].context } };
    const struct rmx_outlet outlet = {
        .io = { ends.sink.output[0].context },
        .open_part = rmx_parts_open,
        .close_part = rmx_parts_close,
        .drop_part = rmx_parts_drop,
        .encrypt_part = rmx_parts_encrypt,
        .owner = &parts,
    };

    cr_assert(option == NULL || rmx_job_add_option(spec, option) == 0);
    init_process();
    rmx_remux_run(spec, &inlet, &outlet, &result);
    return result.status;
}

static enum rmx_status run(const char *format, const char *option)
{
    struct rmx_job_spec spec = media_job(format);

    return run_spec(&spec, option);
}

static const struct ends_part *find(const char *name)
{
    for (unsigned number = 0; number < ENDS_PARTS; number++) {
        if (strcmp(ends.parts[number].name, name) == 0) {
            return &ends.parts[number];
        }
    }
    cr_assert_fail("there is no %s", name);
    return NULL;
}

static void expect_text(const char *name, const char *text)
{
    const struct ends_part *part = find(name);

    cr_assert_not_null(memmem(part->bytes, part->size, text, strlen(text)),
        "%s is not in %s:\n%.*s", text, name, (int)part->size, part->bytes);
}

static void expect_packets(const char *const *names, unsigned packets)
{
    struct media joined = { 0 };
    AVPacket *packet = av_packet_alloc();
    unsigned found = 0;

    for (; *names; names++) {
        const struct ends_part *part = find(*names);

        joined.bytes = realloc(joined.bytes, joined.size + part->size);
        memcpy(joined.bytes + joined.size, part->bytes, part->size);
        joined.size += part->size;
    }
    AVFormatContext *demuxer = media_open(&joined);

    while (av_read_frame(demuxer, packet) >= 0) {
        found++;
        av_packet_unref(packet);
    }
    cr_assert_eq(found, packets);
    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        const AVCodecParameters *parameters = demuxer->streams[slot]->codecpar;

        if (parameters->codec_id == AV_CODEC_ID_AAC && demuxer->iformat->name[0] == 'm' &&
            demuxer->iformat->name[1] == 'o') {
            cr_assert_eq(parameters->extradata_size, 2, "an AudioSpecificConfig");
            cr_assert_eq(parameters->sample_rate, 44100);
        }
    }
    media_close_demuxer(&demuxer);
    av_packet_free(&packet);
    media_free(&joined);
}

Test(parts, hls_is_a_list_and_its_segments)
{
    media_make_mp4(&input, NULL);
    open_ends();
    cr_assert_eq(run("hls", "hls_time=0.5"), RMX_STATUS_OK, "%s", result.text);
    ends_finish();
    cr_assert_str_eq(result.text, "");
    expect_text("index.m3u8", "#EXT-X-PLAYLIST-TYPE:VOD\n");
    expect_text("index.m3u8", "\nindex0.ts\n");
    expect_text("index.m3u8", "\nindex1.ts\n#EXT-X-ENDLIST\n");
    expect_packets((const char *[]){ "index0.ts", "index1.ts", NULL }, 2 * MEDIA_FRAMES);
    cr_assert_eq(find("index.m3u8")->begun, 1);
    close_ends();
    media_free(&input);
}

Test(parts, hls_of_fragments_has_an_init_file)
{
    media_make_mp4(&input, NULL);
    open_ends();
    cr_assert_eq(run("hls-fmp4", "hls_time=0.5"), RMX_STATUS_OK, "%s", result.text);
    ends_finish();
    expect_text("index.m3u8", "#EXT-X-MAP:URI=\"init.mp4\"\n");
    expect_packets(
        (const char *[]){ "init.mp4", "index0.m4s", "index1.m4s", NULL }, 2 * MEDIA_FRAMES);
    close_ends();
    media_free(&input);
}

Test(parts, dash_has_a_file_for_each_stream_and_segment)
{
    media_make_mp4(&input, NULL);
    open_ends();
    cr_assert_eq(run("dash", "use_timeline=0"), RMX_STATUS_OK, "%s", result.text);
    ends_finish();
    cr_assert_str_eq(result.text, "");
    expect_text("index.mpd", "type=\"static\"");
    expect_text("index.mpd", "codecs=\"mp4a.40.2\"");
    expect_packets(
        (const char *[]){ "init-stream0.m4s", "chunk-stream0-00001.m4s", NULL }, MEDIA_FRAMES);
    expect_packets(
        (const char *[]){ "init-stream1.m4s", "chunk-stream1-00001.m4s", NULL }, MEDIA_FRAMES);
    close_ends();
    media_free(&input);
}

Test(parts, adts_gets_its_configuration_into_the_init_file)
{
    media_make_adts(&input);
    open_ends();
    cr_assert_eq(run("hls-fmp4", "hls_time=60"), RMX_STATUS_OK, "%s", result.text);
    ends_finish();
    expect_packets((const char *[]){ "init.mp4", "index0.m4s", NULL }, 10 * MEDIA_FRAMES);
    close_ends();
    open_ends();
    cr_assert_eq(run("dash", "seg_duration=60"), RMX_STATUS_OK, "%s", result.text);
    ends_finish();
    expect_text("index.mpd", "codecs=\"mp4a.40.2\"");
    expect_packets(
        (const char *[]){ "init-stream0.m4s", "chunk-stream0-00001.m4s", NULL }, 10 * MEDIA_FRAMES);
    close_ends();
    media_free(&input);
}

Test(parts, output_that_is_one_file_is_refused_with_the_reason)
{
    struct rmx_job_spec spec = media_job("hls");
    struct media output = { 0 };

    media_make_mp4(&input, NULL);
    result = media_run(&spec, &input, &output);
    cr_assert_eq(result.status, RMX_STATUS_UNSUPPORTED);
    cr_assert_not_null(strstr(result.text, "RMX_PARTS"), "%s", result.text);
    cr_assert_eq(input.at, 0, "nothing was read");
    media_free(&input);
    media_free(&output);
}

Test(parts, job_that_is_stopped_on_the_way_leaves_nothing_open)
{
    media_make_mp4(&input, NULL);
    open_ends();
    ends.stop_after_chunks = 10;
    cr_assert_eq(run("hls-fmp4", "hls_time=0.1"), RMX_STATUS_CANCELLED, "%s", result.text);
    close_ends();
    media_free(&input);
}

/* --- locked in ------------------------------------------------------------------------------- */

/* In a process that dies when it opens, renames or deletes anything. */
static int run_in_sandbox(const char *format, const char *option)
{
    int status = 0;
    pid_t pid;

    media_make_mp4(&input, NULL);
    init_process();
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        open_ends();
        _exit(rmx_sandbox_enter() < 0 ? 99 : (int)run(format, option));
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    media_free(&input);
    return status;
}

Test(parts, muxers_of_several_files_live_in_the_sandbox)
{
    static const struct {
        const char *format;
        const char *option;
    } jobs[] = {
        { "hls", "hls_time=0.1" },
        { "hls", "hls_playlist_type=event" },
        { "hls", "hls_playlist_type=0" },
        { "hls", "hls_flags=+single_file" },
        { "hls", "hls_flags=+split_by_time+program_date_time+independent_segments" },
        { "hls", "hls_flags=+temp_file+delete_segments" },
        { "hls", "master_pl_name=x.m3u8" },
        { "hls", "hls_segment_filename=x%d.ts" },
        { "hls-fmp4", "hls_time=0.1" },
        { "hls-fmp4", "hls_playlist_type=event" },
        { "hls-fmp4", "hls_flags=+single_file" },
        { "dash", "seg_duration=0.1" },
        { "dash", "hls_playlist=1" },
        { "dash", "use_template=0" },
        { "dash", "frag_type=every_frame" },
    };

    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
        int status = run_in_sandbox(jobs[i].format, jobs[i].option);

        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == RMX_STATUS_OK, "%s %s: 0x%x",
            jobs[i].format, jobs[i].option, status);
    }
}

Test(parts, segments_that_left_the_playlist_are_deleted)
{
    struct rmx_job_spec spec = media_job("hls");
    unsigned gone = 0;

    media_make_mp4(&input, NULL);
    open_ends();
    cr_assert_eq(rmx_job_add_option(&spec, "hls_playlist_type=0"), 0);
    cr_assert_eq(rmx_job_add_option(&spec, "hls_flags=delete_segments"), 0);
    cr_assert_eq(rmx_job_add_option(&spec, "hls_list_size=1"), 0);
    cr_assert_eq(run_spec(&spec, "hls_time=0.1"), RMX_STATUS_OK, "%s", result.text);
    ends_finish();
    for (unsigned number = 0; number < ENDS_PARTS; number++) {
        gone += ends.parts[number].gone;
    }
    cr_assert_geq(gone, 1);
    cr_assert_eq(find("index0.ts")->gone, 1);
    cr_assert_eq(find("index.m3u8")->gone, 0);
    close_ends();
    media_free(&input);
}

Test(parts, encrypted_segments_are_whole_blocks_and_the_key_is_in_no_file)
{
    struct rmx_job_spec spec = media_job("hls");

    media_make_mp4(&input, NULL);
    open_ends();
    cr_assert_eq(rmx_job_add_option(&spec, "hls_enc_key=00112233445566778899aAbBcCdDeEfF"), 0);
    cr_assert_eq(rmx_job_add_option(&spec, "hls_enc_key_url=https://example.org/key"), 0);
    cr_assert_eq(run_spec(&spec, "hls_time=0.5"), RMX_STATUS_OK, "%s", result.text);
    ends_finish();
    expect_text("index.m3u8", "METHOD=AES-128,URI=\"https://example.org/key\",IV=0x");
    cr_assert_eq(find("index0.ts")->size % 16, 0);
    cr_assert_neq(find("index0.ts")->bytes[0], 0x47);
    for (unsigned number = 0; number < ENDS_PARTS; number++) {
        const struct ends_part *part = &ends.parts[number];

        if (part->size > 0) {
            cr_assert_null(memmem(part->bytes, part->size, "\x00\x11\x22\x33\x44\x55", 6));
        }
    }
    close_ends();
    open_ends();
    ends.stop_after_chunks = 10;
    cr_assert_eq(run_spec(&spec, "hls_time=0.1"), RMX_STATUS_CANCELLED, "%s", result.text);
    close_ends();
    media_free(&input);
}

Test(parts, options_that_reach_for_other_files_or_keys_are_refused)
{
    static const char *const options[] = { "hls_key_info_file=/etc/passwd", "hls_enc=1",
        "hls_segment_filename=/tmp/x%d.ts", "hls_fmp4_init_filename=/tmp/x", "strftime=1",
        "hls_flags=+append_list", "hls_segment_options=x=y", "method=PUT",
        "master_pl_name=../x.m3u8", "var_stream_map=v:0", "hls_subtitle_path=x" };

    media_make_mp4(&input, NULL);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        open_ends();
        cr_assert_eq(run("hls", options[i]), RMX_STATUS_BAD_OPTION, "%s", options[i]);
        close_ends();
    }
    media_free(&input);
}
