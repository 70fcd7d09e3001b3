/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Drives a fuzz target without libFuzzer: the files of its corpus as they are, then its seeds,
 * mutated the same way in every run.
 *
 *   fuzz_x TRIES [SEED [FILE OR FOLDER]...]
 *
 * A finding aborts; what was printed last says how to see it again: a file, or a seed and the
 * number of tries. Must end by itself: TRIES is the bound.
 */
#include "tests/fuzz_drive.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ring/base.h"
#include "tests/mutant.h"

#define SEEDS      16u
#define ROOM_BYTES (2 * FUZZ_SEED_BYTES_MAX)
#define FILE_MAX   (1u << 20)

static uint8_t data[FILE_MAX];

static void try_file(const char *path)
{
    rmx_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, data, sizeof(data));

    printf("%s\n", path);
    fflush(stdout);
    rmx_assert(size >= 0);
    LLVMFuzzerTestOneInput(data, (size_t)size);
}

static void try_folder(const char *folder, DIR *entries)
{
    const struct dirent *entry;

    while ((entry = readdir(entries)) != NULL) {
        char path[4096];
        int bytes = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);

        rmx_assert(bytes > 0 && (size_t)bytes < sizeof(path));
        if (entry->d_name[0] != '.') {
            try_file(path);
        }
    }
    closedir(entries);
}

static void try_path(const char *path)
{
    DIR *entries = opendir(path);

    if (entries != NULL) {
        try_folder(path, entries);
    } else {
        try_file(path);
    }
}

int main(int argc, char **argv)
{
    unsigned long tries = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
    unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    struct dice dice = { seed };

    for (int i = 3; i < argc; i++) {
        try_path(argv[i]);
    }
    printf("%s %lu %lu\n", argv[0], tries, seed);
    fflush(stdout);
    for (unsigned n = 0; n < SEEDS; n++) {
        LLVMFuzzerTestOneInput(data, fuzz_seed(n, data));
    }
    for (unsigned long i = 0; i < tries; i++) {
        size_t size = fuzz_seed((unsigned)dice_below(&dice, SEEDS), data);

        size = mutant_make(data, size, ROOM_BYTES, &dice);
        LLVMFuzzerTestOneInput(data, size);
    }
    return 0;
}
