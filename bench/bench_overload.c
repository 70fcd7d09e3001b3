/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a daemon does with twice as much as it can do: jobs of three classes come when they come,
 * whether others are done or not. First it is measured how many a second it does when there are
 * always some to do; then half as many come, for reference, and then twice as many.
 *
 *     rmx-bench overload [-t SECONDS] [-l LOAD]      prints JSON, and memory as it goes on stderr
 *
 * Of five jobs one is critical, two are normal, two background; each class has two clients. Jobs
 * come at random (exponentially distributed) times, and a job's time counts from when it came, not
 * from when it could be sent. How late that was is told, too: we share the cores with what we
 * measure. One that finds no credit is not sent, and counted.
 * Exits 1 if a submit has no end, or two.
 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "bench/command.h"
#include "bench/daemon.h"
#include "bench/histogram.h"
#include "bench/process.h"
#include "bench/samples.h"

#define CLASSES     3
#define CLIENTS     6 /* client c has class c % CLASSES */
#define BATCH       64
#define JOBS_MAX    1024 /* of a client, at once */
#define PEAK_JOBS   96   /* under way while the peak is measured */
#define PEAK_NS     UINT64_C(5000000000)
#define WARM_NS     UINT64_C(2000000000)
#define REFER_NS    UINT64_C(15000000000)
#define PATIENCE    UINT64_C(20000000000)
#define NS_PER_S    UINT64_C(1000000000)
#define SECONDS_MAX 3600

static const char *const class_name[CLASSES] = { "critical", "normal", "background" };

/* Where the time of a job that was done went. */
enum part {
    LATE,   /* it came, but we had something else to do */
    WAY,    /* from us to the daemon, and its result back */
    QUEUED, /* for a pair */
    INPUT,  /* it waited for its input, */
    WORKER, /* had its worker or waited for its turn there, */
    OUTPUT, /* and waited for what it wrote to be written */
    PARTS,
};

static const char *const part_name[PARTS] = { "late", "way", "queued", "input", "worker",
    "output" };

struct ticket { /* a job's, given back with its result */
    uint64_t came_ns;
    uint64_t sent_ns;
    bool out;
};

struct caller {
    struct rmx_client *client;
    unsigned class_;
    struct ticket ticket[JOBS_MAX];
    unsigned free[JOBS_MAX];
    unsigned free_count;
};

struct tally {
    uint64_t came;
    uint64_t no_credit;
    uint64_t submitted;
    uint64_t ended[RMX_INTERNAL + 1];
    uint64_t hints; /* BUSY with a time to come again */
    struct rmx_histogram ok_ns;
    struct rmx_histogram part_ns[PARTS]; /* of them */
    struct rmx_histogram busy_ns;        /* until it was refused */
    struct rmx_histogram hint_ns;
};

struct bench {
    struct rmx_daemon daemon;
    struct rmx_job job;
    struct caller caller[CLIENTS];
    uint64_t random;
    struct tally tally[CLASSES];
    uint64_t memory[SECONDS_MAX]; /* bytes, each second */
    size_t looks;
};

/* --- jobs ------------------------------------------------------------------------------------- */

/* 0 to 1, without either; splitmix64. */
static double draw(struct bench *bench)
{
    uint64_t z = bench->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) / 9007199254740992.0;
}

static void connect_all(struct bench *bench)
{
    for (unsigned c = 0; c < CLIENTS; c++) {
        struct caller *caller = &bench->caller[c];

        *caller = (struct caller){ .client = rmx_daemon_client(&bench->daemon),
            .class_ = c % CLASSES,
            .free_count = JOBS_MAX };
        for (unsigned i = 0; i < JOBS_MAX; i++) {
            caller->free[i] = i;
        }
    }
}

