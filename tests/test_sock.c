/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Seqpacket sockets: listening, connecting, and that no descriptor is ever lost or left open.
 */
#include "ipc/sock.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ring/base.h"

static char directory[64];
static char path[128];

static void make_directory(void)
{
    snprintf(directory, sizeof(directory), "/tmp/rmx_sock.XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/socket", directory);
}

static void remove_directory(void)
{
    unlink(path);
    rmdir(directory);
}

static int open_fds(void)
{
    DIR *list = opendir("/proc/self/fd");
    int count = 0;

    while (readdir(list)) {
        count++;
    }
    closedir(list);
    return count;
}

static void open_files(int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
        cr_assert_geq(fds[i], 0);
    }
}

static void close_files(int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        rmx_base_close(&fds[i]);
    }
}

/* Sends around our own checks, as a hostile peer would. */
static void send_raw(int fd, size_t bytes, const int *fds, int count)
{
    static unsigned char bytes_to_send[RMX_WIRE_BYTES_MAX * 2];
    unsigned char control[CMSG_SPACE(sizeof(int) * 128)] = { 0 };
    struct iovec part = { .iov_base = bytes_to_send, .iov_len = bytes };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

    if (count > 0) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
        CMSG_FIRSTHDR(&message)->cmsg_level = SOL_SOCKET;
        CMSG_FIRSTHDR(&message)->cmsg_type = SCM_RIGHTS;
        CMSG_FIRSTHDR(&message)->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), fds, sizeof(int) * (size_t)count);
    }
    cr_assert_eq(sendmsg(fd, &message, 0), (ssize_t)bytes);
}

/* What rmx_sock_recv() answers to one raw message, and that no descriptor of it stays open. */
static int recv_raw(size_t bytes, int fd_count, size_t size)
{
    unsigned char buffer[256];
    struct rmx_sock_fds got = { .count = 7 };
    int fds[128];
    int pair[2];
    int before;
    int result;

    cr_assert_eq(rmx_sock_pair(pair), 0);
    open_files(fds, fd_count);
    send_raw(pair[0], bytes, fds, fd_count);
    close_files(fds, fd_count);
    before = open_fds();
    result = rmx_sock_recv(pair[1], buffer, size, &got, MSG_DONTWAIT);
    cr_assert_eq(got.count, 0);
    cr_assert_eq(open_fds(), before, "a descriptor stays open");
    close_files(pair, 2);
    return result;
}

TestSuite(sock, .init = make_directory, .fini = remove_directory);

Test(sock, a_client_reaches_a_listener_and_each_knows_the_other)
{
    int listener = rmx_sock_listen(path, 0600);
    int client = rmx_sock_connect(path);
    int server = accept(listener, NULL, NULL);
    struct ucred peer = { 0 };

    cr_assert_geq(listener, 0);
    cr_assert_geq(client, 0);
    cr_assert(fcntl(listener, F_GETFD) & FD_CLOEXEC);
    cr_assert(fcntl(client, F_GETFD) & FD_CLOEXEC);
    cr_assert_eq(rmx_sock_peer(server, &peer), 0);
    cr_assert_eq(peer.pid, getpid());
    cr_assert_eq(peer.uid, getuid());
    cr_assert_eq(rmx_sock_peer(-1, &peer), -EBADF);
    cr_assert_eq(peer.pid, getpid(), "outputs stay untouched on failure");
}

/* A daemon that was stopped, or is stuck. */
Test(sock, a_listener_that_accepts_nobody_is_not_waited_for_without_end, .timeout = 120)
{
    int listener = rmx_sock_listen(path, 0600);
    int waiting;
    int late;

    cr_assert_eq(listen(listener, 0), 0); /* one may wait */
    waiting = rmx_sock_connect_now(path);
    cr_assert_geq(waiting, 0);
    cr_assert_eq(fcntl(waiting, F_GETFL) & O_NONBLOCK, 0);
    late = rmx_sock_connect_now(path);
    cr_assert_eq(late, -EAGAIN, "%d", late);
    late = rmx_sock_connect(path);
    cr_assert_eq(late, -ETIMEDOUT, "%d", late);
    close(waiting);
    close(listener);
}

Test(sock, the_file_has_the_mode_asked_for_whatever_the_umask)
{
    static const mode_t modes[] = { 0600, 0660, 0666 };
    static const mode_t masks[] = { 0, 022, 0177 };

    for (size_t i = 0; i < 3; i++) {
        struct stat st;
        int listener;

        umask(masks[i]);
        listener = rmx_sock_listen(path, modes[i]);
        cr_assert_geq(listener, 0);
        cr_assert_eq(stat(path, &st), 0);
        cr_assert_eq(st.st_mode & 0777, modes[i]);
        rmx_base_close(&listener);
    }
}

