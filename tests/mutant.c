/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Makes of a file one that is wrong. See mutant.h.
 */
#include "tests/mutant.h"

#include <string.h>

#include "tests/anatomy.h"

#define CHANGES_MAX      8u
#define HEAD_BYTES       64u /* where messages and files say most */
#define NOISE_BYTES_MAX  64u
#define RANGE_BYTES_MAX  4096u
#define TELLING_BYTES    8u
#define SCRATCH_BYTES    65536u
#define NUMBERS_BODY_MAX 65536u /* a piece of more is samples */

struct patient {
    uint8_t *bytes;
    size_t size;
    size_t room;
    struct dice *dice;
};

/* Below `sides`, which may be 0. */
static size_t below(struct dice *dice, size_t sides)
{
    return sides == 0 ? 0 : (size_t)dice_below(dice, sides);
}

static uint64_t telling_number(struct dice *dice)
{
    static const uint64_t numbers[] = { 0, 1, 2, 3, 7, 8, 9, 0x7f, 0x80, 0xff, 0x100, 0x7fff,
        0x8000, 0xffff, 0x10000, 0xffffff, 0x1000000, 0x7ffffffe, 0x7fffffff, 0x80000000,
        0xfffffff0, 0xfffffffe, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000,
        0xffffffffffffffff, 0x3fffffff, 0x40000000, 0x10000001, 0x15555556, 0x20000000 };

    return dice_one_in(dice, 4) ? dice_roll(dice) >> below(dice, 64)
                                : numbers[below(dice, sizeof(numbers) / sizeof(*numbers))];
}

/* A place, more often than not near the front. */
static size_t place(const struct patient *patient)
{
    size_t within = patient->size >> below(patient->dice, 12);

    return below(patient->dice, within > 0 ? within : patient->size);
}

static size_t range_at(const struct patient *patient, size_t at)
{
    size_t left = patient->size - at;
    size_t most = left < RANGE_BYTES_MAX ? left : RANGE_BYTES_MAX;

    return below(patient->dice, 1 + (most >> below(patient->dice, 12)));
}

/* --- blunt ------------------------------------------------------------------------------------ */

static void flip_bit(struct patient *patient)
{
    patient->bytes[place(patient)] ^= (uint8_t)(1u << below(patient->dice, 8));
}

static void set_byte(struct patient *patient)
{
    static const uint8_t telling[TELLING_BYTES] = { 0, 1, 0x7f, 0x80, 0xff, '=', '-', ' ' };

    patient->bytes[place(patient)] = telling[below(patient->dice, TELLING_BYTES)];
}

static void set_head_byte(struct patient *patient)
{
    size_t head = patient->size < HEAD_BYTES ? patient->size : HEAD_BYTES;

    patient->bytes[below(patient->dice, head)] = (uint8_t)dice_roll(patient->dice);
}

static void set_number(struct patient *patient)
{
    static const size_t wides[] = { 2, 3, 4, 4, 8 };
    size_t wide = wides[below(patient->dice, sizeof(wides) / sizeof(*wides))];
    uint64_t number = telling_number(patient->dice);
    bool big = !dice_one_in(patient->dice, 3);
    size_t at = place(patient);

    for (size_t i = 0; i < wide && at + i < patient->size; i++) {
        patient->bytes[at + i] = (uint8_t)(number >> 8 * (big ? wide - 1 - i : i));
    }
}

static void make_noise(struct patient *patient)
{
    size_t bytes = 1 + below(patient->dice, NOISE_BYTES_MAX);

    for (size_t at = place(patient); bytes > 0 && at < patient->size; bytes--) {
        patient->bytes[at++] = (uint8_t)dice_roll(patient->dice);
    }
}

static void truncate_it(struct patient *patient)
{
    patient->size =
        dice_one_in(patient->dice, 2) ? place(patient) : below(patient->dice, patient->size);
}

static void remove_bytes(struct patient *patient, size_t at, size_t bytes)
{
    memmove(patient->bytes + at, patient->bytes + at + bytes, patient->size - at - bytes);
    patient->size -= bytes;
}

static void remove_range(struct patient *patient)
{
    size_t at = place(patient);

    remove_bytes(patient, at, range_at(patient, at));
}

static void clear_range(struct patient *patient)
{
    size_t at = place(patient);
    uint8_t byte = dice_one_in(patient->dice, 2) ? 0 : 0xff;

    memset(patient->bytes + at, byte, range_at(patient, at));
}

static void copy_range(struct patient *patient)
{
    size_t from = place(patient);
    size_t bytes = range_at(patient, from);
    size_t to = place(patient);
    size_t left = patient->size - to;

    memmove(patient->bytes + to, patient->bytes + from, bytes < left ? bytes : left);
}

/* --- by its pieces ---------------------------------------------------------------------------- */

static struct anatomy anatomy;
static uint8_t scratch[SCRATCH_BYTES];

static const struct anatomy_piece *any_piece(const struct patient *patient)
{
    return &anatomy.pieces[below(patient->dice, anatomy.count)];
}

/* The pieces around it say what is true again, or, now and then, do not. */
static void resize_parents(const struct patient *patient, uint32_t parent, int64_t grown)
{
    if (dice_one_in(patient->dice, 4)) {
        return;
    }
    while (parent != ANATOMY_NO_PARENT) {
        const struct anatomy_piece *piece = &anatomy.pieces[parent];

        anatomy_write_size(
            patient->bytes, piece, anatomy_read_size(patient->bytes, piece) + (uint64_t)grown);
        parent = piece->parent;
    }
}