static void come(struct bench *bench, struct caller *caller, uint64_t came_ns)
{
    struct tally *tally = &bench->tally[caller->class_];
    struct ticket *ticket;
    int got;

    tally->came++;
    if (caller->free_count == 0) {
        tally->no_credit++;
        return;
    }
    ticket = &caller->ticket[caller->free[caller->free_count - 1]];
    *ticket = (struct ticket){ .came_ns = came_ns, .sent_ns = rmx_samples_now_ns() };
    bench->job.job_class = caller->class_;
    bench->job.user = ticket;
    got = rmx_submit(caller->client, &bench->job, 1, NULL);
    if (got == -EAGAIN) {
        tally->no_credit++;
        return;
    }
    if (got != 1) {
        rmx_process_die("rmx_submit", strerrordesc_np(-got));
    }
    ticket->out = true;
    caller->free_count--;
    tally->submitted++;
}

static void take_parts(
    struct tally *tally, const struct ticket *ticket, const struct rmx_result *result, uint64_t now)
{
    uint64_t waits_ns = result->queued_ns + result->input_wait_ns + result->output_wait_ns;
    const uint64_t parts[PARTS] = {
        [LATE] = ticket->sent_ns - ticket->came_ns,
        [WAY] = now - ticket->sent_ns - result->total_ns,
        [QUEUED] = result->queued_ns,
        [INPUT] = result->input_wait_ns,
        [WORKER] = result->total_ns - waits_ns,
        [OUTPUT] = result->output_wait_ns,
    };

    for (int part = 0; part < PARTS; part++) {
        rmx_histogram_add(&tally->part_ns[part], parts[part]);
    }
}

static void take(struct tally *tally, struct caller *caller, const struct rmx_result *result)
{
    struct ticket *ticket = result->user;
    uint64_t now = rmx_samples_now_ns();
    uint64_t took_ns = now - ticket->came_ns;

    if (!ticket->out || result->status > RMX_INTERNAL) {
        rmx_process_die(rmx_end_name(result->status), "an end that was not due");
    }
    ticket->out = false;
    caller->free[caller->free_count++] = (unsigned)(ticket - caller->ticket);
    tally->ended[result->status]++;
    if (result->status == RMX_OK) {
        rmx_histogram_add(&tally->ok_ns, took_ns);
        take_parts(tally, ticket, result, now);
    } else if (result->status == RMX_BUSY) {
        rmx_histogram_add(&tally->busy_ns, took_ns);
        tally->hints += result->retry_after_ns != 0;
        rmx_histogram_add(&tally->hint_ns, result->retry_after_ns);
    } else {
        rmx_process_die(rmx_end_name(result->status), result->text);
    }
}

/* All that ended, of all. */
static void collect(struct bench *bench)
{
    struct rmx_result results[BATCH];

    for (unsigned c = 0; c < CLIENTS; c++) {
        struct caller *caller = &bench->caller[c];
        int got = rmx_wait(caller->client, results, BATCH, 0);

        for (int i = 0; i < got; i++) {
            take(&bench->tally[caller->class_], caller, &results[i]);
        }
        if (got < 0) {
            rmx_process_die("rmx_wait", strerrordesc_np(-got));
        }
    }
}

/* Until something ends, or then. */
static void sleep_until(const struct bench *bench, uint64_t until_ns)
{
    struct pollfd fds[CLIENTS];
    uint64_t now_ns = rmx_samples_now_ns();
    uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    struct timespec left = { .tv_sec = (time_t)(left_ns / NS_PER_S),
        .tv_nsec = (long)(left_ns % NS_PER_S) };

    for (unsigned c = 0; c < CLIENTS; c++) {
        fds[c] = (struct pollfd){ .fd = rmx_fd(bench->caller[c].client), .events = POLLIN };
    }
    (void)ppoll(fds, CLIENTS, &left, NULL);
}

static unsigned count_out(const struct bench *bench)
{
    unsigned out = 0;

    for (unsigned c = 0; c < CLIENTS; c++) {
        out += JOBS_MAX - bench->caller[c].free_count;
    }
    return out;
}

