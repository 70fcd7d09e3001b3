/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Channels as the daemon opens, checks and takes them back.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/raw_client.h"

#define CHANNEL_BYTES (8u << 20) /* as configured: the largest */

static struct harness harness;
static struct rmx_client *honest;

static void set_up(void)
{
    static const char *const settings[] = { "--flows-small=8", "--flows-bulk=2", "--flows-ring=3",
        "--workers=2", "--credits=8", "--sessions-max=128", "--channel-bytes=8MiB",
        "--channels-bytes=1GiB", NULL };

    harness_start(&harness, settings);
    honest = harness_client(&harness);
    raw_sock = raw_session(&harness);
}

static void tear_down(void)
{
    close(raw_sock);
    (void)harness_remux(&harness, honest, harness_media("small.mp4"), "fmp4");
    harness_counter_becomes(honest, "jobs_in_flight", 0);
    harness_counter_becomes(honest, "channels_open", 0);
    harness_counter_becomes(honest, "fds_open", 0);
    harness_counter_becomes(honest, "sessions_open", 1);
    rmx_close(&honest);
    harness_stop(&harness);
}

TestSuite(e2e_channel, .init = set_up, .fini = tear_down, .timeout = 180);

static void expect_answer(uint64_t bytes, int arena_fd, enum rmx_status status)
{
    uint32_t said = raw_answer_to(bytes, arena_fd);

    cr_assert_eq(said, status, "%s, not %s", rmx_status_name(said), rmx_status_name(status));
}

Test(e2e_channel, job_runs_from_ring_to_ring_past_the_daemon)
{
    struct raw_channel channel;
    int fd = open(harness_media("live.ts"), O_RDONLY | O_CLOEXEC);
    uint64_t direct = harness_counter(honest, "bytes_in");
    struct rmx_job_result result;
    uint64_t drained;

    raw_open(&channel);
    cr_assert_eq(harness_counter(honest, "channels_open"), 1);
    for (uint32_t n = 0; n < 3; n++) { /* the same places again and again */
        struct rmx_job_spec spec = raw_ring_job(&channel, 0);

        cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
        drained = raw_move(&channel, &spec, fd);
        result = raw_end();
        cr_assert_eq(result.status, RMX_STATUS_OK, "%s", result.text);
        cr_assert_eq(result.bytes_out, drained);
        cr_assert_eq(result.bytes_in, (uint64_t)lseek(fd, 0, SEEK_END));
        cr_assert_gt(result.packets_out, 100);
    }
    cr_assert_eq(harness_counter(honest, "bytes_in"), direct, "the daemon read it");
    close(fd);
    raw_close(&channel);
}

/* --- arenas ----------------------------------------------------------------------------------- */

static int memory(uint64_t bytes, unsigned int flags, int seals)
{
    int fd = memfd_create("test-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

    if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0) {
        cr_assert_neq(flags, 0, "no memory");
        close(fd);
        return -1;
    }
    cr_assert(seals == 0 || fcntl(fd, F_ADD_SEALS, seals) == 0);
    return fd;
}

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

