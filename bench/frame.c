/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a command of rmx-bench stands in. See frame.h.
 */
#include "bench/frame.h"

#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "bench/process.h"
#include "ring/base.h"

#define OPTIONS_MAX  24
#define TRIALS_MAX   10000
#define MS_MAX       600000
#define TINY_MS      5
#define TAIL_POINTS  3
#define LINEAR_SLOPE 1.1 /* more than that is no noise */

enum own { TRIALS, MS, QUICK, TINY, OUTPUT, HELP, OWN };

static const struct {
    const char *name;
    const char *text;
    bool takes;
} own[OWN] = {
    [TRIALS] = { "trials", "how often each thing is measured, in turn with the others", true },
    [MS] = { "ms", "how long one measurement takes, about", true },
    [QUICK] = { "quick", "less of all, in a tenth of the time", false },
    [TINY] = { "tiny", "as little as makes a document: the figures mean nothing", false },
    [OUTPUT] = { "output", "the file for the JSON; else standard output", true },
    [HELP] = { "help", "this", false },
};

/* --- options --------------------------------------------------------------------------------- */

static void print_help(const struct rmx_frame_plan *plan)
{
    printf("usage: rmx-bench %s [OPTION]...\n\n", plan->name);
    for (const struct rmx_frame_option *o = plan->options; o != NULL && o->name != NULL; o++) {
        if (o->max != 0) {
            printf("  --%-12s %s (%ld to %ld; %ld)\n", o->name, o->text, o->min, o->max, o->value);
        } else {
            printf("  --%-12s %s%s%s%s\n", o->name, o->text, o->word ? " (" : "",
                o->word ? o->word : "", o->word ? ")" : "");
        }
    }
    for (size_t i = 0; i < OWN; i++) {
        printf("  --%-12s %s", own[i].name, own[i].text);
        if (i == TRIALS || i == MS) {
            printf(" (%u; --quick %u)", i == TRIALS ? plan->trials : plan->ms,
                i == TRIALS ? plan->quick_trials : plan->quick_ms);
        }
        printf("\n");
    }
    exit(0);
}

static long number_of(const char *name, const char *text, long min, long max)
{
    char why[96];
    char *end = NULL;
    long value = strtol(text, &end, 10);

    if (end == text || *end != '\0' || value < min || value > max) {
        (void)snprintf(why, sizeof(why), "must be a number from %ld to %ld", min, max);
        rmx_process_die(name, why);
    }
    return value;
}

static void take_own(
    struct rmx_frame *frame, const struct rmx_frame_plan *plan, enum own which, const char *text)
{
    switch (which) {
    case TRIALS:
        frame->trials = (uint32_t)number_of("--trials", text, 1, TRIALS_MAX);
        break;
    case MS:
        frame->ns = (uint64_t)number_of("--ms", text, 1, MS_MAX) * 1000000;
        break;
    case TINY:
        frame->tiny = true;
        frame->quick = true;
        break;
    case QUICK:
        frame->quick = true;
        break;
    case OUTPUT:
        frame->json.file = fopen(text, "we");
        if (frame->json.file == NULL) {
            rmx_process_die(text, "cannot be written");
        }
        break;
    case HELP:
        print_help(plan);
        break;
    case OWN:
        break;
    }
}

static void take_option(struct rmx_frame_option *option, const char *text)
{
    if (option->max == 0) {
        option->word = text;
        return;
    }
    option->value = number_of(option->name, text, option->min, option->max);
}

static void read_options(
    struct rmx_frame *frame, const struct rmx_frame_plan *plan, int argc, char **argv)
{
    struct option known[OWN + OPTIONS_MAX + 1] = { { .name = NULL } };
    int count = OWN;
    int got;

