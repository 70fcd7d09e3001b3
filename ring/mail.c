/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A ring of notes (see mail.h). Runs in every process.
 */
#include "ring/mail.h"

size_t rmx_mail_bytes(uint32_t slots)
{
    size_t bytes;

    if (slots == 0 || slots > RMX_RING_SLOTS_MAX || (slots & (slots - 1)) != 0) {
        return 0;
    }
    bytes = rmx_ring_bytes(slots, sizeof(struct rmx_note_shm));
    return (bytes + RMX_LINE - 1) / RMX_LINE * RMX_LINE;
}

/* NULL if there is no such ring in the region. */
static void *find(const struct rmx_region *region, uint64_t at, uint32_t slots)
{
    size_t bytes = rmx_mail_bytes(slots);

    return bytes == 0 ? NULL : rmx_region_at(region, at, bytes, RMX_LINE);
}

int rmx_mail_init(
    const struct rmx_region *region, uint64_t at, uint32_t slots, uint64_t first_count)
{
    void *base = find(region, at, slots);

    if (base == NULL) {
        return -EINVAL;
    }
    rmx_ring_init(base, slots, sizeof(struct rmx_note_shm), first_count);
    return 0;
}

int rmx_mail_attach(
    struct rmx_mail *mail, const struct rmx_region *region, uint64_t at, uint32_t slots)
{
    void *base = find(region, at, slots);

    if (base == NULL) {
        return -EINVAL;
    }
    return rmx_ring_attach(&mail->ring, base, slots, sizeof(struct rmx_note_shm));
}

int rmx_mail_post(struct rmx_mail *mail, const struct rmx_note *note)
{
    struct rmx_note_shm *shm;
    int room = rmx_ring_reserve_one(&mail->ring);

    if (room <= 0) {
        return room < 0 ? room : -EAGAIN;
    }
    shm = rmx_ring_entry(&mail->ring, 0);
    *shm = (struct rmx_note_shm){ .kind = note->kind, .flow = note->flow, .value = note->value };
    rmx_ring_publish(&mail->ring, 1);
    return 0;
}

int rmx_mail_take(struct rmx_mail *mail, struct rmx_note *note)
{
    const struct rmx_note_shm *shm;
    int ready = rmx_ring_peek_one(&mail->ring);

    if (ready <= 0) {
        return ready;
    }
    shm = rmx_ring_entry(&mail->ring, 0);
    *note = (struct rmx_note){
        .kind = RMX_READ_ONCE(shm->kind),
        .flow = RMX_READ_ONCE(shm->flow),
        .value = RMX_READ_ONCE(shm->value),
    };
    rmx_ring_release_one(&mail->ring);
    return 1;
}