Test(sock, the_file_is_of_the_group_asked_for)
{
    struct stat st;
    int listener;

    if (geteuid() != 0) {
        cr_skip_test("only root may give a file to any group");
    }
    listener = rmx_sock_listen_as(path, 0660, 4321);
    cr_assert_geq(listener, 0);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_gid, 4321);
    cr_assert_eq(st.st_mode & 0777, 0660);
    rmx_base_close(&listener);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(setgroups(0, NULL), 0);
    cr_assert_eq(chmod(directory, 0777), 0);
    cr_assert_eq(seteuid(65534), 0);
    cr_assert_eq(rmx_sock_listen_as(path, 0660, 4321), -EPERM);
    cr_assert_eq(access(path, F_OK), -1, "the file stays");
    cr_assert_eq(seteuid(0), 0);
}

Test(sock, tells_the_groups_of_its_peer)
{
    const gid_t groups[] = { 4321, 4322 };
    gid_t found[8];
    int listener;
    int client;
    int server;

    if (geteuid() != 0) {
        cr_skip_test("only root may be in any group");
    }
    listener = rmx_sock_listen(path, 0600);
    cr_assert_eq(setgroups(2, groups), 0);
    client = rmx_sock_connect(path);
    cr_assert_geq(client, 0);
    server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    cr_assert_geq(server, 0);
    cr_assert_eq(rmx_sock_peer_groups(server, found, 8), 2);
    cr_assert(found[0] == 4321 && found[1] == 4322);
    cr_assert_eq(rmx_sock_peer_groups(server, found, 1), -ERANGE);
    close(server);
    close(client);
    close(listener);
}

Test(sock, a_socket_on_which_nobody_answers_is_replaced)
{
    int first = rmx_sock_listen(path, 0600);
    int second;
    int client;

    rmx_base_close(&first);
    cr_assert_eq(rmx_sock_connect(path), -ECONNREFUSED);
    second = rmx_sock_listen(path, 0600);
    cr_assert_geq(second, 0);
    client = rmx_sock_connect(path);
    cr_assert_geq(client, 0);
}

Test(sock, a_socket_on_which_somebody_answers_is_left_alone)
{
    int first = rmx_sock_listen(path, 0600);

    cr_assert_eq(rmx_sock_listen(path, 0600), -EADDRINUSE);
    cr_assert_geq(rmx_sock_connect(path), 0, "the first one still answers");
    rmx_base_close(&first);
}

Test(sock, a_listener_of_another_type_is_left_alone)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int stream = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(address.sun_path, path, strlen(path));
    cr_assert_eq(bind(stream, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(stream, 1), 0);
    cr_assert_eq(rmx_sock_listen(path, 0600), -EADDRINUSE);
    cr_assert_eq(rmx_sock_connect(path), -EPROTOTYPE);
}

Test(sock, a_file_that_is_no_socket_is_left_alone)
{
    int file = open(path, O_CREAT | O_WRONLY, 0600);
    struct stat st;

    cr_assert_eq(rmx_sock_listen(path, 0600), -EADDRINUSE);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert(S_ISREG(st.st_mode));
    unlink(path);
    cr_assert_eq(symlink("/dev/null", path), 0);
    cr_assert_eq(rmx_sock_listen(path, 0600), -EADDRINUSE);
    rmx_base_close(&file);
}

Test(sock, names_that_can_be_no_socket_are_refused)
{
    char name[200];

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    cr_assert_eq(rmx_sock_listen(name, 0600), -ENAMETOOLONG);
    cr_assert_eq(rmx_sock_connect(name), -ENAMETOOLONG);
    cr_assert_eq(rmx_sock_listen("", 0600), -EINVAL);
    cr_assert_eq(rmx_sock_connect(""), -EINVAL);
    cr_assert_eq(rmx_sock_listen("@", 0600), -EINVAL);
    cr_assert_eq(rmx_sock_connect("@"), -EINVAL);
    cr_assert_eq(rmx_sock_listen("/nowhere/at/all", 0600), -ENOENT);
    cr_assert_eq(rmx_sock_connect("/nowhere/at/all"), -ENOENT);
}

