/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a job is: the spec a client sends, the result it gets. Both are wire structs (little endian,
 * fixed size, no padding) and are used unchanged by the client library, the daemon and the worker,
 * so a field can only mean one thing. Runs in every process; does no I/O and allocates nothing.
 */
#ifndef RMX_IPC_JOB_H
#define RMX_IPC_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RMX_JOB_NAME_BYTES    32   /* a container's short name with its NUL */
#define RMX_JOB_INPUTS_MAX    8    /* read by one job */
#define RMX_JOB_OUTPUTS_MAX   8    /* written by one */
#define RMX_JOB_MAPS_MAX      16   /* stream selections in one job */
#define RMX_JOB_MAP_BYTES     32   /* one selection with its NUL */
#define RMX_JOB_OPTIONS_BYTES 976  /* "key=value" strings, each with its NUL */
#define RMX_JOB_EDITS_BYTES   1880 /* likewise; with it, a flow is a page (ipc/lane_wire.h) */
#define RMX_JOB_TRACE_BYTES   56   /* W3C traceparent: 55 characters and a NUL */
#define RMX_JOB_TEXT_BYTES    192  /* what the result says in words, with its NUL */

#define RMX_JOB_FRAGMENT_PACKET UINT32_MAX /* fragment_us: a fragment for each packet */
#define RMX_JOB_WAIT_US_MAX     60000000u  /* interleave_us, and fragment_us but for the above */

enum rmx_job_kind {
    RMX_JOB_REMUX = 1, /* input -> output in another container */
    RMX_JOB_PROBE = 2, /* input -> a JSON description of it, shaped as ffprobe's */
    RMX_JOB_NOOP = 3,  /* goes all the way to a worker and back and moves nothing: for measuring */
};

enum rmx_job_flags {
    RMX_JOB_ALL_STREAMS = 1u << 0,     /* every stream, as ffmpeg's -map 0; default: its choice */
    RMX_JOB_BITEXACT = 1u << 1,        /* no encoder tags, dates or random ids in the output */
    RMX_JOB_ALLOW_TRUNCATED = 1u << 2, /* a cut-off input ends OK, with the counters saying so */
    RMX_JOB_SEEKABLE_INPUT = 1u << 3,  /* the client's input ring follows seeks */
    RMX_JOB_POSITIONAL = 1u << 4,      /* the client takes its output ring's chunks in any order */
    RMX_JOB_PARTS = 1u << 5,           /* it takes several files from it */
    RMX_JOB_SPOOL = 1u << 6,           /* the daemon may use a temporary file where a stream must
                                          be read, or written, out of order */
    RMX_JOB_LIVE = 1u << 7,            /* packet in, packet out: wait for nothing that can be done
                                          without */
    RMX_JOB_KEYFRAMES = 1u << 8,       /* PROBE: with a list of the keyframes, for which all of the
                                          input is read */
    RMX_JOB_FLAGS_ALL = (1u << 9) - 1,
};

/* What an input or an output is. */
enum rmx_job_port {
    RMX_JOB_DESCRIPTOR = 0, /* comes with the SUBMIT */
    RMX_JOB_RING = 1,       /* a chunk ring in one of the session's channels (ipc/channel.h) */
};

/* Where a ring lies in its channel's arena: as rmx_chunk_ring_attach() takes it. */
struct rmx_job_ring {
    uint64_t at; /* bytes from the arena's start; at least RMX_CHANNEL_RINGS_AT */
    uint32_t slots;
    uint32_t chunk_bytes;
};

enum rmx_job_class {
    RMX_CLASS_CRITICAL = 0,
    RMX_CLASS_NORMAL = 1,
    RMX_CLASS_BACKGROUND = 2,
    RMX_CLASSES = 3,
};

/* Whom a job shares its worker with. */
enum rmx_job_isolation {
    RMX_ISOLATION_SHARED = 0, /* with jobs of any session */
    RMX_ISOLATION_CLIENT = 1, /* with jobs of its session */
    RMX_ISOLATION_JOB = 2,    /* with none; the next job gets another worker */
    RMX_ISOLATIONS = 3,
};

