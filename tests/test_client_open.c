/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a client comes to a daemon, and all the ways it does not: rmx_open(), rmx_open_private().
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clients/ringmux.h"
#include "ring/base.h"
#include "tests/fake_daemon.h"

static struct fake_daemon fake;
static struct rmx_client *client;

/* The linker sends the library's calloc() here (--wrap). */
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
static bool no_memory;

void *__wrap_calloc(size_t count, size_t bytes)
{
    return no_memory ? NULL : __real_calloc(count, bytes);
}

static int open_with(void (*script)(struct fake_daemon *daemon))
{
    fake_daemon_start(&fake, script);
    int err = rmx_open(&client, fake.path);
    cr_assert(err == 0 || client == NULL, "outputs stay untouched on failure");
    return err;
}

static void welcomes(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 3);
    fake_daemon_hear_end(daemon);
}

Test(client_open, a_welcome_opens_and_close_hangs_up)
{
    cr_assert_eq(open_with(welcomes), 0);
    cr_assert_eq(rmx_daemon_pid(client), (uint32_t)getpid());
    cr_assert_geq(rmx_fd(client), 0);
    cr_assert_eq(fcntl(rmx_fd(client), F_GETFD), FD_CLOEXEC);
    rmx_close(&client);
    cr_assert_null(client);
    rmx_close(&client);
    fake_daemon_stop(&fake);
}

Test(client_open, the_environment_names_the_socket)
{
    fake_daemon_start(&fake, welcomes);
    setenv("RINGMUX_SOCKET", fake.path, 1);
    cr_assert_eq(rmx_open(&client, NULL), 0);
    rmx_close(&client);
    fake_daemon_stop(&fake);
}

Test(client_open, without_a_daemon_it_says_so)
{
    setenv("RINGMUX_SOCKET", "/nonexistent/socket", 1);
    cr_assert_eq(rmx_open(&client, NULL), -ENOENT);
    cr_assert_eq(rmx_open(&client, "@rmx-nobody-listens-here"), -ECONNREFUSED);
    cr_assert_null(client);
}

Test(client_open, what_is_no_address_is_refused)
{
    char path[200];

    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    cr_assert_eq(rmx_open(&client, path), -ENAMETOOLONG);
    cr_assert_eq(rmx_open(&client, ""), -EINVAL);
}

static void says_busy(struct fake_daemon *daemon)
{
    fake_daemon_goodbye(daemon, RMX_BUSY);
    fake_daemon_hear(daemon, RMX_MSG_HELLO);
}

Test(client_open, a_full_daemon_is_busy)
{
    cr_assert_eq(open_with(says_busy), -EBUSY);
    fake_daemon_stop(&fake);
}

static void says_draining(struct fake_daemon *daemon)
{
    fake_daemon_hear(daemon, RMX_MSG_HELLO);
    fake_daemon_goodbye(daemon, RMX_DRAINING);
}

Test(client_open, a_daemon_that_shuts_down_says_so)
{
    cr_assert_eq(open_with(says_draining), -ESHUTDOWN);
    fake_daemon_stop(&fake);
}

static void says_unsupported(struct fake_daemon *daemon)
{
    fake_daemon_hear(daemon, RMX_MSG_HELLO);
    fake_daemon_goodbye(daemon, RMX_UNSUPPORTED);
}

Test(client_open, another_protocol_is_told_from_a_broken_one)
{
    cr_assert_eq(open_with(says_unsupported), -EPROTONOSUPPORT);
    fake_daemon_stop(&fake);
}

static void hangs_up(struct fake_daemon *daemon)
{
    fake_daemon_hear(daemon, RMX_MSG_HELLO);
}

Test(client_open, a_daemon_that_hangs_up_is_gone)
{
    cr_assert_eq(open_with(hangs_up), -ECONNRESET);
    fake_daemon_stop(&fake);
}

