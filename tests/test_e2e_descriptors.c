/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Descriptors that fail, wait or say nothing: their own job ends as it must, and nobody else's
 * notices.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "ipc/sock.h"
#include "tests/harness.h"

static struct harness harness;
static struct rmx_client *client;

static void set_up(void)
{
    static const char *const settings[] = { "--workers=1", "--flows-small=4", "--flows-bulk=1",
        NULL };

    harness_start(&harness, settings);
    client = harness_client(&harness);
}

static void tear_down(void)
{
    harness_counter_becomes(client, "jobs_in_flight", 0);
    cr_assert_eq(harness_counter(client, "fds_open"), 0);
    cr_assert_eq(harness_counter(client, "worker_deaths"), 0, "an honest worker was ended");
    rmx_close(&client);
    harness_stop(&harness);
}

TestSuite(e2e_descriptors, .init = set_up, .fini = tear_down, .timeout = 180);

static uint64_t submit(int input, int output, const char *format, uint64_t deadline_ns)
{
    struct rmx_job job = RMX_JOB_INIT;
    uint64_t id = 0;

    job.input = input;
    job.output = output;
    job.format = format;
    job.deadline_ns = deadline_ns;
    cr_assert_eq(rmx_submit(client, &job, 1, &id), 1);
    return id;
}

/* Two ends of a TCP connection over loopback. */
static void connect_tcp(int ends[2])
{
    struct sockaddr_in address = { .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(listener, 1), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(ends[0], (struct sockaddr *)&address, sizeof(address)), 0);
    ends[1] = accept(listener, NULL, NULL);
    cr_assert_geq(ends[1], 0);
    close(listener);
}