/* The request. All strings end in NUL inside their array and all bytes after it are zero.
 *
 *   0        8            16    20     24     26     28    29      30    31   32
 *   | job    | deadline   | kind| flags| class| maps | ins | outs  | in  | out |
 *   | input_format 32 | format 32 | traceparent 56 | map 16 x 32 | options 976 |
 *   | channel 4 | flow 4 | input ring 16 | output ring 16 | input bytes 8 | 4 | 4 | group 4 | 4 |
 *   | edits 1880 |
 */
struct rmx_job_spec {
    uint64_t job;         /* the client's name for it; unique among its jobs in flight, not 0 */
    uint64_t deadline_ns; /* absolute, CLOCK_MONOTONIC; 0 = none */
    uint32_t kind;        /* enum rmx_job_kind */
    uint32_t flags;       /* enum rmx_job_flags */
    uint16_t class_;      /* enum rmx_job_class */
    uint16_t maps;        /* how many of map[] are used; 0 = the default choice */
    uint8_t inputs;       /* read from; 1 for PROBE, up to 8 for REMUX, 0 for NOOP */
    uint8_t outputs;      /* written to; likewise */
    uint8_t input_port;   /* enum rmx_job_port */
    uint8_t output_port;  /* likewise */
    char input_format[RMX_JOB_NAME_BYTES];         /* demuxer; "" = recognise it from the bytes */
    char format[RMX_JOB_NAME_BYTES];               /* one of ipc/format.def; PROBE and NOOP: "" */
    char traceparent[RMX_JOB_TRACE_BYTES];         /* W3C trace context, or "" */
    char map[RMX_JOB_MAPS_MAX][RMX_JOB_MAP_BYTES]; /* ffmpeg's -map, where "N:" may be left out for
                                                      input 0: "v", "1:a:1", "0", "s?", "-d" */
    char options[RMX_JOB_OPTIONS_BYTES];           /* "movflags=+faststart\0", one after another */
    uint32_t channel;                /* its rings' channel, as CHANNEL_OPENED named it; 0 = none */
    uint32_t channel_flow;           /* its number in the channel's notes */
    struct rmx_job_ring input_ring;  /* zeros unless input_port is RING */
    struct rmx_job_ring output_ring; /* likewise */
    uint64_t input_bytes;            /* RING: its size, UINT64_MAX = unknown; else 0 */
    uint32_t interleave_us;          /* LIVE: a packet waits so long for other streams' */
    uint32_t fragment_us;            /* LIVE: of an MP4 fragment; 0 = from keyframe to keyframe */
    uint32_t group;                  /* an open group of the session's; 0 = none */
    uint32_t isolation;              /* enum rmx_job_isolation; at least so much */
    char edits[RMX_JOB_EDITS_BYTES]; /* "start=10\0", one after another: ipc/edit.h */
};

_Static_assert(offsetof(struct rmx_job_spec, class_) == 24, "wire format");
_Static_assert(offsetof(struct rmx_job_spec, input_format) == 32, "wire format");
_Static_assert(offsetof(struct rmx_job_spec, map) == 152, "wire format");
_Static_assert(offsetof(struct rmx_job_spec, options) == 664, "wire format");
_Static_assert(offsetof(struct rmx_job_spec, input_ring) == 1648, "wire format");
_Static_assert(offsetof(struct rmx_job_spec, edits) == 1704, "wire format");
_Static_assert(sizeof(struct rmx_job_spec) == 3584, "wire format");

