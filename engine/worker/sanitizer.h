/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which sanitizer this is built with; gcc and clang say so in different ways. Changes nothing in a
 * build without one.
 */
#ifndef RMX_ENGINE_WORKER_SANITIZER_H
#define RMX_ENGINE_WORKER_SANITIZER_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RMX_WITH_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define RMX_WITH_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define RMX_WITH_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define RMX_WITH_TSAN 1
#endif

#ifndef RMX_WITH_ASAN
#define RMX_WITH_ASAN 0
#endif
#ifndef RMX_WITH_TSAN
#define RMX_WITH_TSAN 0
#endif
#define RMX_WITH_SANITIZER (RMX_WITH_ASAN || RMX_WITH_TSAN)

#endif
