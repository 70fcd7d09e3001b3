/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a muxer of several files opens, closes and deletes them: through the job's outlet, whatever
 * the library calls them. Worker process, a job's fiber. Must never touch a file system.
 */
#ifndef RMX_ENGINE_WORKER_FILES_H
#define RMX_ENGINE_WORKER_FILES_H

#include <stdbool.h>

#include <libavformat/avformat.h>

#include "engine/worker/outlet.h"
#include "ipc/file_name.h"
#include "ipc/job.h"

/* Muxers of several files rename and delete by name where a name is a file's: of this protocol,
 * which nobody has, they leave that be. The slash is for those that look for a folder. */
#define RMX_FILES_URL_HEAD "part:/"

/* DASH deletes only where it thinks that it talks to a server. Nobody has that protocol, either. */
#define RMX_FILES_URL_HEAD_DASH "http:/"

#define RMX_FILES_URL_BYTES (sizeof(RMX_FILES_URL_HEAD) + RMX_FILE_NAME_BYTES)

/* What HLS has its key from, in place of a file: the job's options hls_enc_key and its like. */
#define RMX_FILES_KEY_INFO RMX_FILES_URL_HEAD "key-info"

bool rmx_files_have_key(const struct rmx_job_spec *spec);

/* From now on the context, whose words are attached, has no other way to a file. */
void rmx_files_attach(AVFormatContext *context);

/* What a muxer is to call the file. */
void rmx_files_name(char (*url)[RMX_FILES_URL_BYTES], const char *muxer, const char *name);

#endif
