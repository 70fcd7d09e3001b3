/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A line of a batch from arbitrary bytes. What is taken makes a job that the library's own check
 * takes, too; what is not says why in one line, and leaves nothing behind.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clients/ringmux.h"
#include "clients/rmx_task.h"
#include "ring/base.h"
#include "tests/fuzz_drive.h"

static void use(const struct rmx_task *task)
{
    struct rmx_job job = task->request.job;
    const char *why = NULL;

    job.input = 0;
    job.output = 0;
    rmx_assert(rmx_check(&job, &why) == 0);
    rmx_assert(task->request.names.input[0] != '\0' && task->request.names.output[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rmx_task task;
    char why[RMX_ARGS_WHY_BYTES];
    char *line = malloc(size + 1); /* the heap shows every byte too far */

    rmx_assert(line);
    memcpy(line, data, size);
    int status = rmx_task_read(&task, line, size, 1, why);
    rmx_assert(status == 0 || status == -EBADMSG);
    if (status == 0) {
        use(&task);
        rmx_task_fini(&task);
    } else {
        rmx_assert(why[0] != '\0' && memchr(why, '\0', sizeof(why)) != NULL);
        rmx_assert(task.words == NULL && task.pairs == NULL);
    }
    free(line);
    return 0;
}

size_t fuzz_seed(unsigned n, uint8_t *data)
{
    static const char *const seeds[] = {
        "{\"input\": \"a.mp4\", \"output\": \"a.ts\"}",
        "{\"input\": \"a.mp4\", \"output\": \"a.ts\", \"options\": {\"muxrate\": 400000}, "
        "\"deadline\": \"2s\"}",
        "{\"input\": \"a\", \"output\": \"b\", \"format\": \"fmp4\", \"class\": \"background\"}",
        "{\"input\": \"\\u00e4\", \"output\": \"b.mkv\", \"map\": [\"v\", \"-a:1?\"]}",
        "{\"input\": \"a\", \"output\": \"b.flv\", \"bitexact\": true, \"spool\": false}",
        "{\"input\": \"a\", \"output\": \"b.mp3\", \"all_streams\": true, \"input_format\": "
        "\"ogg\"}",
        "{\"input\": \"a\", \"output\": \"-\"}",
        "[]",
        "{}",
    };
    const char *seed = seeds[n % (sizeof(seeds) / sizeof(*seeds))];

    (void)snprintf((char *)data, FUZZ_SEED_BYTES_MAX, "%s", seed);
    return strlen(seed);
}
