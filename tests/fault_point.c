/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Points of a fault campaign. See fault_point.h.
 *
 * Relaxed throughout: each word stands alone, and who reads names and frames comes when all is
 * quiet.
 */
#include "tests/fault_point.h"

#include <link.h>
#include <string.h>

#include "tests/fault_page.h"

#define MODULES_MAX    32
#define FRAME_STEP_MAX 65536 /* between two frames of ours */
#define NO_MODULE      0xffffu

static struct fault_page *page; /* NULL: not in a daemon, or no campaign */
static uint32_t our_role;

static struct module {
    uintptr_t begin;
    uintptr_t end;
} modules[MODULES_MAX];
static size_t modules_count;

static int note_module(struct dl_phdr_info *info, size_t bytes, void *unused)
{
    struct module *module = &modules[modules_count];

    (void)bytes;
    (void)unused;
    if (modules_count == MODULES_MAX) {
        return 1;
    }
    module->begin = info->dlpi_addr;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t end = info->dlpi_addr + part->p_vaddr + part->p_memsz;

        module->end = part->p_type == PT_LOAD && end > module->end ? end : module->end;
    }
    modules_count++;
    return 0;
}

void fault_point_init(void *base, unsigned role)
{
    (void)dl_iterate_phdr(note_module, NULL);
    our_role = role;
    page = base;
}

size_t fault_point_page_bytes(void)
{
    return sizeof(*page);
}

bool fault_point_armed(void)
{
    return page != NULL && page->role == our_role &&
           atomic_load_explicit(&page->armed, memory_order_relaxed) != 0;
}

/* --- where we are ----------------------------------------------------------------------------- */

static uint64_t place_of(uintptr_t address)
{
    for (size_t i = 0; i < modules_count; i++) {
        if (address >= modules[i].begin && address < modules[i].end) {
            return (uint64_t)i << FAULT_MODULE_SHIFT | (address - modules[i].begin);
        }
    }
    return (uint64_t)NO_MODULE << FAULT_MODULE_SHIFT;
}

/* The daemon's own code keeps frame pointers; that of libraries need not, and ends the walk. */
static void trace(const struct fault_here *here, uint64_t frame[FAULT_FRAMES])
{
    uintptr_t address = (uintptr_t)here->address;
    void *const *at = here->frame;

    for (size_t i = 0; i < FAULT_FRAMES; i++) {
        void *const *next;

        frame[i] = place_of(address);
        if (frame[i] >> FAULT_MODULE_SHIFT != 0) {
            return;
        }
        next = (void *const *)at[0];
        if (next <= at || (uintptr_t)next - (uintptr_t)at > FRAME_STEP_MAX) {
            return;
        }
        at = next;
        address = (uintptr_t)at[1];
    }
}

static uint64_t key_of(const char *name, const uint64_t frame[FAULT_FRAMES])
{
    uint64_t key = 14695981039346656037u; /* FNV-1a */

    for (const char *c = name; *c != 0; c++) {
        key = (key ^ (unsigned char)*c) * 1099511628211u;
    }
    for (size_t i = 0; i < FAULT_FRAMES; i++) {
        key = (key ^ frame[i]) * 1099511628211u;
        key ^= key >> 29;
    }
    return key | 1;
}

/* --- passing ---------------------------------------------------------------------------------- */

static struct fault_point *point_of(
    uint64_t key, const char *name, const uint64_t frame[FAULT_FRAMES])
{
    for (uint64_t i = 0; i < FAULT_POINTS_MAX; i++) {
        struct fault_point *point = &page->point[(key + i) % FAULT_POINTS_MAX];
        uint64_t found = 0;

        if (atomic_compare_exchange_strong_explicit(
                &point->key, &found, key, memory_order_relaxed, memory_order_relaxed)) {
            memcpy(point->name, name, strnlen(name, sizeof(point->name) - 1));
            memcpy(point->frame, frame, sizeof(point->frame));
            return point;
        }
        if (found == key) {
            return point;
        }
    }
    return NULL;
}

static int pass(const char *name, const uint64_t frame[FAULT_FRAMES])
{
    uint64_t key = key_of(name, frame);
    struct fault_point *point = point_of(key, name, frame);
    uint32_t visit;

    if (point == NULL) {
        return 0;
    }
    visit = 1 + atomic_fetch_add_explicit(&point->visits, 1, memory_order_relaxed);
    if (key != page->key || visit != page->nth) {
        return 0;
    }
    atomic_store_explicit(&page->fired, 1, memory_order_relaxed);
    return page->error;
}

int fault_point_pass(const char *name, struct fault_here here)
{
    uint64_t frame[FAULT_FRAMES] = { 0 };

    if (!fault_point_armed()) {
        return 0;
    }
    trace(&here, frame);
    return pass(name, frame);
}

int fault_point_pass_for(const char *name, void (*done)(void))
{
    /* As if from inside it: a return address lies behind a call. */
    uint64_t frame[FAULT_FRAMES] = { place_of((uintptr_t)done + 1) };

    return pass(name, frame);
}
