/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Example: a block of memory in, a block of memory out; no file on the way. An MP4 may have its
 * index at the end (the library goes where the demuxer wants to read), and may be what is asked for
 * (the buffer is patched as a file would be).
 *
 *     cc remux_block.c $(pkg-config --cflags --libs ringmux) -o remux_block
 *     ./remux_block talk.mkv mp4 > talk.mp4
 */
#include <errno.h>
#include <fcntl.h>
#include <ringmux.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int complain(const char *what, int err)
{
    errno = -err;
    perror(what);
    return 1;
}

/* Fills *made, which is zeros but for max; rmx_buffer_free() it in any case. Returns RMX_OK, or why
 * not, and has said so. */
static uint32_t remux_block(struct rmx_client *client, const void *bytes, size_t size,
    const char *format, struct rmx_buffer *made)
{
    struct rmx_block block = { bytes, size, 0 };
    struct rmx_source source;
    struct rmx_sink sink;
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_result result;

    rmx_block_source(&block, &source);
    rmx_buffer_sink(made, &sink);
    job.input = RMX_RING;
    job.source = &source;
    job.output = RMX_RING;
    job.sink = &sink;
    job.flags = RMX_POSITIONAL; /* the buffer takes its bytes in any order */
    job.format = format;
    job.deadline_ns = rmx_deadline_in(10 * 1000000000ULL);
    int err = rmx_run(client, &job, &result, 11 * 1000);
    if (err < 0) {
        complain("remux", err);
        return RMX_DAEMON_LOST;
    }
    if (result.status != RMX_OK) {
        const char *text = *result.text != '\0' ? result.text : rmx_end_text(result.status);

        fprintf(stderr, "remux: %s: %s\n", rmx_end_name(result.status), text);
    }
    return result.status;
}

/* Stands for the block that your program has. Returns 0 or a negative errno value. */
static int map_file(const char *path, void **bytes, size_t *size)
{
    struct stat st;
    int err = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) < 0) {
        return -errno;
    }
    void *mapped = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapped == MAP_FAILED) {
        err = -errno;
    } else {
        *bytes = mapped;
        *size = (size_t)st.st_size;
    }
    close(fd);
    return err;
}

int main(int argc, char **argv)
{
    struct rmx_buffer made = { .max = 1 << 30 };
    struct rmx_client *client;
    void *bytes = NULL;
    size_t size = 0;

    if (argc != 3) {
        fputs("usage: remux_block IN FORMAT > OUT\n", stderr);
        return 2;
    }
    int err = map_file(argv[1], &bytes, &size);
    if (err < 0) {
        return complain(argv[1], err);
    }
    err = rmx_open(&client, NULL); /* the host's daemon, once for all jobs of a program */
    if (err == -ENOENT || err == -ECONNREFUSED) {
        err = rmx_open_private(&client, NULL); /* or one of our own */
    }
    if (err < 0) {
        return complain("ringmuxd", err);
    }
    uint32_t status = remux_block(client, bytes, size, argv[2], &made);
    if (status == RMX_OK && fwrite(made.bytes, 1, made.size, stdout) != made.size) {
        status = RMX_OUTPUT_IO;
    }
    rmx_buffer_free(&made);
    rmx_close(&client);
    munmap(bytes, size);
    return rmx_end_exit(fflush(stdout) == 0 ? status : RMX_OUTPUT_IO);
}
