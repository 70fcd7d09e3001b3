/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Handing the listening socket over, end to end: the old daemon asked by a test, and ringmuxd
 * --replace where it finds what is not as it should be.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "ipc/sock.h"
#include "ipc/status.h"
#include "tests/deploy_case.h"

static const char *const plain[] = { NULL };
static const char *const replacing[] = { "--replace", NULL };
static struct harness harness;

TestSuite(e2e_handover, .timeout = 180);

static void start(void)
{
    static const char *const settings[] = { "--workers=2", "--lanes=2", "--flows-small=8", NULL };

    harness_start(&harness, settings);
}

/* --- the next daemon's words, said by a test ------------------------------------------------- */

struct asker {
    int sock;
    int listen_fd; /* after ask() with OK */
};

static void say_hello(const struct asker *asker)
{
    static const struct rmx_msg_hello hello = {
        .head = { .type = RMX_MSG_HELLO, .bytes = sizeof(hello) },
        .version_min = RMX_WIRE_VERSION,
        .version_max = RMX_WIRE_VERSION,
        .features = RMX_FEATURE_OPERATOR,
    };
    struct rmx_msg_welcome welcome;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

    cr_assert_eq(rmx_sock_say(asker->sock, &hello, sizeof(hello), 0), 0);
    cr_assert_eq(
        rmx_sock_recv(asker->sock, &welcome, sizeof(welcome), &fds, 0), (int)sizeof(welcome));
    rmx_sock_fds_close(&fds);
    cr_assert(welcome.features & RMX_FEATURE_OPERATOR);
}

static void come(struct asker *asker)
{
    asker->sock = rmx_sock_connect(harness.socket);
    asker->listen_fd = -1;
    cr_assert_geq(asker->sock, 0);
    say_hello(asker);
}

/* HANDOVER. Returns the reply's status. */
static uint32_t ask(struct asker *asker)
{
    static const struct rmx_msg_head handover = {
        .type = RMX_MSG_HANDOVER,
        .bytes = sizeof(handover),
    };
    struct rmx_msg_handover_reply reply;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

    cr_assert_eq(rmx_sock_say(asker->sock, &handover, sizeof(handover), 0), 0);
    cr_assert_eq(rmx_sock_recv(asker->sock, &reply, sizeof(reply), &fds, 0), (int)sizeof(reply));
    cr_assert_eq(reply.head.type, RMX_MSG_HANDOVER_REPLY);
    if (reply.status == RMX_STATUS_OK) {
        cr_assert_eq(fds.count, 1);
        asker->listen_fd = rmx_sock_fds_take(&fds, 0);
    }
    cr_assert_eq(reply.held, 0);
    return reply.status;
}

static void say_goodbye(struct asker *asker)
{
    static const struct rmx_msg_goodbye goodbye = {
        .head = { .type = RMX_MSG_GOODBYE, .bytes = sizeof(goodbye) },
        .status = RMX_STATUS_OK,
    };

    cr_assert_eq(rmx_sock_say(asker->sock, &goodbye, sizeof(goodbye), 0), 0);
}

static void leave(struct asker *asker)
{
    close(asker->sock);
    if (asker->listen_fd >= 0) {
        close(asker->listen_fd);
    }
}

/* Somebody who connects now comes to `listen_fd`. */
static void assert_listens(int listen_fd)
{
    struct pollfd wait = { .fd = listen_fd, .events = POLLIN };
    int caller = rmx_sock_connect(harness.socket);
    int answered;

    cr_assert_geq(caller, 0);
    cr_assert_eq(poll(&wait, 1, 5000), 1);
    answered = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    cr_assert_geq(answered, 0);
    close(answered);
    close(caller);
}

Test(e2e_handover, old_one_ends_and_its_socket_stays)
{
    struct asker next;

    start();
    come(&next);
    cr_assert_eq(ask(&next), RMX_STATUS_OK);
    say_goodbye(&next);
    cr_assert_eq(deploy_exit(&harness), 0);
    assert_listens(next.listen_fd);
    leave(&next);
    cr_assert_eq(rmx_sock_connect(harness.socket), -ECONNREFUSED);
    deploy_remove_place(&harness);
}

Test(e2e_handover, old_one_keeps_no_hold_of_the_socket_while_it_drains)
{
    struct asker next;
    struct rmx_client *client;
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_result result;

    start();
    client = harness_client(&harness);
    job.input = RMX_RING; /* which stays empty */
    job.output = RMX_RING;
    job.format = "mpegts";
    job.deadline_ns = rmx_deadline_in(2000000000);
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), 1);
    come(&next);
    cr_assert_eq(ask(&next), RMX_STATUS_OK);
    say_goodbye(&next);
    deploy_await(&harness, "draining", 2, ""); /* both lanes */
    leave(&next);
    for (int i = 0; i < 400; i++) {
        int sock = rmx_sock_connect(harness.socket);

        if (sock == -ECONNREFUSED) {
            break;
        }
        close(sock);
        cr_assert_lt(i, 399, "who comes waits for a daemon that does not listen");
        (void)poll(NULL, 0, 2);
    }
    result = harness_wait(client);
    cr_assert_eq(result.status, RMX_DEADLINE);
    rmx_close(&client);
    cr_assert_eq(deploy_exit(&harness), 0);
    deploy_remove_place(&harness);
}

