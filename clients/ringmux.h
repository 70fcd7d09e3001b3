/* SPDX-License-Identifier: BSD-2-Clause
 *
 * libringmux: hand a remux to the ringmux daemon and go on with your work.
 *
 *     struct rmx_client *client;
 *     struct rmx_job job = RMX_JOB_INIT;
 *     struct rmx_result result;
 *     uint64_t id;
 *
 *     if (rmx_open(&client, NULL) < 0) {
 *         return 1;
 *     }
 *     job.input = open("in.mp4", O_RDONLY | O_CLOEXEC);
 *     job.output = open("out.ts", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
 *     job.format = "mpegts";
 *     job.deadline_ns = rmx_deadline_in(2 * 1000000000ULL);
 *     if (rmx_submit(client, &job, 1, &id) == 1 && rmx_wait(client, &result, 1, -1) == 1) {
 *         puts(rmx_end_name(result.status));
 *     }
 *     rmx_close(&client);
 *
 * Errors.  Calls return 0 or a positive count, or a negative errno value; outputs are untouched on
 * failure. How a *job* went is never an errno: it is the status in its result. Any call on a client
 * may return, besides what is listed with it,
 *   -ECONNRESET  the daemon is gone: rmx_close(), then rmx_open()
 *   -EPROTO      the daemon does not keep to the protocol: the same remedy
 *
 * Threads.  One client is used by one thread at a time (any thread; a lock is enough). Different
 * clients share nothing. rmx_end_*(), rmx_check(), rmx_deadline_in() and rmx_version() may be
 * called from anywhere.
 *
 * The library never logs, installs no signal handler, raises no SIGPIPE and starts no thread; only
 * rmx_open_private() starts a process. All its descriptors are close-on-exec. A client does not
 * survive fork(): let the child leave it alone.
 */
#ifndef RINGMUX_H
#define RINGMUX_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where the host's daemon listens unless it was told otherwise. */
#define RMX_SOCKET_DEFAULT "/run/ringmux/ringmux.sock"

/* --- connecting --------------------------------------------------------------------------- */

struct rmx_client;

/* Connects to the daemon that listens on `path` ("@name" is an abstract socket). When path is NULL:
 * on $RINGMUX_SOCKET; if that is not set, on $XDG_RUNTIME_DIR/ringmux.sock, or else on
 * RMX_SOCKET_DEFAULT. Returns 0 and sets *client, or
 *   -ENOENT, -ECONNREFUSED  no daemon listens there: start ringmuxd, or use rmx_open_private()
 *   -EACCES                 its socket is not for you
 *   -EBUSY                  it has no room for another client: try again later
 *   -ESHUTDOWN              it is shutting down and takes no new clients
 *   -EPROTONOSUPPORT        it speaks no version of the protocol that this library knows
 *   -ETIMEDOUT              it did not answer within 10 s
 *   -EINTR                  a signal handler ran
 *   -EPROTOTYPE             something else than ringmuxd listens there
 *   -EINVAL, -ENAMETOOLONG  path is no address of a unix socket
 *   -EMFILE, -ENFILE, -ENOMEM */
int rmx_open(struct rmx_client **client, const char *path);

/* How a private daemon starts; zeros are the defaults. */
struct rmx_private_options {
    const char *daemon;          /* path of ringmuxd; NULL: see rmx_open_private() */
    const char *const *settings; /* its command line, NULL-ended; NULL = that of a small daemon:
                                    one worker, few rings, errors on stderr only */
    uint64_t reserved[6];        /* zero */
};

/* Starts a ringmuxd that serves this client alone and ends with it, and connects to it. It is
 * looked for in $RINGMUX_DAEMON, beside the running program, where this library was installed to,
 * and in $PATH. It inherits stderr and nothing else, and is in a process group of its own, so that
 * Ctrl-C reaches only you. It is your child process until rmx_close(): do not wait for it.
 * options may be NULL. Returns 0 and sets *client, or
 *   -ENOENT      no ringmuxd found
 *   -EINVAL      reserved space is not zero, or more than 32 settings
 *   -ECONNRESET  it started and ended at once; why is on stderr
 *   -ETIMEDOUT   it did not answer within 10 s
 *   -EINTR       a signal handler ran
 *   -EACCES, -ENOEXEC, -EAGAIN, -EMFILE, -ENFILE, -ENOMEM  it cannot be started */
int rmx_open_private(struct rmx_client **client, const struct rmx_private_options *options);

/* Ends the session and sets *client to NULL; accepts a client that is NULL already. Jobs still in
 * flight are cancelled and their results lost. A private daemon has ended when this returns. */
void rmx_close(struct rmx_client **client);

/* --- jobs --------------------------------------------------------------------------------- */

