/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A worker's place in its lane. See berth.h.
 */
#include "engine/berth.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "engine/obituary.h"
#include "engine/share.h"

static const uint64_t to_worker_at = offsetof(struct rmx_worker_shm, to_worker);
static const uint64_t to_lane_at = offsetof(struct rmx_worker_shm, to_lane);

static uint64_t pairs_at(uint32_t pairs_count)
{
    return offsetof(struct rmx_worker_shm, flows) + pairs_count * sizeof(struct rmx_flow_shm);
}

/* What one ring of this size takes: nothing if it is bare. */
static size_t ring_bytes(const struct rmx_pair_geometry *geometry)
{
    return rmx_chunk_ring_bytes(geometry->slots, geometry->chunk_bytes);
}

size_t rmx_berth_bytes(const struct rmx_pair_geometry geometry[RMX_PAIR_SIZES])
{
    uint32_t pairs_count = 0;
    size_t bytes = 0;

    for (int size = 0; size < RMX_PAIR_SIZES; size++) {
        size_t ring = ring_bytes(&geometry[size]);

        if ((ring == 0) != (size == RMX_PAIR_BARE) || geometry[size].count > RMX_WORKER_FLOWS_MAX) {
            return 0;
        }
        pairs_count += geometry[size].count;
        bytes += 2 * ring * geometry[size].count;
    }
    if (pairs_count == 0 || pairs_count > RMX_WORKER_FLOWS_MAX) {
        return 0;
    }
    return pairs_at(pairs_count) + bytes;
}

static void lay_pairs(struct rmx_berth *berth)
{
    uint64_t at = pairs_at(berth->pairs_count);
    uint32_t index = 0;

    for (int size = 0; size < RMX_PAIR_SIZES; size++) {
        const struct rmx_pair_geometry *geometry = &berth->geometry[size];
        size_t ring = ring_bytes(geometry);

        for (uint32_t i = 0; i < geometry->count; i++) {
            struct rmx_pair *pair = &berth->pairs[index];

            *pair = (struct rmx_pair){
                .input_at = at,
                .output_at = at + ring,
                .slots = geometry->slots,
                .chunk_bytes = geometry->chunk_bytes,
                .index = index,
                .size = (uint8_t)size,
                .next_free = berth->free_pairs[size],
            };
            berth->free_pairs[size] = pair;
            at += 2 * ring;
            index++;
        }
        berth->free_counts[size] = geometry->count;
    }
    rmx_assert(at == berth->arena.size && index == berth->pairs_count);
}

static int make_tables(struct rmx_berth *berth)
{
    berth->pairs = calloc(berth->pairs_count, sizeof(*berth->pairs));
    berth->held = calloc(RMX_WORKER_PARTIES + 1, sizeof(*berth->held));
    berth->users = calloc(RMX_BERTH_USERS + 1, sizeof(*berth->users));
    berth->shares = calloc(RMX_WORKER_CHANNELS_MAX, sizeof(*berth->shares));
    if (berth->pairs == NULL || berth->held == NULL || berth->users == NULL ||
        berth->shares == NULL) {
        return -ENOMEM;
    }
    for (uint32_t place = 0; place < RMX_WORKER_CHANNELS_MAX; place++) {
        rmx_share_init(&berth->shares[place], berth, place);
    }
    return 0;
}

int rmx_berth_init(struct rmx_berth *berth, uint32_t index,
    const struct rmx_pair_geometry geometry[RMX_PAIR_SIZES], bool huge_pages)
{
    size_t bytes = rmx_berth_bytes(geometry);
    int error;

    *berth = (struct rmx_berth){
        .index = index,
        .arena = RMX_REGION_INIT,
        .worker_bell.fd = -1,
        .lane_bell.fd = -1,
    };
    if (bytes == 0) {
        return -EINVAL;
    }
    for (int size = 0; size < RMX_PAIR_SIZES; size++) {
        berth->geometry[size] = geometry[size];
        berth->pairs_count += geometry[size].count;
    }
    error =
        rmx_region_create(&berth->arena, "ringmux-worker", bytes, huge_pages ? RMX_REGION_HUGE : 0);
    if (error < 0) {
        return error;
    }
    berth->shm = berth->arena.base;
    berth->worker_bell.shm = &berth->shm->worker_bell;
    berth->lane_bell.shm = &berth->shm->lane_bell;
    berth->worker_bell.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    berth->lane_bell.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (berth->worker_bell.fd < 0 || berth->lane_bell.fd < 0 || make_tables(berth) < 0) {
        rmx_berth_fini(berth);
        return -ENOMEM;
    }
    lay_pairs(berth);
    rmx_berth_reset(berth);
    return 0;
}