/* One connects, and says hello only when the daemon is done with all others. */
Test(e2e_handover, who_was_let_in_by_the_old_one_is_welcomed_and_told)
{
    struct asker next;
    struct asker late = { .listen_fd = -1 };
    struct rmx_msg_goodbye goodbye;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

    start();
    late.sock = rmx_sock_connect(harness.socket);
    cr_assert_geq(late.sock, 0);
    (void)poll(NULL, 0, 100);
    come(&next);
    cr_assert_eq(ask(&next), RMX_STATUS_OK);
    say_goodbye(&next);
    (void)poll(NULL, 0, 200);
    say_hello(&late);
    cr_assert_eq(
        rmx_sock_recv(late.sock, &goodbye, sizeof(goodbye), &fds, 0), (int)sizeof(goodbye));
    cr_assert_eq(goodbye.head.type, RMX_MSG_GOODBYE);
    cr_assert_eq(goodbye.status, RMX_STATUS_DRAINING);
    cr_assert_eq(deploy_exit(&harness), 0);
    leave(&late);
    leave(&next);
    deploy_remove_place(&harness);
}

Test(e2e_handover, next_one_that_goes_without_goodbye_has_taken_nothing)
{
    struct asker next;
    struct rmx_client *client;

    start();
    for (int i = 0; i < 3; i++) {
        come(&next);
        while (ask(&next) != RMX_STATUS_OK) { /* until the last one's end was seen */
            (void)poll(NULL, 0, 1);
        }
        leave(&next);
    }
    client = harness_client(&harness);
    (void)harness_remux(&harness, client, harness_media("small.mp4"), "mpegts");
    rmx_close(&client);
    harness_stop(&harness);
}

Test(e2e_handover, second_that_asks_is_told_busy)
{
    struct asker first;
    struct asker second;

    start();
    come(&first);
    come(&second);
    cr_assert_eq(ask(&first), RMX_STATUS_OK);
    cr_assert_eq(ask(&second), RMX_STATUS_BUSY);
    leave(&second);
    leave(&first);
    harness_stop(&harness);
}

Test(e2e_handover, socket_that_was_handed_over_outlives_a_sigterm)
{
    struct asker next;

    start();
    come(&next);
    cr_assert_eq(ask(&next), RMX_STATUS_OK);
    (void)kill(harness.daemon, SIGTERM);
    cr_assert_eq(deploy_exit(&harness), 0);
    assert_listens(next.listen_fd);
    leave(&next);
    deploy_remove_place(&harness);
}

/* --- ringmuxd --replace ---------------------------------------------------------------------- */

Test(e2e_handover, without_an_old_daemon_the_next_one_listens)
{
    struct harness next;
    struct rmx_client *client;

    deploy_make_place(&harness);
    deploy_spawn(&harness, &next, replacing, NULL);
    deploy_await(&next, "ready", 1, harness.socket);
    client = harness_client(&next);
    rmx_close(&client);
    harness_stop(&next);
}

Test(e2e_handover, of_several_that_replace_at_once_one_remains)
{
    struct harness next[3];
    struct rmx_client *client;
    int alive = 0;

    start();
    for (int i = 0; i < 3; i++) {
        deploy_spawn(&harness, &next[i], replacing, NULL);
    }
    for (int i = 0; i < 3; i++) {
        deploy_await(&next[i], "ready", 1, "");
    }
    cr_assert_eq(deploy_exit(&harness), 0);
    client = harness_client(&harness);
    (void)harness_remux(&harness, client, harness_media("small.mp4"), "mpegts");
    rmx_close(&client);
    for (int i = 0; i < 3; i++) {
        if (strstr(deploy_log(&next[i]), "handed_over") != NULL) {
            cr_assert_eq(deploy_exit(&next[i]), 0);
        } else {
            alive++;
            (void)kill(next[i].daemon, SIGTERM);
            cr_assert_eq(deploy_exit(&next[i]), 0);
        }
    }
    cr_assert_eq(alive, 1);
    deploy_remove_place(&harness);
}

/* What a fake old daemon does with the one that comes: a process of its own. */
static pid_t fake(void (*act)(int sock))
{
    int listen_fd = deploy_listen(&harness);
    pid_t pid = fork();

    cr_assert_geq(pid, 0);
    if (pid == 0) {
        struct pollfd wait = { .fd = listen_fd, .events = POLLIN };

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)poll(&wait, 1, 20000);
        act(accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC));
        _exit(0);
    }
    close(listen_fd);
    return pid;
}

static void hear_hello(int sock)
{
    struct rmx_msg_hello hello;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

    (void)rmx_sock_recv(sock, &hello, sizeof(hello), &fds, 0);
}

static void be_of_another_version(int sock)
{
    static const struct rmx_msg_goodbye goodbye = {
        .head = { .type = RMX_MSG_GOODBYE, .bytes = sizeof(goodbye) },
        .status = RMX_STATUS_UNSUPPORTED,
    };

    hear_hello(sock);
    (void)rmx_sock_say(sock, &goodbye, sizeof(goodbye), 0);
}

