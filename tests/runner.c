/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What every Criterion program built with AddressSanitizer has: where leaks are looked for. Each
 * test runs in a process of its own, and there they are. The process that starts them runs no code
 * of ours; but Criterion 2.4.1 keeps a record of each test's timeout there, and loses some when
 * tests with different ones run beside each other. All tests passed then, and the program failed.
 */
#include <stdlib.h>

int __lsan_is_turned_off(void);

/* LeakSanitizer asks at the end of each process. A test's has this in its environment. */
int __lsan_is_turned_off(void)
{
    return getenv("BXFI_MAP") == NULL;
}
