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
 *   -ECONNRESET  the daemon is gone: rmx_reconnect(), or rmx_close()
 *   -EPROTO      the daemon does not keep to the protocol: the same remedy
 *   -EMFILE      it sent a descriptor, and this process may have no more: likewise, when it may
 *
 * Threads.  All calls on a client may be made from several threads at once, but for two things:
 * each end of a job's stream (what writes its input; what reads its output) belongs to one thread
 * at a time, and rmx_close() comes when no other call is under way. Different clients share
 * nothing. rmx_end_*(), rmx_check(), rmx_deadline_*() and rmx_version() may be called from
 * anywhere. Of several threads that wait only one learns of signals (-EINTR).
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
 *   -EACCES                 it is not for you
 *   -EBUSY                  it has no room for another client, or for another of yours: try again
 *                           later
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

enum rmx_state {
    RMX_STATE_READY = 0,    /* the daemon takes jobs */
    RMX_STATE_DRAINING = 1, /* it goes on with those it has, and takes no new ones */
    RMX_STATE_LOST = 2      /* it is gone */
};

/* How the daemon is that new jobs go to, after taking in what it has said: enum rmx_state. Does not
 * wait, and may be called in parallel with all other calls. */
int rmx_state(struct rmx_client *client);

/* Moves on to the daemon that listens now where the last one did. rmx_submit() tells when it is
 * time: -ESHUTDOWN or -ECONNRESET.
 *   If the last one drains, the jobs in flight stay with it: their results, events and streams come
 * from this client as before, groups go on at both (see rmx_group_open()), and only new jobs go to
 * the new daemon. The old connection ends when the last of its jobs and streams was collected.
 *   If it is gone, each job that was in flight, and no other, has the result DAEMON_LOST: nobody
 * knows how far it came.
 *
 * While nobody listens, or who does has no room or drains too, it is tried again until timeout_ms
 * have passed (-1 = for ever). A daemon that listens has 10 s to answer, or what is left of
 * timeout_ms; sources and sinks are served by rmx_wait() and its kin alone. May be called in
 * parallel with all other calls, itself too: one connects, and the others wait for it.
 *   0 does not wait: it tries once, or looks if the answer to the last try has come, so the first
 * such call mostly returns -EINPROGRESS. Returns 0, or
 *   -EINPROGRESS timeout_ms is 0, and a daemon that listens has yet to answer: call again
 *   -EISCONN     there is nothing to do: the daemon is READY
 *   -EOPNOTSUPP  a private daemon has no successor: open another client
 *   -EAGAIN      jobs are in flight at three daemons that drain: first collect some
 *   or as rmx_open(), the client then being as it was */
int rmx_reconnect(struct rmx_client *client, int timeout_ms);

/* --- jobs --------------------------------------------------------------------------------- */

enum rmx_kind {
    RMX_REMUX = 1, /* input -> output in another container */
    RMX_PROBE = 2, /* input -> a JSON description of it, as ffprobe's: programs, streams, chapters,
                      format */
    RMX_NOOP = 3   /* goes to a worker and back and moves nothing: for measuring */
};

enum rmx_flags {
    RMX_ALL_STREAMS = 1,     /* every stream, not the one best of each kind */
    RMX_BITEXACT = 2,        /* no encoder names, dates or random numbers in the output */
    RMX_ALLOW_TRUNCATED = 4, /* a cut-off input ends OK, and the counters say so */
    RMX_POSITIONAL = 16,     /* output RMX_RING: its pieces may come out of order, see rmx_piece */
    RMX_PARTS = 32,          /* output RMX_RING: it may be several files, see rmx_piece */
    RMX_SPOOL = 64,          /* a temporary file may hold what is read or written out of order */
    RMX_LIVE = 128,          /* packet in, packet out: see interleave_us and fragment_us. To "fmp4",
                                "cmaf", "mpegts", "flv", "matroska", "webm", "ogg", "adts", "mp3",
                                "flac" or "wav"; not with RMX_SPOOL */
    RMX_KEYFRAMES = 256      /* RMX_PROBE: "keyframes", too, for which all of the input is read */
};

enum rmx_class { /* who waits, and who is refused, when there is not room for all */
    RMX_CRITICAL = 0,
    RMX_NORMAL = 1,
    RMX_BACKGROUND = 2
};

