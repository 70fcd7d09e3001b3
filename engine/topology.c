/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The machine through hwloc, and binding to its parts. See topology.h.
 */
#include "engine/topology.h"

#include <errno.h>
#include <fcntl.h>
#include <hwloc.h>
#include <hwloc/glibc-sched.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/quota.h"
#include "ring/base.h"

/* Loading takes 0.4 ms instead of 1.3 without asking every core's CPUID (the kernel has told), and
 * without what nobody here looks at. */
#define LOAD_FLAGS                                                                                 \
    (HWLOC_TOPOLOGY_FLAG_NO_DISTANCES | HWLOC_TOPOLOGY_FLAG_NO_MEMATTRS |                          \
        HWLOC_TOPOLOGY_FLAG_NO_CPUKINDS)

#define XML_BYTES_MAX (16u << 20) /* 512 cpus are 1 MB */

#define WAKE_TRIALS_MAX  200
#define WAKE_TRIALS_MIN  5
#define WAKE_BUDGET_NS   2000000u /* then no new trial starts */
#define WAKE_PATIENCE_MS 10       /* for one wake; a machine this slow is not measured */
#define WAKE_CALL        1u
#define WAKE_LAST_CALL   2u
#define NS_PER_SECOND    1000000000ull

/* The whole file, and a NUL that counts. */
static int read_xml(const char *path, char **text, size_t *bytes)
{
    rmx_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    ssize_t got;

    if (fd < 0 || fstat(fd, &st) < 0) {
        return -errno;
    }
    if (!S_ISREG(st.st_mode) || st.st_size == 0 || st.st_size > XML_BYTES_MAX) {
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    }
    *text = calloc(1, (size_t)st.st_size + 1);
    if (*text == NULL) {
        return -ENOMEM;
    }
    got = read(fd, *text, (size_t)st.st_size);
    *bytes = (size_t)st.st_size + 1;
    return got < 0 ? -errno : 0;
}

static int set_xml(hwloc_topology_t hwloc, const char *path)
{
    char *text = NULL;
    size_t bytes = 0;
    int result = read_xml(path, &text, &bytes);

    if (result == 0 && hwloc_topology_set_xmlbuffer(hwloc, text, (int)bytes) < 0) {
        result = -EINVAL;
    }
    free(text);
    return result;
}

static bool is_file(const char *description)
{
    size_t length = strlen(description);

    return strchr(description, '/') != NULL ||
           (length > 4 && strcmp(description + length - 4, ".xml") == 0);
}

