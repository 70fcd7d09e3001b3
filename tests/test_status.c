/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a job can end: the table's rows as other parts rely on them.
 */
#include "ipc/status.h"

#include <criterion/criterion.h>
#include <string.h>

static const uint32_t strangers[] = { RMX_STATUSES, RMX_STATUSES + 1, 255, INT32_MAX, UINT32_MAX };

Test(status, wire_values_are_what_they_always_were)
{
    cr_assert_eq(RMX_STATUS_OK, 0);
    cr_assert_eq(RMX_STATUS_TRUNCATED, 2);
    cr_assert_eq(RMX_STATUS_BAD_JOB, 5);
    cr_assert_eq(RMX_STATUS_CANCELLED, 14);
    cr_assert_eq(RMX_STATUS_WORKER_LOST, 17);
    cr_assert_eq(RMX_STATUS_INTERNAL, 21);
    cr_assert_eq(RMX_STATUS_POISON, 22);
    cr_assert_eq(RMX_STATUS_DENIED, 23);
    cr_assert_eq(RMX_STATUS_OUTPUT_STALLED, 24);
    cr_assert_eq(RMX_STATUSES, 25);
}

Test(status, every_row_has_a_name_a_text_and_an_exit_code_of_a_shell)
{
    for (uint32_t i = 0; i < RMX_STATUSES; i++) {
        cr_assert(rmx_status_known(i));
        cr_assert_gt(strlen(rmx_status_name(i)), 0);
        cr_assert_gt(strlen(rmx_status_text(i)), 0);
        cr_assert_lt(rmx_status_fault(i), RMX_FAULTS);
        cr_assert(rmx_status_exit(i) >= 0 && rmx_status_exit(i) < 256);
        for (uint32_t j = 0; j < i; j++) {
            cr_assert_str_neq(rmx_status_name(i), rmx_status_name(j));
        }
    }
}

Test(status, only_ok_is_nobodys_fault_and_exits_zero)
{
    for (uint32_t i = 0; i < RMX_STATUSES; i++) {
        cr_assert_eq(rmx_status_exit(i) == 0, i == RMX_STATUS_OK);
        cr_assert_eq(rmx_status_fault(i) == RMX_FAULT_NONE, i == RMX_STATUS_OK);
    }
}

Test(status, a_row_says_what_the_table_says)
{
    cr_assert_str_eq(rmx_status_name(RMX_STATUS_TRUNCATED), "TRUNCATED");
    cr_assert_str_eq(rmx_status_text(RMX_STATUS_TRUNCATED), "the input ends before its media does");
    cr_assert_eq(rmx_status_fault(RMX_STATUS_TRUNCATED), RMX_FAULT_MEDIA);
    cr_assert_not(rmx_status_retry(RMX_STATUS_TRUNCATED));
    cr_assert(rmx_status_retry(RMX_STATUS_WORKER_LOST));
    cr_assert_eq(rmx_status_exit(RMX_STATUS_CANCELLED), 130);
}

Test(status, a_status_without_a_row_is_unknown_the_engines_fault_and_not_retried)
{
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
        cr_assert_not(rmx_status_known(strangers[i]));
        cr_assert_str_eq(rmx_status_name(strangers[i]), "UNKNOWN");
        cr_assert_gt(strlen(rmx_status_text(strangers[i])), 0);
        cr_assert_eq(rmx_status_fault(strangers[i]), RMX_FAULT_ENGINE);
        cr_assert_not(rmx_status_retry(strangers[i]));
        cr_assert_eq(rmx_status_exit(strangers[i]), 70);
    }
}

Test(status, faults_have_names_and_others_are_unknown)
{
    cr_assert_str_eq(rmx_status_fault_name(RMX_FAULT_NONE), "NONE");
    cr_assert_str_eq(rmx_status_fault_name(RMX_FAULT_MEDIA), "MEDIA");
    cr_assert_str_eq(rmx_status_fault_name(RMX_FAULT_ENGINE), "ENGINE");
    cr_assert_str_eq(rmx_status_fault_name(RMX_FAULTS), "UNKNOWN");
    cr_assert_str_eq(rmx_status_fault_name(UINT32_MAX), "UNKNOWN");
}