    for (int i = 0; i < OWN; i++) {
        known[i] = (struct option){ own[i].name, own[i].takes, NULL, i };
    }
    for (; plan->options != NULL && plan->options[count - OWN].name != NULL; count++) {
        rmx_assert(count < OWN + OPTIONS_MAX);
        known[count] =
            (struct option){ plan->options[count - OWN].name, required_argument, NULL, count };
    }
    while ((got = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (got == '?') {
            (void)fprintf(stderr, "rmx-bench %s --help tells its options\n", plan->name);
            exit(2);
        }
        if (got < OWN) {
            take_own(frame, plan, (enum own)got, optarg);
        } else {
            take_option(&plan->options[got - OWN], optarg);
        }
    }
    if (optind != argc) {
        rmx_process_die(argv[optind], "is no option");
    }
}

const struct rmx_frame_option *rmx_frame_option(const struct rmx_frame *frame, const char *name)
{
    const struct rmx_frame_option *option = frame->options;

    while (option != NULL && option->name != NULL && strcmp(option->name, name) != 0) {
        option++;
    }
    rmx_assert(option != NULL && option->name != NULL);
    return option;
}

static void print_options(struct rmx_frame *frame)
{
    rmx_document_open(&frame->json, "options", '{');
    rmx_document_number(&frame->json, "trials", frame->trials);
    rmx_document_number(&frame->json, "ms", (double)frame->ns / 1e6);
    rmx_document_bool(&frame->json, "quick", frame->quick);
    rmx_document_bool(&frame->json, "tiny", frame->tiny);
    for (const struct rmx_frame_option *o = frame->options; o && o->name; o++) {
        if (o->max != 0) {
            rmx_document_number(&frame->json, o->name, (double)o->value);
        } else if (o->word != NULL) {
            rmx_document_text(&frame->json, o->name, o->word);
        }
    }
    rmx_document_close(&frame->json, '}');
}

/* --- the document ---------------------------------------------------------------------------- */

void rmx_frame_begin(
    struct rmx_frame *frame, const struct rmx_frame_plan *plan, int argc, char **argv)
{
    *frame = (struct rmx_frame){
        .json = { .file = stdout }, .name = plan->name, .options = plan->options
    };
    read_options(frame, plan, argc, argv);
    if (frame->trials == 0) {
        frame->trials = frame->tiny ? 1 : frame->quick ? plan->quick_trials : plan->trials;
    }
    if (frame->ns == 0) {
        uint32_t ms = frame->tiny ? TINY_MS : frame->quick ? plan->quick_ms : plan->ms;

        frame->ns = (uint64_t)ms * 1000000;
    }
    rmx_document_open(&frame->json, NULL, '{');
    rmx_document_text(&frame->json, "bench", frame->name);
    rmx_document_text(&frame->json, "version", RMX_VERSION);
    print_options(frame);
    rmx_document_open(&frame->json, "results", '[');
}

int rmx_frame_end(struct rmx_frame *frame)
{
    rmx_document_close(&frame->json, ']');
    rmx_document_close(&frame->json, '}');
    if (rmx_document_failed(&frame->json)) {
        rmx_process_die("the JSON", "cannot be written");
    }
    if (frame->json.file != stdout) {
        (void)fclose(frame->json.file);
    }
    return 0;
}

void rmx_frame_say(const struct rmx_frame *frame, const char *format, ...)
{
    va_list arguments;

    (void)fprintf(stderr, "%s: ", frame->name);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
}

static void open_result(struct rmx_frame *frame, const char *kind, const char *name)
{
    rmx_document_open(&frame->json, NULL, '{');
    rmx_document_text(&frame->json, "kind", kind);
    rmx_document_text(&frame->json, "name", name);
}

void rmx_frame_measure(struct rmx_frame *frame, struct rmx_samples *samples)
{
    static const struct {
        const char *name;
        double part;
    } parts[] = {
        { "min", 0 },
        { "p25", 0.25 },
        { "p50", 0.5 },
        { "p75", 0.75 },
        { "max", 1 },
    };

    open_result(frame, "measure", samples->name);
    rmx_document_text(&frame->json, "unit", samples->unit);
    rmx_document_number(&frame->json, "count", (double)samples->count);
    for (size_t i = 0; samples->count > 0 && i < sizeof(parts) / sizeof(parts[0]); i++) {
        rmx_document_number(
            &frame->json, parts[i].name, rmx_samples_percentile(samples, parts[i].part));
    }
    rmx_document_close(&frame->json, '}');
}

void rmx_frame_histogram(struct rmx_frame *frame, const char *name, const char *unit,
    const struct rmx_histogram *histogram, double scale)
{
    static const char *const names[] = { "p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99" };
    static const double parts[] = { 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999 };
    double mean = histogram->count ? (double)histogram->sum / (double)histogram->count : 0;

    open_result(frame, "histogram", name);
    rmx_document_text(&frame->json, "unit", unit);
    rmx_document_number(&frame->json, "count", (double)histogram->count);
    rmx_document_number(&frame->json, "min", (double)histogram->min / scale);
    rmx_document_number(&frame->json, "mean", mean / scale);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        rmx_document_number(
            &frame->json, names[i], (double)rmx_histogram_percentile(histogram, parts[i]) / scale);
    }
    rmx_document_number(&frame->json, "max", (double)histogram->max / scale);
    rmx_document_close(&frame->json, '}');
}

/* Of the line through the points' logarithms: y grows as x to the power of it. */
static double slope_of(const struct rmx_frame_point *points, size_t count)
{
    double x = 0;
    double y = 0;
    double xx = 0;
    double xy = 0;

    for (size_t i = 0; i < count; i++) {
        double log_x = log(points[i].x);
        double log_y = log(points[i].y);

        x += log_x;
        y += log_y;
        xx += log_x * log_x;
        xy += log_x * log_y;
    }
    return ((double)count * xy - x * y) / ((double)count * xx - x * x);
}

