/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Settings from text: the rows of config.def, the file (read by libinih), the command line, and
 * what settings must be to each other. See config.h.
 */
#include "engine/config.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/manual.h"
#include "engine/setting.h"
#include "ring/base.h"
#include "ring/chunk.h"

#define LINE_BYTES_MAX 1024 /* of a configuration file */
#define NAME_BYTES     64

/* One run of rmx_config_load(). Of rmx_config_fits() it only keeps the complaint. */
struct load {
    struct rmx_config *config;
    const char *file; /* the configuration file's name; NULL while the command line is read */
    unsigned int line;
    bool seen[sizeof(struct rmx_config)]; /* in this file, by where the setting lies */
    bool failed;
    char *error;
    size_t error_bytes;
};

/* Keeps the first complaint, with the place it is about. */
__attribute__((format(printf, 2, 3))) static void complain(
    struct load *load, const char *format, ...)
{
    va_list args;
    size_t used = 0;

    if (load->failed) {
        return;
    }
    load->failed = true;
    if (load->file) {
        int n = snprintf(load->error, load->error_bytes, "%s:%u: ", load->file, load->line);

        used = n > 0 && (size_t)n < load->error_bytes ? (size_t)n : 0;
    }
    va_start(args, format);
    vsnprintf(load->error + used, load->error_bytes - used, format, args);
    va_end(args);
}

/* One name and value, from either source. */
static void set(struct load *load, const char *name, const char *value)
{
    const struct rmx_setting *setting = rmx_setting_find(name);
    char range[128];

    if (!setting) {
        const struct rmx_setting *nearest = rmx_setting_nearest(name);

        complain(load, "unknown setting '%.40s'%s%s%s", name, nearest ? "; did you mean '" : "",
            nearest ? nearest->name : "", nearest ? "'?" : "");
        return;
    }
    if (load->file && load->seen[setting->offset]) {
        complain(load, "%s is set twice", setting->name);
        return;
    }
    load->seen[setting->offset] = true;
    if (!rmx_setting_store(setting, value, load->config)) {
        rmx_setting_range(setting, range, sizeof(range));
        complain(
            load, "%s%s=%.60s: must be %s", load->file ? "" : "--", setting->name, value, range);
    }
}

/* --- the file -------------------------------------------------------------------------------- */

struct source {
    FILE *file;
    struct load *load;
};

/* Feeds libinih whole lines, without leading space (which it takes for a continuation), and counts
 * them. Ends the file at the first complaint. */
static char *read_line(char *line, int bytes, void *user)
{
    struct source *source = user;
    size_t length;
    size_t indent;

    if (source->load->failed || !fgets(line, bytes, source->file)) {
        return NULL;
    }
    source->load->line++;
    length = strlen(line);
    if ((length == 0 || line[length - 1] != '\n') && !feof(source->file)) {
        complain(source->load, "the line is longer than %d bytes, or not text", bytes - 2);
        return NULL;
    }
    indent = strspn(line, " \t");
    memmove(line, line + indent, length - indent + 1);
    if (line[0] == '[') {
        complain(source->load, "there are no [sections] here, only name = value");
        return NULL;
    }
    return line;
}

static int take_line(void *user, const char *section, const char *name, const char *value)
{
    struct source *source = user;

    rmx_assert(section[0] == '\0');
    set(source->load, name, value);
    return source->load->failed ? 0 : 1;
}

/* Nothing here may wait, since a daemon that runs reads it again; and a pipe would be empty then.
 */
static FILE *open_file(struct load *load, const char *path)
{
    rmx_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    FILE *file;

    if (fd < 0 || fstat(fd, &st) < 0) {
        complain(load, "--config=%.200s: %s", path, strerrordesc_np(errno));
        return NULL;
    }
    if (S_ISFIFO(st.st_mode)) {
        complain(load, "--config=%.200s: a pipe cannot be read again at SIGHUP: name a file", path);
        return NULL;
    }
    file = fdopen(fd, "r");
    if (!file) {
        complain(load, "--config=%.200s: %s", path, strerrordesc_np(errno));
        return NULL;
    }
    (void)rmx_take_fd(&fd);
    return file;
}