/* How it went. Counters are exact for OK and say how far the job came for every other end. */
struct rmx_job_result {
    uint64_t job;
    uint32_t status;         /* enum rmx_status */
    int32_t cause;           /* -errno behind an INPUT_IO, OUTPUT_* end; else 0 */
    uint64_t bytes_in;       /* taken from the input */
    uint64_t bytes_out;      /* handed to the output */
    uint64_t packets_in;     /* demuxed from selected streams */
    uint64_t packets_out;    /* given to the muxer */
    uint64_t bytes_expected; /* TRUNCATED: what the input's own index or header promises; else 0 */
    uint64_t queued_ns;      /* it waited for a worker, once its input had its first byte; what
                                workers that died had done until then is waiting, too */
    uint64_t run_ns;         /* worker started it -> worker was done */
    uint64_t total_ns;       /* submit received -> the last byte was written */
    uint64_t input_wait_ns;  /* of total_ns, it waited for its input: for the first byte, and while
                                it ran */
    uint64_t output_wait_ns; /* of total_ns, it waited for its output to take what it had */
    uint64_t retry_after_ns; /* BUSY: when it is worth another try; else 0 */
    uint8_t output_status[RMX_JOB_OUTPUTS_MAX]; /* enum rmx_status: of several: OK, or what was
                                                   wrong with it: why the job went on without it,
                                                   or ended */
    char text[RMX_JOB_TEXT_BYTES]; /* printable ASCII: the library's own words, for a person */
};

_Static_assert(offsetof(struct rmx_job_result, text) == 112, "wire format");
_Static_assert(sizeof(struct rmx_job_result) == 304, "wire format");

/* Is this a job at all? The same check runs in the client (to fail early), in the daemon (because
 * the client may lie) and in the worker (because the daemon's memory is shared with it). `spec`
 * must be private memory: it is read more than once.
 *
 * A field that means nothing for the kind of job must be empty, so that it can mean something
 * later: PROBE has no format, maps or edits, is not LIVE and has one file; NOOP also has no
 * input_format, no options and no flags; what rings have, a job without them has not. The format,
 * options and maps are output 0's; what else there is of several inputs and outputs is said by
 * edits, and rings, LIVE, SPOOL and PARTS do not go with all of it (ipc/several.h). Whether a
 * ring lies inside its arena, and apart from others, is for who knows the arena's size.
 * Returns 0, or a status as a positive value, with *why set to a static sentence that names the
 * field: BAD_OPTION for options and edits, UNSUPPORTED for a well-formed format that is not in
 * ipc/format.def, BAD_JOB for all else. */
int rmx_job_check(const struct rmx_job_spec *spec, const char **why);

/* Is this a result at all? cause 0 or a -errno; text printable, ending in NUL and zero after it; no
 * more waiting than there was time, and another try only after BUSY.
 * Not checked: whose job it is, and whether the status has a row (rmx_status_known()), which a lane
 * asks of its worker but a client must not ask of a younger daemon. Returns 0 or -EBADMSG.
 * `result` must be private memory. */
int rmx_job_check_result(const struct rmx_job_result *result);

/* How many descriptors come along with such a job. */
uint32_t rmx_job_descriptors(const struct rmx_job_spec *spec);

/* Do its options ask for the index of an MP4 in front ("movflags=+faststart"), in a format that has
 * one to move? They are read as the muxer reads them: "+a-b" changes what those before it said,
 * "a+b" sets it. Only for a spec that rmx_job_check() passed. */
bool rmx_job_wants_faststart(const struct rmx_job_spec *spec);

/* Is all of an array text: printable ASCII, then NUL, then zeros? The rule for every fixed string
 * of the wire, options aside. */
bool rmx_job_is_text(const char *field, size_t bytes);

/* Walks spec->options: sets *pair to the next "key=value" inside the spec and advances *cursor
 * (start it at 0). Returns 1, or 0 at the end. Only for a spec that rmx_job_check() passed. */
int rmx_job_next_option(const struct rmx_job_spec *spec, size_t *cursor, const char **pair);

/* Appends "key=value". Returns 0, -EINVAL (no '=' or empty key) or -E2BIG. */
int rmx_job_add_option(struct rmx_job_spec *spec, const char *pair);

/* Appends an edit. Returns as rmx_job_add_option(). */
int rmx_job_add_edit(struct rmx_job_spec *spec, const char *edit);

/* Appends one stream selection. Returns 0, -EINVAL (empty) or -E2BIG. */
int rmx_job_add_map(struct rmx_job_spec *spec, const char *map);

/* Copies a name into one of the spec's fixed strings, zeroing the rest. Returns 0 or -E2BIG. */
int rmx_job_set_name(char (*field)[RMX_JOB_NAME_BYTES], const char *name);

#endif