static void finish(struct bench *bench)
{
    uint64_t until_ns = rmx_samples_now_ns() + PATIENCE;

    while (count_out(bench) > 0) {
        if (rmx_samples_now_ns() > until_ns) {
            rmx_process_die("submits", "some have no end");
        }
        sleep_until(bench, until_ns);
        collect(bench);
    }
}

/* --- phases ----------------------------------------------------------------------------------- */

/* How many a second when there are always some to do, of one class. */
static double measure_peak(struct bench *bench, uint64_t ns)
{
    struct tally *tally = &bench->tally[RMX_NORMAL];
    uint64_t began_ns = rmx_samples_now_ns();
    uint64_t done;

    memset(bench->tally, 0, sizeof(bench->tally));
    while (rmx_samples_now_ns() < began_ns + ns) {
        while (count_out(bench) < PEAK_JOBS) {
            uint64_t tried = tally->no_credit;

            come(bench, &bench->caller[count_out(bench) % 2 == 0 ? 1 : 4], began_ns);
            if (tally->no_credit != tried) {
                break;
            }
        }
        sleep_until(bench, began_ns + ns);
        collect(bench);
    }
    done = tally->ended[RMX_OK];
    ns = rmx_samples_now_ns() - began_ns;
    finish(bench);
    return (double)done * 1e9 / (double)ns;
}

static void look(struct bench *bench, uint64_t began_ns)
{
    uint64_t second = (rmx_samples_now_ns() - began_ns) / NS_PER_S;

    if (second >= bench->looks && bench->looks < SECONDS_MAX) {
        bench->memory[bench->looks++] = rmx_daemon_bytes(&bench->daemon);
    }
}

static unsigned draw_client(struct bench *bench)
{
    double share = draw(bench) * 5;
    unsigned class_ = share < 1 ? RMX_CRITICAL : share < 3 ? RMX_NORMAL : RMX_BACKGROUND;

    return class_ + (draw(bench) < 0.5 ? 0 : CLASSES);
}

/* Jobs come at this rate. Returns how many were done a second. */
static double run_open(struct bench *bench, double rate, uint64_t ns)
{
    uint64_t began_ns = rmx_samples_now_ns();
    double next_ns = (double)began_ns;
    uint64_t done = 0;

    memset(bench->tally, 0, sizeof(bench->tally));
    bench->looks = 0;
    while (rmx_samples_now_ns() < began_ns + ns) {
        for (int i = 0; i < BATCH && (double)rmx_samples_now_ns() >= next_ns; i++) {
            come(bench, &bench->caller[draw_client(bench)], (uint64_t)next_ns);
            next_ns -= log(draw(bench)) * 1e9 / rate;
        }
        collect(bench);
        look(bench, began_ns);
        if ((double)rmx_samples_now_ns() < next_ns) {
            sleep_until(bench, (uint64_t)next_ns);
        }
    }
    for (unsigned c = 0; c < CLASSES; c++) {
        done += bench->tally[c].ended[RMX_OK];
    }
    ns = rmx_samples_now_ns() - began_ns;
    finish(bench);
    return (double)done * 1e9 / (double)ns;
}

/* --- what came out ---------------------------------------------------------------------------- */

static uint64_t most(const uint64_t *values, size_t count)
{
    uint64_t result = 0;

    for (size_t i = 0; i < count; i++) {
        result = values[i] > result ? values[i] : result;
    }
    return result;
}