/* Puts a piece, which may be the same, in before another. */
static void insert_piece(struct patient *patient)
{
    const struct anatomy_piece *piece = any_piece(patient);
    const struct anatomy_piece *before = dice_one_in(patient->dice, 2) ? piece : any_piece(patient);
    size_t at = before->at;

    if (piece->bytes > SCRATCH_BYTES || piece->bytes > patient->room - patient->size) {
        return;
    }
    memcpy(scratch, patient->bytes + piece->at, piece->bytes);
    resize_parents(patient, before->parent, (int64_t)piece->bytes);
    memmove(patient->bytes + at + piece->bytes, patient->bytes + at, patient->size - at);
    memcpy(patient->bytes + at, scratch, piece->bytes);
    patient->size += piece->bytes;
}

static void remove_piece(struct patient *patient)
{
    const struct anatomy_piece *piece = any_piece(patient);

    resize_parents(patient, piece->parent, -(int64_t)piece->bytes);
    remove_bytes(patient, piece->at, piece->bytes);
}

/* One piece's body, or its name and all, over another's. */
static void splice_piece(struct patient *patient)
{
    const struct anatomy_piece *from = any_piece(patient);
    const struct anatomy_piece *to = any_piece(patient);
    bool whole = dice_one_in(patient->dice, 2);
    size_t skip_from = whole ? 0 : from->head_bytes;
    size_t skip_to = whole ? 0 : to->head_bytes;
    size_t bytes = from->bytes - skip_from;
    size_t room = to->bytes - skip_to;

    memmove(patient->bytes + to->at + skip_to, patient->bytes + from->at + skip_from,
        bytes < room ? bytes : room);
}

static void lie_of_size(struct patient *patient)
{
    const struct anatomy_piece *piece = any_piece(patient);
    uint64_t said = piece->size == ANATOMY_NO_SIZE ? 0 : anatomy_read_size(patient->bytes, piece);
    uint64_t lies[] = { said + 1, said - 1, said * 2, said / 2, patient->size - piece->at,
        patient->size, telling_number(patient->dice), telling_number(patient->dice) };

    if (piece->size != ANATOMY_NO_SIZE) {
        anatomy_write_size(
            patient->bytes, piece, lies[below(patient->dice, sizeof(lies) / sizeof(*lies))]);
    }
}

/* A count, an offset, a duration: some number in the front of a piece that has no samples. */
static void set_field(struct patient *patient)
{
    const struct anatomy_piece *piece = any_piece(patient);
    size_t body = piece->bytes - piece->head_bytes;
    size_t wide = (size_t)1 << below(patient->dice, 4);
    uint64_t number = telling_number(patient->dice);

    if (piece->bytes <= piece->head_bytes || body > NUMBERS_BODY_MAX || body < wide) {
        return;
    }
    size_t fields = body / wide;
    size_t within = fields >> below(patient->dice, 8);
    size_t at =
        piece->at + piece->head_bytes + wide * below(patient->dice, within > 0 ? within : fields);

    for (size_t i = 0; i < wide; i++) {
        patient->bytes[at + i] = (uint8_t)(number >> 8 * (wide - 1 - i));
    }
}

static void rename_piece(struct patient *patient)
{
    const struct anatomy_piece *from = any_piece(patient);
    const struct anatomy_piece *to = any_piece(patient);
    size_t bytes = from->head_bytes < to->head_bytes ? from->head_bytes : to->head_bytes;

    memmove(patient->bytes + to->at, patient->bytes + from->at, bytes < 4 ? bytes : 4);
    if (to->size == ANATOMY_BIG && to->size_wide == 4) { /* an MP4's name follows its size */
        memmove(patient->bytes + to->at + 4, patient->bytes + from->at + 4, 4);
    }
}

/* --- a choice of them ------------------------------------------------------------------------- */

static void (*const blunt[])(struct patient *) = { flip_bit, set_byte, set_head_byte, set_number,
    set_number, make_noise, truncate_it, remove_range, clear_range, copy_range };
static void (*const by_piece[])(struct patient *) = { insert_piece, remove_piece, splice_piece,
    lie_of_size, lie_of_size, set_field, set_field, set_field, rename_piece };

#define ANY_OF(dice, changes) changes[below(dice, sizeof(changes) / sizeof(*(changes)))]

size_t mutant_change(uint8_t *bytes, size_t size, size_t room, struct dice *dice)
{
    struct patient patient = { .bytes = bytes, .size = size, .room = room, .dice = dice };

    if (size == 0) {
        return 0;
    }
    anatomy.count = 0;
    if (!dice_one_in(dice, 3)) {
        anatomy_read(&anatomy, bytes, size);
    }
    if (anatomy.count > 0) {
        ANY_OF(dice, by_piece)(&patient);
    } else {
        ANY_OF(dice, blunt)(&patient);
    }
    return patient.size;
}

size_t mutant_make(uint8_t *bytes, size_t size, size_t room, struct dice *dice)
{
    bool right_sums = !dice_one_in(dice, 8);

    for (uint64_t left = 1 + dice_below(dice, 1 + dice_below(dice, CHANGES_MAX)); left > 0;
         left--) {
        size = mutant_change(bytes, size, room, dice);
    }
    if (right_sums) {
        anatomy_mend_ogg(bytes, size);
    }
    return size;
}
