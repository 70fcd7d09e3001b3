/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ringmux.h alone, as C99: it needs nothing else and warns about nothing. Linked with the shared
 * library, which must show every call of it.
 */
#include "clients/ringmux.h"

typedef void any_call(void);

static any_call *const calls[] = {
    (any_call *)rmx_abort,
    (any_call *)rmx_block_source,
    (any_call *)rmx_buffer_free,
    (any_call *)rmx_buffer_sink,
    (any_call *)rmx_cancel,
    (any_call *)rmx_cancel_jobs,
    (any_call *)rmx_check,
    (any_call *)rmx_close,
    (any_call *)rmx_commit,
    (any_call *)rmx_daemon_pid,
    (any_call *)rmx_deadline_in,
    (any_call *)rmx_deadline_within,
    (any_call *)rmx_directory_close,
    (any_call *)rmx_directory_keep,
    (any_call *)rmx_directory_open,
    (any_call *)rmx_directory_sink,
    (any_call *)rmx_drop,
    (any_call *)rmx_end_exit,
    (any_call *)rmx_end_fault,
    (any_call *)rmx_end_name,
    (any_call *)rmx_end_retry,
    (any_call *)rmx_end_text,
    (any_call *)rmx_events,
    (any_call *)rmx_fd,
    (any_call *)rmx_finish,
    (any_call *)rmx_group_cancel,
    (any_call *)rmx_group_close,
    (any_call *)rmx_group_open,
    (any_call *)rmx_group_wait,
    (any_call *)rmx_job_init,
    (any_call *)rmx_jobs,
    (any_call *)rmx_memory,
    (any_call *)rmx_open,
    (any_call *)rmx_open_operator,
    (any_call *)rmx_open_private,
    (any_call *)rmx_peek,
    (any_call *)rmx_ping,
    (any_call *)rmx_progress,
    (any_call *)rmx_read,
    (any_call *)rmx_ready,
    (any_call *)rmx_reconnect,
    (any_call *)rmx_release,
    (any_call *)rmx_reserve,
    (any_call *)rmx_run,
    (any_call *)rmx_spin,
    (any_call *)rmx_state,
    (any_call *)rmx_stats,
    (any_call *)rmx_submit,
    (any_call *)rmx_version,
    (any_call *)rmx_wait,
    (any_call *)rmx_write,
};

int main(void)
{
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_job same;
    struct rmx_group_options group = RMX_GROUP_OPTIONS_INIT;
    struct rmx_job_match match = RMX_JOB_MATCH_INIT;
    const char *why = "";

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (calls[i] == NULL) {
            return 2;
        }
    }
    rmx_job_init(&same);
    job.group = group.flags + match.session;
    return job.input == same.input && rmx_check(&job, &why) == RMX_BAD_JOB && *why != '\0' ? 0 : 1;
}
