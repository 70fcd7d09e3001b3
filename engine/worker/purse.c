/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a job may have of its worker's memory. See purse.h.
 */
#include "engine/worker/purse.h"

#include <inttypes.h>
#include <stdio.h>

#define KIB       1024
#define KIB_WORDS "%" PRId64 " KiB"

static struct rmx_purse nobodys = {
    .limit_bytes = RMX_PURSE_NO_LIMIT,
    .cap_bytes = RMX_PURSE_NO_LIMIT,
    .wide = true,
};
struct rmx_purse *rmx_purse_current = &nobodys;
size_t rmx_purse_piece_bytes = SIZE_MAX;
static bool is_guarded;

void rmx_purse_guard(void)
{
    is_guarded = true;
}

bool rmx_purse_init_process(size_t piece_bytes)
{
    rmx_purse_piece_bytes = piece_bytes;
    return is_guarded;
}

static int64_t worth(const struct rmx_purse *purse)
{
    int64_t bytes;

    if (__builtin_mul_overflow(purse->input_bytes, RMX_PURSE_WORTH, &bytes) ||
        __builtin_add_overflow(bytes, RMX_PURSE_BASE_BYTES, &bytes)) {
        return RMX_PURSE_NO_LIMIT;
    }
    return bytes;
}

static void set_limit(struct rmx_purse *purse)
{
    int64_t bytes = purse->wide ? purse->cap_bytes : worth(purse);

    purse->limit_bytes = bytes < purse->cap_bytes ? bytes : purse->cap_bytes;
}

void rmx_purse_open(struct rmx_purse *purse, uint64_t cap_bytes)
{
    bool capped = cap_bytes > 0 && cap_bytes < (uint64_t)RMX_PURSE_NO_LIMIT;

    *purse = (struct rmx_purse){
        .cap_bytes = capped ? (int64_t)cap_bytes : RMX_PURSE_NO_LIMIT,
        .wide = cap_bytes == 0,
    };
    set_limit(purse);
}

void rmx_purse_hold(struct rmx_purse *purse)
{
    rmx_purse_current = purse == NULL ? &nobodys : purse;
}

/* --- the heap -------------------------------------------------------------------------------- */

void rmx_purse_refuse(size_t bytes)
{
    struct rmx_purse *purse = rmx_purse_current;

    if (purse->refusal.asked_bytes == 0) {
        purse->refusal = (struct rmx_purse_refusal){
            .asked_bytes = bytes,
            .used_bytes = purse->used_bytes,
            .limit_bytes = purse->limit_bytes,
        };
    }
}

void rmx_purse_lack(void)
{
    struct rmx_purse *purse = rmx_purse_current;

    if (purse->alone) {
        purse->lacked_alone = true;
    } else {
        purse->lacked_beside = true;
    }
}

/* --- the job --------------------------------------------------------------------------------- */

void rmx_purse_earn(uint64_t input_bytes)
{
    struct rmx_purse *purse = rmx_purse_current;
    uint64_t room = (uint64_t)(RMX_PURSE_NO_LIMIT - purse->input_bytes);

    purse->input_bytes += (int64_t)(input_bytes < room ? input_bytes : room);
    set_limit(purse);
}

void rmx_purse_widen(bool wide)
{
    struct rmx_purse *purse = rmx_purse_current;

    purse->wide = wide || purse == &nobodys;
    set_limit(purse);
}

static void explain(const struct rmx_purse *purse, char *text, size_t bytes)
{
    const struct rmx_purse_refusal *refusal = &purse->refusal;
    uint64_t wanted = refusal->asked_bytes / KIB + (uint64_t)(refusal->used_bytes / KIB);

    if (refusal->asked_bytes > rmx_purse_piece_bytes) {
        (void)snprintf(text, bytes,
            "it asks for %" PRIu64 " KiB of memory at once, and nobody gets more than %" PRIu64
            " KiB (alloc_max_bytes)",
            refusal->asked_bytes / KIB, (uint64_t)rmx_purse_piece_bytes / KIB);
    } else if (refusal->limit_bytes >= purse->cap_bytes) {
        (void)snprintf(text, bytes,
            "it wants %" PRIu64 " KiB of memory, and a job may have " KIB_WORDS
            ": raise job_memory_bytes if that is not hostile",
            wanted, refusal->limit_bytes / KIB);
    } else {
        (void)snprintf(text, bytes,
            "it wants %" PRIu64 " KiB of memory, and " KIB_WORDS " of input are worth " KIB_WORDS
            ": its header claims more than it holds",
            wanted, purse->input_bytes / KIB, refusal->limit_bytes / KIB);
    }
}

enum rmx_status rmx_purse_judge(char *text, size_t bytes)
{
    const struct rmx_purse *purse = rmx_purse_current;

    if (purse->refusal.asked_bytes > 0) {
        explain(purse, text, bytes);
        return RMX_STATUS_OVER_LIMIT;
    }
    if (purse->lacked_beside) {
        (void)snprintf(text, bytes, "the worker has no memory left for it: try again later");
        return RMX_STATUS_BUSY;
    }
    if (purse->lacked_alone) {
        (void)snprintf(text, bytes, "it needs more memory than a worker may have");
        return RMX_STATUS_OVER_LIMIT;
    }
    return RMX_STATUS_OK;
}
