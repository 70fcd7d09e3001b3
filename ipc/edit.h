/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's edits: what it changes besides the container, as strings "name[:specifier]=value" by the
 * table ipc/edit.def. Read and checked by the same code in the client (to fail early), in the
 * daemon (because the client may lie) and in the worker. Does no I/O and allocates nothing. Must
 * never use a string before its end was found inside its own array.
 */
#ifndef RMX_IPC_EDIT_H
#define RMX_IPC_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RMX_EDIT_JOB             (-1)                            /* a number that is none */
#define RMX_EDIT_SPECIFIER_BYTES 64                              /* with its NUL */
#define RMX_EDIT_TIME_US_MAX     (INT64_C(1000000000) * 1000000) /* 31 years */

enum rmx_edit_word {
#define RMX_EDIT(name, text, kind, help) RMX_EDIT_##name,
#include "ipc/edit.def"
#undef RMX_EDIT
    RMX_EDIT_WORDS
};

/* One of them, taken apart. value lies in the string that was. */
struct rmx_edit {
    enum rmx_edit_word word;
    char specifier[RMX_EDIT_SPECIFIER_BYTES]; /* "" = none was given */
    int number;                               /* of the input or output; RMX_EDIT_JOB = none */
    const char *value;
    int64_t us;     /* TIME, OFFSET, SHIFT */
    bool on;        /* SWITCH */
    double degrees; /* ANGLE */
};

/* What they say together of the job as a whole, and of one input. */
struct rmx_edit_whole {
    bool seen[RMX_EDIT_WORDS]; /* at least once */
    int64_t input_offset_us;
    int64_t start_us;    /* 0 unless asked for */
    int64_t from_end_us; /* likewise */
    int64_t duration_us; /* INT64_MAX = to the end; what end and duration come to */
    int64_t output_offset_us;
    bool strip_file; /* its tags, the streams', the chapters' */
    bool strip_streams;
    bool strip_chapters;
    bool copyts;
    bool shortest;
    const char *output_name; /* lies in the list; NULL = the container's own */
    bool copy_unknown;
    bool ignore_unknown;
    bool no_subtitles;          /* none at all */
    bool has_subtitles;         /* said what some are to become */
    const char *decryption_key; /* in the list; NULL = none */
    bool concat;                /* several inputs: one after another */
};

/* Takes one apart. Returns 0, or -EINVAL with *why set to a static sentence: what is wrong with it,
 * or which name was probably meant. */
int rmx_edit_parse(const char *text, struct rmx_edit *edit, const char **why);

/* All of a list, which rmx_pairs_check() passed, as far as it is about the job or that input; what
 * has the input's number wins. RMX_EDIT_JOB: what has none. Returns 0, or -EINVAL as above: one
 * makes no sense, or they make none together. */
int rmx_edit_gather(
    const char *list, size_t bytes, int input, struct rmx_edit_whole *whole, const char **why);

#endif