static void print_class(const struct tally *tally, const char *name, const char *after)
{
    printf("    \"%s\": { \"came\": %llu, \"no_credit\": %llu, \"submitted\": %llu, \"ok\": %llu, "
           "\"busy\": %llu, \"busy_with_hint\": %llu,\n      \"time\": ",
        name, (unsigned long long)tally->came, (unsigned long long)tally->no_credit,
        (unsigned long long)tally->submitted, (unsigned long long)tally->ended[RMX_OK],
        (unsigned long long)tally->ended[RMX_BUSY], (unsigned long long)tally->hints);
    rmx_histogram_print(&tally->ok_ns, "ms", 1e6, stdout);
    for (int part = 0; part < PARTS; part++) {
        printf(",\n      \"time_%s\": ", part_name[part]);
        rmx_histogram_print(&tally->part_ns[part], "ms", 1e6, stdout);
    }
    printf(",\n      \"time_to_busy\": ");
    rmx_histogram_print(&tally->busy_ns, "ms", 1e6, stdout);
    printf(",\n      \"hint\": ");
    rmx_histogram_print(&tally->hint_ns, "ms", 1e6, stdout);
    printf(" }%s\n", after);
}

static void print_phase(const struct bench *bench, const char *name, double rate, double goodput)
{
    size_t third = bench->looks / 3;

    printf("  \"%s\": { \"rate\": %.4g, \"goodput\": %.4g, \"first_mib\": %.4g, "
           "\"early_third_mib\": %.4g, \"late_third_mib\": %.4g,\n",
        name, rate, goodput, (double)bench->memory[0] / 1048576.0,
        (double)most(bench->memory, third) / 1048576.0,
        (double)most(bench->memory + bench->looks - third, third) / 1048576.0);
    for (unsigned c = 0; c < CLASSES; c++) {
        print_class(&bench->tally[c], class_name[c], c + 1 < CLASSES ? "," : "");
    }
    printf("  },\n");
}

static void run(struct bench *bench, double seconds, double load)
{
    double peak;
    double goodput;
    double half_p99;

    (void)measure_peak(bench, WARM_NS);
    peak = measure_peak(bench, PEAK_NS);
    printf("{\n  \"bench\": \"overload\", \"seconds\": %.3g, \"peak\": %.4g,\n", seconds, peak);
    goodput = run_open(bench, peak / 2, REFER_NS);
    half_p99 = (double)rmx_histogram_percentile(&bench->tally[RMX_CRITICAL].ok_ns, 0.99);
    print_phase(bench, "half", peak / 2, goodput);
    goodput = run_open(bench, peak * load, (uint64_t)(seconds * 1e9));
    print_phase(bench, "over", peak * load, goodput);
    printf("  \"critical_p99_to_half\": %.3g, \"goodput_to_peak\": %.3g\n}\n",
        (double)rmx_histogram_percentile(&bench->tally[RMX_CRITICAL].ok_ns, 0.99) / half_p99,
        goodput / peak);
}

int rmx_bench_overload_run(int argc, char **argv)
{
    static const char *const settings[] = { "--credits=1024", "--jobs-max=8192", NULL };
    static struct bench bench = { .random = 1 };
    double seconds = 60;
    double load = 2;
    int option;

    while ((option = getopt(argc, argv, "t:l:")) != -1) {
        seconds = option == 't' ? strtod(optarg, NULL) : seconds;
        load = option == 'l' ? strtod(optarg, NULL) : load;
        seconds = option == '?' ? 0 : seconds;
    }
    if (seconds < 3 || seconds > SECONDS_MAX || load <= 0) {
        (void)fprintf(stderr, "usage: rmx-bench overload [-t SECONDS: 3 to 3600] [-l LOAD]\n");
        return 2;
    }
    (void)prctl(PR_SET_TIMERSLACK, 1);
    rmx_daemon_start(&bench.daemon, "8", settings);
    rmx_daemon_job(&bench.daemon, &bench.job);
    connect_all(&bench);
    run(&bench, seconds, load);
    (void)rmx_daemon_quiet(bench.caller[0].client);
    for (unsigned c = 0; c < CLIENTS; c++) {
        rmx_close(&bench.caller[c].client);
    }
    rmx_daemon_stop(&bench.daemon);
    return 0;
}