Test(e2e_channel, what_is_no_arena_is_refused_and_the_session_goes_on)
{
    struct raw_channel channel;
    size_t before = harness_descriptors(harness.daemon);
    int ends[2];
    int fd;

    fd = memory(RAW_ARENA_BYTES, 0, 0);
    expect_answer(RAW_ARENA_BYTES, fd, RMX_STATUS_PEER_CORRUPT);
    close(fd);
    fd = memory(RAW_ARENA_BYTES, 0, F_SEAL_GROW | F_SEAL_SEAL);
    expect_answer(RAW_ARENA_BYTES, fd, RMX_STATUS_PEER_CORRUPT);
    close(fd);
    fd = memory(RAW_ARENA_BYTES, 0, SEALS | F_SEAL_WRITE);
    expect_answer(RAW_ARENA_BYTES, fd, RMX_STATUS_PEER_CORRUPT);
    close(fd);
    fd = memory(RAW_ARENA_BYTES / 2, 0, SEALS);
    expect_answer(RAW_ARENA_BYTES, fd, RMX_STATUS_PEER_CORRUPT);
    expect_answer(RAW_ARENA_BYTES / 4, fd, RMX_STATUS_PEER_CORRUPT);
    close(fd);
    fd = open(harness_media("small.ts"), O_RDWR | O_CLOEXEC);
    expect_answer(RAW_ARENA_BYTES, fd, RMX_STATUS_PEER_CORRUPT);
    close(fd);
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    expect_answer(RAW_ARENA_BYTES, ends[0], RMX_STATUS_PEER_CORRUPT);
    close(ends[0]);
    close(ends[1]);
    fd = memory(RAW_ARENA_BYTES, MFD_HUGETLB, 0);
    if (fd >= 0 && fcntl(fd, F_ADD_SEALS, SEALS) == 0) {
        expect_answer(RAW_ARENA_BYTES, fd, RMX_STATUS_PEER_CORRUPT);
    }
    close(fd);
    fd = memory(2 * CHANNEL_BYTES, 0, SEALS);
    expect_answer(2 * CHANNEL_BYTES, fd, RMX_STATUS_OVER_LIMIT);
    close(fd);
    harness_descriptors_at_most(harness.daemon, before + 4); /* a spare may have come */
    raw_open(&channel);
    raw_close(&channel);
}

Test(e2e_channel, arena_below_the_smallest_breaks_the_protocol)
{
    struct rmx_msg_goodbye goodbye;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    int fd = memory(4096, 0, SEALS);

    cr_assert_eq(raw_say_channel(raw_sock, 4096, fd, 0), 0);
    cr_assert_eq(raw_receive(raw_sock, &goodbye, sizeof(goodbye), &fds), (int)sizeof(goodbye));
    cr_assert_eq(goodbye.head.type, RMX_MSG_GOODBYE);
    cr_assert_eq(goodbye.status, RMX_STATUS_PEER_CORRUPT);
    close(fd);
}

/* An answer that is not taken has two, a message on its way in has one, and a spare that comes
 * while we look has two as well; there are a hundred messages and more. */
#define DESCRIPTORS_OF_DEAF 8u

Test(e2e_channel, client_that_never_reads_its_answers_holds_nothing_up)
{
    int deaf = raw_session(&harness);
    int fd = memory(RMX_CHANNEL_BYTES_MIN, 0, SEALS);
    size_t before;

    while (raw_say_channel(deaf, RMX_CHANNEL_BYTES_MIN, fd, MSG_DONTWAIT) == 0) {
    }
    before = harness_descriptors(harness.daemon);
    (void)harness_remux(&harness, honest, harness_media("small.mp4"), "mpegts");
    harness_descriptors_at_most(harness.daemon, before + DESCRIPTORS_OF_DEAF);
    close(deaf);
    close(fd);
    harness_counter_becomes(honest, "channels_open", 0);
}

/* --- places ----------------------------------------------------------------------------------- */

static void expect_bad(const struct rmx_job_spec *spec)
{
    raw_submit(spec, NULL, 0);
    raw_expect(spec->job, RMX_STATUS_BAD_JOB);
}

