/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An arena (see region.h). Runs in every process, at start and connect only.
 */
#include "ring/region.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ring/base.h"

#ifndef MFD_NOEXEC_SEAL /* Linux 6.3 */
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MADV_POPULATE_WRITE /* Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

#define SEALS_NEEDED  (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define SEALS_REFUSED (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* The kernel would try, and kill every process of the machine on the way. */
static bool exceeds_machine(size_t size_bytes)
{
    long pages = sysconf(_SC_PHYS_PAGES);

    return pages > 0 && size_bytes / page_bytes() > (size_t)pages;
}

static int open_memfd(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

    if (fd < 0 && errno == EINVAL) { /* an older kernel, or a name that is too long */
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    }
    return fd < 0 ? -errno : fd;
}

static int back_and_seal(int fd, size_t size_bytes)
{
    int failed;

    do {
        failed = ftruncate(fd, (off_t)size_bytes);
        /* Without it a machine out of memory would tell us by SIGBUS, at the first touch. */
        failed = failed < 0 ? failed : fallocate(fd, 0, 0, (off_t)size_bytes);
    } while (failed < 0 && errno == EINTR);
    if (failed < 0) {
        return -errno;
    }
    return fcntl(fd, F_ADD_SEALS, SEALS_NEEDED) < 0 ? -errno : 0;
}

int rmx_region_create(
    struct rmx_region *region, const char *name, size_t size_bytes, unsigned int flags)
{
    rmx_autofd int fd = -1;
    void *base;
    int error;

    rmx_assert((flags & ~(unsigned int)RMX_REGION_HUGE) == 0);
    if (size_bytes == 0 || size_bytes % page_bytes() != 0) {
        return -EINVAL;
    }
    if (exceeds_machine(size_bytes)) {
        return -ENOMEM;
    }
    fd = open_memfd(name);
    if (fd < 0) {
        return fd;
    }
    error = back_and_seal(fd, size_bytes);
    if (error < 0) {
        return error;
    }
    base = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        return -errno;
    }
    if (flags & RMX_REGION_HUGE) {
        (void)madvise(base, size_bytes, MADV_HUGEPAGE); /* a wish: see the header */
    }
    *region = (struct rmx_region){ .fd = rmx_take_fd(&fd), .base = base, .size = size_bytes };
    return 0;
}

static void touch_every_page(const struct rmx_region *region)
{
    unsigned char *byte = region->base;

    for (size_t at = 0; at < region->size; at += page_bytes()) {
        /* Writes without changing anything, even under a peer's feet. */
        (void)__atomic_fetch_or(&byte[at], 0, __ATOMIC_RELAXED);
    }
}

int rmx_region_prefault(const struct rmx_region *region)
{
    int error = madvise(region->base, region->size, MADV_POPULATE_WRITE) < 0 ? -errno : 0;

    if (error == -EINVAL) { /* an older kernel */
        touch_every_page(region);
        return 0;
    }
    return error;
}

void rmx_region_prefault_table(void *table, size_t bytes)
{
    size_t page = page_bytes();
    size_t before = (page - (uintptr_t)table % page) % page;

    if (bytes >= before + page) {
        (void)madvise(
            (unsigned char *)table + before, (bytes - before) / page * page, MADV_POPULATE_WRITE);
    }
}

/* Can memory behind this descriptor go away, or stay away, under who maps it? */
static bool is_safe_to_map(int fd)
{
    int mode = fcntl(fd, F_GETFL);
    int seals = fcntl(fd, F_GET_SEALS);
    struct statfs home;

    return mode >= 0 && (mode & O_ACCMODE) == O_RDWR && seals >= 0 &&
           (seals & SEALS_NEEDED) == SEALS_NEEDED && (seals & SEALS_REFUSED) == 0 &&
           /* Where no huge page is left for it, touching it would kill us. */
           fstatfs(fd, &home) == 0 && home.f_type != HUGETLBFS_MAGIC;
}

/* fstat(2) itself. That of some C libraries looks at a name, an empty one: no worker may call what
 * looks at names. */
static int look_at(int fd, struct stat *st)
{
    _Static_assert(sizeof(long) == 8, "elsewhere the kernel has another struct stat");
    return (int)syscall(SYS_fstat, fd, st);
}

/* Its size, or -EBADMSG if a stranger's descriptor may not be mapped. */
static ssize_t size_if_safe(int fd)
{
    struct stat st;

    if (!is_safe_to_map(fd) || look_at(fd, &st) < 0 || st.st_size <= 0 ||
        (size_t)st.st_size % page_bytes() != 0) {
        return -EBADMSG;
    }
    return st.st_size;
}

int rmx_region_check(int fd, size_t size_bytes)
{
    ssize_t size = size_if_safe(fd);

    return size > 0 && (size_t)size == size_bytes ? 0 : -EBADMSG;
}

int rmx_region_adopt(
    struct rmx_region *region, int *fd, size_t size_bytes_min, size_t size_bytes_max)
{
    ssize_t size = size_if_safe(*fd);
    void *base;

    if (size < 0 || (size_t)size < size_bytes_min || (size_t)size > size_bytes_max) {
        return -EBADMSG;
    }
    base = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    if (base == MAP_FAILED) {
        return -errno;
    }
    *region = (struct rmx_region){
        .fd = rmx_take_fd(fd), /* *fd is now -1 */
        .base = base,
        .size = (size_t)size,
    };
    return 0;
}

void rmx_region_fini(struct rmx_region *region)
{
    if (region->base != NULL) {
        munmap(region->base, region->size);
    }
    rmx_base_close(&region->fd);
    *region = (struct rmx_region)RMX_REGION_INIT;
}

void *rmx_region_at(const struct rmx_region *region, uint64_t offset, uint64_t bytes, size_t align)
{
    rmx_assert(align != 0 && (align & (align - 1)) == 0);
    if (offset > region->size || bytes > region->size - offset || (offset & (align - 1)) != 0) {
        return NULL;
    }
    return (unsigned char *)region->base + offset;
}

uint64_t rmx_region_huge_bytes(const struct rmx_region *region)
{
    FILE *maps = fopen("/proc/self/smaps", "re");
    uint64_t bytes = 0;
    bool inside = false;
    char line[512];

    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        char *rest = NULL;
        uintptr_t from = strtoul(line, &rest, 16);

        if (rest != line && *rest == '-') { /* a mapping's own line: its first and end address */
            uintptr_t to = strtoul(rest + 1, NULL, 16);

            inside = from >= (uintptr_t)region->base && from < to &&
                     to <= (uintptr_t)region->base + region->size;
        } else if (inside && strncmp(line, "ShmemPmdMapped:", 15) == 0) {
            bytes += (uint64_t)strtoul(line + 15, NULL, 10) * 1024;
        }
    }
    if (maps != NULL) {
        (void)fclose(maps);
    }
    return bytes;
}