/* job.input, job.output: not a descriptor but shared memory. See "streams" below. */
#define RMX_RING (-2)

/* rmx_job.fragment_us: a fragment for each packet. */
#define RMX_FRAGMENT_PACKET UINT32_MAX

struct rmx_source;
struct rmx_sink;

/* Whom a job shares its worker process with, at most; the daemon's setting "isolation" may allow
 * less. Crashes others survive, as ringmux-ends(7) says; but what a hostile input might make of a
 * worker, it can do to the jobs that share it. An isolated job waits for one of a few workers
 * (isolated_workers; if 0, BAD_JOB) whose process nobody has after it. Not with RMX_RING, which
 * leads to shared workers: BAD_JOB, also where the daemon isolates all jobs. */
enum rmx_isolation {
    RMX_SHARED_WORKER = 0, /* with anybody's jobs */
    RMX_CLIENT_WORKER = 1, /* with this client's */
    RMX_JOB_WORKER = 2     /* with none */
};

/* What to do. Start from RMX_JOB_INIT (or rmx_job_init()): fields may join in reserved space, and
 * what is not set keeps its meaning. The library copies what pointers name before it returns, but
 * for source and sink, which must live until the job has ended. */
struct rmx_job {
    int input;                  /* read from: regular file, pipe, socket, or RMX_RING; -1 = none
                                   (NOOP) */
    int output;                 /* written to: likewise */
    uint32_t kind;              /* enum rmx_kind */
    uint32_t flags;             /* enum rmx_flags */
    uint32_t job_class;         /* enum rmx_class */
    uint32_t interleave_us;     /* RMX_LIVE: how long a packet may wait for those of other streams,
                                   so that they leave in order of time; at most 60 s; 0 = not */
    uint32_t fragment_us;       /* RMX_LIVE, MP4: the length of a fragment, at most 60 s; 0 = from
                                   keyframe to keyframe; RMX_FRAGMENT_PACKET */
    uint32_t isolation;         /* enum rmx_isolation */
    uint64_t deadline_ns;       /* CLOCK_MONOTONIC, see rmx_deadline_in(); 0 = none */
    const char *format;         /* container to write: "mp4", "fmp4", "mpegts"... */
    const char *input_format;   /* container to read; NULL = recognised from its bytes */
    const char *const *options; /* NULL-ended "key=value" options of the container, or NULL */
    const char *const *maps;    /* NULL-ended stream choice: "v", "a:1", "-d"...; NULL = usual */
    const char *traceparent;    /* W3C trace context, or NULL */
    void *user;                 /* comes back in the result and in events */
    const struct rmx_source *source; /* input RMX_RING: read from; NULL: you rmx_write() to it */
    const struct rmx_sink *sink;     /* output RMX_RING: written to; NULL: you rmx_read() from it */
    uint32_t input_ring_bytes; /* a power of two, 8 KiB to 64 MiB; 0 = 256 KiB, RMX_LIVE 64 KiB */
    uint32_t output_ring_bytes;
    uint32_t chunk_bytes;     /* RMX_RING: most of one rmx_reserve() or rmx_peek(), a power of
                                 two, 512 to 1 MiB and at most half a ring; 0 = a sixteenth */
    uint32_t group;           /* of rmx_group_open(); 0 = none */
    const char *const *edits; /* NULL-ended, see ringmux-edits(7): "start=10", "bsf:v=..."; NULL */
    const int *more_inputs;   /* behind input, see ringmux-join(7): merged, or joined; NULL */
    const int *more_outputs;  /* behind output: of the same reading, as edits say; NULL */
    uint32_t more_input_count, more_output_count; /* at most 7 each */
    uint64_t reserved[4];                         /* zero */
};

#define RMX_JOB_INIT                                                                               \
    {                                                                                              \
        -1, -1, RMX_REMUX, 0, RMX_NORMAL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL,    \
            NULL, 0, 0, 0, 0, NULL, NULL, NULL, 0, 0,                                              \
        {                                                                                          \
            0, 0, 0, 0                                                                             \
        }                                                                                          \
    }

/* The same for languages without C's initializers. */
void rmx_job_init(struct rmx_job *job);