Test(e2e_channel, rings_that_are_not_the_jobs_own_are_BAD_JOB)
{
    struct raw_channel channel;
    struct rmx_job_spec first;
    struct rmx_job_spec spec;
    struct rmx_chunk_ring ends[2];

    raw_open(&channel);
    first = raw_ring_job(&channel, 0);
    raw_make_rings(&channel, &first, ends);
    raw_submit(&first, NULL, 0); /* waits for its input, and keeps its places */

    spec = raw_ring_job(&channel, 1);
    spec.output_ring = spec.input_ring;
    expect_bad(&spec);
    spec = raw_ring_job(&channel, 1);
    spec.output_ring.at = spec.input_ring.at + RMX_CHUNK_ALIGN;
    expect_bad(&spec);
    spec = raw_ring_job(&channel, 1);
    spec.input_ring = first.output_ring;
    expect_bad(&spec);
    spec = raw_ring_job(&channel, 1);
    spec.output_ring.at = RAW_ARENA_BYTES - RMX_CHUNK_ALIGN;
    expect_bad(&spec);
    spec = raw_ring_job(&channel, 1);
    spec.output_ring.at = (UINT64_C(1) << 32) - RMX_CHUNK_ALIGN;
    expect_bad(&spec);
    spec = raw_ring_job(&channel, 1);
    spec.channel_flow = first.channel_flow;
    expect_bad(&spec);
    spec = raw_ring_job(&channel, 1);
    spec.channel = channel.name + 1;
    expect_bad(&spec);

    raw_cancel(first.job);
    raw_expect(first.job, RMX_STATUS_CANCELLED);
    spec =
        raw_ring_job(&channel, 1); /* what was refused kept nothing, and what ended gave all back */
    spec.input_ring = first.output_ring;
    spec.output_ring = first.input_ring;
    raw_make_rings(&channel, &spec, ends);
    raw_submit(&spec, NULL, 0);
    raw_cancel(spec.job);
    raw_expect(spec.job, RMX_STATUS_CANCELLED);
    raw_close(&channel);
}

Test(e2e_channel, jobs_that_wait_for_their_worker_hold_up_nobody)
{
    struct raw_channel channel;
    struct rmx_job_spec spec;
    struct rmx_chunk_ring ends[2];

    raw_open(&channel);
    for (uint32_t n = 0; n < 4; n++) { /* two run: the last of flows_ring is for others */
        spec = raw_ring_job(&channel, n);
        raw_make_rings(&channel, &spec, ends);
        raw_submit(&spec, NULL, 0);
    }
    harness_counter_becomes(honest, "pairs_bare_used", 2);
    harness_counter_becomes(honest, "jobs_queued", 2);
    for (int i = 0; i < 8; i++) {
        (void)harness_remux(&harness, honest, harness_media("small.mp4"), "fmp4");
    }
    cr_assert_eq(harness_counter(honest, "jobs_queued"), 2);
    raw_cancel(100); /* the third moves up; the fourth is cancelled while it waits */
    raw_expect(100, RMX_STATUS_CANCELLED);
    harness_counter_becomes(honest, "jobs_queued", 1);
    raw_cancel(103);
    raw_expect(103, RMX_STATUS_CANCELLED);
    cr_assert_eq(harness_counter(honest, "pairs_bare_used"), 2);
    raw_close(&channel);
}

Test(e2e_channel, descriptor_on_one_side_and_ring_on_the_other)
{
    struct raw_channel channel;
    struct rmx_job_spec spec;
    struct rmx_chunk_ring ends[2];
    struct rmx_job_result result;
    uint64_t drained = 0;
    bool ended = false;
    int fd = open(harness_media("small.mp4"), O_RDONLY | O_CLOEXEC);

    raw_open(&channel);
    spec = raw_ring_job(&channel, 0);
    raw_make_rings(&channel, &spec, ends);
    spec.input_port = RMX_JOB_DESCRIPTOR;
    spec.input_ring = (struct rmx_job_ring){ 0 };
    spec.input_bytes = 0;
    raw_submit(&spec, &fd, 1);
    while (!ended) {
        if (!raw_drain(&channel, 0, &ends[1], &drained, &ended) && !ended) {
            raw_sleep(&channel, &ends[0], true, &ends[1]);
        }
    }
    result = raw_end();
    cr_assert_eq(result.status, RMX_STATUS_OK, "%s", result.text);
    cr_assert_eq(result.bytes_out, drained);
    cr_assert_eq(result.bytes_in, (uint64_t)lseek(fd, 0, SEEK_END));
    close(fd);
    raw_close(&channel);
}