enum rmx_kind {
    RMX_REMUX = 1, /* input -> output in another container */
    RMX_PROBE = 2, /* input -> a JSON description of it, as ffprobe's -show_format -show_streams */
    RMX_NOOP = 3   /* goes to a worker and back and moves nothing: for measuring */
};

enum rmx_flags {
    RMX_ALL_STREAMS = 1,    /* every stream, not the one best of each kind */
    RMX_BITEXACT = 2,       /* no encoder names, dates or random numbers in the output */
    RMX_ALLOW_TRUNCATED = 4 /* a cut-off input ends OK, and the counters say so */
};

enum rmx_class { /* who waits, and who is refused, when there is not room for all */
    RMX_CRITICAL = 0,
    RMX_NORMAL = 1,
    RMX_BACKGROUND = 2
};

/* What to do. Start from RMX_JOB_INIT (or rmx_job_init()): fields may join in reserved space, and
 * what is not set keeps its meaning. The library copies what pointers name before it returns. */
struct rmx_job {
    int input;                  /* read from: regular file, pipe or socket; -1 = none (NOOP) */
    int output;                 /* written to: likewise */
    uint32_t kind;              /* enum rmx_kind */
    uint32_t flags;             /* enum rmx_flags */
    uint32_t job_class;         /* enum rmx_class */
    uint32_t reserved0;         /* zero */
    uint64_t deadline_ns;       /* CLOCK_MONOTONIC, see rmx_deadline_in(); 0 = none */
    const char *format;         /* container to write: "mp4", "fmp4", "mpegts"... */
    const char *input_format;   /* container to read; NULL = recognised from its bytes */
    const char *const *options; /* NULL-ended "key=value" options of the container, or NULL */
    const char *const *maps;    /* NULL-ended stream choice: "v", "a:1", "-d"...; NULL = usual */
    const char *traceparent;    /* W3C trace context, or NULL */
    void *user;                 /* comes back in the result */
    uint64_t reserved[8];       /* zero */
};

#define RMX_JOB_INIT                                                                               \
    {                                                                                              \
        -1, -1, RMX_REMUX, 0, RMX_NORMAL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL,                \
        {                                                                                          \
            0, 0, 0, 0, 0, 0, 0, 0                                                                 \
        }                                                                                          \
    }

/* The same for languages without C's initializers. */
void rmx_job_init(struct rmx_job *job);

/* The time `ns` from now as a deadline; never 0, so a time that is up is not "no deadline". */
uint64_t rmx_deadline_in(uint64_t ns);

/* Does this job make sense? Returns 0, or the status it would end with, and then sets *why to a
 * sentence (static text) that names the field. rmx_submit() checks the same. */
int rmx_check(const struct rmx_job *job, const char **why);

/* Sends jobs[0..count) to the daemon and returns how many of them, from the first, it took: each
 * of those gets one result from rmx_wait(), and its name in ids[] (which may be NULL).
 *
 * The descriptors stay yours: the daemon has duplicates of its own once this returns, so close
 * yours when you like. A regular file is read, or written, from the position of its descriptor on,
 * which is not moved; a pipe's reader sees the end once you closed yours too. An output is never
 * truncated: a file that was longer keeps its tail, unless you open it with O_TRUNC.
 *
 * Never blocks. If not even one job was taken, returns
 *   -EAGAIN     no credit is left, or the daemon has not read what was sent: wait until rmx_fd() is
 *               readable, call rmx_wait(), then submit again
 *   -EINVAL     the first job makes no sense: rmx_check() says why
 *   -EBADF      a descriptor among the first 16 jobs is not open
 *   -ESHUTDOWN  the daemon is shutting down: jobs in flight go on, new ones need another daemon
 *   -ETOOMANYREFS, -ENOMEM  the system has no room for the message */
int rmx_submit(struct rmx_client *client, const struct rmx_job *jobs, size_t count, uint64_t *ids);

#define RMX_RESULT_TEXT_BYTES 192

/* How it went. Counters are exact for OK, and say how far the job came for every other end. */
struct rmx_result {
    uint64_t id;             /* as rmx_submit() gave it */
    void *user;              /* the job's */
    uint32_t status;         /* enum rmx_end */
    int32_t cause;           /* the negative errno value behind an input or output error, or 0 */
    uint64_t bytes_in;       /* read from the input */
    uint64_t bytes_out;      /* written to the output */
    uint64_t packets_in;     /* demuxed from the chosen streams */
    uint64_t packets_out;    /* given to the muxer */
    uint64_t bytes_expected; /* TRUNCATED: what the input promised; else 0 */
    uint64_t queued_ns;      /* received -> started */
    uint64_t run_ns;         /* started -> done */
    uint64_t total_ns;       /* received -> last byte written */
    char text[RMX_RESULT_TEXT_BYTES]; /* what the media library said, printable, for a person */
    uint64_t reserved[8];
};

