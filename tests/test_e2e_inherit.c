/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A service manager's daemon, end to end: the socket it inherits, and what it tells.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ipc/sock.h"
#include "tests/deploy_case.h"

static const char *const plain[] = { NULL };
static struct harness place;

TestSuite(e2e_inherit, .timeout = 180);

/* --- LISTEN_FDS ------------------------------------------------------------------------------ */

static void spawn(struct harness *harness, int socket)
{
    struct deploy_inherit inherit = DEPLOY_INHERIT_INIT;

    inherit.socket = socket;
    inherit.listen_fds = "1";
    deploy_spawn(&place, harness, plain, &inherit);
}

Test(e2e_inherit, daemon_serves_the_socket_it_was_started_with)
{
    struct harness harness;
    struct rmx_client *client;
    struct stat before;
    struct stat after;
    int listen_fd;

    deploy_make_place(&place);
    listen_fd = deploy_listen(&place);
    cr_assert_eq(stat(place.socket, &before), 0);
    spawn(&harness, listen_fd);
    client = harness_client(&place); /* it need not wait until there is a daemon */
    deploy_await(&harness, "ready", 1, place.socket);
    (void)harness_remux(&place, client, harness_media("small.mp4"), "mpegts");
    rmx_close(&client);
    (void)kill(harness.daemon, SIGTERM);
    cr_assert_eq(deploy_exit(&harness), 0);
    cr_assert_eq(stat(place.socket, &after), 0);
    cr_assert_eq(after.st_ino, before.st_ino);
    close(listen_fd);
    deploy_remove_place(&place);
}

Test(e2e_inherit, who_comes_while_the_daemon_restarts_is_served_by_the_next)
{
    struct harness first;
    struct harness second;
    struct rmx_client *client;
    int listen_fd;

    deploy_make_place(&place);
    listen_fd = deploy_listen(&place);
    spawn(&first, listen_fd);
    deploy_await(&first, "ready", 1, "");
    (void)kill(first.daemon, SIGTERM);
    cr_assert_eq(deploy_exit(&first), 0);
    spawn(&second, listen_fd);
    client = harness_client(&place);
    (void)harness_remux(&place, client, harness_media("small.mp4"), "mpegts");
    rmx_close(&client);
    (void)kill(second.daemon, SIGTERM);
    cr_assert_eq(deploy_exit(&second), 0);
    close(listen_fd);
    deploy_remove_place(&place);
}

/* What the next one takes over is not its own to shut down, either. */
Test(e2e_inherit, socket_of_a_service_manager_outlives_those_who_take_it_over)
{
    static const char *const replacing[] = { "--replace", NULL };
    struct harness first;
    struct harness second;
    int caller;
    int listen_fd;

    deploy_make_place(&place);
    listen_fd = deploy_listen(&place);
    spawn(&first, listen_fd);
    deploy_await(&first, "ready", 1, "");
    deploy_spawn(&place, &second, replacing, NULL);
    deploy_await(&second, "ready", 1, "");
    cr_assert_eq(deploy_exit(&first), 0);
    (void)kill(second.daemon, SIGTERM);
    cr_assert_eq(deploy_exit(&second), 0);
    caller = rmx_sock_connect(place.socket);
    cr_assert_geq(caller, 0);
    close(caller);
    close(listen_fd);
    deploy_remove_place(&place);
}

static void assert_refused(
    int socket, const char *listen_fds, const char *const *settings, const char *why)
{
    struct deploy_inherit inherit = DEPLOY_INHERIT_INIT;
    struct harness harness;

    inherit.socket = socket;
    inherit.listen_fds = listen_fds;
    deploy_spawn(&place, &harness, settings, &inherit);
    cr_expect_eq(deploy_exit(&harness), 1);
    cr_expect_not_null(strstr(deploy_log(&harness), why), "%s", deploy_log(&harness));
}

