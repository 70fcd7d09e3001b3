/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tests of ring/region.h: what is created, and what is refused when somebody else created it.
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
#include <unistd.h>

#include "ring/base.h"
#include "ring/region.h"

#define BYTES 65536u
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static struct rmx_region region = RMX_REGION_INIT;

static void start(void)
{
    cr_assert_eq(rmx_region_create(&region, "rmx-test", BYTES, 0), 0);
}

static void stop(void)
{
    rmx_region_fini(&region);
}

TestSuite(region, .init = start, .fini = stop);

static void expect_refused(int fd, size_t min, size_t max)
{
    struct rmx_region other = RMX_REGION_INIT;
    int handed = fd;

    cr_assert_eq(rmx_region_adopt(&other, &handed, min, max), -EBADMSG);
    cr_assert_eq(handed, fd, "still the caller's");
    cr_assert(other.fd == -1 && other.base == NULL, "untouched on failure");
}

/* Whatever its size is said to be. */
static void expect_no_arena(int fd)
{
    struct stat st = { .st_size = 0 };

    (void)fstat(fd, &st);
    cr_assert_eq(rmx_region_check(fd, (size_t)st.st_size), -EBADMSG);
    expect_refused(fd, 0, SIZE_MAX);
}

Test(region, has_its_size_in_memory_that_is_really_there)
{
    struct stat st;

    cr_assert_eq(fstat(region.fd, &st), 0);
    cr_assert_eq(region.size, BYTES);
    cr_assert_eq(st.st_size, BYTES);
    cr_assert_geq(st.st_blocks * 512, BYTES);
    memset(region.base, 0xA5, region.size);
}

