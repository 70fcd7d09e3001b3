/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One trial of a live stream. See live_trial.h.
 */
#include "bench/live_trial.h"

#include <stdbool.h>
#include <stdlib.h>

#include "bench/process.h"
#include "bench/samples.h"

#define WARM_PACKETS 250u /* written as fast as they are taken, before the pace begins */
#define PACED_WARM   20u  /* and these at the pace, not counted */
#define LAST_PACKETS 3u   /* of a stream: they come out because it ended */
#define OUTPUT_MAX   (64u << 20)
#define READS_MAX    400000u
#define END_NS       UINT64_C(10000000000)

/* What came out: the bytes, and when the first `end` of them had come. */
struct heard {
    unsigned char *bytes;
    size_t size;
    struct {
        uint64_t end;
        uint64_t ns;
    } * read;
    size_t reads;
};

/* --- one trial -------------------------------------------------------------------------------- */

/* Reads all there is. Returns false at the end. */
static bool listen(struct rmx_live_peer *peer, struct heard *heard)
{
    ptrdiff_t n = 1;

    while (n > 0) {
        if (heard->size == OUTPUT_MAX || heard->reads == READS_MAX) {
            rmx_process_die("trial", "more output than room; a shorter one, please");
        }
        n = rmx_live_peer_read(peer, heard->bytes + heard->size, OUTPUT_MAX - heard->size);
        if (n > 0) {
            heard->size += (size_t)n;
            heard->read[heard->reads].end = heard->size;
            heard->read[heard->reads++].ns = rmx_samples_now_ns();
        }
    }
    return n == 0;
}

/* Writes one packet with what comes before it. */
static void speak(
    struct rmx_live_peer *peer, struct rmx_live_trial *trial, size_t number, struct heard *heard)
{
    uint64_t at = number == 0 ? 0 : trial->in.packet[number - 1].end;
    uint64_t end = trial->in.packet[number].end;

    trial->wrote_ns[number] = rmx_samples_now_ns();
    for (;;) {
        at += rmx_live_peer_write(peer, trial->clip + at, end - at);
        if (at == end) {
            return;
        }
        (void)listen(peer, heard);
        rmx_live_peer_wait(peer, rmx_samples_now_ns() + 1000000);
    }
}

static void run_trial(
    struct rmx_live_peer *peer, struct rmx_live_trial *trial, double rate, struct heard *heard)
{
    uint64_t gap = (uint64_t)(1e9 / rate);
    uint64_t until;
    uint64_t due;

    heard->size = 0;
    heard->reads = 0;
    for (size_t i = 0; i < WARM_PACKETS; i++) {
        speak(peer, trial, i, heard);
        (void)listen(peer, heard);
    }
    due = rmx_samples_now_ns() + 100000000; /* so that it is done with those */
    for (size_t i = WARM_PACKETS; i < trial->count; i++, due += gap) {
        do {
            (void)listen(peer, heard);
            rmx_live_peer_wait(peer, due);
        } while (rmx_samples_now_ns() < due);
        speak(peer, trial, i, heard);
    }
    until = due + END_NS;
    rmx_live_peer_wait(peer, due);
    rmx_live_peer_finish(peer);
    while (listen(peer, heard)) {
        rmx_live_peer_wait(peer, until);
        if (rmx_samples_now_ns() > until) {
            rmx_process_die("trial", "its output does not end");
        }
    }
    rmx_live_peer_close(peer);
}

/* --- what it tells ---------------------------------------------------------------------------- */

/* The numbers of one stream's packets, in order. Returns how many. */
static size_t packets_of(
    const struct rmx_cut *cut, size_t count, enum rmx_cut_stream stream, size_t *numbers)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        if (cut->packet[i].stream == stream) {
            numbers[found++] = i;
        }
    }
    return found;
}

static uint64_t heard_ns(const struct heard *heard, uint64_t end)
{
    size_t low = 0;
    size_t high = heard->reads;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (heard->read[middle].end < end) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return heard->read[low].ns;
}

static void judge_stream(struct rmx_live_trial *trial, const struct rmx_cut *out,
    const struct heard *heard, enum rmx_cut_stream stream, struct rmx_live_cell *cell)
{
    size_t *in_number = calloc(trial->count + out->count, sizeof(*in_number));
    size_t *out_number = in_number + trial->count;
    size_t in = packets_of(&trial->in, trial->count, stream, in_number);
    size_t came = packets_of(out, out->count, stream, out_number);

    for (size_t back = LAST_PACKETS + 1; back <= came && back <= in; back++) {
        size_t number = in_number[in - back];
        size_t next = in_number[in - back + 1];
        uint64_t end = out->packet[out_number[came - back]].end;
        uint64_t arrived = heard_ns(heard, end);
        uint64_t known = trial->wrote_ns[next];

        if (number < WARM_PACKETS + PACED_WARM) {
            break;
        }
        if (arrived < trial->wrote_ns[number]) {
            rmx_process_die(trial->name, "a packet came out before it went in");
        }
        if (trial->in.packet[number].open && arrived > known) {
            rmx_histogram_add(&cell->own, arrived - known);
            cell->open++;
        } else {
            rmx_histogram_add(&cell->own, arrived - trial->wrote_ns[number]);
        }
        rmx_histogram_add(&cell->next, arrived > known ? arrived - known : 0);
    }
    free(in_number);
}

static void judge(
    struct rmx_live_trial *trial, const struct heard *heard, struct rmx_live_cell *cell)
{
    struct rmx_cut out = { .count = 0 };

    rmx_cut_find(&out, trial->output, heard->bytes, heard->size);
    for (int stream = 0; stream < RMX_CUT_STREAMS; stream++) {
        judge_stream(trial, &out, heard, (enum rmx_cut_stream)stream, cell);
    }
    rmx_cut_fini(&out);
}

void rmx_live_trial_init(
    struct rmx_live_trial *trial, const unsigned char *clip, size_t size, enum rmx_cut_format input)
{
    trial->clip = clip;
    rmx_cut_find(&trial->in, input, clip, size);
    trial->wrote_ns = calloc(trial->in.count, sizeof(*trial->wrote_ns));
    if (trial->wrote_ns == NULL) {
        rmx_process_die("trial", "no memory");
    }
}

void rmx_live_trial_fini(struct rmx_live_trial *trial)
{
    rmx_cut_fini(&trial->in);
    free(trial->wrote_ns);
    trial->wrote_ns = NULL;
}

void rmx_live_trial_run(struct rmx_live_trial *trial, struct rmx_live_peer *peer, double rate,
    size_t packets, struct rmx_live_cell *cell)
{
    static struct heard heard;

    if (heard.bytes == NULL) {
        heard.bytes = malloc(OUTPUT_MAX);
        heard.read = calloc(READS_MAX, sizeof(*heard.read));
    }
    if (heard.bytes == NULL || heard.read == NULL) {
        rmx_process_die("trial", "no memory");
    }
    trial->count = WARM_PACKETS + PACED_WARM + LAST_PACKETS + packets;
    trial->count = trial->count < trial->in.count ? trial->count : trial->in.count;
    run_trial(peer, trial, rate, &heard);
    judge(trial, &heard, cell);
}