/* The time `ns` from now as a deadline; never 0, so a time that is up is not "no deadline". */
uint64_t rmx_deadline_in(uint64_t ns);

/* The same, but not later than `parent`, the deadline of what this is a part of; 0 = that has none.
 * So a budget can only be shortened on its way down. */
uint64_t rmx_deadline_within(uint64_t parent, uint64_t ns);

/* Does this job make sense? Returns 0, or the status it would end with, and then sets *why to a
 * sentence (static text) that names the field. rmx_submit() checks the same. It is the form that is
 * checked, here and now: what the container refuses (an option, a stream), or the media are not fit
 * for, the job's result says; whether its group is open, rmx_submit(). */
int rmx_check(const struct rmx_job *job, const char **why);

/* Sends jobs[0..count) to the daemon and returns how many of them, from the first, it took: each
 * of those gets one result from rmx_wait(), and its name in ids[] (which may be NULL).
 *
 * The descriptors stay yours: the daemon has duplicates of its own once this returns, so close
 * yours when you like. A regular file is read, or written, from the position of its descriptor on,
 * which is not moved; a pipe's reader sees the end once you closed yours too. An output is never
 * truncated: a file that was longer keeps its tail, unless you open it with O_TRUNC.
 *
 * Never blocks, but to open a channel for jobs with rings, see rmx_memory(). If not even one job
 * was taken, returns
 *   -EAGAIN     no credit is left, or the daemon has not read what was sent: wait until rmx_fd() is
 *               readable, call rmx_wait(), then submit again; or no ring memory is left: first
 *               collect jobs that have ended, and read or drop their output
 *   -EINVAL     the first job makes no sense: rmx_check() says why; or its group is not open
 *   -EBADF      a descriptor among the first 8 jobs is not open
 *   -ESHUTDOWN  the daemon is shutting down: jobs in flight go on, new ones need another daemon
 *               (rmx_reconnect())
 *   -EPERM      an operator's client has no jobs
 *   -ETOOMANYREFS, -ENOMEM  the system has no room for the message
 * and for a first job with a ring
 *   -EBUSY      no worker had room for another channel, for 10 s or until the job's deadline
 *   -E2BIG      the daemon does not allow as much as rmx_memory() asks for
 *   -ENOBUFS    this job's rings are larger than a channel: rmx_memory()
 *   -EOPNOTSUPP the daemon does not take this system's shared memory
 *   -EMFILE, -ENFILE  this process, or the system, has no descriptor left for another channel
 *   -ETIMEDOUT, -EINTR  as for rmx_open() */
int rmx_submit(struct rmx_client *client, const struct rmx_job *jobs, size_t count, uint64_t *ids);

#define RMX_RESULT_TEXT_BYTES 192

/* How it went. Counters are exact for OK, and say how far the job came for every other end. */
struct rmx_result {
    uint64_t id;             /* as rmx_submit() gave it */
    void *user;              /* the job's */
    uint32_t status;         /* enum rmx_end */
    int32_t cause;           /* the negative errno value behind an input or output error, or 0 */
    uint64_t bytes_in;       /* read from the input */
    uint64_t bytes_out;      /* written to the output, up to the first that could not be */
    uint64_t packets_in;     /* demuxed from the chosen streams */
    uint64_t packets_out;    /* given to the muxer */
    uint64_t bytes_expected; /* TRUNCATED: what the input promised; else 0 */
    uint64_t queued_ns;      /* waited for a worker since its first byte, lost attempts included */
    uint64_t run_ns;         /* started -> done */
    uint64_t total_ns;       /* received -> last byte written */
    char text[RMX_RESULT_TEXT_BYTES]; /* what the media library said, printable, for a person */
    uint64_t input_wait_ns;           /* of total_ns, it waited for its input */
    uint64_t output_wait_ns;  /* of total_ns, it waited for its output to take what it had */
    uint64_t retry_after_ns;  /* BUSY: when it is worth another try; else 0 */
    uint8_t output_status[8]; /* of several outputs: enum rmx_end of each, RMX_OK or why the job
                                 went on without it; if the job did not end OK: or why it ended */
    uint64_t reserved[4];
};