Test(region, cannot_change_its_size_any_more)
{
    cr_assert_lt(ftruncate(region.fd, 0), 0);
    cr_assert_eq(errno, EPERM);
    cr_assert_lt(ftruncate(region.fd, 2 * BYTES), 0);
    cr_assert_eq(errno, EPERM);
    cr_assert_lt(fcntl(region.fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
    cr_assert_eq(fcntl(region.fd, F_GET_SEALS) & SEALS, SEALS);
}

Test(region, is_closed_on_exec)
{
    cr_assert_neq(fcntl(region.fd, F_GETFD) & FD_CLOEXEC, 0);
}

Test(region, must_be_whole_pages)
{
    struct rmx_region other = RMX_REGION_INIT;

    cr_assert_eq(rmx_region_create(&other, "rmx-test", 0, 0), -EINVAL);
    cr_assert_eq(rmx_region_create(&other, "rmx-test", 4097, 0), -EINVAL);
    cr_assert_eq(other.fd, -1, "untouched on failure");
}

Test(region, must_have_a_short_name)
{
    struct rmx_region other = RMX_REGION_INIT;
    char name[512];

    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    cr_assert_eq(rmx_region_create(&other, name, 4096, 0), -EINVAL);
    cr_assert_eq(other.fd, -1, "untouched on failure");
}

/* What creating `bytes` says under a resource limit, which holds for this call only. */
static int create_under(__rlimit_resource_t resource, rlim_t limit, size_t bytes)
{
    struct rmx_region other = RMX_REGION_INIT;
    struct rlimit was;
    struct rlimit now;
    int result;

    cr_assert_eq(getrlimit(resource, &was), 0);
    now = (struct rlimit){ .rlim_cur = limit, .rlim_max = was.rlim_max };
    cr_assert_eq(setrlimit(resource, &now), 0);
    result = rmx_region_create(&other, "rmx-test", bytes, 0);
    cr_assert_eq(setrlimit(resource, &was), 0);
    cr_assert(other.fd == -1 && other.base == NULL, "untouched on failure");
    return result;
}

Test(region, says_when_no_descriptor_is_left)
{
    cr_assert_eq(create_under(RLIMIT_NOFILE, 0, BYTES), -EMFILE);
}

Test(region, is_not_larger_than_the_machine)
{
    /* The limit is there in case it tries: the machine would not survive that. */
    cr_assert_eq(create_under(RLIMIT_FSIZE, BYTES, (size_t)1 << 60), -ENOMEM);
}

Test(region, says_when_there_is_no_room_for_the_mapping)
{
    cr_assert_eq(create_under(RLIMIT_AS, 1, BYTES), -ENOMEM);
}

Test(region, adopted_without_room_for_the_mapping_stays_the_callers)
{
    struct rmx_region other = RMX_REGION_INIT;
    struct rlimit was;
    struct rlimit none;
    int handed = region.fd;
    int result;

    cr_assert_eq(getrlimit(RLIMIT_AS, &was), 0);
    none = (struct rlimit){ .rlim_cur = 1, .rlim_max = was.rlim_max };
    cr_assert_eq(setrlimit(RLIMIT_AS, &none), 0);
    result = rmx_region_adopt(&other, &handed, 1, BYTES);
    cr_assert_eq(setrlimit(RLIMIT_AS, &was), 0);

    cr_assert_eq(result, -ENOMEM);
    cr_assert_eq(handed, region.fd, "still the caller's");
    cr_assert_eq(other.fd, -1, "untouched on failure");
}

Test(region, flags_that_do_not_exist_are_our_bug, .signal = SIGABRT)
{
    struct rmx_region other = RMX_REGION_INIT;

    (void)rmx_region_create(&other, "rmx-test", 4096, 1u << 5);
}

static long resident_kib(const void *base)
{
    FILE *maps = fopen("/proc/self/smaps", "re");
    char line[512];
    char start_of[32];
    bool here = false;
    long kib = -1;

    cr_assert_not_null(maps);
    (void)snprintf(start_of, sizeof(start_of), "%lx-", (unsigned long)(uintptr_t)base);
    while (kib < 0 && fgets(line, sizeof(line), maps) != NULL) {
        here = here || strncmp(line, start_of, strlen(start_of)) == 0;
        if (here && strncmp(line, "Rss:", 4) == 0) {
            kib = strtol(line + 4, NULL, 10);
        }
    }
    (void)fclose(maps);
    return kib;
}

Test(region, is_faulted_in_on_demand_and_keeps_its_bytes)
{
    ((unsigned char *)region.base)[0] = 7;
    cr_assert_lt(resident_kib(region.base), BYTES / 1024, "not when it is made");
    cr_assert_eq(rmx_region_prefault(&region), 0);
    cr_assert_eq(resident_kib(region.base), BYTES / 1024);
    cr_assert_eq(((unsigned char *)region.base)[0], 7);
}

Test(region, of_huge_pages_works_where_there_are_none)
{
    struct rmx_region other = RMX_REGION_INIT;

    cr_assert_eq(rmx_region_create(&other, "rmx-test", 4u << 20, RMX_REGION_HUGE), 0);
    cr_assert_eq(rmx_region_prefault(&other), 0);
    rmx_region_fini(&other);
}

Test(region, adopted_shares_its_bytes_and_owns_the_descriptor)
{
    struct rmx_region other = RMX_REGION_INIT;
    int fd = fcntl(region.fd, F_DUPFD_CLOEXEC, 0);
    int was = fd;

    cr_assert_eq(rmx_region_adopt(&other, &fd, BYTES, BYTES), 0);
    cr_assert(fd == -1 && other.fd == was);
    cr_assert_eq(other.size, BYTES);
    cr_assert_neq(other.base, region.base);
    cr_assert_eq(resident_kib(other.base), 0, "its size costs no time");
    ((unsigned char *)region.base)[BYTES - 1] = 42;
    cr_assert_eq(((unsigned char *)other.base)[BYTES - 1], 42);
    rmx_region_fini(&other);
    cr_assert_lt(fcntl(was, F_GETFD), 0, "closed");
}

Test(region, of_a_size_out_of_bounds_is_refused)
{
    expect_refused(region.fd, BYTES + 1, SIZE_MAX);
    expect_refused(region.fd, 0, BYTES - 1);
}

Test(region, is_checked_for_its_exact_size_and_not_touched)
{
    cr_assert_eq(rmx_region_check(region.fd, BYTES), 0);
    cr_assert_eq(rmx_region_check(region.fd, BYTES - 1), -EBADMSG);
    cr_assert_eq(rmx_region_check(region.fd, BYTES + 4096), -EBADMSG);
    cr_assert_eq(rmx_region_check(region.fd, 0), -EBADMSG);
    cr_assert_eq(rmx_region_check(region.fd, SIZE_MAX), -EBADMSG);
    cr_assert_geq(fcntl(region.fd, F_GETFD), 0, "still open");
}

Test(region, that_is_not_a_memfd_is_refused)
{
    rmx_autofd int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    expect_no_arena(file);
    expect_no_arena(ends[0]);
    expect_no_arena(-1);
    rmx_base_close(&ends[0]);
    rmx_base_close(&ends[1]);
}

static int sealed(off_t size, int seals)
{
    int fd = memfd_create("rmx-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    cr_assert_geq(fd, 0);
    cr_assert_eq(ftruncate(fd, size), 0);
    cr_assert_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

Test(region, without_all_its_seals_is_refused)
{
    static const int seals[] = { 0, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SHRINK | F_SEAL_GROW,
        F_SEAL_GROW | F_SEAL_SEAL, F_SEAL_SHRINK | F_SEAL_SEAL };

    for (size_t i = 0; i < sizeof(seals) / sizeof(seals[0]); i++) {
        rmx_autofd int fd = sealed(BYTES, seals[i]);

        expect_no_arena(fd);
    }
}

Test(region, that_cannot_be_written_is_refused)
{
    rmx_autofd int sealed_now = sealed(BYTES, SEALS | F_SEAL_WRITE);
    rmx_autofd int sealed_later = sealed(BYTES, SEALS | F_SEAL_FUTURE_WRITE);
    rmx_autofd int read_only = -1;
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", region.fd);
    read_only = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert_geq(read_only, 0);
    expect_no_arena(sealed_now);
    expect_no_arena(sealed_later);
    expect_no_arena(read_only);
}

Test(region, of_pages_that_may_be_missing_is_refused)
{
    rmx_autofd int fd = memfd_create("rmx-test", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);

    if (fd < 0) {
        cr_skip_test("no huge pages here: %s", strerror(errno));
    }
    cr_assert_eq(ftruncate(fd, 64 << 20), 0);
    cr_assert_eq(fcntl(fd, F_ADD_SEALS, SEALS), 0);
    expect_no_arena(fd);
}

Test(region, that_is_empty_or_no_whole_pages_is_refused)
{
    rmx_autofd int empty = sealed(0, SEALS);
    rmx_autofd int odd = sealed(5000, SEALS);

    expect_no_arena(empty);
    expect_no_arena(odd);
}

Test(region, ends_quietly_when_empty_and_twice)
{
    struct rmx_region empty = RMX_REGION_INIT;

    rmx_region_fini(&empty);
    rmx_region_fini(&region);
    cr_assert(region.fd == -1 && region.base == NULL && region.size == 0);
}

Test(region, hands_out_only_what_lies_inside)
{
    static const struct {
        uint64_t offset, bytes;
        size_t align;
        bool inside;
    } rows[] = {
        { 0, BYTES, 4096, true },
        { 4096, BYTES - 4096, 4096, true },
        { BYTES, 0, 1, true },
        { BYTES - 1, 1, 1, true },
        { 0, BYTES + 1, 1, false },
        { BYTES - 1, 2, 1, false },
        { BYTES + 1, 0, 1, false },
        { 1, UINT64_MAX, 1, false }, /* the sum is 0 */
        { UINT64_MAX, 1, 1, false },
        { UINT64_MAX, UINT64_MAX, 1, false },
        { 64, 1, 128, false },
        { 128, 1, 128, true },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned char *at = rmx_region_at(&region, rows[i].offset, rows[i].bytes, rows[i].align);

        cr_assert_eq(at != NULL, rows[i].inside, "row %zu", i);
        cr_assert(at == NULL || at == (unsigned char *)region.base + rows[i].offset);
    }
}

Test(region, alignment_that_is_no_power_of_two_is_our_bug, .signal = SIGABRT)
{
    (void)rmx_region_at(&region, 0, 1, 3);
}

Test(region, huge_pages_are_counted_not_assumed)
{
    struct rmx_region wished = RMX_REGION_INIT;
    size_t size = 8u << 20;

    cr_assert_eq(rmx_region_create(&wished, "test", size, RMX_REGION_HUGE), 0);
    cr_assert_eq(rmx_region_huge_bytes(&wished), 0, "nothing is mapped yet");
    cr_assert_eq(rmx_region_prefault(&wished), 0);
    cr_assert_leq(rmx_region_huge_bytes(&wished), size);
    rmx_region_fini(&wished);
}
