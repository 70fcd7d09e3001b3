/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writes log lines with the nastiest values, for test_log_json.py to read.
 */
#include <stdint.h>
#include <string.h>

#include "engine/log.h"

int main(void)
{
    static char every_byte[256];
    static char long_text[RMX_LOG_LINE_BYTES * 2];

    for (size_t i = 0; i < sizeof(every_byte) - 1; i++) {
        every_byte[i] = (char)(i + 1);
    }
    memset(long_text, 'x', sizeof(long_text) - 1);
    rmx_log_init(RMX_LOG_JSON, RMX_LOG_DEBUG);
    rmx_log(RMX_LOG_INFO, "plain");
    rmx_log(RMX_LOG_ERROR, "numbers", RMX_LOG_U64("u64", UINT64_MAX), RMX_LOG_I64("i64", INT64_MIN),
        RMX_LOG_BOOL("yes", true), RMX_LOG_BOOL("no", false), RMX_LOG_STR("null", NULL));
    rmx_log(RMX_LOG_WARN, "errors", RMX_LOG_ERRNO("full", -28), RMX_LOG_ERRNO("odd", 4000));
    rmx_log(RMX_LOG_DEBUG, "bytes", RMX_LOG_STR("text", every_byte));
    rmx_log(RMX_LOG_INFO, "quotes", RMX_LOG_STR("text", "a \"b\" \\ {}\n,\"level\":\"error\""));
    rmx_log(RMX_LOG_INFO, "unicode", RMX_LOG_STR("good", "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8e\xac"),
        RMX_LOG_STR("cut", "\xe2\x82"), RMX_LOG_STR("overlong", "\xc0\xaf"),
        RMX_LOG_STR("surrogate", "\xed\xa0\x80"), RMX_LOG_STR("beyond", "\xf4\x90\x80\x80"),
        RMX_LOG_STR("c1", "\xc2\x9b"));
    rmx_log(RMX_LOG_INFO, "long", RMX_LOG_STR("a", long_text), RMX_LOG_STR("b", long_text),
        RMX_LOG_STR("c", long_text), RMX_LOG_STR("d", long_text), RMX_LOG_STR("e", long_text),
        RMX_LOG_U64("f", 7));
    return 0;
}