static void load_file(struct load *load, const char *path)
{
    static char comment_signs[] = "#;";
    struct source source = { .file = open_file(load, path), .load = load };

    if (!source.file) {
        return;
    }
    load->file = path;
    load->line = 0;
    ini_max_line = LINE_BYTES_MAX;
    ini_allow_multiline = false;
    ini_stop_on_first_error = true;
    ini_inline_comment_prefixes = comment_signs;
    if (ini_parse_stream(read_line, &source, take_line, &source) != 0) {
        complain(load, "not of the form name = value");
    }
    if (ferror(source.file)) {
        complain(load, "cannot be read");
    }
    load->file = NULL;
    fclose(source.file);
}

/* --- the command line ------------------------------------------------------------------------ */

struct option {
    char name[NAME_BYTES];
    const char *value; /* NULL: a question, or --replace */
};

static bool has_no_value(const char *name)
{
    return strcmp(name, "help") == 0 || strcmp(name, "version") == 0 ||
           strcmp(name, "print-config") == 0 || strcmp(name, "print-man-options") == 0 ||
           strcmp(name, "print-placement") == 0 || strcmp(name, "replace") == 0;
}

/* Takes --name=value, --name value or --name without one at argv[*at], and moves on. */
static bool next_option(struct load *load, int argc, char **argv, int *at, struct option *option)
{
    const char *text = strcmp(argv[*at], "-h") == 0 ? "--help" : argv[*at];
    size_t name_bytes = strcspn(text, "=");

    if (strncmp(text, "--", 2) != 0 || name_bytes < 3 || name_bytes - 2 >= NAME_BYTES) {
        complain(load, "'%.60s' is no setting: they are --name=value, see --help", text);
        return false;
    }
    memcpy(option->name, text + 2, name_bytes - 2);
    option->name[name_bytes - 2] = '\0';
    option->value = text[name_bytes] == '=' ? text + name_bytes + 1 : NULL;
    ++*at;
    if (has_no_value(option->name)) {
        if (option->value) {
            complain(load, "--%s takes no value", option->name);
        }
        return !load->failed;
    }
    if (!option->value && *at < argc) {
        option->value = argv[(*at)++];
    }
    if (!option->value) {
        complain(load, "--%s needs a value", option->name);
    }
    return !load->failed;
}

/* What the command line asks for, before any setting is looked at. */
struct wish {
    const char *file;
    char question[NAME_BYTES]; /* "" = none; the first counts */
};

static void find_wishes(struct load *load, int argc, char **argv, struct wish *wish)
{
    struct option option;

    for (int at = 1; at < argc && next_option(load, argc, argv, &at, &option);) {
        if (strcmp(option.name, "config") == 0) {
            if (wish->file) {
                complain(load, "--config is given twice");
            }
            wish->file = option.value;
        } else if (strcmp(option.name, "topology") == 0) {
            load->config->topology = option.value;
        } else if (strcmp(option.name, "replace") == 0) {
            load->config->replace = true;
        } else if (!option.value && wish->question[0] == '\0') {
            memcpy(wish->question, option.name, NAME_BYTES);
        }
    }
}

static void set_from_arguments(struct load *load, int argc, char **argv)
{
    struct option option;

    for (int at = 1; at < argc && next_option(load, argc, argv, &at, &option);) {
        if (option.value && strcmp(option.name, "config") != 0 &&
            strcmp(option.name, "topology") != 0) {
            set(load, option.name, option.value);
        }
    }
}

static void set_defaults(struct rmx_config *config)
{
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    size_t count;
    const struct rmx_setting *rows = rmx_setting_rows(&count);

    for (size_t i = 0; i < count; i++) {
        bool stored = rows[i].type == RMX_SETTING_GROUP ||
                      rmx_setting_store(&rows[i], rows[i].standard, config);

        rmx_assert(stored);
    }
    if (geteuid() != 0 && runtime && runtime[0] == '/' && strlen(runtime) < 80) {
        snprintf(config->socket, sizeof(config->socket), "%s/ringmux.sock", runtime);
    }
}