/* Waits until a job ends and fills results[0..max) with those that did, in the order they ended.
 * Returns how many; 0 when timeout_ms passed (-1 = forever, 0 = do not wait), or
 *   -EINTR   a signal handler ran
 *   -EINVAL  max is 0
 * When the daemon dies, the jobs in flight come first, as results with status DAEMON_LOST; the call
 * after the last result that can still come returns -ECONNRESET. */
int rmx_wait(struct rmx_client *client, struct rmx_result *results, size_t max, int timeout_ms);

/* The descriptor to poll for reading (poll, epoll, edge-triggered too, libuv, Go's netpoller): an
 * epoll descriptor, readable when rmx_wait() or rmx_events() has something to do. Before you poll,
 * call those you use with timeout 0 until they return less than max; with jobs that have rings, use
 * rmx_events(). It is the library's: do not read, change or close it. */
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

/* How far a job is, read from shared memory: no system call. Returns 0, or -ENOENT: it waits for
 * its turn still, or has ended. */
int rmx_progress(const struct rmx_client *client, uint64_t id, struct rmx_progress_bytes *progress);

/* --- streams: input and output through shared memory ---------------------------------------- */

/* A job whose input or output is RMX_RING has a ring there, in memory that this process and one
 * worker share; the daemon is not between. Rings are taken from the client's ring memory at submit,
 * see rmx_memory(): for a job with two of the usual size 520 KiB, 136 KiB if RMX_LIVE. They are
 * given back when the job's result was collected, rmx_peek() or rmx_read() said that there is no
 * more output (0 or -ECANCELED) or it was dropped, and no reserved room is in hand.
 *
 * Waiting.  timeout_ms is -1 for ever, 0 not at all. A call that would have to wait longer returns
 * -EAGAIN, and rmx_events() tells when to try again. All these calls may return, besides what is
 * listed with them,
 *   -ENOENT   no such job, its rings were given back, or that end is no ring or closed
 *   -EBUSY    a source or sink serves this end
 *   -EINTR    a signal handler ran
 *   -EBADMSG  the worker broke the ring: the job is being cancelled, and ends PEER_CORRUPT */

/* Sets how much ring memory a channel of this client has: 1 MiB to 4 GiB, as far as the daemon
 * allows (its setting channel_bytes); unless called, 8 MiB or what it allows: 15 jobs with two
 * rings of the usual size, or 59 live ones. Before the first job with a ring. A channel leads to
 * one worker; rmx_submit() opens more as jobs come, up to one for each worker. The memory is this
 * process's own: 8 MiB take some 5 ms, once. Returns 0, -EINVAL, or -EALREADY: there is one. */
int rmx_memory(struct rmx_client *client, size_t channel_bytes);

/* Sets how long a call that waits polls before it sleeps; 0, the default, is not at all. Polling
 * takes a core and saves the wake-up, 3 to 100 us. The worker's is the daemon's setting "spin". */
void rmx_spin(struct rmx_client *client, uint64_t ns);

/* Room for the next piece of a job's input, in the ring itself. Returns 0, and sets *to and *bytes
 * (at least 1, at most chunk_bytes); the same again until rmx_commit(). Or
 *   -EPIPE  the job wants no more: it has ended, or is about to */
int rmx_reserve(struct rmx_client *client, uint64_t id, void **to, size_t *bytes, int timeout_ms);

/* Hands the first `bytes` bytes of the room to the worker. Each commit takes a chunk of the ring,
 * so many small ones fill it early. Returns 0, -EPIPE as rmx_reserve(), or
 *   -EINVAL  more than the room, 0, or nothing was reserved */
int rmx_commit(struct rmx_client *client, uint64_t id, size_t bytes);

/* Copies: as many of `bytes` bytes as find room in time. Returns how many (1 or more), or -EPIPE as
 * rmx_reserve(). */
ptrdiff_t rmx_write(
    struct rmx_client *client, uint64_t id, const void *from, size_t bytes, int timeout_ms);

/* The input is complete; room in hand goes back unused. Returns 0, also if the job has ended
 * already; or -EAGAIN: the mark found no room in time. */
int rmx_finish(struct rmx_client *client, uint64_t id, int timeout_ms);

/* The input broke: error, -4095 to -1, says why. What was committed is still used; the job ends
 * INPUT_IO with this cause. Returns as rmx_finish(), or -EINVAL. */
int rmx_abort(struct rmx_client *client, uint64_t id, int error, int timeout_ms);