Test(e2e_descriptors, input_that_breaks_is_INPUT_IO_with_its_cause)
{
    const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    unsigned char bytes[50000];
    int media = harness_input(harness_media("small.ts"));
    int output = harness_output(&harness, "a");
    struct rmx_result result;
    int ends[2];

    connect_tcp(ends);
    cr_assert_eq(read(media, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
    cr_assert_eq(write(ends[1], bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
    (void)submit(ends[0], output, "matroska", 0);
    harness_counter_becomes(client, "bytes_in", sizeof(bytes));
    (void)setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(ends[1]);
    result = harness_wait(client);

    cr_assert_eq(result.status, RMX_INPUT_IO, "%s", rmx_end_name(result.status));
    cr_assert_eq(result.cause, -ECONNRESET);
    cr_assert_neq(result.text[0], 0);
    close(ends[0]);
    close(media);
    close(output);
}

Test(e2e_descriptors, terminal_that_takes_nothing_holds_up_nobody)
{
    int input = harness_input(harness_media("small.mp4"));
    struct termios raw;
    struct rmx_result result;
    uint64_t id;
    int master;
    int slave;

    cr_assert_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
    cr_assert_eq(tcgetattr(slave, &raw), 0);
    cfmakeraw(&raw);
    cr_assert_eq(tcsetattr(slave, TCSANOW, &raw), 0);
    id = submit(input, slave, "mpegts", rmx_deadline_in(1000000000));
    (void)harness_submit(&harness, client, harness_media("small.mp4"), "fmp4");
    result = harness_wait(client);
    cr_assert_neq(result.id, id);
    cr_assert_eq(result.status, RMX_OK, "%s", rmx_end_name(result.status));
    result = harness_wait(client);
    cr_assert_eq(result.id, id);
    cr_assert_eq(result.status, RMX_DEADLINE, "%s", rmx_end_name(result.status));
    close(input);
    close(master);
    close(slave);
}

Test(e2e_descriptors, socket_that_lingers_holds_up_nobody)
{
    const struct linger wait = { .l_onoff = 1, .l_linger = 15 };
    int input = harness_input(harness_media("small.mp4"));
    uint64_t rtt_ns = 0;
    uint64_t id;
    int ends[2];

    connect_tcp(ends);
    (void)setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &wait, sizeof(wait));
    id = submit(input, ends[0], "mpegts", 0);
    close(ends[0]); /* the daemon's is the last: its close waits, since nobody reads */
    (void)poll(NULL, 0, 200);
    (void)rmx_cancel(client, id);
    cr_assert_eq(rmx_ping(client, &rtt_ns), 0);
    close(ends[1]); /* which ends the wait */
    (void)harness_wait(client);
    cr_assert_lt(rtt_ns, 10000000000u, "the lane waited for the socket");
    close(input);
}

/* Two ends of a connection that takes no more; the close of the first waits until the second is
 * closed, or for 15 s. */
static void connect_lingering(int ends[2])
{
    static const unsigned char bytes[65536];
    const struct linger wait = { .l_onoff = 1, .l_linger = 15 };

    connect_tcp(ends);
    (void)setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &wait, sizeof(wait));
    while (send(ends[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0) {
    }
}

/* The lane waits for nothing: it answers, and again when it has done what came before. */
static void expect_answers(void)
{
    uint64_t until_ns = harness_now_ns() + 10000000000u;
    uint64_t rtt_ns = 0;

    for (int i = 0; i < 3; i++) {
        cr_assert_eq(rmx_ping(client, &rtt_ns), 0);
        (void)poll(NULL, 0, 50);
    }
    cr_assert_lt(harness_now_ns(), until_ns, "the lane waited for a socket");
}

/* Until it goes on, what it is sent stays unread: so its descriptors are the last. */
/* Until each of its threads stands still: the signal reaches them one after the other. */
static void stop_daemon(void)
{
    int status = 0;

    cr_assert_eq(kill(harness.daemon, SIGSTOP), 0);
    cr_assert_eq(waitpid(harness.daemon, &status, WUNTRACED), harness.daemon);
    cr_assert(WIFSTOPPED(status));
}

static void let_daemon_go(void)
{
    cr_assert_eq(kill(harness.daemon, SIGCONT), 0);
}

Test(e2e_descriptors, socket_of_a_job_that_is_late_holds_up_nobody)
{
    int input = harness_input(harness_media("small.mp4"));
    int ends[2];

    connect_lingering(ends);
    stop_daemon();
    (void)submit(input, ends[0], "mpegts", 1);
    close(ends[0]);
    let_daemon_go();
    expect_answers();
    close(ends[1]);
    cr_assert_eq(harness_wait(client).status, RMX_DEADLINE);
    close(input);
}

Test(e2e_descriptors, socket_of_a_job_that_waits_holds_up_nobody)
{
    int silent[2];
    int ends[2];
    uint64_t id;

    cr_assert_eq(pipe2(silent, O_CLOEXEC), 0);
    connect_lingering(ends);
    id = submit(silent[0], ends[0], "mpegts", 0);
    close(ends[0]);
    harness_counter_becomes(client, "jobs_in_flight", 1);
    cr_assert_eq(rmx_cancel(client, id), 0);
    expect_answers();
    close(ends[1]);
    cr_assert_eq(harness_wait(client).status, RMX_CANCELLED);
    close(silent[0]);
    close(silent[1]);
}

Test(e2e_descriptors, socket_that_no_job_takes_holds_up_nobody)
{
    int closed = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int ends[2];

    connect_lingering(ends);
    stop_daemon();
    (void)submit(closed, ends[0], "mpegts", 0);
    close(ends[0]);
    let_daemon_go();
    expect_answers();
    cr_assert_eq(harness_wait(client).status, RMX_BAD_JOB);
    close(ends[1]);
    close(closed);
}

Test(e2e_descriptors, sockets_that_nobody_asked_for_hold_up_nobody)
{
    const char byte = 0;
    int sock = rmx_sock_connect(harness.socket);
    struct iovec part = { .iov_len = sizeof(byte) };
    int ends[2][2];

    memcpy(&part.iov_base, &(const void *){ &byte }, sizeof(void *));
    cr_assert_geq(sock, 0);
    connect_lingering(ends[0]);
    connect_lingering(ends[1]);
    stop_daemon();
    cr_assert_eq(rmx_sock_send(sock, &part, 1, &ends[0][0], 1, MSG_DONTWAIT), 0); /* no message */
    cr_assert_eq(send(sock, &byte, 0, 0), 0);
    cr_assert_eq(rmx_sock_send(sock, &part, 1, &ends[1][0], 1, MSG_DONTWAIT), 0); /* not heard */
    close(ends[0][0]);
    close(ends[1][0]);
    close(sock);
    let_daemon_go();
    expect_answers();
    close(ends[0][1]);
    close(ends[1][1]);
}

Test(e2e_descriptors, silent_inputs_hold_no_ring_pair)
{
    int pipes[32][2];
    int output = harness_output(&harness, "b");

    for (int i = 0; i < 32; i++) {
        cr_assert_eq(pipe2(pipes[i], O_CLOEXEC), 0);
        (void)submit(pipes[i][0], output, "mpegts", 0);
        close(pipes[i][0]);
    }
    cr_assert_eq(harness_counter(client, "jobs_in_flight"), 32);
    cr_assert_eq(harness_counter(client, "pairs_small_used"), 0);
    struct rmx_client *other = harness_client(&harness);
    (void)harness_remux(&harness, other, harness_media("small.mp4"), "mpegts");
    rmx_close(&other);
    for (int i = 0; i < 32; i++) {
        close(pipes[i][1]);
    }
    for (int i = 0; i < 32; i++) {
        cr_assert_eq(harness_wait(client).status, RMX_BAD_MEDIA, "an empty input");
    }
    close(output);
}

Test(e2e_descriptors, input_that_never_speaks_is_cancelled)
{
    int output = harness_output(&harness, "c");
    int ends[2];
    uint64_t id;

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    id = submit(ends[0], output, "mpegts", 0);
    cr_assert_eq(rmx_cancel(client, id), 0);
    cr_assert_eq(harness_wait(client).status, RMX_CANCELLED);
    close(ends[0]);
    close(ends[1]);
    close(output);
}

Test(e2e_descriptors, input_that_shrinks_meanwhile_is_no_silent_success)
{
    unsigned char bytes[4096];
    int media = harness_input(harness_media("small.mp4"));
    int copy = harness_output(&harness, "copy");
    int output = harness_output(&harness, "d");
    struct rmx_result result;
    ssize_t count;

    while ((count = read(media, bytes, sizeof(bytes))) > 0) {
        cr_assert_eq(write(copy, bytes, (size_t)count), count);
    }
    cr_assert_eq(ftruncate(copy, lseek(copy, 0, SEEK_CUR) / 2), 0);
    cr_assert_eq(lseek(copy, 0, SEEK_SET), 0);
    (void)submit(copy, output, "mpegts", 0);
    result = harness_wait(client);

    cr_assert_eq(result.status, RMX_TRUNCATED, "%s", rmx_end_name(result.status));
    cr_assert_gt(result.bytes_expected, 0);
    close(media);
    close(copy);
    close(output);
}