void rmx_berth_fini(struct rmx_berth *berth)
{
    free(berth->shares);
    free(berth->users);
    free(berth->held);
    free(berth->pairs);
    berth->shares = NULL;
    berth->users = NULL;
    berth->held = NULL;
    berth->pairs = NULL;
    rmx_base_close(&berth->worker_bell.fd);
    rmx_base_close(&berth->lane_bell.fd);
    rmx_region_fini(&berth->arena);
}

void rmx_berth_reset(struct rmx_berth *berth)
{
    int error = rmx_mail_init(&berth->arena, to_worker_at, RMX_WORKER_MAIL_SLOTS, 0);

    error |= rmx_mail_init(&berth->arena, to_lane_at, RMX_WORKER_MAIL_SLOTS, 0);
    error |= rmx_mail_attach(&berth->to_worker, &berth->arena, to_worker_at, RMX_WORKER_MAIL_SLOTS);
    error |= rmx_mail_attach(&berth->to_lane, &berth->arena, to_lane_at, RMX_WORKER_MAIL_SLOTS);
    rmx_assert(error == 0); /* the geometry is ours */
    rmx_bell_disarm(&berth->worker_bell);
    rmx_bell_disarm(&berth->lane_bell);
    berth->armed = false;
    (void)rmx_bell_hear(&berth->worker_bell);
    (void)rmx_bell_hear(&berth->lane_bell);
    /* Relaxed: nobody else has the arena. */
    atomic_store_explicit(&berth->shm->busy_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&berth->shm->ready, 0, memory_order_relaxed);
    berth->busy_ns = 0;
    rmx_obituary_clear(&berth->shm->last_words);
    berth->open = false;
    berth->vacant = false;
    berth->party = RMX_PARTY_NOBODY;
    berth->spent = false;
    berth->retired = false;
    berth->recycle = (struct rmx_recycle){ 0 };
    berth->condemned = NULL;
}

struct rmx_pair *rmx_berth_take(struct rmx_berth *berth, enum rmx_pair_size size, uint32_t user,
    uint32_t party, uint32_t class_, void *owner)
{
    struct rmx_pair *pair = berth->free_pairs[size];

    if (pair == NULL) {
        return NULL;
    }
    rmx_assert(pair->owner == NULL && owner != NULL && party < RMX_WORKER_PARTIES);
    rmx_assert(class_ < RMX_CLASSES && user < RMX_BERTH_USERS);
    berth->free_pairs[size] = pair->next_free;
    berth->free_counts[size]--;
    berth->held[party].pairs[size]++;
    berth->users[user].pairs[size]++;
    berth->used++;
    berth->used_by[class_]++;
    berth->recycle.jobs++;
    pair->owner = owner;
    pair->party = party;
    pair->user = user;
    pair->class_ = (uint8_t)class_;
    return pair;
}

void rmx_berth_give(struct rmx_berth *berth, struct rmx_pair *pair)
{
    uint16_t *held = &berth->held[pair->party].pairs[pair->size];
    uint16_t *users = &berth->users[pair->user].pairs[pair->size];

    rmx_assert(pair->owner != NULL && berth->used > 0 && *held > 0 && *users > 0);
    pair->owner = NULL;
    pair->next_free = berth->free_pairs[pair->size];
    berth->free_pairs[pair->size] = pair;
    berth->free_counts[pair->size]++;
    (*held)--;
    (*users)--;
    berth->used--;
    berth->used_by[pair->class_]--;
}