enum rmx_piece_flags {
    RMX_PIECE_FLUSH = 1,     /* there is nothing behind it now: pass it on */
    RMX_PIECE_NAME = 2,      /* bytes are the name of the file `part`, which begins (anew), empty */
    RMX_PIECE_END = 4,       /* the last one */
    RMX_PIECE_PART_END = 8,  /* the file `part` is complete with it */
    RMX_PIECE_PART_GONE = 16 /* the file `part` is out of date: delete it */
};

/* A piece of output, in the ring itself: a worker gone mad may change it while you read. Pieces
 * follow each other, offset by offset, unless the job is RMX_POSITIONAL: then a container may go
 * back and patch what it wrote, as into a file. part is 0 unless the job is RMX_PARTS. */
struct rmx_piece {
    const void *bytes;
    size_t size;     /* may be 0 at the end of it all, or of a file */
    uint64_t offset; /* in the file */
    uint32_t part;   /* which file, from 0 */
    uint32_t flags;  /* enum rmx_piece_flags */
};

/* The next piece of a job's output; the same again until rmx_release(). Returns 1; 0 after the last
 * one was released; or
 *   -ECANCELED  the job ended without a last one: it never began, was cancelled, its time was up,
 *               or its worker was lost
 * Either closes this end. 0 says that there is no more, not that it is whole: a job whose input is
 * cut or broken passes on what it made of it. Whether the job went well, its result says. */
int rmx_peek(struct rmx_client *client, uint64_t id, struct rmx_piece *piece, int timeout_ms);

/* Gives the piece back. Returns 0, or -EINVAL: there is none. */
int rmx_release(struct rmx_client *client, uint64_t id);

/* Copies up to `bytes` bytes. Returns how many; 0 at the end; or -ECANCELED as rmx_peek(), or
 *   -ESPIPE  the next piece lies elsewhere (RMX_POSITIONAL, RMX_PARTS): use rmx_peek() */
ptrdiff_t rmx_read(struct rmx_client *client, uint64_t id, void *to, size_t bytes, int timeout_ms);

/* The rest of the output is not wanted, nor the piece in hand. A job that still runs is cancelled.
 * Returns 0, and again until the job's result is collected; -ENOENT from then on. */
int rmx_drop(struct rmx_client *client, uint64_t id);

enum rmx_event_kind {
    RMX_CAN_WRITE = 1,  /* rmx_reserve() or rmx_write() is worth another try */
    RMX_CAN_READ = 2,   /* rmx_peek() or rmx_read() is */
    RMX_HAS_ENDED = 4,  /* its result is there for rmx_wait() */
    RMX_GROUP_ENDED = 8 /* alone: id is a group's, and its result is there for rmx_group_wait() */
};

struct rmx_event {
    uint64_t id;
    void *user;
    uint32_t kinds; /* enum rmx_event_kind, one or more */
    uint32_t reserved;
};

/* Waits until something happened and fills events[0..max). A job's end is told once as soon as its
 * result is there; the other two once after each call that returned -EAGAIN. Serves sources and
 * sinks meanwhile. Returns how many; 0 when the time passed; else as rmx_wait(). The descriptor to
 * poll is rmx_fd() here too: call this, and rmx_wait(), with timeout 0 until they return less than
 * max, then poll. */
int rmx_events(struct rmx_client *client, struct rmx_event *events, size_t max, int timeout_ms);

/* --- sources and sinks: the library moves the bytes ------------------------------------------- */

/* They are called by rmx_wait(), rmx_events(), rmx_run() and no other call, on that thread, one at
 * a time for each job, and may call back into the library only for other jobs. A job's result comes
 * when its sink has all of the output; of a job that was cancelled or is late, also when the sink
 * says -EAGAIN. */

#define RMX_SIZE_UNKNOWN UINT64_MAX

struct rmx_source {
    /* Fills to[0..bytes). Returns how many, 0 at the end, -EAGAIN: nothing now, call rmx_ready()
     * when there is; any other negative errno value: the input broke, the job ends INPUT_IO. */
    ptrdiff_t (*read)(void *user, void *to, size_t bytes);
    /* The next read is from this offset. Returns 0 or a negative errno value. NULL: cannot. With it
     * an MP4 whose index is at its end can be read, and the job needs no RMX_SPOOL for its input.
     */
    int (*seek)(void *user, uint64_t offset);
    uint64_t size; /* or RMX_SIZE_UNKNOWN */
    void *user;
};