Test(sock, abstract_names_need_no_file)
{
    char name[64];
    int listener;

    snprintf(name, sizeof(name), "@rmx_test_sock_%d", getpid());
    cr_assert_eq(rmx_sock_connect(name), -ECONNREFUSED);
    listener = rmx_sock_listen(name, 0600);
    cr_assert_geq(listener, 0);
    cr_assert_eq(rmx_sock_listen(name, 0600), -EADDRINUSE);
    cr_assert_geq(rmx_sock_connect(name), 0);
}

Test(sock, a_directory_locked_by_another_start_is_busy_after_a_second)
{
    int lock = open(directory, O_RDONLY | O_DIRECTORY);

    cr_assert_eq(flock(lock, LOCK_EX), 0);
    cr_assert_eq(rmx_sock_listen(path, 0600), -EBUSY);
    cr_assert_eq(flock(lock, LOCK_UN), 0);
    cr_assert_geq(rmx_sock_listen(path, 0600), 0);
}

struct starter {
    pthread_t thread;
    int fd;
};

static void *start(void *argument)
{
    struct starter *starter = argument;

    starter->fd = rmx_sock_listen(path, 0600);
    return NULL;
}

Test(sock, of_many_that_start_over_a_stale_socket_one_gets_it)
{
    for (int round = 0; round < 20; round++) {
        struct starter starters[8];
        int stale = rmx_sock_listen(path, 0600);
        int won = 0;

        rmx_base_close(&stale);
        for (int i = 0; i < 8; i++) {
            pthread_create(&starters[i].thread, NULL, start, &starters[i]);
        }
        for (int i = 0; i < 8; i++) {
            pthread_join(starters[i].thread, NULL);
        }
        cr_assert_geq(rmx_sock_connect(path), 0, "whoever won can be reached");
        for (int i = 0; i < 8; i++) {
            won += starters[i].fd >= 0;
            cr_assert(starters[i].fd >= 0 || starters[i].fd == -EADDRINUSE);
            rmx_base_close(&starters[i].fd);
        }
        cr_assert_eq(won, 1);
    }
}

Test(sock, a_message_in_parts_arrives_whole_with_its_descriptors)
{
    struct iovec parts[] = { { "he", 2 }, { "llo", 3 } };
    struct rmx_sock_fds got;
    char buffer[16];
    int fds[RMX_WIRE_FDS_MAX];
    int pair[2];
    int before;
    int taken;

    cr_assert_eq(rmx_sock_pair(pair), 0);
    open_files(fds, RMX_WIRE_FDS_MAX);
    cr_assert_eq(rmx_sock_send(pair[0], parts, 2, fds, RMX_WIRE_FDS_MAX, 0), 0);
    cr_assert_geq(fcntl(fds[0], F_GETFD), 0, "descriptors stay the sender's");
    close_files(fds, RMX_WIRE_FDS_MAX);
    before = open_fds();

    cr_assert_eq(rmx_sock_recv(pair[1], buffer, sizeof(buffer), &got, 0), 5);
    cr_assert_arr_eq(buffer, "hello", 5);
    cr_assert_eq(got.count, (int)RMX_WIRE_FDS_MAX);
    taken = rmx_sock_fds_take(&got, 3);
    cr_assert(fcntl(taken, F_GETFD) & FD_CLOEXEC);
    cr_assert_eq(got.fds[3], -1);
    rmx_sock_fds_close(&got);
    cr_assert_eq(got.count, 0);
    cr_assert_eq(open_fds(), before + 1, "only what was taken stays open");
    cr_assert_geq(fcntl(taken, F_GETFD), 0);
}

Test(sock, taking_a_descriptor_twice_is_our_bug, .signal = SIGABRT)
{
    struct rmx_sock_fds fds = { .count = 1, .fds = { -1 } };

    rmx_sock_fds_take(&fds, 0);
}

Test(sock, no_message_yet_is_no_error)
{
    struct rmx_sock_fds got;
    char buffer[16];
    int pair[2];

    cr_assert_eq(rmx_sock_pair(pair), 0);
    cr_assert_eq(rmx_sock_recv(pair[1], buffer, 16, &got, MSG_DONTWAIT), -EAGAIN);
    cr_assert_eq(got.count, 0);
}

Test(sock, a_peer_that_closed_or_shut_its_side_ends_the_messages)
{
    struct rmx_sock_fds got;
    char buffer[16];
    int pair[2];

    cr_assert_eq(rmx_sock_pair(pair), 0);
    cr_assert_eq(rmx_sock_say(pair[0], "x", 1, 0), 0);
    cr_assert_eq(shutdown(pair[0], SHUT_WR), 0);
    cr_assert_eq(rmx_sock_recv(pair[1], buffer, 16, &got, 0), 1, "what was said first counts");
    cr_assert_eq(rmx_sock_recv(pair[1], buffer, 16, &got, 0), 0);
    rmx_base_close(&pair[0]);
    cr_assert_eq(rmx_sock_recv(pair[1], buffer, 16, &got, 0), 0);
    cr_assert_eq(rmx_sock_say(pair[1], "x", 1, 0), -EPIPE, "and no SIGPIPE");
}

