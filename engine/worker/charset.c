/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The character sets of service names. See charset.h.
 */
#include "engine/worker/charset.h"

#include <iconv.h>
#include <stddef.h>

static const char *const names[] = {
    "", /* what the demuxer asks for where the standard reserves the code: the locale's own */
    "ISO6937",
    "ISO-8859-1",
    "ISO-8859-2",
    "ISO-8859-3",
    "ISO-8859-4",
    "ISO-8859-5",
    "ISO-8859-6",
    "ISO-8859-7",
    "ISO-8859-8",
    "ISO-8859-9",
    "ISO-8859-10",
    "ISO-8859-11",
    "ISO-8859-13",
    "ISO-8859-14",
    "ISO-8859-15",
    "UCS-2BE",
    "KSC_5601",
    "GB2312",
    "UTF-8",
};

/* A converter stays loaded while somebody has it open: so these are never closed. */
static iconv_t kept[sizeof(names) / sizeof(names[0])];

void rmx_charset_init_process(void)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (kept[i] == NULL) { /* else a test has begun twice */
            kept[i] = iconv_open("UTF-8", names[i]);
        }
    }
}