struct rmx_sink {
    /* Takes the piece. Returns 0; -EAGAIN: not now, call rmx_ready() when it can; any other
     * negative errno value: the job is cancelled, and ends OUTPUT_IO or OUTPUT_FULL. */
    int (*write)(void *user, const struct rmx_piece *piece);
    void *user;
};

/* A source or sink of this job that said -EAGAIN can go on. Returns 0 or -ENOENT. */
int rmx_ready(struct rmx_client *client, uint64_t id);

/* A block of memory as a source. It must not change until the job has ended. */
struct rmx_block {
    const void *bytes;
    size_t size;
    size_t at; /* the library's; start with 0 */
};
void rmx_block_source(struct rmx_block *block, struct rmx_source *source);

/* A block of memory that grows as a sink: use it with RMX_POSITIONAL. Start with zeros, but for
 * max; free with rmx_buffer_free(). */
struct rmx_buffer {
    unsigned char *bytes; /* malloc()ed */
    size_t size;
    size_t room; /* the library's */
    size_t max;  /* more than that is -EFBIG, and the job is cancelled; 0 = no limit */
};
void rmx_buffer_sink(struct rmx_buffer *buffer, struct rmx_sink *sink);
void rmx_buffer_free(struct rmx_buffer *buffer);

enum rmx_directory_flag {
    RMX_DIRECTORY_AT_ONCE = 1,   /* each file shows when it is complete: for who reads along */
    RMX_DIRECTORY_NO_CLOBBER = 2 /* a file that was there before is not replaced: -EEXIST */
};

/* A directory as a sink, for RMX_PARTS (HLS, DASH): ringmux-segments(7). A file is written in a
 * hidden directory there, with this process's rights, and shows when it, or all, is complete; one
 * begun anew replaces its last version. The worker's word is not trusted: names are plain, nothing
 * follows a link, only what the job wrote is deleted.
 *   `folder` stays yours. open returns 0, -EINVAL, -ENOTDIR, -EBADF, -EMFILE, -ENOMEM; keep (the
 * job went well: all shows) 0 or renameat(2)'s errors; close leaves nothing hidden. */
struct rmx_directory;
int rmx_directory_open(struct rmx_directory **directory, int folder, uint32_t flags);
void rmx_directory_sink(struct rmx_directory *directory, struct rmx_sink *sink);
int rmx_directory_keep(struct rmx_directory *directory);
void rmx_directory_close(struct rmx_directory **directory);

/* One job from its submit to its result, bytes moved: all a caller needs who wants to replace a
 * process. A ring needs a source or sink. Waits for a credit, too. Others' results stay for
 * rmx_wait().
 *   Moves on when the daemon drains or is gone, as rmx_reconnect() with at most 10 s: a job that
 * the daemon never had, or refused as DRAINING with none of its bytes moved (or those of a source
 * that can seek back), is sent to the next one. One that was in flight when its daemon died ends
 * DAEMON_LOST: it may have written. After -EMFILE the next call connects anew.
 *   Returns 0 with *result filled, or as rmx_submit(), rmx_wait() and rmx_reconnect(), or -EAGAIN:
 * timeout_ms passed. Whatever the error, the job is cancelled and its source and sink are free. */
int rmx_run(struct rmx_client *client, const struct rmx_job *job, struct rmx_result *result,
    int timeout_ms);

/* --- groups: jobs with one end -------------------------------------------------------------- */

/* As Go's errgroup, with context: the first job of a group that does not end OK ends the others
 * early, CANCELLED; the group has one deadline, which caps theirs; and one end, when it was closed
 * and all its jobs have ended. A job that was refused, BUSY or DRAINING, has not failed: it is for
 * you to send it again. */

enum rmx_group_flag {
    RMX_COLLECT_ALL = 1 /* a job that fails leaves the others alone */
};

#define RMX_GROUP_NAME_MAX 31 /* characters */