/* --- what settings must be to each other ----------------------------------------------------- */

static bool is_power_of_two(uint64_t value)
{
    return value && !(value & (value - 1));
}

static void check_ring(
    struct load *load, const char *size, uint64_t ring_bytes, uint64_t chunk_bytes, uint32_t depth)
{
    if (!is_power_of_two(ring_bytes) || !is_power_of_two(chunk_bytes)) {
        complain(load, "%s_%s_bytes must be a power of two",
            is_power_of_two(ring_bytes) ? "chunk" : "ring", size);
    } else if (chunk_bytes > ring_bytes / 2) {
        complain(load, "chunk_%s_bytes must be at most half of ring_%s_bytes", size, size);
    } else if (depth > ring_bytes / chunk_bytes) {
        complain(load, "read_depth=%u needs as many chunks, but a %s ring has %ju", depth, size,
            (uintmax_t)(ring_bytes / chunk_bytes));
    }
}

static void check_together(struct load *load, const struct rmx_config *config)
{
    check_ring(
        load, "small", config->ring_small_bytes, config->chunk_small_bytes, config->read_depth);
    check_ring(load, "bulk", config->ring_bulk_bytes, config->chunk_bulk_bytes, config->read_depth);
    if (config->flows_small + config->flows_bulk + config->flows_ring > RMX_WORKER_FLOWS_MAX) {
        complain(load, "flows_small, flows_bulk and flows_ring must be at most %u together",
            RMX_WORKER_FLOWS_MAX);
    }
    if (config->channel_bytes > config->channels_bytes) {
        complain(load, "channels_bytes must be at least channel_bytes");
    }
    if (config->sessions_max > config->jobs_max) {
        complain(load, "jobs_max=%u must be at least sessions_max=%u", config->jobs_max,
            config->sessions_max);
    }
    if (config->credits > config->jobs_max) {
        complain(
            load, "jobs_max=%u must be at least credits=%u", config->jobs_max, config->credits);
    }
    if (config->replace && config->private_fd != 0) {
        complain(load, "--replace and private_fd exclude each other");
    }
    if (config->workers && config->lanes > config->workers) {
        complain(load, "workers=%u must be at least lanes=%u", config->workers, config->lanes);
    }
    if (config->spool_bytes > config->spool_total_bytes) {
        complain(load, "spool_total_bytes must be at least spool_bytes");
    }
    if (config->spool_dir[0] != '\0' && config->spool_dir[0] != '/') {
        complain(load, "spool_dir=%.200s: must be an absolute path", config->spool_dir);
    }
    if (config->alloc_max_bytes > config->worker_memory_bytes) {
        complain(load, "alloc_max_bytes must be at most worker_memory_bytes");
    }
}

bool rmx_config_fits(const struct rmx_config *config, char *error, size_t error_bytes)
{
    struct load load = { .error_bytes = error_bytes };

    load.error = error;
    check_together(&load, config);
    return !load.failed;
}

static void answer(const char *question, const struct rmx_config *config)
{
    if (strcmp(question, "help") == 0) {
        rmx_manual_help(stdout);
    } else if (strcmp(question, "version") == 0) {
        printf("ringmuxd %s\n", RMX_VERSION);
    } else if (strcmp(question, "print-config") == 0) {
        rmx_manual_config(stdout, config);
    } else {
        rmx_manual_options(stdout);
    }
}

enum rmx_config_next rmx_config_load(
    struct rmx_config *config, int argc, char **argv, char *error, size_t error_bytes)
{
    struct load load = { .config = config };
    struct wish wish = { .file = NULL };
    bool placement;

