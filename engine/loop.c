/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The lane's io_uring. See loop.h.
 */
#include "engine/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>

#include "ring/base.h"

/* Completions taken off the queue before their callbacks run. */
#define BATCH 64

/* Rounds of one turn: what callbacks start may complete at once, and would go on for ever. */
#define ROUNDS_MAX 8

static const char *remedy_for(int error)
{
    switch (error) {
    case -EPERM:
    case -EACCES:
        return "io_uring is forbidden here: set sysctl kernel.io_uring_disabled=0, or let the "
               "container's seccomp profile allow io_uring_setup, io_uring_enter and "
               "io_uring_register";
    case -ENOSYS:
        return "this kernel has no io_uring: ringmux needs Linux 5.19 or newer with "
               "CONFIG_IO_URING=y";
    case -ENOMEM:
        return "no memory may be locked for io_uring: raise the memlock limit (ulimit -l, or "
               "LimitMEMLOCK= in the unit)";
    case -EMFILE:
    case -ENFILE:
        return "no descriptor is left for io_uring: raise the nofile limit (ulimit -n, or "
               "LimitNOFILE= in the unit)";
    default:
        return "io_uring could not be set up on this kernel";
    }
}

int rmx_loop_init(struct rmx_loop *loop, uint32_t entries, const char **remedy)
{
    /* From the newest kernel's to the oldest's: 6.1, 5.18, before. */
    static const unsigned flags[] = {
        IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        IORING_SETUP_SUBMIT_ALL,
        0,
    };
    int error = -EINVAL;

    *loop = (struct rmx_loop){ .made = false };
    loop->waiting_last = &loop->waiting_first;
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]) && error == -EINVAL; i++) {
        struct io_uring_params params = {
            .flags = IORING_SETUP_CQSIZE | flags[i],
            .cq_entries = entries * 4,
        };

        loop->deferred = (flags[i] & IORING_SETUP_DEFER_TASKRUN) != 0;
        error = io_uring_queue_init_params(entries, &loop->uring, &params);
    }
    if (error < 0) {
        *remedy = remedy_for(error);
        return error;
    }
    loop->made = true;
    return 0;
}

void rmx_loop_fini(struct rmx_loop *loop)
{
    if (loop->made) {
        io_uring_queue_exit(&loop->uring);
        loop->made = false;
    }
}

static void prepare(struct io_uring_sqe *sqe, struct rmx_op *op)
{
    /* liburing 2.3 takes what it only reads as plain pointers. */
    union {
        const void *in;
        void *out;
    } address = { .in = op->address };

    switch (op->opcode) {
    case IORING_OP_READ:
        io_uring_prep_read(sqe, op->fd, address.out, op->length, op->offset);
        break;
    case IORING_OP_WRITEV:
        io_uring_prep_writev(sqe, op->fd, address.in, op->length, op->offset);
        break;
    case IORING_OP_POLL_ADD:
        if (op->multishot) {
            io_uring_prep_poll_multishot(sqe, op->fd, op->length);
        } else {
            io_uring_prep_poll_add(sqe, op->fd, op->length);
        }
        break;
    case IORING_OP_OPENAT:
        io_uring_prep_openat(sqe, op->fd, address.in, (int)op->offset, op->length);
        break;
    case IORING_OP_CLOSE:
        io_uring_prep_close(sqe, op->fd);
        break;
    default:
        rmx_assert(op->opcode == IORING_OP_ASYNC_CANCEL);
        io_uring_prep_cancel(sqe, address.out, 0);
    }
    if (op->aside) {
        io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
    }
    io_uring_sqe_set_data(sqe, op);
}

static struct io_uring_sqe *slot_of(struct rmx_loop *loop)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->uring);

    if (sqe == NULL) {
        loop->enters++;
        (void)io_uring_submit(&loop->uring); /* a failure leaves the slots taken: sqe stays NULL */
        sqe = io_uring_get_sqe(&loop->uring);
    }
    return sqe;
}

static void start(struct rmx_loop *loop, struct rmx_op *op)
{
    struct io_uring_sqe *sqe;

    rmx_assert(op->done != NULL && !op->busy);
    op->busy = true;
    op->next = NULL;
    loop->in_flight++;
    sqe = loop->waiting_first == NULL ? slot_of(loop) : NULL;
    if (sqe != NULL) {
        prepare(sqe, op);
        return;
    }
    *loop->waiting_last = op;
    loop->waiting_last = &op->next;
}

static void start_waiting(struct rmx_loop *loop)
{
    while (loop->waiting_first != NULL) {
        struct rmx_op *op = loop->waiting_first;
        struct io_uring_sqe *sqe = slot_of(loop);

        if (sqe == NULL) {
            return;
        }
        loop->waiting_first = op->next;
        if (loop->waiting_first == NULL) {
            loop->waiting_last = &loop->waiting_first;
        }
        prepare(sqe, op);
    }
}

static void set(struct rmx_op *op, uint8_t opcode, int fd, const void *address, uint32_t length,
    uint64_t offset)
{
    op->opcode = opcode;
    op->multishot = false;
    op->fd = fd;
    op->address = address;
    op->length = length;
    op->offset = offset;
}

