/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a command of rmx-bench stands in: its options on one side, its JSON document on the other.
 * For benchmarks: a wrong option, or a document that cannot be written, ends the program.
 *
 *     struct rmx_frame frame;
 *
 *     rmx_frame_begin(&frame, &plan, argc, argv);
 *     ... rmx_frame_row(&frame, RMX_AIM_ring_items, &row) ...
 *     return rmx_frame_end(&frame);
 *
 * The document is one object: "bench", "version", "options", and "results", a list of objects each
 * of which has a "kind": measure, histogram, series or row (see bench/README.md).
 */
#ifndef RMX_BENCH_FRAME_H
#define RMX_BENCH_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/aim.h"
#include "bench/document.h"
#include "bench/histogram.h"
#include "bench/samples.h"

/* An option of a command: a number if max is not 0, else a word. A list ends with a NULL name. */
struct rmx_frame_option {
    const char *name; /* "trials": --trials 7 or --trials=7 */
    const char *text; /* for --help */
    long value;       /* the default, then what was given */
    long min;
    long max;
    const char *word; /* likewise; may be NULL */
};

/* What a command measures by itself: the usual figures, and those of --quick. */
struct rmx_frame_plan {
    const char *name;
    struct rmx_frame_option *options; /* the command's own; NULL = none */
    uint32_t trials;
    uint32_t quick_trials;
    uint32_t ms; /* of one measurement */
    uint32_t quick_ms;
};

struct rmx_frame {
    struct rmx_document json;
    const char *name;
    struct rmx_frame_option *options;
    /* Every command has these four. */
    uint32_t trials; /* --trials: how often each thing is measured, in turn with the others */
    uint64_t ns;     /* --ms: how long one measurement takes, about */
    bool quick;      /* --quick: the command may leave out what takes long */
    bool tiny;       /* --tiny: as little as makes a document, for tests; quick, too */
};

/* Of series: a point's median, and the lowest and highest of its trials. */
struct rmx_frame_point {
    double x;
    double y;
    double low;
    double high;
};

struct rmx_frame_series {
    const char *name;
    const char *group; /* those of one group, of the same x's, are shown together; NULL = alone */
    const char *x;     /* what, with its unit: "file size, MB" */
    const char *y;
    const struct rmx_frame_point *points;
    size_t count;
    bool growth; /* a cost that should grow no worse than its x: the slope is told */
};

/* What goes into the table of aims. */
struct rmx_frame_row {
    double ours;
    double peer;   /* 0 = there is none */
    double figure; /* the median of the trials' own; 0 = that of ours and peer */
    double low;    /* of those; 0, 0 = unknown */
    double high;
    const char *note; /* what the reader should know, or NULL */
};

/* argv[0] is the command. What is given is written to the plan's options. */
void rmx_frame_begin(
    struct rmx_frame *frame, const struct rmx_frame_plan *plan, int argc, char **argv);

/* One of the command's own options, by its name. */
const struct rmx_frame_option *rmx_frame_option(const struct rmx_frame *frame, const char *name);

/* A line on standard error: where it is. */
void rmx_frame_say(const struct rmx_frame *frame, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void rmx_frame_measure(struct rmx_frame *frame, struct rmx_samples *samples);
void rmx_frame_histogram(struct rmx_frame *frame, const char *name, const char *unit,
    const struct rmx_histogram *histogram, double scale);
void rmx_frame_series(struct rmx_frame *frame, const struct rmx_frame_series *series);
void rmx_frame_row(
    struct rmx_frame *frame, enum rmx_aim_name name, const struct rmx_frame_row *row);

/* Something could not be measured here: which row, and why. */
void rmx_frame_miss(struct rmx_frame *frame, enum rmx_aim_name name, const char *why);

/* Closes the document. Returns what main() shall. */
int rmx_frame_end(struct rmx_frame *frame);

#endif