static void die(int sock)
{
    hear_hello(sock);
    _exit(0);
}

static void be_silent(int sock)
{
    hear_hello(sock);
    (void)poll(NULL, 0, 10000);
}

static void talk_nonsense(int sock)
{
    hear_hello(sock);
    (void)rmx_sock_say(sock, "what do you want?", 17, 0);
}

/* One that takes nobody for an operator. */
static void welcome_as_client(int sock)
{
    struct rmx_msg_welcome welcome = {
        .head = { .type = RMX_MSG_WELCOME, .bytes = sizeof(welcome) },
        .version = RMX_WIRE_VERSION,
        .workers = 1,
        .channel_bytes = RMX_CHANNEL_BYTES_MIN,
    };
    struct iovec part = { .iov_base = &welcome, .iov_len = sizeof(welcome) };

    hear_hello(sock);
    (void)rmx_sock_send(sock, &part, 1, &(int){ STDERR_FILENO }, 1, 0);
    (void)poll(NULL, 0, 2000);
}

static void assert_refused(void (*act)(int sock), const char *why)
{
    struct harness next;
    pid_t pid;

    deploy_make_place(&harness);
    pid = fake(act);
    deploy_spawn(&harness, &next, replacing, NULL);
    cr_expect_eq(deploy_exit(&next), 1);
    cr_expect_not_null(strstr(deploy_log(&next), why), "%s", deploy_log(&next));
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    deploy_remove_place(&harness);
}

Test(e2e_handover, old_one_of_another_version_is_an_error_that_says_what_to_do)
{
    assert_refused(be_of_another_version, "another version of the protocol: end it first");
}

Test(e2e_handover, old_one_that_does_not_answer_is_an_error)
{
    assert_refused(be_silent, "it does not answer");
}

Test(e2e_handover, who_is_no_ringmuxd_is_an_error)
{
    assert_refused(talk_nonsense, "it answers with nonsense");
}

Test(e2e_handover, old_one_that_takes_us_for_no_operator_is_an_error)
{
    assert_refused(welcome_as_client, "does not take us for its operator");
}

Test(e2e_handover, old_one_that_dies_meanwhile_leaves_the_place_to_us)
{
    struct harness next;
    struct rmx_client *client;
    pid_t pid;

    deploy_make_place(&harness);
    pid = fake(die);
    deploy_spawn(&harness, &next, replacing, NULL);
    deploy_await(&next, "ready", 1, "");
    (void)waitpid(pid, NULL, 0);
    client = harness_client(&next);
    rmx_close(&client);
    harness_stop(&next);
}

/* Only root can make a socket of somebody else's. */
Test(e2e_handover, old_one_of_another_user_is_an_error)
{
    struct harness next;
    pid_t pid;

    if (geteuid() != 0) {
        cr_skip_test("only root can try this");
    }
    deploy_make_place(&harness);
    cr_assert_eq(chmod(harness.dir, 0777), 0);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(setuid(65534) == 0 && rmx_sock_listen(harness.socket, 0666) >= 0 &&
                      poll(NULL, 0, 20000) == 0
                  ? 0
                  : 1);
    }
    for (int i = 0; i < 10000 && access(harness.socket, F_OK) < 0; i++) {
        (void)poll(NULL, 0, 2);
    }
    deploy_spawn(&harness, &next, replacing, NULL);
    cr_expect_eq(deploy_exit(&next), 1);
    cr_expect_not_null(strstr(deploy_log(&next), "it is another user's"), "%s", deploy_log(&next));
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    deploy_remove_place(&harness);
}

Test(e2e_handover, next_one_that_asks_twice_and_goes_has_taken_nothing)
{
    struct asker next;
    struct asker other;

    start();
    come(&next);
    cr_assert_eq(ask(&next), RMX_STATUS_OK);
    cr_assert_eq(ask(&next), RMX_STATUS_BUSY);
    leave(&next);
    deploy_await(&harness, "client_gone", 1, "");
    come(&other);
    cr_assert_eq(ask(&other), RMX_STATUS_OK);
    leave(&other);
    harness_stop(&harness);
}

Test(e2e_handover, without_replace_a_second_daemon_says_how)
{
    struct harness second;

    start();
    deploy_spawn(&harness, &second, plain, NULL);
    cr_assert_eq(deploy_exit(&second), 1);
    cr_assert_not_null(strstr(deploy_log(&second), "--replace takes over from it"));
    harness_stop(&harness);
}

Test(e2e_handover, sigterm_ends_one_that_still_waits_for_the_socket)
{
    struct asker other;
    struct harness next;

    start();
    come(&other);
    cr_assert_eq(ask(&other), RMX_STATUS_OK);
    deploy_spawn(&harness, &next, replacing, NULL);
    deploy_await(&next, "worker_ready", 1, "");
    deploy_await(&harness, "handover", 2, "BUSY");
    (void)kill(next.daemon, SIGTERM);
    cr_assert_eq(deploy_exit(&next), 0);
    leave(&other);
    harness_stop(&harness);
}
