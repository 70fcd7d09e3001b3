/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The worker's end of the clients' channels (ipc/channel.h): one table for the process. Worker
 * process, its one thread, from the scheduler and from fibers. Must never believe a word that a
 * client can write: a lie ends that channel's jobs, and no other job notices.
 *
 *   free --SHARE--> open --a lie--> corrupt
 *    ^----UNSHARE----'-----UNSHARE-----'
 *
 * A client's mail is taken in small helpings, so that one who floods his mailbox, or all mailboxes
 * he has, makes nobody wait; a bell that rings without need is not listened to for a while, and for
 * longer each time.
 */
#ifndef RMX_ENGINE_WORKER_CHANNEL_H
#define RMX_ENGINE_WORKER_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/lane_wire.h"
#include "ipc/sock.h"
#include "ipc/status.h"
#include "ring/region.h"

struct rmx_channel;

/* epoll_fd: hears the channels' bells, whose events carry the place in data.u32. wake: the job in
 * that flow has news; returns whether it had waited for some. */
void rmx_channel_init(int epoll_fd, bool (*wake)(uint32_t flow));

/* --- what the lane says ---------------------------------------------------------------------- */

/* SHARE: takes the three descriptors out of fds. A channel that cannot be mapped is there all the
 * same, and its jobs end OVER_LIMIT. Returns 0, or -EPROTO: no such place, it is taken, or the
 * shape is wrong. */
int rmx_channel_share(uint32_t place, uint64_t arena_bytes, struct rmx_sock_fds *fds);

/* UNSHARE. Returns 0, or -EPROTO: nothing is there, or jobs are. */
int rmx_channel_unshare(uint32_t place);

/* --- for a job ------------------------------------------------------------------------------- */

/* The channel at that place, with one job more: notes about channel_flow wake `flow`. NULL: there
 * is none, or it has a job of that number. Any job that entered leaves. */
struct rmx_channel *rmx_channel_enter(uint32_t place, uint32_t channel_flow, uint32_t flow);
void rmx_channel_leave(struct rmx_channel *channel, uint32_t channel_flow);

/* OK, or what its jobs are to end with. Once it is not OK no note comes any more: do not wait. */
enum rmx_status rmx_channel_status(const struct rmx_channel *channel);

/* Only while the status is OK, or was when the job entered. */
const struct rmx_region *rmx_channel_arena(const struct rmx_channel *channel);

/* Posts a note and rings, later if that takes long (chime.h). Returns 0, -EAGAIN (the client lets
 * its mailbox fill up) or -EBADMSG (it lies about it, and the channel is corrupt now). */
int rmx_channel_tell(struct rmx_channel *channel, uint32_t channel_flow, enum rmx_note_kind kind);

/* --- for the scheduler ----------------------------------------------------------------------- */

/* Does any channel with jobs have mail (or a mailbox that cannot be), or is a client to be rung who
 * was not yet? */
bool rmx_channel_mail_is_due(void);

/* Rings one of those; takes a helping of the mail: of some channels, and from each at most until a
 * job woke up, so that clients take turns, however many notes they send. */
void rmx_channel_take_mail(void);

/* Around a sleep, as rmx_bell_arm() and rmx_bell_disarm(), for all channels with jobs. */
void rmx_channel_arm(void);
void rmx_channel_disarm(void);

/* The epoll descriptor named this place. */
void rmx_channel_rang(uint32_t place);

/* Listens again to bells that were quiet for long enough; how long a sleep may be at most, for the
 * others: longest_ms unless some are not listened to. */
int rmx_channel_sleep_ms(int longest_ms);

#endif