Test(e2e_inherit, what_is_no_listening_socket_is_refused)
{
    static const char *const replacing[] = { "--replace", NULL };
    int stream = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int pair[2];
    int listen_fd;

    deploy_make_place(&place);
    listen_fd = deploy_listen(&place);
    cr_assert_eq(rmx_sock_pair(pair), 0);
    assert_refused(stream, "1", plain, "is not a listening SOCK_SEQPACKET unix socket");
    assert_refused(pair[0], "1", plain, "is not a listening SOCK_SEQPACKET unix socket");
    assert_refused(listen_fd, "2", plain, "LISTEN_FDS=2: there must be one socket");
    assert_refused(listen_fd, "one", plain, "LISTEN_FDS=one: there must be one socket");
    assert_refused(listen_fd, "1", replacing, "--replace has nothing to do");
    close(stream);
    close(pair[0]);
    close(pair[1]);
    close(listen_fd);
    deploy_remove_place(&place);
}

Test(e2e_inherit, socket_for_another_process_is_left_alone)
{
    struct deploy_inherit inherit = DEPLOY_INHERIT_INIT;
    struct harness harness;
    struct rmx_client *client;

    deploy_make_place(&place);
    inherit.listen_fds = "1";
    inherit.for_somebody_else = true;
    deploy_spawn(&place, &harness, plain, &inherit);
    deploy_await(&harness, "ready", 1, place.socket);
    client = harness_client(&place);
    rmx_close(&client);
    harness_stop(&harness);
}

/* --- NOTIFY_SOCKET --------------------------------------------------------------------------- */

static int open_manager(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    size_t length = strlen(path);

    memcpy(address.sun_path, path, length);
    if (path[0] == '@') {
        address.sun_path[0] = 0;
    }
    cr_assert_eq(bind(fd, (const struct sockaddr *)&address,
                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
        0);
    return fd;
}

static void assert_told(int manager, const char *begins)
{
    struct pollfd wait = { .fd = manager, .events = POLLIN };
    char text[256] = "";

    cr_assert_eq(poll(&wait, 1, 20000), 1, "it does not say %s", begins);
    cr_assert_gt(recv(manager, text, sizeof(text) - 1, 0), 0);
    cr_assert_eq(strncmp(text, begins, strlen(begins)), 0, "%s, not %s", text, begins);
}

static void assert_tells(const char *notify)
{
    struct deploy_inherit inherit = DEPLOY_INHERIT_INIT;
    struct harness harness;
    int manager = open_manager(notify);

    inherit.notify = notify;
    deploy_spawn(&place, &harness, plain, &inherit);
    assert_told(manager, "READY=1\n");
    (void)kill(harness.daemon, SIGHUP);
    assert_told(manager, "RELOADING=1\nMONOTONIC_USEC=");
    assert_told(manager, "READY=1\n");
    (void)kill(harness.daemon, SIGTERM);
    assert_told(manager, "STOPPING=1\n");
    cr_assert_eq(deploy_exit(&harness), 0);
    close(manager);
}

Test(e2e_inherit, service_manager_hears_when_it_is_ready_reloads_and_stops)
{
    char path[128];

    deploy_make_place(&place);
    (void)snprintf(path, sizeof(path), "%s/manager", place.dir);
    assert_tells(path);
    (void)snprintf(path, sizeof(path), "@ringmux-test-%d", (int)getpid());
    assert_tells(path);
    deploy_remove_place(&place);
}

/* What a client starts for itself inherits its service's manager, too. */
Test(e2e_inherit, private_daemon_tells_its_clients_service_manager_nothing)
{
    static const char *const settings[] = { "--private-fd=3", NULL };
    struct deploy_inherit inherit = DEPLOY_INHERIT_INIT;
    struct harness harness;
    char path[128];
    char text[64];
    int pair[2];
    int manager;

    deploy_make_place(&place);
    (void)snprintf(path, sizeof(path), "%s/manager", place.dir);
    manager = open_manager(path);
    cr_assert_eq(rmx_sock_pair(pair), 0);
    inherit.socket = pair[1];
    inherit.notify = path;
    deploy_spawn(&place, &harness, settings, &inherit);
    deploy_await(&harness, "ready", 1, "private");
    close(pair[1]);
    close(pair[0]);
    cr_assert_eq(deploy_exit(&harness), 0);
    cr_assert_eq(recv(manager, text, sizeof(text), MSG_DONTWAIT), -1);
    cr_assert_eq(errno, EAGAIN);
    close(manager);
    deploy_remove_place(&place);
}
