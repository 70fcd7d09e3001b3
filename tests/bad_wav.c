/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Input that does evil to a worker. See bad_wav.h.
 */
#include "tests/bad_wav.h"

#include <criterion/criterion.h>
#include <unistd.h>

#define WAV_BYTES 16044u /* 8,000 samples of 16 bits for one channel, or fewer for more of them */

int bad_wav_open(const struct harness *harness, enum bad_wav kind)
{
    static const unsigned char heads[][44] = {
        [BAD_WAV_LOOPS] = "RIFF\xa4\x3e\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0"
                          "\x80\x3e\0\0\x02\0\x10\0data\x80\x3e\0",
        [BAD_WAV_CRASHES] = "RIFF\xa4\x3e\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\x40\x1f\0\0"
                            "\0\x7d\0\0\x04\0\x10\0data\x80\x3e\0",
        [BAD_WAV_LEAVES] = "RIFF\xa4\x3e\0\0WAVEfmt \x10\0\0\0\x01\0\x04\0\x40\x1f\0\0"
                           "\0\xfa\0\0\x08\0\x10\0data\x80\x3e\0",
    };
    static const unsigned char silence[WAV_BYTES - sizeof(heads[0])];
    int wav = harness_output(harness, "wav");

    cr_assert_eq(write(wav, heads[kind], sizeof(heads[kind])), (ssize_t)sizeof(heads[kind]));
    cr_assert_eq(write(wav, silence, sizeof(silence)), (ssize_t)sizeof(silence));
    cr_assert_eq(lseek(wav, 0, SEEK_SET), 0);
    return wav;
}

uint64_t bad_wav_submit(const struct harness *harness, struct rmx_client *client, enum bad_wav kind,
    uint64_t deadline_ns)
{
    struct rmx_job job = RMX_JOB_INIT;
    uint64_t id = 0;

    job.input = bad_wav_open(harness, kind);
    job.output = harness_output(harness, "bad");
    job.format = "matroska";
    job.deadline_ns = deadline_ns;
    cr_assert_eq(rmx_submit(client, &job, 1, &id), 1);
    close(job.input);
    close(job.output);
    return id;
}
