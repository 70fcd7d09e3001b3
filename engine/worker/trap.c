/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What happens when a worker calls what the sandbox refuses. See trap.h.
 */
#include "engine/worker/trap.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <ucontext.h>

#include "engine/worker/lastwords.h"
#include "engine/worker/sandbox.h"
#include "engine/worker/sanitizer.h"
#include "ring/base.h"

#define REFUSED_BY_FILTER 1 /* si_code: SYS_SECCOMP, which Debian 12's <signal.h> lacks */

bool rmx_trap_answer(void *context, int error)
{
#if defined(__x86_64__)
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = error;
    return true;
#elif defined(__aarch64__)
    ((ucontext_t *)context)->uc_mcontext.regs[0] = (unsigned long long)error;
    return true;
#else
    (void)context;
    (void)error;
    return false;
#endif
}

static void on_refused(int signal_number, siginfo_t *info, void *context)
{
    const char *danger = rmx_sandbox_danger(info->si_syscall);

    if (info->si_code == REFUSED_BY_FILTER && danger == NULL && rmx_trap_answer(context, -ENOSYS)) {
        rmx_lastwords_count_unknown((uint32_t)info->si_syscall);
        return;
    }
    rmx_lastwords_say_refused(danger, (uint32_t)info->si_syscall);
    /* In the sandbox this itself is refused, and kills. */
    (void)signal(SIGSYS, SIG_DFL);
    (void)raise(signal_number);
}

void rmx_trap_init(void)
{
    struct sigaction action = {
        .sa_sigaction = on_refused,
        .sa_flags = SA_SIGINFO | (RMX_WITH_SANITIZER ? 0 : SA_ONSTACK),
    };

    rmx_assert(sigaction(SIGSYS, &action, NULL) == 0);
}