uint64_t rmx_berth_busy_ns(struct rmx_berth *berth, uint64_t since_ns)
{
    /* Relaxed: a number for itself. */
    uint64_t said_ns = atomic_load_explicit(&berth->shm->busy_ns, memory_order_relaxed);
    uint64_t busy_ns = said_ns > berth->busy_ns ? said_ns - berth->busy_ns : 0;

    berth->busy_ns = said_ns;
    return busy_ns < since_ns ? busy_ns : since_ns;
}

uint32_t rmx_berth_ready(const struct rmx_berth *berth)
{
    /* Relaxed: how it is about now. */
    uint32_t ready = atomic_load_explicit(&berth->shm->ready, memory_order_relaxed);

    return ready < berth->used ? ready : berth->used;
}

void rmx_berth_wake(struct rmx_berth *berth)
{
    if (berth->armed) {
        berth->armed = false;
        rmx_bell_disarm(&berth->lane_bell);
    }
}

int rmx_berth_post(struct rmx_berth *berth, enum rmx_note_kind kind, uint32_t flow)
{
    struct rmx_note note = { .kind = kind, .flow = flow };
    int error;

    rmx_berth_wake(berth); /* a short job's answer is there before the lane's turn is over */
    error = rmx_mail_post(&berth->to_worker, &note);
    return error < 0 ? error : rmx_bell_ring(&berth->worker_bell);
}

void rmx_berth_lay_out(struct rmx_berth *berth, const struct rmx_pair *pair,
    const struct rmx_job_spec *spec, const struct rmx_berth_run *run)
{
    struct rmx_flow_shm *shm = rmx_berth_flow(berth, pair);
    struct rmx_job_ring input = { pair->input_at, pair->slots, pair->chunk_bytes };
    struct rmx_job_ring output = { pair->output_at, pair->slots, pair->chunk_bytes };

    if ((run->port & RMX_PORT_CHANNEL_IN) != 0) {
        input = spec->input_ring;
    }
    if ((run->port & RMX_PORT_CHANNEL_OUT) != 0) {
        output = spec->output_ring;
    }
    shm->spec = *spec;
    shm->input_bytes = run->input_bytes[0];
    memcpy(shm->more_bytes, &run->input_bytes[1], sizeof(shm->more_bytes));
    shm->input_at = input.at;
    shm->output_at = output.at;
    shm->input_slots = input.slots;
    shm->output_slots = output.slots;
    shm->input_chunk_bytes = input.chunk_bytes;
    shm->output_chunk_bytes = output.chunk_bytes;
    shm->port = run->port;
    shm->stage = run->stage;
    shm->channel = run->channel;
    shm->party = pair->party;
    shm->memory_max_bytes = run->memory_max_bytes;
    shm->cpu_max_ns = run->cpu_max_ns;
    memset(&shm->result, 0, sizeof(shm->result));
    /* Relaxed: the note that follows carries it over. */
    atomic_store_explicit(&shm->stop, 0, memory_order_relaxed);
    atomic_store_explicit(&shm->waits_for, RMX_WAIT_NOTHING, memory_order_relaxed);
    atomic_store_explicit(&shm->cpu_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&shm->waited_ns[RMX_WAIT_INPUT], 0, memory_order_relaxed);
    atomic_store_explicit(&shm->waited_ns[RMX_WAIT_OUTPUT], 0, memory_order_relaxed);
}

void rmx_berth_attach(
    struct rmx_berth *berth, uint64_t at, const struct rmx_pair *pair, struct rmx_chunk_ring *ring)
{
    int error = rmx_chunk_ring_init(&berth->arena, at, pair->slots, pair->chunk_bytes, 0);

    error |= rmx_chunk_ring_attach(ring, &berth->arena, at, pair->slots, pair->chunk_bytes);
    rmx_assert(error == 0); /* the geometry is ours */
}

uint32_t rmx_berth_ringed(const struct rmx_berth *berth)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < berth->pairs_count; i++) {
        count += berth->pairs[i].slots > 0;
    }
    return count;
}