Test(e2e_channel, index_at_the_end_of_a_ring_is_reached_with_a_spool_and_only_so)
{
    struct raw_channel channel;
    struct rmx_job_spec spec;
    struct rmx_job_result result;
    int fd = open(harness_media("large.mp4"), O_RDONLY | O_CLOEXEC);
    uint64_t drained;

    raw_open(&channel);
    spec = raw_ring_job(&channel, 0);
    (void)raw_move(&channel, &spec, fd);
    result = raw_end();
    cr_assert_eq(result.status, RMX_STATUS_NEEDS_SEEKABLE_INPUT);
    spec = raw_ring_job(&channel, 1);
    spec.flags = RMX_JOB_SPOOL;
    cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
    drained = raw_move(&channel, &spec, fd);
    result = raw_end();
    cr_assert_eq(result.status, RMX_STATUS_OK, "%s", result.text);
    cr_assert_eq(result.bytes_in, (uint64_t)lseek(fd, 0, SEEK_END));
    cr_assert_eq(result.bytes_out, drained);
    spec = raw_ring_job(&channel, 2); /* all three passes */
    spec.flags = RMX_JOB_SPOOL;
    (void)rmx_job_set_name(&spec.format, "mp4");
    cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
    drained = raw_move(&channel, &spec, fd);
    result = raw_end();
    cr_assert_eq(result.status, RMX_STATUS_OK, "%s", result.text);
    cr_assert_eq(result.bytes_in, (uint64_t)lseek(fd, 0, SEEK_END));
    cr_assert_eq(result.bytes_out, drained);
    close(fd);
    raw_close(&channel);
}

/* --- ends ------------------------------------------------------------------------------------- */

static bool maps_a_channel(pid_t pid)
{
    char path[64];
    char line[512];
    bool found = false;
    FILE *maps;

    (void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
    maps = fopen(path, "re");
    cr_assert_not_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        found = found || strstr(line, "memfd:test-channel") != NULL;
    }
    (void)fclose(maps);
    return found;
}

/* The worker that has a channel mapped, as soon as one has. */
static pid_t holder(const pid_t workers[2])
{
    uint64_t until = harness_now_ns() + 10000000000u;

    while (!maps_a_channel(workers[0]) && !maps_a_channel(workers[1])) {
        cr_assert_lt(harness_now_ns(), until, "no worker takes the channel");
        (void)poll(NULL, 0, 1);
    }
    return maps_a_channel(workers[0]) ? workers[0] : workers[1];
}

Test(e2e_channel, memory_of_a_client_that_went_away_comes_back)
{
    struct raw_channel channel;
    struct rmx_job_spec spec;
    struct rmx_chunk_ring ends[2];
    pid_t workers[2];
    uint64_t best_ns = UINT64_MAX;

    cr_assert_eq(harness_workers(&harness, workers, 2), 2);
    for (int round = 0; round < 20; round++) {
        raw_open(&channel);
        spec = raw_ring_job(&channel, 0);
        raw_make_rings(&channel, &spec, ends);
        raw_submit(&spec, NULL, 0);
        harness_counter_becomes(honest, "pairs_bare_used", 1);
        (void)holder(workers);
        uint64_t start_ns = harness_now_ns();
        close(raw_sock);
        harness_counter_becomes(honest, "channels_open", 0);
        uint64_t took_ns = harness_now_ns() - start_ns;
        best_ns = took_ns < best_ns ? took_ns : best_ns;
        cr_assert_not(maps_a_channel(workers[0]) || maps_a_channel(workers[1]));
        raw_close(&channel);
        raw_sock = raw_session(&harness);
    }
    cr_assert_lt(best_ns, 1000000000u); /* a busy machine may take long once; not always */
}

/* So many jobs end, together or not. */
static void expect_lost(uint32_t count)
{
    struct {
        struct rmx_msg_head head; /* struct rmx_msg_done */
        struct rmx_done_item items[RMX_DONE_JOBS_MAX];
    } done;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

    for (uint32_t got = 0; got < count; got += done.head.count) {
        cr_assert_gt(raw_receive(raw_sock, &done, sizeof(done), &fds), 0);
        cr_assert_eq(done.head.type, RMX_MSG_DONE);
        for (uint32_t i = 0; i < done.head.count; i++) {
            cr_assert_eq(done.items[i].result.status, RMX_STATUS_WORKER_LOST);
        }
    }
}