Test(sock, a_peer_that_left_our_words_unread_is_a_reset)
{
    struct rmx_sock_fds got;
    char buffer[16];
    int pair[2];

    cr_assert_eq(rmx_sock_pair(pair), 0);
    cr_assert_eq(rmx_sock_say(pair[1], "x", 1, 0), 0);
    rmx_base_close(&pair[0]);
    cr_assert_eq(rmx_sock_recv(pair[1], buffer, 16, &got, 0), -ECONNRESET);
}

Test(sock, an_empty_message_is_a_lie_and_not_the_end)
{
    cr_assert_eq(recv_raw(0, 0, 256), -EPROTO);
    cr_assert_eq(recv_raw(0, 3, 256), -EPROTO);
}

Test(sock, a_message_longer_than_the_room_is_refused_and_its_descriptors_closed)
{
    cr_assert_eq(recv_raw(100, 0, 100), 100);
    cr_assert_eq(recv_raw(101, 0, 100), -EMSGSIZE);
    cr_assert_eq(recv_raw(101, 5, 100), -EMSGSIZE);
}

Test(sock, more_descriptors_than_a_message_may_carry_are_refused_and_closed)
{
    cr_assert_eq(recv_raw(10, RMX_WIRE_FDS_MAX + 1, 256), -EPROTO);
    cr_assert_eq(recv_raw(10, 128, 256), -EPROTO);
    cr_assert_eq(recv_raw(300, 128, 256), -EPROTO);
}

Test(sock, descriptors_we_have_no_room_for_are_our_own_limit_and_the_others_closed)
{
    struct rlimit limit;
    struct rmx_sock_fds got;
    char buffer[16];
    int fds[8];
    int pair[2];

    cr_assert_eq(rmx_sock_pair(pair), 0);
    open_files(fds, 8);
    send_raw(pair[0], 4, fds, 8);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)fds[7] + 4; /* room for some, not all */
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_assert_eq(rmx_sock_recv(pair[1], buffer, 16, &got, 0), -EMFILE);
    cr_assert_eq(got.count, 0);
    for (int fd = fds[7] + 1; fd < fds[7] + 4; fd++) {
        cr_assert_eq(fcntl(fd, F_GETFD), -1);
    }
}

Test(sock, sending_fails_with_the_reason)
{
    static const unsigned char big[RMX_WIRE_BYTES_MAX + 1];
    struct iovec part = { "x", 1 };
    int nothing = 999;
    int pair[2];
    int error;

    cr_assert_eq(rmx_sock_pair(pair), 0);
    cr_assert_eq(rmx_sock_say(pair[0], big, sizeof(big), 0), -EMSGSIZE);
    cr_assert_eq(rmx_sock_say(pair[0], big, sizeof(big) - 1, 0), 0);
    cr_assert_eq(rmx_sock_send(pair[0], &part, 1, &nothing, 1, 0), -EBADF);
    do {
        error = rmx_sock_say(pair[0], big, sizeof(big) - 1, MSG_DONTWAIT);
    } while (error == 0);
    cr_assert_eq(error, -EAGAIN);
}

Test(sock, the_two_halves_of_a_receive_do_what_the_whole_does)
{
    struct rmx_sock_inbox inbox;
    struct rmx_sock_fds got;
    struct iovec part = { "hi", 2 };
    char buffer[16];
    int fds[2];
    int pair[2];

    cr_assert_eq(rmx_sock_pair(pair), 0);
    open_files(fds, 2);
    cr_assert_eq(rmx_sock_send(pair[0], &part, 1, fds, 2, 0), 0);
    rmx_sock_prepare(&inbox, buffer, sizeof(buffer));
    cr_assert_eq(recvmsg(pair[1], &inbox.message, MSG_CMSG_CLOEXEC), 2);
    cr_assert_eq(rmx_sock_finish(&inbox, pair[1], 2, &got), 2);
    cr_assert_eq(got.count, 2);
    rmx_sock_fds_close(&got);
    cr_assert_eq(rmx_sock_finish(&inbox, pair[1], -ECONNRESET, &got), -ECONNRESET);
    cr_assert_eq(got.count, 0);
}