static int load(hwloc_topology_t hwloc, const char *description)
{
    unsigned long flags = LOAD_FLAGS;
    int result = 0;

    if (description && is_file(description)) {
        result = set_xml(hwloc, description);
    } else if (description) {
        result = hwloc_topology_set_synthetic(hwloc, description) < 0 ? -EINVAL : 0;
    } else {
        flags |= HWLOC_TOPOLOGY_FLAG_RESTRICT_TO_CPUBINDING | HWLOC_TOPOLOGY_FLAG_IS_THISSYSTEM;
        hwloc_topology_set_components(hwloc, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
    }
    if (result < 0) {
        return result;
    }
    if (hwloc_topology_set_flags(hwloc, flags) < 0 || hwloc_topology_load(hwloc) < 0) {
        return description || errno == 0 ? -EINVAL : -errno;
    }
    return 0;
}

/* The cache that neighbours share: the third level, else the last there is. */
static hwloc_obj_t cache_above(hwloc_topology_t hwloc, hwloc_obj_t pu)
{
    hwloc_obj_t found = NULL;

    for (hwloc_obj_t at = pu; at; at = at->parent) {
        if (hwloc_obj_type_is_dcache(at->type)) {
            found = at;
        }
    }
    return found ? found : hwloc_get_root_obj(hwloc);
}

static hwloc_obj_t core_above(hwloc_topology_t hwloc, hwloc_obj_t pu)
{
    hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(hwloc, HWLOC_OBJ_CORE, pu);

    return core ? core : pu;
}

/* The first node whose memory is local to the cpu: with several kinds of memory, the plain one. */
static hwloc_obj_t node_of(hwloc_topology_t hwloc, hwloc_obj_t pu)
{
    hwloc_obj_t node = NULL;

    while ((node = hwloc_get_next_obj_by_type(hwloc, HWLOC_OBJ_NUMANODE, node))) {
        if (node->cpuset && hwloc_bitmap_isset(node->cpuset, pu->os_index)) {
            return node;
        }
    }
    return NULL;
}

/* One cpu more; hwloc lists those of a core, a cache and a package next to each other. */
static void add_cpu(struct rmx_topology *topology, hwloc_obj_t pu, hwloc_obj_t last[3])
{
    hwloc_obj_t node = node_of(topology->hwloc, pu);
    hwloc_obj_t now[3] = { core_above(topology->hwloc, pu), cache_above(topology->hwloc, pu),
        node };

    topology->cores += now[0] != last[0];
    topology->caches += now[1] != last[1];
    topology->nodes += now[2] != last[2] || topology->nodes == 0;
    topology->cpu[topology->cpus++] = (struct rmx_topology_cpu){
        .number = pu->os_index,
        .core = topology->cores - 1,
        .cache = topology->caches - 1,
        .node = topology->nodes - 1,
        .node_number = node ? node->os_index : 0,
    };
    memcpy(last, now, sizeof(now));
}

static int list_cpus(struct rmx_topology *topology)
{
    hwloc_const_cpuset_t allowed = hwloc_topology_get_allowed_cpuset(topology->hwloc);
    hwloc_obj_t last[3] = { NULL, NULL, NULL };
    hwloc_obj_t pu = NULL;

    while ((pu = hwloc_get_next_obj_by_type(topology->hwloc, HWLOC_OBJ_PU, pu))) {
        if (hwloc_bitmap_isset(allowed, pu->os_index) && pu->os_index < RMX_CPUS_MAX) {
            add_cpu(topology, pu, last);
        }
    }
    return topology->cpus ? 0 : -ENODEV;
}

static void list_devices(struct rmx_topology *topology)
{
    hwloc_obj_t device = NULL;

    while ((device = hwloc_get_next_osdev(topology->hwloc, device)) &&
           topology->devices < RMX_TOPOLOGY_DEVICES_MAX) {
        hwloc_obj_t home = hwloc_get_non_io_ancestor_obj(topology->hwloc, device);
        hwloc_obj_osdev_type_t type = device->attr->osdev.type;
        struct rmx_topology_device *entry = &topology->device[topology->devices];

        if ((type != HWLOC_OBJ_OSDEV_NETWORK && type != HWLOC_OBJ_OSDEV_BLOCK) || !device->name ||
            !home || !home->nodeset || hwloc_bitmap_weight(home->nodeset) != 1) {
            continue; /* attached to no node, or to several */
        }
        (void)snprintf(entry->name, sizeof(entry->name), "%s", device->name);
        for (char *at = entry->name; *at; at++) {
            if (*at <= ' ' || *at >= 0x7f || *at == ',') {
                *at = '?';
            }
        }
        entry->node_number = (uint32_t)hwloc_bitmap_first(home->nodeset);
        topology->devices++;
    }
}

static int load_machine(struct rmx_topology *topology, const char *description, bool with_devices)
{
    int result;

    *topology = (struct rmx_topology){ .is_this_machine = !description };
    if (hwloc_topology_init(&topology->hwloc) < 0) {
        return -ENOMEM;
    }
    if (with_devices) {
        (void)hwloc_topology_set_io_types_filter(topology->hwloc, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
    }
    result = load(topology->hwloc, description);
    if (result == 0) {
        result = list_cpus(topology);
    }
    if (result < 0) {
        rmx_topology_fini(topology);
        return result;
    }
    if (with_devices) {
        list_devices(topology);
    }
    topology->quota = description ? 0 : rmx_quota_read(RMX_QUOTA_MEMBERSHIP, RMX_QUOTA_ROOT);
    return 0;
}

int rmx_topology_load(struct rmx_topology *topology, const char *description)
{
    return load_machine(topology, description, false);
}

int rmx_topology_load_with_devices(struct rmx_topology *topology, const char *description)
{
    return load_machine(topology, description, true);
}

void rmx_topology_fini(struct rmx_topology *topology)
{
    if (topology->hwloc) {
        hwloc_topology_destroy(topology->hwloc);
        topology->hwloc = NULL;
    }
}

/* --- binding --------------------------------------------------------------------------------- */

int rmx_topology_bind_thread(const struct rmx_topology *topology, const cpu_set_t *cpus)
{
    hwloc_cpuset_t set;
    int result = 0;

    if (!topology->is_this_machine) {
        return -ENODEV;
    }
    set = hwloc_bitmap_alloc();
    if (!set) {
        return -ENOMEM;
    }
    if (hwloc_cpuset_from_glibc_sched_affinity(topology->hwloc, set, cpus, sizeof(*cpus)) < 0 ||
        hwloc_set_cpubind(topology->hwloc, set, HWLOC_CPUBIND_THREAD) < 0) {
        result = -errno;
    }
    hwloc_bitmap_free(set);
    return result;
}

int rmx_topology_bind_process(const struct rmx_topology *topology, pid_t pid, uint32_t cpu)
{
    hwloc_cpuset_t set;
    int result = 0;

    if (!topology->is_this_machine) {
        return -ENODEV;
    }
    set = hwloc_bitmap_alloc();
    if (!set || hwloc_bitmap_only(set, cpu) < 0) {
        result = -ENOMEM;
    } else if (hwloc_set_proc_cpubind(topology->hwloc, pid, set, 0) < 0) {
        result = -errno;
    }
    hwloc_bitmap_free(set);
    return result;
}

int rmx_topology_bind_memory(
    const struct rmx_topology *topology, void *base, size_t bytes, uint32_t node)
{
    hwloc_nodeset_t set;
    int result = 0;

    if (!topology->is_this_machine) {
        return -ENODEV;
    }
    if (topology->nodes == 1) {
        return 0;
    }
    set = hwloc_bitmap_alloc();
    if (!set || hwloc_bitmap_only(set, node) < 0) {
        result = -ENOMEM;
    } else if (hwloc_set_area_membind(topology->hwloc, base, bytes, set, HWLOC_MEMBIND_BIND,
                   HWLOC_MEMBIND_BYNODESET | HWLOC_MEMBIND_MIGRATE) < 0) {
        result = -errno;
    }
    hwloc_bitmap_free(set);
    return result;
}

int rmx_topology_memory_is_on(
    const struct rmx_topology *topology, const void *base, size_t bytes, uint32_t node)
{
    hwloc_nodeset_t set;
    int result;

    if (!topology->is_this_machine) {
        return -ENODEV;
    }
    set = hwloc_bitmap_alloc();
    if (!set) {
        return -ENOMEM;
    }
    if (hwloc_get_area_memlocation(topology->hwloc, base, bytes, set, HWLOC_MEMBIND_BYNODESET) <
        0) {
        result = -errno;
    } else {
        result = hwloc_bitmap_iszero(set) ||
                 (hwloc_bitmap_weight(set) == 1 && hwloc_bitmap_isset(set, node));
    }
    hwloc_bitmap_free(set);
    return result;
}

/* --- what a wake costs ----------------------------------------------------------------------- */

struct echo {
    int call;
    int answer;
};

/* Waits for a count and takes it; 0 if none comes. */
static uint64_t await(int fd)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    uint64_t count = 0;

    if (poll(&poll_fd, 1, WAKE_PATIENCE_MS) != 1 || read(fd, &count, sizeof(count)) < 0) {
        return 0;
    }
    return count;
}

static bool send_count(int fd, uint64_t count)
{
    return write(fd, &count, sizeof(count)) > 0;
}

/* The other thread: answers every call, ends with the last or when none comes. */
static void *answer_calls(void *user)
{
    const struct echo *echo = user;

    while (await(echo->call) == WAKE_CALL && send_count(echo->answer, WAKE_CALL)) {
    }
    return NULL;
}

static int compare_times(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Calls the other thread as long as the budget lasts. A round trip is two wakes. */
static uint64_t median_wake_ns(const struct echo *echo)
{
    uint64_t round_trip[WAKE_TRIALS_MAX];
    size_t trials = 0;
    uint64_t began = rmx_clock_ns();
    uint64_t last = began;

    while (trials < WAKE_TRIALS_MAX && last - began < WAKE_BUDGET_NS) {
        uint64_t ended;

        if (!send_count(echo->call, WAKE_CALL) || !await(echo->answer)) {
            return 0;
        }
        ended = rmx_clock_ns();
        round_trip[trials++] = ended - last;
        last = ended;
    }
    if (trials < WAKE_TRIALS_MIN) {
        return 0;
    }
    qsort(round_trip, trials, sizeof(round_trip[0]), compare_times);
    return round_trip[trials / 2] / 2;
}

/* Starts the other thread on a cpu. */
static int start_echo(pthread_t *thread, struct echo *echo, uint32_t cpu)
{
    pthread_attr_t attributes;
    cpu_set_t set;
    int result;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    pthread_attr_init(&attributes);
    pthread_attr_setaffinity_np(&attributes, sizeof(set), &set);
    result = pthread_create(thread, &attributes, answer_calls, echo);
    pthread_attr_destroy(&attributes);
    return -result;
}

/* A cpu of another core than the first's, if there is one. */
static uint32_t other_cpu(const struct rmx_topology *topology)
{
    for (uint32_t i = 1; i < topology->cpus; i++) {
        if (topology->cpu[i].core != topology->cpu[0].core) {
            return topology->cpu[i].number;
        }
    }
    return topology->cpu[0].number;
}

uint64_t rmx_topology_wake_cost_ns(const struct rmx_topology *topology)
{
    rmx_autofd int call = eventfd(0, EFD_CLOEXEC);
    rmx_autofd int answer = eventfd(0, EFD_CLOEXEC);
    struct echo echo = { .call = call, .answer = answer };
    cpu_set_t before;
    cpu_set_t here;
    pthread_t thread;
    uint64_t cost = 0;

    if (!topology->is_this_machine || call < 0 || answer < 0 ||
        sched_getaffinity(0, sizeof(before), &before) < 0) {
        return 0;
    }
    CPU_ZERO(&here);
    CPU_SET(topology->cpu[0].number, &here);
    if (start_echo(&thread, &echo, other_cpu(topology)) < 0) {
        return 0;
    }
    if (sched_setaffinity(0, sizeof(here), &here) == 0) {
        cost = median_wake_ns(&echo);
    }
    send_count(call, WAKE_LAST_CALL);
    pthread_join(thread, NULL);
    sched_setaffinity(0, sizeof(before), &before);
    return cost;
}
