/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a worker leaves behind when it dies. See lastwords.h.
 */
#include "engine/worker/lastwords.h"

#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "engine/worker/sanitizer.h"
#include "ring/base.h"

#define HANDLER_STACK_BYTES (32 * 1024)

static struct rmx_last_words_shm nowhere; /* until there is an arena */
static struct rmx_last_words_shm *words = &nowhere;
static bool said;
static unsigned char handler_stack[HANDLER_STACK_BYTES];

/* Sanitizers print more than we could say, so memory faults stay theirs. */
static const int fatal_signals[] = {
    SIGABRT,
#if !RMX_WITH_SANITIZER
    SIGSEGV,
    SIGBUS,
    SIGFPE,
    SIGILL,
#endif
};

static void add_text(size_t *at, const char *text)
{
    for (; *text != '\0' && *at < RMX_LAST_WORDS_BYTES - 1; text++) {
        words->text[(*at)++] = *text;
    }
    words->text[*at] = '\0';
}

static void add_number(size_t *at, uintptr_t number, unsigned int base)
{
    char digits[24];
    size_t first = sizeof(digits) - 1;

    digits[first] = '\0';
    do {
        digits[--first] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0);
    add_text(at, &digits[first]);
}

void rmx_lastwords_say(const char *text)
{
    size_t at = 0;

    if (!said) {
        said = true;
        add_text(&at, text);
    }
}

static void say_assert(const char *expr, const char *file, int line)
{
    size_t at = 0;

    if (said) {
        return;
    }
    said = true;
    add_text(&at, file);
    add_text(&at, ":");
    add_number(&at, (uintptr_t)line, 10);
    add_text(&at, ": assert failed: ");
    add_text(&at, expr);
}

static void on_fatal_signal(int signal, siginfo_t *info, void *context)
{
    const char *name = sigabbrev_np(signal);
    size_t at = 0;

    (void)context;
    /* Relaxed, as all of these words: the reader looks after we are dead. */
    atomic_store_explicit(&words->signal, (uint32_t)signal, memory_order_relaxed);
    if (!said) {
        said = true;
        add_text(&at, "SIG");
        add_text(&at, name != NULL ? name : "?");
        if (signal != SIGABRT) {
            add_text(&at, " at 0x");
            add_number(&at, (uintptr_t)info->si_addr, 16);
        }
    }
    (void)raise(signal); /* SA_RESETHAND: this time it kills */
}

void rmx_lastwords_init(void)
{
    stack_t stack = { .ss_sp = handler_stack, .ss_size = sizeof(handler_stack) };
    struct sigaction action = {
        .sa_sigaction = on_fatal_signal,
        .sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND | SA_NODEFER),
    };

    rmx_assert(RMX_WITH_SANITIZER || sigaltstack(&stack, NULL) == 0);
    for (size_t i = 0; i < sizeof(fatal_signals) / sizeof(fatal_signals[0]); i++) {
        rmx_assert(sigaction(fatal_signals[i], &action, NULL) == 0);
    }
    rmx_base_assert_hook = say_assert;
    rmx_lastwords_on_core(RMX_LASTWORDS_NO_FLOW);
}

void rmx_lastwords_adopt(struct rmx_last_words_shm *shm)
{
    memset(shm, 0, sizeof(*shm));
    words = shm;
    rmx_lastwords_on_core(RMX_LASTWORDS_NO_FLOW);
}

void rmx_lastwords_on_core(uint32_t flow)
{
    uint32_t stage = flow == RMX_LASTWORDS_NO_FLOW ? RMX_LASTWORDS_IDLE : RMX_LASTWORDS_IN_JOB;

    atomic_store_explicit(&words->flow, flow, memory_order_relaxed);
    atomic_store_explicit(&words->stage, stage, memory_order_relaxed);
}

void rmx_lastwords_say_refused(const char *name, uint32_t call)
{
    size_t at = 0;

    atomic_store_explicit(&words->signal, SIGSYS, memory_order_relaxed);
    if (said) {
        return;
    }
    said = true;
    add_text(&at, "seccomp: ");
    if (name != NULL) {
        add_text(&at, name);
    } else {
        add_text(&at, "system call ");
        add_number(&at, call, 10);
    }
}

void rmx_lastwords_count_unknown(uint32_t call)
{
    uint32_t calls = atomic_load_explicit(&words->unknown_calls, memory_order_relaxed);

    atomic_store_explicit(&words->unknown_call, call, memory_order_relaxed);
    atomic_store_explicit(&words->unknown_calls, calls + 1, memory_order_relaxed);
}

void rmx_lastwords_count_move(void)
{
    uint32_t moves = atomic_load_explicit(&words->moves, memory_order_relaxed);

    atomic_store_explicit(&words->moves, moves + 1, memory_order_relaxed);
}

void rmx_lastwords_count_job(void)
{
    uint64_t jobs = atomic_load_explicit(&words->jobs, memory_order_relaxed);

    atomic_store_explicit(&words->jobs, jobs + 1, memory_order_relaxed);
}
