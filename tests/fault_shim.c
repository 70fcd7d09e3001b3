/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Makes one call of the daemon fail: a library for LD_PRELOAD that stands before its system calls,
 * its allocations and its io_uring, and in front of nobody else's. See fault_page.h.
 *
 *     LD_PRELOAD=librmx_fault.so RMX_FAULT_PAGE=page RMX_FAULT_ROLE=1 ringmuxd ...
 *
 * A call that fails was not made, but for close(), which gives the descriptor back whatever it
 * says. Nor was an operation of the io_uring: what is submitted in its place does nothing. Clocks
 * and timers stay true, and what cannot fail does not.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fault_calls.h"
#include "tests/fault_page.h"
#include "tests/fault_point.h"

#define DECLARE(result, name, parameters, ...) result(*name) parameters;
static struct {
    CALLS(DECLARE)
    POINTER_CALLS(DECLARE)
    ERRNO_CALLS(DECLARE)
    OTHER_CALLS(DECLARE)
} real;

/* The C library's own; they need no looking up, which allocates. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *from, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

/* --- beginning -------------------------------------------------------------------------------- */

/* POSIX wants a function's address through a void pointer; C has no conversion for it. */
static void find(void *call, const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);

    memcpy(call, &found, sizeof(found));
}

static void find_all(void)
{
#define FIND(result, name, ...) find(&real.name, #name);
    CALLS(FIND)
    POINTER_CALLS(FIND)
    ERRNO_CALLS(FIND)
    OTHER_CALLS(FIND)
}

/* Other libraries' constructors may come before ours. */
static void settle(void)
{
    if (real.read == NULL) {
        find_all();
    }
}

/* Those whom the daemon starts have nothing of us. */
__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("RMX_FAULT_PAGE");
    const char *role_text = getenv("RMX_FAULT_ROLE");
    void *base;
    int fd;

    settle();
    if (path == NULL || strcmp(program_invocation_short_name, "ringmuxd") != 0) {
        return;
    }
    (void)unsetenv("LD_PRELOAD");
    fd = real.open(path, O_RDWR | O_CLOEXEC);
    base = fd < 0 ? MAP_FAILED
                  : real.mmap(
                        NULL, fault_point_page_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        (void)fputs("the fault shim cannot map its page\n", stderr);
        _exit(127);
    }
    (void)real.close(fd);
    fault_point_init(base, role_text == NULL ? 0 : (unsigned)strtoul(role_text, NULL, 10));
}

/* The same as fault_point_pass(), for those that may be called before we have begun. */
static int fault(const char *name, struct fault_here here)
{
    settle();
    return fault_point_pass(name, here);
}

static int fail(int error)
{
    errno = error;
    return -1;
}

/* --- calls that all fail alike ---------------------------------------------------------------- */

#define CALL(result, name, parameters, arguments)                                                  \
    result name parameters                                                                         \
    {                                                                                              \
        int error = fault(#name, FAULT_HERE);                                                      \
                                                                                                   \
        return error != 0 ? fail(error) : real.name arguments;                                     \
    }
CALLS(CALL)

#define POINTER_CALL(result, name, parameters, arguments)                                          \
    result name parameters                                                                         \
    {                                                                                              \
        int error = fault(#name, FAULT_HERE);                                                      \
                                                                                                   \
        return error != 0 ? (void)fail(error), (result)NULL : real.name arguments;                 \
    }
POINTER_CALLS(POINTER_CALL)

#define ERRNO_CALL(result, name, parameters, arguments)                                            \
    result name parameters                                                                         \
    {                                                                                              \
        int error = fault(#name, FAULT_HERE);                                                      \
                                                                                                   \
        return error != 0 ? error : real.name arguments;                                           \
    }
ERRNO_CALLS(ERRNO_CALL)

/* --- files ------------------------------------------------------------------------------------ */

int close(int fd)
{
    int error = fault("close", FAULT_HERE);
    int result = real.close(fd);

    return error != 0 ? fail(error) : result;
}

/* Third arguments are words, whatever their type: what was not given is not looked at. */
static unsigned long third(va_list list)
{
    return va_arg(list, unsigned long);
}

int open(const char *path, int flags, ...)
{
    int error = fault("open", FAULT_HERE);
    unsigned long mode;
    va_list list;

    va_start(list, flags);
    mode = third(list);
    va_end(list);
    return error != 0 ? fail(error) : real.open(path, flags, mode);
}

int fcntl(int fd, int what, ...)
{
    int error = fault("fcntl", FAULT_HERE);
    unsigned long argument;
    va_list list;

    va_start(list, what);
    argument = third(list);
    va_end(list);
    return error != 0 ? fail(error) : real.fcntl(fd, what, argument);
}

/* Half of it; a counter's eight bytes are all or none. */
static size_t fewer(size_t bytes, int error)
{
    return error == FAULT_SHORT && bytes > 8 ? bytes / 2 : bytes;
}

ssize_t read(int fd, void *to, size_t bytes)
{
    int error = fault("read", FAULT_HERE);

    return error > 0 ? fail(error) : real.read(fd, to, fewer(bytes, error));
}

ssize_t write(int fd, const void *from, size_t bytes)
{
    int error = fault("write", FAULT_HERE);

    return error > 0 ? fail(error) : real.write(fd, from, fewer(bytes, error));
}

ssize_t pread(int fd, void *to, size_t bytes, off_t at)
{
    int error = fault("pread", FAULT_HERE);

    return error > 0 ? fail(error) : real.pread(fd, to, fewer(bytes, error), at);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    int error = fault("pwritev", FAULT_HERE);
    struct iovec part = { parts[0].iov_base, fewer(parts[0].iov_len, error) };

    return error > 0 ? fail(error)
                     : real.pwritev(fd, error < 0 ? &part : parts, error < 0 ? 1 : count, at);
}

/* --- memory ----------------------------------------------------------------------------------- */

void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    int error = fault("mmap", FAULT_HERE);

    if (error != 0) {
        errno = error;
        return MAP_FAILED;
    }
    return real.mmap(at, bytes, protection, flags, fd, offset);
}

/* A library's first allocations come before we are there, and ours from the loader. */
static bool has_no_memory(const char *name, struct fault_here here)
{
    if (fault_point_pass(name, here) == 0) {
        return false;
    }
    errno = ENOMEM;
    return true;
}

void *malloc(size_t bytes)
{
    return has_no_memory("malloc", FAULT_HERE) ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    return has_no_memory("calloc", FAULT_HERE) ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *from, size_t bytes)
{
    return has_no_memory("realloc", FAULT_HERE) ? NULL : __libc_realloc(from, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return has_no_memory("aligned_alloc", FAULT_HERE) ? NULL : __libc_memalign(alignment, bytes);
}

/* --- by number -------------------------------------------------------------------------------- */

long syscall(long number, ...)
{
    const char *name = number == SYS_pidfd_open          ? "pidfd_open"
                       : number == SYS_pidfd_send_signal ? "pidfd_send_signal"
                                                         : "syscall";
    int error = fault(name, FAULT_HERE);
    unsigned long word[6];
    va_list list;

    va_start(list, number);
    for (size_t i = 0; i < 6; i++) {
        word[i] = va_arg(list, unsigned long);
    }
    va_end(list);
    return error != 0 ? fail(error)
                      : real.syscall(number, word[0], word[1], word[2], word[3], word[4], word[5]);
}