static void says_garbage(struct fake_daemon *daemon)
{
    fake_daemon_hear(daemon, RMX_MSG_HELLO);
    fake_daemon_say(daemon, "HTTP/1.1 400 Bad Request", 24);
    fake_daemon_hear(daemon, RMX_MSG_GOODBYE);
}

Test(client_open, garbage_breaks_the_protocol)
{
    cr_assert_eq(open_with(says_garbage), -EPROTO);
    fake_daemon_stop(&fake);
}

static void sends_unsealed_arena(struct fake_daemon *daemon)
{
    rmx_autofd int loose = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int sealed = daemon->arena.fd;

    rmx_assert(ftruncate(loose, 65536) == 0);
    daemon->arena.fd = loose;
    fake_daemon_welcome(daemon, 3);
    daemon->arena.fd = sealed;
    fake_daemon_hear(daemon, RMX_MSG_GOODBYE);
}

Test(client_open, an_arena_that_could_shrink_is_refused)
{
    cr_assert_eq(open_with(sends_unsealed_arena), -EPROTO);
    fake_daemon_stop(&fake);
}

static void says_nothing(struct fake_daemon *daemon)
{
    fake_daemon_pause(daemon);
}

Test(client_open, a_silent_daemon_times_out, .timeout = 30)
{
    cr_assert_eq(open_with(says_nothing), -ETIMEDOUT);
    fake_daemon_go_on(&fake);
    fake_daemon_stop(&fake);
}

static void ignore(int number)
{
    (void)number;
}

Test(client_open, a_signal_handler_interrupts)
{
    const struct sigaction action = { .sa_handler = ignore };
    const struct itimerval soon = { .it_value.tv_usec = 50000 };

    sigaction(SIGALRM, &action, NULL);
    fake_daemon_start(&fake, says_nothing);
    setitimer(ITIMER_REAL, &soon, NULL);
    cr_assert_eq(rmx_open(&client, fake.path), -EINTR);
    fake_daemon_go_on(&fake);
    fake_daemon_stop(&fake);
}

static char folder[] = "/tmp/rmx-test-XXXXXX";
static char socket_path[64];

static void make_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(socket_path, sizeof(socket_path), "%s/socket", folder);
}

static void remove_folder(void)
{
    unlink(socket_path);
    rmdir(folder);
}

Test(client_open, a_stream_socket_is_no_daemon, .init = make_folder, .fini = remove_folder)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    rmx_autofd int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(fd, 1), 0);
    cr_assert_eq(rmx_open(&client, socket_path), -EPROTOTYPE);
}

Test(client_open, permission_is_asked_for, .init = make_folder, .fini = remove_folder)
{
    rmx_autofd int fd = rmx_sock_listen(socket_path, 0600);

    cr_assert_geq(fd, 0);
    cr_assert_eq(chmod(folder, 0711), 0);
    cr_assert(getuid() == 0 || chmod(socket_path, 0) == 0);
    cr_assert(getuid() != 0 || seteuid(65534) == 0);
    cr_assert_eq(rmx_open(&client, socket_path), -EACCES);
    cr_assert(getuid() != 0 || seteuid(0) == 0);
}

Test(client_open, no_descriptor_or_memory_left_is_said)
{
    struct rlimit usual;
    struct rlimit none;

    no_memory = true;
    cr_assert_eq(rmx_open(&client, "@x"), -ENOMEM);
    cr_assert_eq(rmx_open_private(&client, NULL), -ENOMEM);
    no_memory = false;
    getrlimit(RLIMIT_NOFILE, &usual);
    none = (struct rlimit){ .rlim_cur = 0, .rlim_max = usual.rlim_max };
    setrlimit(RLIMIT_NOFILE, &none);
    int err = rmx_open(&client, "@x");
    setrlimit(RLIMIT_NOFILE, &usual);
    cr_assert_eq(err, -EMFILE);
}

/* --- private daemons ---------------------------------------------------------------------- */

static char script_path[64];
static char note_path[64];

