/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Recognises a live input by as few bytes as name its container. libavformat's own look wants 2 KB
 * at least, which a slow stream takes a second to send. Worker process, a job's fiber.
 */
#ifndef RMX_ENGINE_WORKER_MAGIC_H
#define RMX_ENGINE_WORKER_MAGIC_H

#include <libavformat/avio.h>

/* libavformat's name for the container (static), or NULL for one that needs the long look. Leaves
 * the input where it was, at its start. */
const char *rmx_magic_recognise(AVIOContext *input);

#endif
