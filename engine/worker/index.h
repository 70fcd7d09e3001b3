/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Does an MP4's index follow its samples? Told from the head of a stream, which is left as it is:
 * who reads it next sees all of it. Worker process, the job's fiber. Every byte seen here may be a
 * lie; one that is costs a look at a few box headers.
 */
#ifndef RMX_ENGINE_WORKER_INDEX_H
#define RMX_ENGINE_WORKER_INDEX_H

#include "engine/worker/source.h"

/* Before the first read. Returns 1: the stream cannot go back, and is an MP4 or MOV whose samples
 * come before its index; 0: it is not, or that shows later than the input ring reaches; or an
 * AVERROR: the job is over. Waits for more bytes only while those that came could begin an MP4. */
int rmx_index_follows(struct rmx_source *source);

#endif
