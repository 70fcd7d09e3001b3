/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the daemon does with a client that does not keep to the protocol: it is cut off, everything
 * it brought is closed, and the others go on.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipc/sock.h"
#include "ipc/status.h"
#include "tests/harness.h"

static struct harness harness;
static struct rmx_client *honest;
static int sock = -1;
static struct rmx_msg_welcome welcome;

static int receive(void *message, size_t size, struct rmx_sock_fds *fds)
{
    struct pollfd ready = { .fd = sock, .events = POLLIN };

    cr_assert_eq(poll(&ready, 1, 10000), 1, "the daemon says nothing");
    return rmx_sock_recv(sock, message, size, fds, MSG_DONTWAIT);
}

static void say_hello(void)
{
    struct rmx_msg_hello hello = {
        .head = { .type = RMX_MSG_HELLO, .bytes = sizeof(hello) },
        .version_min = RMX_WIRE_VERSION,
        .version_max = RMX_WIRE_VERSION,
        .name = "test",
    };
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

    cr_assert_eq(rmx_sock_say(sock, &hello, sizeof(hello), 0), 0);
    cr_assert_eq(receive(&welcome, sizeof(welcome), &fds), (int)sizeof(welcome));
    cr_assert_eq(welcome.head.type, RMX_MSG_WELCOME);
    cr_assert_eq(fds.count, 1);
    rmx_sock_fds_close(&fds);
}

static void set_up(void)
{
    static const char *const settings[] = { "--flows-small=8", "--flows-bulk=2", "--workers=1",
        "--credits=4", "--sessions-max=3", "--jobs-max=16", NULL };

    harness_start(&harness, settings);
    honest = harness_client(&harness);
    sock = rmx_sock_connect(harness.socket);
    cr_assert_geq(sock, 0);
}

static void tear_down(void)
{
    close(sock);
    (void)harness_remux(&harness, honest, harness_media("small.mp4"), "fmp4");
    harness_counter_becomes(honest, "jobs_in_flight", 0);
    harness_counter_becomes(honest, "fds_open", 0);
    harness_counter_becomes(honest, "sessions_open", 1);
    rmx_close(&honest);
    harness_stop(&harness);
}

TestSuite(e2e_protocol, .init = set_up, .fini = tear_down, .timeout = 180);

/* The daemon says GOODBYE with this status, then closes. */
static void expect_cut_off(uint32_t status)
{
    struct rmx_msg_goodbye goodbye;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    int bytes = receive(&goodbye, sizeof(goodbye), &fds);

    cr_assert_eq(bytes, (int)sizeof(goodbye));
    cr_assert_eq(goodbye.head.type, RMX_MSG_GOODBYE);
    cr_assert_eq(goodbye.status, status, "%s", rmx_status_name(goodbye.status));
    bytes = receive(&goodbye, sizeof(goodbye), &fds);
    cr_assert(bytes == 0 || bytes == -ECONNRESET, "it does not close: %d", bytes);
}

static struct {
    struct rmx_msg_head head; /* struct rmx_msg_submit with its jobs */
    struct rmx_job_spec spec[RMX_SUBMIT_JOBS_MAX];
} message;

static void make_submit(uint32_t count)
{
    memset(&message, 0, sizeof(message));
    message.head.type = RMX_MSG_SUBMIT;
    message.head.count = count;
    message.head.bytes = (uint32_t)(sizeof(message.head) + count * sizeof(message.spec[0]));
    for (uint32_t i = 0; i < count; i++) {
        message.spec[i].job = i + 1;
        message.spec[i].kind = RMX_JOB_NOOP;
        message.spec[i].class_ = RMX_CLASS_NORMAL;
    }
}

static int send_submit(const int *fds, int count)
{
    struct iovec part = { .iov_base = &message, .iov_len = message.head.bytes };

    return rmx_sock_send(sock, &part, 1, fds, count, 0);
}

/* Takes DONE items until `count` came, checks that each has this status. Returns the credits. */
static uint32_t expect_done(uint32_t count, uint32_t status)
{
    static struct {
        struct rmx_msg_head head; /* struct rmx_msg_done with its items */
        struct rmx_done_item items[RMX_DONE_JOBS_MAX];
    } answer;
    uint32_t credits = 0;

    for (uint32_t got = 0; got < count;) {
        struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
        int bytes = receive(&answer, sizeof(answer), &fds);

        cr_assert_gt(bytes, 0);
        cr_assert_eq(answer.head.type, RMX_MSG_DONE);
        for (uint32_t i = 0; i < answer.head.count; i++) {
            cr_assert_eq(answer.items[i].result.status, status, "%s: %s",
                rmx_status_name(answer.items[i].result.status), answer.items[i].result.text);
            credits += answer.items[i].credits;
            got++;
        }
    }
    return credits;
}