/* Start from RMX_GROUP_OPTIONS_INIT. The library copies the name. */
struct rmx_group_options {
    uint32_t flags;       /* enum rmx_group_flag */
    uint32_t jobs_max;    /* started at once, others wait for their turn; 0 = no limit */
    uint64_t deadline_ns; /* CLOCK_MONOTONIC, see rmx_deadline_within(); 0 = none */
    const char *name;     /* what operators call it: printable ASCII, or NULL; need not be unique */
    void *user;           /* comes back in the result and in events */
    uint64_t reserved[4]; /* zero */
};

#define RMX_GROUP_OPTIONS_INIT                                                                     \
    {                                                                                              \
        0, 0, 0, NULL, NULL,                                                                       \
        {                                                                                          \
            0, 0, 0, 0                                                                             \
        }                                                                                          \
    }

/* Opens a group and sets *group, which is not 0, for rmx_job.group. options may be NULL. It takes
 * one of 64 places of the client, until rmx_group_wait() has its result.
 *   When the client moves on from a daemon that drains, the group goes on at both: jobs_max counts
 * for each of them, and a job that fails at one ends those at the other, too. Returns 0, or
 *   -EINVAL     unknown flags, a name that is too long or not printable, reserved space not zero
 *   -ENOBUFS    64 groups are there
 *   -ESHUTDOWN  the daemon is shutting down: rmx_reconnect()
 *   -EPERM      an operator's client has no jobs
 *   -EAGAIN     the daemon has not read what was sent, as for rmx_submit() */
int rmx_group_open(
    struct rmx_client *client, const struct rmx_group_options *options, uint32_t *group);

/* No more jobs of it follow. Does nothing the second time. Returns 0, or
 *   -ENOENT  no such group, or its result was taken */
int rmx_group_close(struct rmx_client *client, uint32_t group);

/* Ends its jobs early, and those that are submitted later at once: CANCELLED. Does nothing the
 * second time, nor when it has ended. Returns 0, or -ENOENT as rmx_group_close(). */
int rmx_group_cancel(struct rmx_client *client, uint32_t group);

#define RMX_END_KINDS 32

struct rmx_group_result {
    uint32_t group;
    uint32_t status;         /* enum rmx_end: of the first job that did not end OK, or OK. One that
                                was cancelled or late before that: CANCELLED, DEADLINE */
    void *user;              /* the options' */
    struct rmx_result first; /* of that job, its user included; id 0 = there is none */
    uint64_t ended[RMX_END_KINDS]; /* by status: how many of its jobs ended so, or were refused */
    uint64_t reserved[4];
};

/* As errgroup's Wait: closes the group, waits until it has ended and takes its result; its name
 * means nothing from then on. The results of its jobs are there by then and come by rmx_wait(), in
 * any order with this. Serves sources and sinks meanwhile. Returns 1; 0 when timeout_ms passed, and
 * the group goes on; -EINTR: a signal handler ran; or -ENOENT as rmx_group_close(). */
int rmx_group_wait(
    struct rmx_client *client, uint32_t group, struct rmx_group_result *result, int timeout_ms);

/* --- the daemon --------------------------------------------------------------------------- */

/* Asks the daemon for an answer and measures how long it took, in nanoseconds. Results that come
 * meanwhile are kept: call rmx_wait(..., 0) before you poll. Returns 0, -ETIMEDOUT (no answer
 * within 10 s), -EINTR, or -EAGAIN as rmx_submit(). */
int rmx_ping(struct rmx_client *client, uint64_t *rtt_ns);

struct rmx_counter {
    const char *name; /* "jobs_submitted": static text, as are the others */
    const char *unit; /* "jobs", "bytes"... */
    const char *text; /* a sentence on what is counted */
    uint64_t value;
};

/* Fills counters[0..max) and returns how many the daemon has (at most 256). Else as rmx_ping(). */
int rmx_stats(struct rmx_client *client, struct rmx_counter *counters, size_t max);

/* The process id of the daemon as it told it: to show to people, not to send signals to. */
uint32_t rmx_daemon_pid(const struct rmx_client *client);

/* --- operators: the jobs of everybody --------------------------------------------------------- */

/* As rmx_open(), for root, the daemon's own user and the groups of its setting operator_gids: a
 * client that has no jobs (rmx_submit(), rmx_group_open(): -EPERM), but sees and ends those of
 * others. Where nobody listens, it finds a daemon that drains there. Returns as rmx_open(), or
 *   -EPERM  you are none of these */