    rmx_assert(error_bytes > 0);
    load.error = error;
    load.error_bytes = error_bytes;
    *config = (struct rmx_config){ .workers = 0 };
    set_defaults(config);
    find_wishes(&load, argc, argv, &wish);
    if (!load.failed && wish.question[0] && strcmp(wish.question, "print-config") != 0 &&
        strcmp(wish.question, "print-placement") != 0) {
        answer(wish.question, config);
        return RMX_CONFIG_EXIT_OK;
    }
    if (wish.file) {
        load_file(&load, wish.file);
    }
    set_from_arguments(&load, argc, argv);
    check_together(&load, config);
    placement = strcmp(wish.question, "print-placement") == 0;
    if (config->topology && !placement) {
        complain(&load, "--topology is for --print-placement only");
    }
    if (load.failed) {
        return RMX_CONFIG_EXIT_USAGE;
    }
    if (placement) {
        return RMX_CONFIG_PLACEMENT;
    }
    if (wish.question[0]) {
        answer(wish.question, config);
        return RMX_CONFIG_EXIT_OK;
    }
    return RMX_CONFIG_RUN;
}

/* --- what it takes ---------------------------------------------------------------------------- */

static uint64_t flow_bytes(uint64_t ring_bytes, uint64_t chunk_bytes)
{
    uint32_t slots = (uint32_t)(ring_bytes / chunk_bytes);

    return sizeof(struct rmx_flow_shm) +
           RMX_FLOW_RINGS * (uint64_t)rmx_chunk_ring_bytes(slots, (uint32_t)chunk_bytes);
}

/* A berth's arena with so many pairs. */
static uint64_t arena_bytes(
    const struct rmx_config *config, uint64_t small, uint64_t bulk, uint64_t bare)
{
    return sizeof(struct rmx_worker_shm) +
           small * flow_bytes(config->ring_small_bytes, config->chunk_small_bytes) +
           bulk * flow_bytes(config->ring_bulk_bytes, config->chunk_bulk_bytes) +
           bare * sizeof(struct rmx_flow_shm);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void rmx_config_budget(const struct rmx_config *config, uint32_t workers, uint32_t lanes,
    size_t job_bytes, struct rmx_config_budget *budget)
{
    uint64_t sessions = config->sessions_max;
    uint64_t jobs = (uint64_t)lanes * config->jobs_max;
    uint64_t isolated = (uint64_t)lanes * config->isolated_workers;
    uint32_t isolated_small = smaller(config->flows_small, RMX_ISOLATED_SMALL);
    uint32_t isolated_bulk = smaller(config->flows_bulk, RMX_ISOLATED_BULK);
    uint64_t pairs = (uint64_t)workers * (config->flows_small + config->flows_bulk) +
                     isolated * (isolated_small + isolated_bulk) + lanes * 2ull * RMX_TRIALS;
    uint64_t processes = workers + isolated + lanes * (1ull + RMX_TRIALS); /* a spare each */

    *budget = (struct rmx_config_budget){
        .worker_arena_bytes =
            arena_bytes(config, config->flows_small, config->flows_bulk, config->flows_ring),
        .trial_arena_bytes = arena_bytes(config, 1, 1, 0),
        .isolated_arena_bytes = arena_bytes(config, isolated_small, isolated_bulk, 0),
        .session_arena_bytes = RMX_CREDITS_MAX * sizeof(struct rmx_progress_shm),
        .jobs_bytes = jobs * job_bytes,
        .descriptors = jobs * (RMX_JOB_DESCRIPTORS + RMX_JOB_MORE) + pairs * RMX_FLOW_SPOOLS +
                       sessions * RMX_SESSION_DESCRIPTORS + processes * RMX_WORKER_DESCRIPTORS +
                       (uint64_t)lanes * RMX_LANE_DESCRIPTORS + RMX_DAEMON_DESCRIPTORS,
    };
    budget->processes = processes;
    budget->workers_bytes = workers * budget->worker_arena_bytes +
                            (uint64_t)lanes * RMX_TRIALS * budget->trial_arena_bytes +
                            isolated * budget->isolated_arena_bytes;
    budget->sessions_bytes = sessions * budget->session_arena_bytes;
    budget->total_bytes = budget->workers_bytes + budget->sessions_bytes + budget->jobs_bytes;
}