Test(e2e_protocol, noise_is_cut_off)
{
    const char noise[] = "GET / HTTP/1.0\r\n\r\n";

    cr_assert_eq(rmx_sock_say(sock, noise, sizeof(noise), 0), 0);
    expect_cut_off(RMX_STATUS_PEER_CORRUPT);
}

Test(e2e_protocol, job_before_hello_is_cut_off)
{
    make_submit(1);
    cr_assert_eq(send_submit(NULL, 0), 0);
    expect_cut_off(RMX_STATUS_PEER_CORRUPT);
}

/* Each by its own clock, whoever came before it. */
Test(e2e_protocol, who_never_says_hello_is_parted_with)
{
    uint64_t came_ns = rmx_deadline_in(0);
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    char byte;
    int later;

    (void)poll(NULL, 0, 300);
    later = rmx_sock_connect(harness.socket);
    cr_assert_geq(later, 0);
    cr_assert_eq(receive(&byte, 1, &fds), 0);
    cr_assert_geq(rmx_deadline_in(0), came_ns + 4500000000u, "it had no time to say hello");
    close(sock);
    sock = later;
    cr_assert_eq(receive(&byte, 1, &fds), 0);
    cr_assert_lt(rmx_deadline_in(0), came_ns + 30000000000u);
}

/* As when many start at once on a machine that is busy. */
Test(e2e_protocol, others_that_say_nothing_hurry_nobody_while_there_is_room)
{
    int others[8];

    for (size_t i = 0; i < 8; i++) {
        others[i] = rmx_sock_connect(harness.socket);
        cr_assert_geq(others[i], 0);
    }
    (void)poll(NULL, 0, 300);
    say_hello();
    for (size_t i = 0; i < 8; i++) {
        close(others[i]);
    }
}

Test(e2e_protocol, unknown_version_is_told)
{
    struct rmx_msg_hello hello = {
        .head = { .type = RMX_MSG_HELLO, .bytes = sizeof(hello) },
        .version_min = RMX_WIRE_VERSION + 1,
        .version_max = RMX_WIRE_VERSION + 9,
    };

    cr_assert_eq(rmx_sock_say(sock, &hello, sizeof(hello), 0), 0);
    expect_cut_off(RMX_STATUS_UNSUPPORTED);
}

Test(e2e_protocol, full_batch_is_answered_in_one_window)
{
    say_hello();
    cr_assert_eq(welcome.credits, 4);
    make_submit(4);
    cr_assert_eq(send_submit(NULL, 0), 0);

    cr_assert_eq(expect_done(4, RMX_STATUS_OK), 4, "every credit comes back");
}

Test(e2e_protocol, submit_without_credit_is_BUSY_and_gives_none_back)
{
    int ends[2];
    int fds[RMX_SUBMIT_JOBS_MAX * 2];

    say_hello();
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    make_submit(6); /* four wait for their input, two are too many */
    for (uint32_t i = 0; i < 6; i++) {
        message.spec[i].kind = RMX_JOB_REMUX;
        message.spec[i].inputs = 1;
        message.spec[i].outputs = 1;
        (void)rmx_job_set_name(&message.spec[i].format, "mpegts");
        fds[2 * i] = ends[0];
        fds[2 * i + 1] = ends[1];
    }
    cr_assert_eq(send_submit(fds, 12), 0);

    cr_assert_eq(expect_done(2, RMX_STATUS_BUSY), 0);
    cr_assert_eq(harness_counter(honest, "credits_refused"), 2);
    close(ends[0]);
    close(ends[1]);
}

Test(e2e_protocol, bad_job_is_BAD_JOB_and_the_session_goes_on)
{
    say_hello();
    make_submit(1);
    message.spec[0].kind = 77;
    cr_assert_eq(send_submit(NULL, 0), 0);
    cr_assert_eq(expect_done(1, RMX_STATUS_BAD_JOB), 1);
    make_submit(1);
    cr_assert_eq(send_submit(NULL, 0), 0);
    cr_assert_eq(expect_done(1, RMX_STATUS_OK), 1);
}

Test(e2e_protocol, missing_descriptor_is_cut_off)
{
    say_hello();
    make_submit(1);
    message.spec[0].kind = RMX_JOB_REMUX;
    message.spec[0].inputs = 1;
    message.spec[0].outputs = 1;
    (void)rmx_job_set_name(&message.spec[0].format, "mpegts");
    cr_assert_eq(send_submit((int[]){ 0 }, 1), 0);
    expect_cut_off(RMX_STATUS_PEER_CORRUPT);
}