int rmx_open_operator(struct rmx_client **client, const char *path);

enum rmx_job_stage {
    RMX_STAGE_WAITING = 1, /* for the first byte of its input */
    RMX_STAGE_QUEUED = 2,  /* for a worker, or for its group */
    RMX_STAGE_RUNNING = 3,
    RMX_STAGE_DRAINING = 4 /* what is in flight comes to an end */
};

struct rmx_job_info {
    uint64_t job;       /* as its client knows it */
    uint32_t session;   /* its client's; no other one of this daemon ever has that number */
    int32_t pid;        /* its client's, as it was when it connected */
    uint32_t uid;       /* likewise */
    uint32_t stage;     /* enum rmx_job_stage */
    uint32_t job_class; /* enum rmx_class */
    uint32_t reserved0;
    uint64_t age_ns;  /* since it was received */
    uint64_t left_ns; /* until its deadline; UINT64_MAX = it has none */
    uint64_t bytes_in;
    uint64_t bytes_out;
    char format[32]; /* "" = it writes no container */
    char group[32];  /* the name of its group, or "" */
    char traceparent[56];
    uint64_t reserved[4];
};

/* Fills jobs[0..max) with what the daemon has in hand, in no order, and returns how many there are,
 * which may be more than max. On failure some may be filled all the same. May be called in parallel
 * with all other calls, as may rmx_cancel_jobs(). Returns also -EPERM: no client of
 * rmx_open_operator(), and as rmx_ping(). */
int rmx_jobs(struct rmx_client *client, struct rmx_job_info *jobs, size_t max);

/* Which jobs: those that match all that is set, and something must be. */
struct rmx_job_match {
    uint64_t job;         /* with session; 0 = any */
    uint32_t session;     /* 0 = any */
    uint32_t all;         /* 1 = every job of everybody: nothing else is set */
    const char *group;    /* by its name; NULL = any */
    uint64_t reserved[4]; /* zero */
};

#define RMX_JOB_MATCH_INIT                                                                         \
    {                                                                                              \
        0, 0, 0, NULL,                                                                             \
        {                                                                                          \
            0, 0, 0, 0                                                                             \
        }                                                                                          \
    }

/* Asks for the early end of jobs, whoever's they are: they end CANCELLED, or as what they became
 * first. *count (may be NULL) is how many were told; 0 is no error. Returns 0, -EINVAL: it names
 * nothing, or what makes no sense together; or as rmx_jobs(). */
int rmx_cancel_jobs(struct rmx_client *client, const struct rmx_job_match *match, uint64_t *count);

/* --- how a job can end -------------------------------------------------------------------- */

/* ringmux-ends(7) has a table of them: what each means, whose fault it is, whether to try again. */
enum rmx_end {
    RMX_OK = 0,
    RMX_BAD_MEDIA = 1,
    RMX_TRUNCATED = 2,
    RMX_UNSUPPORTED = 3,
    RMX_NO_STREAMS = 4,
    RMX_BAD_JOB = 5,
    RMX_BAD_OPTION = 6,
    RMX_NEEDS_SEEKABLE_INPUT = 7,  /* a file, a source with seek(), or RMX_SPOOL */
    RMX_NEEDS_SEEKABLE_OUTPUT = 8, /* a file at either end, RMX_POSITIONAL, or RMX_SPOOL */
    RMX_INPUT_IO = 9,
    RMX_OUTPUT_IO = 10,
    RMX_OUTPUT_FULL = 11,
    RMX_OUTPUT_CLOSED = 12,
    RMX_OVER_LIMIT = 13,
    RMX_CANCELLED = 14,
    RMX_DEADLINE = 15,
    RMX_BUSY = 16,
    RMX_WORKER_LOST = 17, /* and some of it was used up or written: else it is run again */
    RMX_PEER_CORRUPT = 18,
    RMX_DAEMON_LOST = 19, /* it died, or was told to end and has waited long enough */
    RMX_DRAINING = 20,
    RMX_INTERNAL = 21,
    RMX_POISON = 22, /* two workers died under it, in the second it was alone */
    RMX_DENIED = 23, /* no job ends so: rmx_open() says -EACCES */
    RMX_OUTPUT_STALLED = 24
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
