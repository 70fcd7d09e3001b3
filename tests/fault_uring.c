/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The fault shim before liburing, whose system calls nobody else can stand before. An operation
 * that is to fail is submitted as one that does nothing, and its completion says what failed; a
 * close, or a cancel, is made and then said to have failed. See fault_shim.c. On a lane's thread.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/uio.h>

#include "engine/loop.h"
#include "tests/fault_page.h"
#include "tests/fault_point.h"

#define CALLS(X)                                                                                   \
    X(io_uring_queue_init_params, (unsigned, struct io_uring *, struct io_uring_params *))         \
    X(io_uring_submit, (struct io_uring *))                                                        \
    X(io_uring_submit_and_get_events, (struct io_uring *))                                         \
    X(io_uring_submit_and_wait_timeout, (struct io_uring *, struct io_uring_cqe **, unsigned,      \
                                            struct __kernel_timespec *, sigset_t *))

#define DECLARE(name, parameters) int(*name) parameters;
static struct {
    CALLS(DECLARE)
} real;

/* The one operation of this lane that fails, until its completion was seen. */
static _Thread_local struct {
    uint64_t operation; /* 0 = none */
    int error;
    struct iovec part; /* what a short write is given */
} doomed;

__attribute__((constructor)) static void begin(void)
{
    void *found;

/* POSIX wants a function's address through a void pointer; C has no conversion for it. */
#define FIND(name, parameters)                                                                     \
    found = dlsym(RTLD_NEXT, #name);                                                               \
    memcpy(&real.name, &found, sizeof(found));
    CALLS(FIND)
}

static const char *name_of(uint8_t opcode)
{
    switch (opcode) {
    case IORING_OP_READ:
        return "uring read";
    case IORING_OP_WRITEV:
        return "uring writev";
    case IORING_OP_POLL_ADD:
        return "uring poll";
    case IORING_OP_OPENAT:
        return "uring openat";
    case IORING_OP_CLOSE:
        return "uring close";
    default:
        return "uring cancel";
    }
}

/* What a word of the kernel's points to. */
static const void *at(uint64_t word)
{
    union {
        uint64_t word;
        const void *pointer;
    } address = { .word = word };

    return address.pointer;
}

static void shorten(struct io_uring_sqe *sqe)
{
    if (sqe->opcode == IORING_OP_READ) {
        sqe->len = sqe->len > 1 ? sqe->len / 2 : sqe->len;
    } else if (sqe->opcode == IORING_OP_WRITEV) {
        doomed.part = *(const struct iovec *)at(sqe->addr);
        doomed.part.iov_len = doomed.part.iov_len > 1 ? doomed.part.iov_len / 2 : 1;
        sqe->addr = (uint64_t)(uintptr_t)&doomed.part;
        sqe->len = 1;
    }
}

static void doom(struct io_uring_sqe *sqe, int error)
{
    bool made = sqe->opcode == IORING_OP_CLOSE || sqe->opcode == IORING_OP_ASYNC_CANCEL;

    doomed.operation = sqe->user_data;
    doomed.error = error;
    if (!made) {
        io_uring_prep_nop(sqe);
        sqe->user_data = doomed.operation;
    }
}

/* Passes the points of what is about to be submitted. */
static void look_at_submissions(const struct io_uring *ring)
{
    const struct io_uring_sq *sq = &ring->sq;

    if (!fault_point_armed()) {
        return;
    }
    for (unsigned i = sq->sqe_head; i != sq->sqe_tail; i++) {
        struct io_uring_sqe *sqe = &sq->sqes[i & sq->ring_mask];
        const struct rmx_op *op = at(sqe->user_data);
        int error = 0;

        if (op != NULL) { /* nobody hears how rmx_loop_drop()'s end */
            error = fault_point_pass_for(name_of(sqe->opcode), (void (*)(void))op->done);
        }
        if (error == FAULT_SHORT) {
            shorten(sqe);
        } else if (error > 0) {
            doom(sqe, error);
        }
    }
}

static void look_at_completions(const struct io_uring *ring)
{
    const struct io_uring_cq *cq = &ring->cq;
    unsigned tail;

    if (doomed.operation == 0) {
        return;
    }
    tail = io_uring_smp_load_acquire(cq->ktail); /* as io_uring_for_each_cqe() has it */
    for (unsigned i = *cq->khead; i != tail; i++) {
        struct io_uring_cqe *cqe = &cq->cqes[i & cq->ring_mask];

        if (cqe->user_data == doomed.operation) {
            cqe->res = -doomed.error;
            doomed.operation = 0;
            return;
        }
    }
}

int io_uring_queue_init_params(
    unsigned entries, struct io_uring *ring, struct io_uring_params *params)
{
    int error = fault_point_pass("uring_init", FAULT_HERE);

    return error != 0 ? -error : real.io_uring_queue_init_params(entries, ring, params);
}

int io_uring_submit(struct io_uring *ring)
{
    int result = -fault_point_pass("uring_submit", FAULT_HERE);

    if (result == 0) {
        look_at_submissions(ring);
        result = real.io_uring_submit(ring);
        look_at_completions(ring);
    }
    return result;
}

int io_uring_submit_and_get_events(struct io_uring *ring)
{
    int result = -fault_point_pass("uring_submit_get", FAULT_HERE);

    if (result == 0) {
        look_at_submissions(ring);
        result = real.io_uring_submit_and_get_events(ring);
        look_at_completions(ring);
    }
    return result;
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
    unsigned count, struct __kernel_timespec *timeout, sigset_t *mask)
{
    int result = -fault_point_pass("uring_submit_wait", FAULT_HERE);

    if (result == 0) {
        look_at_submissions(ring);
        result = real.io_uring_submit_and_wait_timeout(ring, cqe, count, timeout, mask);
        look_at_completions(ring);
    }
    return result;
}