Test(e2e_protocol, surplus_descriptors_are_closed_with_the_session)
{
    int fds[20] = { 0 };
    size_t before;
    int rounds = 0;

    (void)harness_remux(&harness, honest, harness_media("small.mp4"), "fmp4");
    harness_counter_becomes(honest, "fds_open", 0); /* all is open that a daemon at work has */
    say_hello();
    before = harness_descriptors(harness.daemon);
    make_submit(1);
    cr_assert_eq(send_submit(fds, 20), 0);
    expect_cut_off(RMX_STATUS_PEER_CORRUPT);
    harness_counter_becomes(honest, "sessions_open", 1);
    while (harness_descriptors(harness.daemon) >= before) { /* the kernel closes them aside */
        cr_assert_lt(rounds++, 1000);
        (void)poll(NULL, 0, 10);
    }
}

Test(e2e_protocol, descriptor_of_the_wrong_direction_is_BAD_JOB)
{
    int fds[2] = { open("/dev/null", O_WRONLY | O_CLOEXEC),
        open("/dev/null", O_WRONLY | O_CLOEXEC) };

    say_hello();
    make_submit(1);
    message.spec[0].kind = RMX_JOB_REMUX;
    message.spec[0].inputs = 1;
    message.spec[0].outputs = 1;
    (void)rmx_job_set_name(&message.spec[0].format, "mpegts");
    cr_assert_eq(send_submit(fds, 2), 0);
    cr_assert_eq(expect_done(1, RMX_STATUS_BAD_JOB), 1);
    close(fds[0]);
    close(fds[1]);
}

Test(e2e_protocol, one_client_too_many_is_told_BUSY)
{
    struct rmx_client *refused = NULL;
    struct rmx_client *third = harness_client(&harness);
    struct rmx_client *second = harness_client(&harness);

    cr_assert_eq(rmx_open(&refused, harness.socket), -EBUSY);
    rmx_close(&second);
    harness_counter_becomes(honest, "sessions_open", 2);
    cr_assert_eq(rmx_open(&refused, harness.socket), 0, "there is room again");
    rmx_close(&refused);
    rmx_close(&third);
}

Test(e2e_protocol, scribbling_over_the_session_arena_hurts_nobody)
{
    struct rmx_msg_hello hello = {
        .head = { .type = RMX_MSG_HELLO, .bytes = sizeof(hello) },
        .version_min = RMX_WIRE_VERSION,
        .version_max = RMX_WIRE_VERSION,
    };
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    unsigned char *arena;

    cr_assert_eq(rmx_sock_say(sock, &hello, sizeof(hello), 0), 0);
    cr_assert_gt(receive(&welcome, sizeof(welcome), &fds), 0);
    cr_assert_eq(ftruncate(fds.fds[0], 0), -1, "the arena is sealed");
    arena = mmap(NULL, welcome.arena_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fds.fds[0], 0);
    cr_assert_neq(arena, MAP_FAILED);
    for (int round = 0; round < 50; round++) {
        memset(arena, round * 37, welcome.arena_bytes);
        make_submit(4);
        cr_assert_eq(send_submit(NULL, 0), 0);
        cr_assert_eq(expect_done(4, RMX_STATUS_OK), 4);
    }
    rmx_sock_fds_close(&fds);
    (void)munmap(arena, welcome.arena_bytes);
}

Test(e2e_protocol, client_that_never_reads_holds_up_nobody)
{
    say_hello();
    for (int i = 0; i < 2000; i++) {
        make_submit(4);
        if (rmx_sock_send(sock, &(struct iovec){ &message, message.head.bytes }, 1, NULL, 0,
                MSG_DONTWAIT) < 0) {
            break;
        }
    }
    (void)harness_remux(&harness, honest, harness_media("small.mp4"), "mpegts");
}

/* An arena as the daemon wants it. */
static int make_arena(uint64_t bytes)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    cr_assert_eq(ftruncate(fd, (off_t)bytes), 0);
    cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
    return fd;
}

Test(e2e_protocol, client_that_goes_before_its_channel_comes_leaves_nothing_to_the_next)
{
    struct rmx_msg_channel channel = {
        .head = { .type = RMX_MSG_CHANNEL, .bytes = sizeof(channel) },
        .arena_bytes = UINT64_C(1) << 20,
    };

    for (int round = 0; round < 20; round++) {
        struct iovec part = { .iov_base = &channel, .iov_len = sizeof(channel) };
        int arena = make_arena(channel.arena_bytes);

        say_hello();
        cr_assert_eq(rmx_sock_send(sock, &part, 1, &arena, 1, 0), 0);
        close(sock);
        close(arena);
        struct rmx_client *next = harness_client(&harness);
        (void)harness_remux(&harness, next, harness_media("small.mp4"), "fmp4");
        rmx_close(&next);
        sock = rmx_sock_connect(harness.socket);
        cr_assert_geq(sock, 0);
    }
}