/* Waits until a job ends and fills results[0..max) with those that did, in the order they ended.
 * Returns how many; 0 when timeout_ms passed (-1 = forever, 0 = do not wait), or
 *   -EINTR   a signal handler ran
 *   -EINVAL  max is 0
 * When the daemon dies, the jobs in flight come first, as results with status DAEMON_LOST; the call
 * after the last of them returns -ECONNRESET. */
int rmx_wait(struct rmx_client *client, struct rmx_result *results, size_t max, int timeout_ms);

/* The descriptor to poll for reading (poll, epoll, libuv, Go's netpoller): when it is readable,
 * rmx_wait(..., 0) has something to do. Before you poll, call rmx_wait(..., 0) until it returns
 * less than max: what it has read already is not on the descriptor any more. It is the library's:
 * do not read or close it. */
int rmx_fd(const struct rmx_client *client);

/* Asks for an early end of a job; its result (CANCELLED, or whatever it became first) still comes.
 * Returns 0, or
 *   -ENOENT  no such job is in flight: it may just have ended
 *   -EAGAIN  as for rmx_submit() */
int rmx_cancel(struct rmx_client *client, uint64_t id);

struct rmx_progress_bytes {
    uint64_t bytes_in;    /* read from the input so far */
    uint64_t bytes_out;   /* written to the output so far */
    uint64_t bytes_total; /* the input's size; 0 = unknown */
};

/* How far a job is, read from shared memory: no message, no system call. Returns 0, or
 *   -ENOENT  it waits for its turn still, or has ended */
int rmx_progress(const struct rmx_client *client, uint64_t id, struct rmx_progress_bytes *progress);

/* --- the daemon --------------------------------------------------------------------------- */

/* Asks the daemon for an answer and measures how long it took, in nanoseconds. Results that come
 * meanwhile are kept: call rmx_wait(..., 0) before you poll. Returns 0, or
 *   -ETIMEDOUT  no answer within 10 s
 *   -EAGAIN     as for rmx_submit()
 *   -EINTR      a signal handler ran */
int rmx_ping(struct rmx_client *client, uint64_t *rtt_ns);

struct rmx_counter {
    const char *name; /* "jobs_submitted": static text, as are the others */
    const char *unit; /* "jobs", "bytes"... */
    const char *text; /* a sentence on what is counted */
    uint64_t value;
};

/* Fills counters[0..max) and returns how many the daemon has (at most 256), which may be more than
 * max. Errors and kept results as for rmx_ping(). */
int rmx_stats(struct rmx_client *client, struct rmx_counter *counters, size_t max);

/* The process id of the daemon as it told it: to show to people, not to send signals to. */
uint32_t rmx_daemon_pid(const struct rmx_client *client);

/* --- how a job can end -------------------------------------------------------------------- */

enum rmx_end {
    RMX_OK = 0,
    RMX_BAD_MEDIA = 1,
    RMX_TRUNCATED = 2,
    RMX_UNSUPPORTED = 3,
    RMX_NO_STREAMS = 4,
    RMX_BAD_JOB = 5,
    RMX_BAD_OPTION = 6,
    RMX_NEEDS_SEEKABLE_INPUT = 7,
    RMX_NEEDS_SEEKABLE_OUTPUT = 8,
    RMX_INPUT_IO = 9,
    RMX_OUTPUT_IO = 10,
    RMX_OUTPUT_FULL = 11,
    RMX_OUTPUT_CLOSED = 12,
    RMX_OVER_LIMIT = 13,
    RMX_CANCELLED = 14,
    RMX_DEADLINE = 15,
    RMX_BUSY = 16,
    RMX_WORKER_LOST = 17,
    RMX_PEER_CORRUPT = 18,
    RMX_DAEMON_LOST = 19,
    RMX_DRAINING = 20,
    RMX_INTERNAL = 21
};

/* All take any number; one that this library does not know is "UNKNOWN", at fault "ENGINE". */
const char *rmx_end_name(uint32_t status);  /* "BAD_MEDIA" */
const char *rmx_end_text(uint32_t status);  /* "the demuxer refused the input" */
const char *rmx_end_fault(uint32_t status); /* NONE, CLIENT (the job), MEDIA, SOURCE (the input's
                                               descriptor), SINK (the output's), ENGINE (ringmux) */
int rmx_end_retry(uint32_t status);         /* 1: the very same job may succeed if sent again */
int rmx_end_exit(uint32_t status);          /* what the command rmx returns for it */

/* The library's version, as "0.1.0". */
const char *rmx_version(void);

#ifdef __cplusplus
}
#endif

#endif