/* Has the line a slope? What is no more than idle has no logarithm. */
static bool has_slope(const struct rmx_frame_series *series)
{
    for (size_t i = 0; i < series->count; i++) {
        if (series->points[i].y <= 0) {
            return false;
        }
    }
    return series->count > 1;
}

/* What costs something whatever its size looks better than linear at first, so the last points are
 * looked at by themselves, too. */
static void print_growth(struct rmx_frame *frame, const struct rmx_frame_series *series)
{
    size_t tail = series->count < TAIL_POINTS ? series->count : TAIL_POINTS;
    double slope = slope_of(series->points, series->count);
    double last = slope_of(series->points + series->count - tail, tail);

    rmx_document_number(&frame->json, "slope", slope);
    rmx_document_number(&frame->json, "last_slope", last);
    rmx_document_bool(
        &frame->json, "worse_than_linear", slope > LINEAR_SLOPE || last > LINEAR_SLOPE);
    rmx_frame_say(frame, "%s grows with %s by the power of %.2f, at its end %.2f%s", series->name,
        series->x, slope, last,
        slope > LINEAR_SLOPE || last > LINEAR_SLOPE ? ": WORSE THAN LINEAR" : "");
}

void rmx_frame_series(struct rmx_frame *frame, const struct rmx_frame_series *series)
{
    open_result(frame, "series", series->name);
    if (series->group != NULL) {
        rmx_document_text(&frame->json, "group", series->group);
    }
    rmx_document_text(&frame->json, "x", series->x);
    rmx_document_text(&frame->json, "y", series->y);
    if (series->growth && has_slope(series)) {
        print_growth(frame, series);
    }
    rmx_document_open(&frame->json, "points", '[');
    for (size_t i = 0; i < series->count; i++) {
        rmx_document_open(&frame->json, NULL, '{');
        rmx_document_number(&frame->json, "x", series->points[i].x);
        rmx_document_number(&frame->json, "y", series->points[i].y);
        rmx_document_number(&frame->json, "low", series->points[i].low);
        rmx_document_number(&frame->json, "high", series->points[i].high);
        rmx_document_close(&frame->json, '}');
    }
    rmx_document_close(&frame->json, ']');
    rmx_document_close(&frame->json, '}');
}

/* --- the table of aims ----------------------------------------------------------------------- */

static const struct rmx_aim *open_row(struct rmx_frame *frame, enum rmx_aim_name name)
{
    const struct rmx_aim *aim = rmx_aim_at(name);

    open_result(frame, "row", aim->name);
    rmx_document_text(&frame->json, "what", aim->what);
    rmx_document_text(&frame->json, "beside", aim->beside);
    rmx_document_text(&frame->json, "unit", aim->unit);
    rmx_document_text(&frame->json, "compare", rmx_aim_compare_name(aim->compare));
    if (aim->compare == STATED) {
        rmx_document_null(&frame->json, "aim");
    } else {
        rmx_document_number(&frame->json, "aim", aim->aim);
    }
    return aim;
}

static void close_row(struct rmx_frame *frame, const char *note)
{
    if (note != NULL) {
        rmx_document_text(&frame->json, "note", note);
    }
    rmx_document_close(&frame->json, '}');
}

void rmx_frame_row(struct rmx_frame *frame, enum rmx_aim_name name, const struct rmx_frame_row *row)
{
    const struct rmx_aim *aim = open_row(frame, name);
    double figure = row->figure > 0 ? row->figure : rmx_aim_figure(aim, row->ours, row->peer);

    rmx_document_number(&frame->json, "ours", row->ours);
    if (aim->beside[0] != '\0') {
        rmx_document_number(&frame->json, "peer", row->peer);
        rmx_document_number(&frame->json, "ratio", figure);
    } else {
        rmx_document_null(&frame->json, "peer");
        rmx_document_null(&frame->json, "ratio");
    }
    if (row->low > 0 || row->high > 0) {
        rmx_document_number(&frame->json, "low", row->low);
        rmx_document_number(&frame->json, "high", row->high);
    }
    if (aim->compare == STATED) {
        rmx_document_null(&frame->json, "met");
    } else {
        rmx_document_bool(&frame->json, "met", rmx_aim_met(aim, figure));
    }
    rmx_frame_say(
        frame, "%s: %.4g %s beside %.4g: %.3g", aim->name, row->ours, aim->unit, row->peer, figure);
    close_row(frame, row->note);
}

void rmx_frame_miss(struct rmx_frame *frame, enum rmx_aim_name name, const char *why)
{
    static const char *const keys[] = { "ours", "peer", "ratio", "met" };
    const struct rmx_aim *aim = open_row(frame, name);

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        rmx_document_null(&frame->json, keys[i]);
    }
    rmx_frame_say(frame, "%s: not measured: %s", aim->name, why);
    close_row(frame, why);
}
