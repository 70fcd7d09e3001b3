/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which files a batch writes (see rmx_names.h). Runs in the process rmx.
 */
#include "clients/rmx_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clients/rmx_output.h"

#define SLOTS_MIN 256

struct rmx_name {
    uint64_t hash;
    uint64_t line; /* 0 = the slot is free */
};

/* FNV-1a. */
static uint64_t mix(uint64_t hash, const void *from, size_t bytes)
{
    const unsigned char *at = from;

    for (size_t i = 0; i < bytes; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static uint64_t hash_of(const struct rmx_output_place *place)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    hash = mix(hash, &place->device, sizeof(place->device));
    hash = mix(hash, &place->folder, sizeof(place->folder));
    return mix(hash, place->name, strlen(place->name));
}

/* The slot that the hash is in, or is to be. */
static struct rmx_name *find(const struct rmx_names *names, uint64_t hash)
{
    size_t mask = names->slot_count - 1;
    size_t at = (size_t)(hash ^ hash >> 32) & mask;

    while (names->slots[at].line != 0 && names->slots[at].hash != hash) {
        at = (at + 1) & mask;
    }
    return &names->slots[at];
}

/* Makes room for one more. Returns 0 or -ENOMEM: there may be no more. */
static int grow(struct rmx_names *names)
{
    struct rmx_names wider = { .slot_count = names->slot_count * 2, .taken = names->taken };

    if (names->taken < names->slot_count / 2) {
        return 0;
    }
    if (names->taken >= RMX_NAMES_MAX) {
        return -ENOMEM;
    }
    wider.slot_count = wider.slot_count == 0 ? SLOTS_MIN : wider.slot_count;
    wider.slots = calloc(wider.slot_count, sizeof(*wider.slots));
    if (wider.slots == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < names->slot_count; i++) {
        if (names->slots[i].line != 0) {
            *find(&wider, names->slots[i].hash) = names->slots[i];
        }
    }
    free(names->slots);
    *names = wider;
    return 0;
}

uint64_t rmx_names_add(struct rmx_names *names, const char *path, uint64_t line)
{
    struct rmx_output_place place;

    if (rmx_output_find(&place, path) < 0 || grow(names) < 0) {
        return 0;
    }
    uint64_t hash = hash_of(&place);
    struct rmx_name *name = find(names, hash);
    if (name->line != 0) {
        return name->line;
    }
    *name = (struct rmx_name){ .hash = hash, .line = line };
    names->taken++;
    return 0;
}

void rmx_names_fini(struct rmx_names *names)
{
    free(names->slots);
    *names = (struct rmx_names){ .slots = NULL };
}
