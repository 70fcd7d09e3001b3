/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Temporary files of jobs whose input or output is a stream that would have to be read or written
 * out of order. They have no name, so that nothing is left of them whatever happens, and their
 * bytes are bounded, for a job and for all jobs of the lane. Runs on the lane's thread; must never
 * make it wait: opening and closing one are operations of the loop, but on a file system that knows
 * no files without a name, where one is made and unlinked at once.
 */
#ifndef RMX_ENGINE_SPOOL_H
#define RMX_ENGINE_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/file.h"
#include "engine/loop.h"

/* Where a lane's spools are. */
struct rmx_spool_dir {
    struct rmx_loop *loop;
    const char *path;       /* NULL: there is none that can be used */
    bool named;             /* its file system knows no files without a name: made and unlinked */
    uint64_t job_bytes_max; /* of the spools of one job together */
    uint64_t bytes_max;     /* of all */
    uint64_t bytes;         /* in all */
    uint32_t open;
};

struct rmx_spool {
    struct rmx_file file; /* for reading and writing; fd -1 = not open */
    struct rmx_spool_dir *dir;
    uint64_t bytes; /* where it ended at most */
    struct rmx_op op;
    void *owner; /* the caller's */

    /* It is open, or could not be opened: 0 or -errno. */
    void (*opened)(struct rmx_spool *spool, int error);
    void (*closed)(struct rmx_spool *spool);
};

/* Tries the directory: `path`, or if that is "" /var/tmp or else $TMPDIR. Returns 0, or what
 * open(2) said: path is NULL then. */
int rmx_spool_dir_init(struct rmx_spool_dir *dir, struct rmx_loop *loop, const char *path);

/* spool is zero but for owner, opened and closed; opened() follows, from the loop. */
void rmx_spool_open(struct rmx_spool *spool, struct rmx_spool_dir *dir);

/* It is to reach to `end`; the job's other spools have `others` bytes. Returns 0, or
 *   -E2BIG      the job's spools may not be that large
 *   -EOVERFLOW  all spools together may not */
int rmx_spool_grow(struct rmx_spool *spool, uint64_t end, uint64_t others);

/* All of it is written: it can be read as a file of so many bytes. It may have had more, of a
 * worker that died: those are nothing. */
void rmx_spool_rewind(struct rmx_spool *spool, uint64_t bytes);

/* Gives its bytes back; closed() follows, from the loop. Nothing may use its file any more. */
void rmx_spool_close(struct rmx_spool *spool);

/* Nothing of it is left, and nothing of it is under way. */
static inline bool rmx_spool_is_gone(const struct rmx_spool *spool)
{
    return spool->dir == NULL;
}

#endif