/* A "daemon" made of a shell script. */
static struct rmx_private_options script(const char *text, mode_t mode)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(script_path, sizeof(script_path), "%s/daemon", folder);
    snprintf(note_path, sizeof(note_path), "%s/note", folder);
    setenv("NOTE", note_path, 1);
    FILE *file = fopen(script_path, "we");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    chmod(script_path, mode);
    return (struct rmx_private_options){ .daemon = script_path };
}

/* What the script noted. */
static void read_note(char note[512])
{
    FILE *file = fopen(note_path, "re");

    cr_assert_not_null(file);
    size_t bytes = fread(note, 1, 511, file);
    note[bytes] = '\0';
    fclose(file);
}

static void remove_script(void)
{
    unlink(note_path);
    unlink(script_path);
    rmdir(folder);
}

Test(client_private, gets_its_session_and_nothing_else, .fini = remove_script)
{
    struct rmx_private_options options =
        script("#!/bin/sh\necho \"$@\" >$NOTE\nls /proc/$$/fd >>$NOTE\n", 0700);
    char note[512];
    int leak = fcntl(0, F_DUPFD, 42);

    cr_assert_eq(leak, 42, "not close-on-exec");
    cr_assert_eq(rmx_open_private(&client, &options), -ECONNRESET);
    read_note(note);
    cr_assert_not_null(strstr(note, "--private-fd=3\n"));
    cr_assert_not_null(strstr(note, "\n3\n"));
    cr_assert_null(strstr(note, "\n42\n"));
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1, "no zombie is left");
    cr_assert_eq(errno, ECHILD);
}

Test(client_private, is_told_its_settings, .fini = remove_script)
{
    static const char *const settings[] = { "--workers=1", "--pin=off", NULL };
    struct rmx_private_options options = script("#!/bin/sh\necho \"$@\" >$NOTE\n", 0700);
    char note[512];

    options.settings = settings;
    cr_assert_eq(rmx_open_private(&client, &options), -ECONNRESET);
    read_note(note);
    cr_assert_str_eq(note, "--workers=1 --pin=off --private-fd=3\n");
}

Test(client_private, that_neither_answers_nor_ends_is_killed, .fini = remove_script, .timeout = 30)
{
    struct rmx_private_options options = script("#!/bin/sh\nexec sleep 60 3<&-\n", 0700);

    cr_assert_eq(rmx_open_private(&client, &options), -ECONNRESET, "it closed its session");
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
}

Test(client_private, that_stays_silent_times_out, .fini = remove_script, .timeout = 30)
{
    struct rmx_private_options options = script("#!/bin/sh\nexec sleep 60\n", 0700);

    cr_assert_eq(rmx_open_private(&client, &options), -ETIMEDOUT);
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
}

Test(client_private, that_cannot_run_says_why, .fini = remove_script)
{
    struct rmx_private_options options = script("no program at all", 0600);

    if (getuid() != 0) {
        cr_assert_eq(rmx_open_private(&client, &options), -EACCES);
    }
    chmod(script_path, 0700);
    cr_assert_eq(rmx_open_private(&client, &options), -ENOEXEC);
    options.daemon = "/nonexistent/ringmuxd";
    cr_assert_eq(rmx_open_private(&client, &options), -ENOENT);
    setenv("RINGMUX_DAEMON", "/nonexistent/ringmuxd", 1);
    cr_assert_eq(rmx_open_private(&client, NULL), -ENOENT);
    cr_assert_null(client);
}

Test(client_private, options_are_checked)
{
    const char *settings[34];
    struct rmx_private_options options = { .reserved = { 0, 0, 1 } };

    cr_assert_eq(rmx_open_private(&client, &options), -EINVAL);
    for (int i = 0; i < 33; i++) {
        settings[i] = "--pin=off";
    }
    settings[33] = NULL;
    options = (struct rmx_private_options){ .settings = settings };
    cr_assert_eq(rmx_open_private(&client, &options), -EINVAL);
}