void rmx_loop_read(
    struct rmx_loop *loop, struct rmx_op *op, int fd, void *buffer, uint32_t bytes, uint64_t offset)
{
    set(op, IORING_OP_READ, fd, buffer, bytes, offset);
    start(loop, op);
}

void rmx_loop_writev(struct rmx_loop *loop, struct rmx_op *op, int fd, const struct iovec *iovecs,
    uint32_t count, uint64_t offset)
{
    set(op, IORING_OP_WRITEV, fd, iovecs, count, offset);
    start(loop, op);
}

void rmx_loop_poll(struct rmx_loop *loop, struct rmx_op *op, int fd, uint32_t events)
{
    set(op, IORING_OP_POLL_ADD, fd, NULL, events, 0);
    start(loop, op);
}

void rmx_loop_poll_always(struct rmx_loop *loop, struct rmx_op *op, int fd, uint32_t events)
{
    set(op, IORING_OP_POLL_ADD, fd, NULL, events, 0);
    op->multishot = true;
    start(loop, op);
}

void rmx_loop_open(
    struct rmx_loop *loop, struct rmx_op *op, const char *path, int flags, uint32_t mode)
{
    set(op, IORING_OP_OPENAT, AT_FDCWD, path, mode, (uint64_t)(uint32_t)flags);
    op->aside = true;
    start(loop, op);
}

void rmx_loop_close(struct rmx_loop *loop, struct rmx_op *op, int fd)
{
    set(op, IORING_OP_CLOSE, fd, NULL, 0, 0);
    op->aside = true;
    start(loop, op);
}

void rmx_loop_drop(struct rmx_loop *loop, int fd)
{
    struct io_uring_sqe *sqe = slot_of(loop);

    if (sqe == NULL) { /* the kernel takes nothing now: to lose it would be worse than to wait */
        rmx_base_close(&fd);
        return;
    }
    io_uring_prep_close(sqe, fd);
    io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
    io_uring_sqe_set_data(sqe, NULL);
}

void rmx_loop_cancel(struct rmx_loop *loop, struct rmx_op *op, struct rmx_op *target)
{
    set(op, IORING_OP_ASYNC_CANCEL, -1, target, 0, 0);
    start(loop, op);
}

/* Submits, and waits for one completion at most wait_ns. Returns 0, or -errno of a broken ring. */
static int enter(struct rmx_loop *loop, uint64_t wait_ns)
{
    struct __kernel_timespec timeout = {
        .tv_sec = (long long)(wait_ns / 1000000000u),
        .tv_nsec = (long long)(wait_ns % 1000000000u),
    };
    struct io_uring_cqe *cqe;
    int result;

    loop->enters++;
    if (wait_ns == 0) {
        result = loop->deferred ? io_uring_submit_and_get_events(&loop->uring)
                                : io_uring_submit(&loop->uring);
    } else {
        result = io_uring_submit_and_wait_timeout(&loop->uring, &cqe, 1, &timeout, NULL);
    }
    if (result >= 0 || result == -ETIME || result == -EINTR || result == -EBUSY ||
        result == -EAGAIN) {
        return 0; /* nothing yet, or completions must be taken before more is submitted */
    }
    return result;
}

/* Takes completions off the queue, then calls them: a callback may start operations and so fill
 * the queue again. Returns how many. */
static int harvest(struct rmx_loop *loop)
{
    struct {
        struct rmx_op *op;
        int result;
        bool last;
    } ended[BATCH];
    struct io_uring_cqe *cqe;
    uint32_t count = 0;
    unsigned head;

    io_uring_for_each_cqe(&loop->uring, head, cqe)
    {
        struct rmx_op *op = io_uring_cqe_get_data(cqe);

        if (count == BATCH) {
            break;
        }
        rmx_assert(op == NULL || op->busy);
        ended[count].op = op;
        ended[count].result = cqe->res;
        ended[count].last = (cqe->flags & IORING_CQE_F_MORE) == 0;
        count++;
    }
    io_uring_cq_advance(&loop->uring, count);
    for (uint32_t i = 0; i < count; i++) {
        struct rmx_op *op = ended[i].op;

        if (op == NULL) { /* rmx_loop_drop()'s */
            continue;
        }
        loop->in_flight -= ended[i].last ? 1 : 0;
        op->busy = !ended[i].last; /* only now: whoever asks before must still wait for it */
        op->done(op, ended[i].result);
    }
    loop->completions += count;
    return (int)count;
}

int rmx_loop_turn(struct rmx_loop *loop, uint64_t wait_ns)
{
    int total = 0;

    for (int round = 0; round < ROUNDS_MAX; round++) {
        int count;

        start_waiting(loop);
        if (io_uring_cq_ready(&loop->uring) > 0) {
            wait_ns = 0;
        }
        if (wait_ns > 0 || io_uring_sq_ready(&loop->uring) > 0 || (loop->deferred && round == 0)) {
            int error = enter(loop, wait_ns);

            if (error < 0) {
                return error;
            }
        }
        wait_ns = 0;
        count = harvest(loop);
        total += count;
        if (count == 0) {
            break;
        }
    }
    return total;
}
