/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What an MP4's boxes say of it before anybody reads it: does its index follow its samples, and has
 * each track an id? Told from the head of a stream, as far as the input ring reaches, which is left
 * as it is: who reads it next sees all of it. Worker process, the job's fiber. Every byte seen here
 * may be a lie; one that is costs a look at some box headers.
 */
#ifndef RMX_ENGINE_WORKER_INDEX_H
#define RMX_ENGINE_WORKER_INDEX_H

#include "engine/worker/source.h"

/* Before the first read. Returns 1: the stream cannot go back, and is an MP4 or MOV whose samples
 * come before its index; 0: it is not, or that shows later than the input ring reaches; or an
 * AVERROR: the job is over. Waits for more bytes only while those that came could begin an MP4. */
int rmx_index_follows(struct rmx_source *source);

/* Before the first read. Returns 1: it is an MP4 in fragments, with a track that has no id, or one
 * beyond 2147483647. libavformat would count from a large negative number up to 0 for each of its
 * runs of samples, half a second each, and hear nobody meanwhile. 0: it is none, or that shows
 * later than the input ring reaches; or an AVERROR: the job is over. Waits as rmx_index_follows().
 */
int rmx_index_is_nameless(struct rmx_source *source);

#endif
