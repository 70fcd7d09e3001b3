/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The one io_uring of a lane: everything the lane waits on goes through it. Runs on the lane's
 * thread only. Operations are structs of the caller's: they must stay where they are until their
 * `done` was called, and each started operation gets exactly one `done` (a multishot poll: one call
 * per event, and the last one with op->busy false). `done` is never called from inside the call
 * that starts an operation. The loop never allocates after init.
 */
#ifndef RMX_ENGINE_LOOP_H
#define RMX_ENGINE_LOOP_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct rmx_op {
    void (*done)(struct rmx_op *op, int result); /* result: bytes or events >= 0, or -errno */
    void *owner;                                 /* the caller's own */
    struct rmx_op *next; /* the loop's: operations waiting for a submission slot */
    int fd;
    uint8_t opcode; /* IORING_OP_* */
    bool busy;      /* started and not done */
    bool multishot;
    bool aside; /* the caller's: done by a kernel thread from the start, since it may wait inline */
    uint32_t length;     /* bytes, or iovecs, or poll events */
    uint64_t offset;     /* file offset; UINT64_MAX = the descriptor's own position */
    const void *address; /* buffer, iovec array, or the op to cancel */
};

struct rmx_loop {
    struct io_uring uring;
    struct rmx_op *waiting_first; /* no submission slot was free */
    struct rmx_op **waiting_last;
    uint32_t in_flight; /* operations started and not done */
    bool made;
    bool deferred;        /* IORING_SETUP_DEFER_TASKRUN is on */
    uint64_t enters;      /* io_uring_enter calls made */
    uint64_t completions; /* CQEs seen */
};

/* entries: submission slots, a power of two. Uses SINGLE_ISSUER and DEFER_TASKRUN where the kernel
 * has them. Must be called on the lane's thread. Returns 0 or -errno; *remedy then names what to
 * do about it in a sentence (static), for -EPERM, -ENOSYS, -ENOMEM and others. */
int rmx_loop_init(struct rmx_loop *loop, uint32_t entries, const char **remedy);
void rmx_loop_fini(struct rmx_loop *loop);

/* op->done must be set and op not busy. Buffers must live until done. */
void rmx_loop_read(struct rmx_loop *loop, struct rmx_op *op, int fd, void *buffer, uint32_t bytes,
    uint64_t offset);
void rmx_loop_writev(struct rmx_loop *loop, struct rmx_op *op, int fd, const struct iovec *iovecs,
    uint32_t count, uint64_t offset);
void rmx_loop_poll(struct rmx_loop *loop, struct rmx_op *op, int fd, uint32_t events);
void rmx_loop_poll_always(struct rmx_loop *loop, struct rmx_op *op, int fd, uint32_t events);

/* Opens a file. path must live until done. */
void rmx_loop_open(
    struct rmx_loop *loop, struct rmx_op *op, const char *path, int flags, uint32_t mode);

/* Closes fd, which may wait (SO_LINGER, a network file system's flush). */
void rmx_loop_close(struct rmx_loop *loop, struct rmx_op *op, int fd);

/* The same, and nobody is told when it is done. */
void rmx_loop_drop(struct rmx_loop *loop, int fd);

/* Asks for an early end of `target`, which still gets its own done (-ECANCELED or its result).
 * op is the cancel's own operation. */
void rmx_loop_cancel(struct rmx_loop *loop, struct rmx_op *op, struct rmx_op *target);

/* Submits what was started, waits at most wait_ns (0: not at all) for something to complete, and
 * calls `done` for everything that did. Returns how many completed, or -errno for a ring that is
 * broken. */
int rmx_loop_turn(struct rmx_loop *loop, uint64_t wait_ns);

#endif