Test(e2e_channel, worker_that_dies_loses_its_channels_and_no_other)
{
    struct raw_channel channels[2];
    struct rmx_msg_channel_lost lost;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    struct rmx_job_spec spec;
    struct rmx_chunk_ring ends[2];
    struct rmx_job_result result;
    pid_t workers[2];
    pid_t victim;
    int fd;

    cr_assert_eq(harness_workers(&harness, workers, 2), 2);
    raw_open(&channels[0]);
    victim = holder(workers);
    raw_open(&channels[1]); /* on the other worker */
    for (uint32_t n = 0; n < 3; n++) {
        spec = raw_ring_job(&channels[0], n);
        raw_make_rings(&channels[0], &spec, ends);
        raw_submit(&spec, NULL, 0);
    }
    harness_counter_becomes(honest, "jobs_queued", 1);
    cr_assert_eq(kill(victim, SIGKILL), 0);
    cr_assert_eq(raw_receive(raw_sock, &lost, sizeof(lost), &fds), (int)sizeof(lost));
    cr_assert_eq(lost.head.type, RMX_MSG_CHANNEL_LOST);
    cr_assert_eq(lost.channel, channels[0].name);
    expect_lost(3);
    spec = raw_ring_job(&channels[0], 0); /* under way when we heard */
    raw_submit(&spec, NULL, 0);
    raw_expect(spec.job, RMX_STATUS_WORKER_LOST);
    cr_assert_eq(harness_counter(honest, "channels_lost"), 1);
    fd = open(harness_media("small.ts"), O_RDONLY | O_CLOEXEC);
    spec = raw_ring_job(&channels[1], 0);
    (void)raw_move(&channels[1], &spec, fd);
    result = raw_end();
    cr_assert_eq(result.status, RMX_STATUS_OK, "%s", result.text);
    raw_close(&channels[0]);
    raw_open(&channels[0]); /* and a new one is to be had */
    cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
    spec = raw_ring_job(&channels[0], 0);
    (void)raw_move(&channels[0], &spec, fd);
    result = raw_end();
    cr_assert_eq(result.status, RMX_STATUS_OK, "%s", result.text);
    close(fd);
    raw_close(&channels[0]);
    raw_close(&channels[1]);
}

Test(e2e_channel, workers_that_stand_still_are_told_later)
{
    int fd = memory(RMX_CHANNEL_BYTES_MIN, 0, SEALS);
    pid_t workers[2];
    pid_t after[2];
    int own = raw_sock;
    int sessions[120];

    cr_assert_eq(harness_workers(&harness, workers, 2), 2);
    cr_assert(kill(workers[0], SIGSTOP) == 0 && kill(workers[1], SIGSTOP) == 0);
    for (int i = 0; i < 120; i++) {
        sessions[i] = raw_session(&harness);
        raw_sock = sessions[i];
        for (uint32_t n = 0; n < 4; n++) {
            uint32_t status = raw_answer_to(RMX_CHANNEL_BYTES_MIN, fd);

            cr_assert(status == RMX_STATUS_OK || status == RMX_STATUS_BUSY);
        }
    }
    for (int i = 0; i < 120; i++) {
        close(sessions[i]);
    }
    raw_sock = own;
    harness_counter_becomes(honest, "sessions_open", 2);
    cr_assert_gt(harness_counter(honest, "channels_open"), 100);
    expect_answer(RMX_CHANNEL_BYTES_MIN, fd, RMX_STATUS_BUSY); /* they have enough to do */
    cr_assert(kill(workers[0], SIGCONT) == 0 && kill(workers[1], SIGCONT) == 0);
    harness_counter_becomes(honest, "channels_open", 0);
    cr_assert_eq(harness_workers(&harness, after, 2), 2);
    cr_assert_eq(workers[0] + workers[1], after[0] + after[1], "none of them was ended for it");
    close(fd);
}
