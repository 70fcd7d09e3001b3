/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Groups and operators, said and heard by hand. See raw_talk.h.
 */
#include "tests/raw_talk.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdalign.h>
#include <string.h>

/* What came in one DONE and was not asked for yet. */
static struct rmx_done_item items[RMX_DONE_JOBS_MAX];
static uint32_t items_count;
static uint32_t items_taken;

/* One message; what is in a DONE goes to items. */
static struct raw_news hear_message(void)
{
    static alignas(8) unsigned char message[RMX_WIRE_BYTES_MAX];
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    struct raw_news news = { .type = 0 };
    struct rmx_msg_head head;
    int bytes = raw_receive(raw_sock, message, sizeof(message), &fds);

    if (bytes == 0 || bytes == -ECONNRESET) {
        return news;
    }
    cr_assert_geq(bytes, (int)sizeof(head), "%d", bytes);
    memcpy(&head, message, sizeof(head));
    news.type = head.type;
    if (head.type == RMX_MSG_GROUP_DONE) {
        memcpy(&news.group, message, sizeof(news.group));
    } else if (head.type == RMX_MSG_DONE) {
        items_count = head.count;
        items_taken = 0;
        memcpy(items, message + sizeof(head), head.count * sizeof(items[0]));
    }
    return news;
}

struct raw_news raw_hear(void)
{
    struct raw_news news = { .type = RMX_MSG_CREDIT };

    while (items_taken == items_count && /* a CREDIT is no end of anything */
           (news.type == RMX_MSG_CREDIT || news.type == RMX_MSG_DONE)) {
        news = hear_message();
    }
    if (items_taken < items_count) {
        news.type = RMX_MSG_DONE;
        news.job = items[items_taken++].result;
    }
    return news;
}

struct rmx_job_result raw_hear_job(void)
{
    struct raw_news news = raw_hear();

    cr_assert_eq(news.type, RMX_MSG_DONE, "message %u came", news.type);
    return news.job;
}

struct rmx_msg_group_done raw_hear_group(uint32_t group)
{
    struct raw_news news = raw_hear();

    cr_assert_eq(news.type, RMX_MSG_GROUP_DONE, "message %u came", news.type);
    cr_assert_eq(news.group.group, group);
    return news.group;
}

/* --- jobs and groups ------------------------------------------------------------------------- */

struct rmx_job_spec raw_noop(uint64_t job, uint32_t group)
{
    return (struct rmx_job_spec){
        .job = job,
        .kind = RMX_JOB_NOOP,
        .class_ = RMX_CLASS_NORMAL,
        .group = group,
    };
}

struct rmx_job_spec raw_remux(uint64_t job, uint32_t group, const char *format)
{
    struct rmx_job_spec spec = {
        .job = job,
        .kind = RMX_JOB_REMUX,
        .class_ = RMX_CLASS_NORMAL,
        .inputs = 1,
        .outputs = 1,
        .group = group,
    };

    cr_assert_eq(rmx_job_set_name(&spec.format, format), 0);
    return spec;
}

void raw_open_group(uint32_t group, uint32_t flags, uint32_t jobs_max, uint64_t deadline_ns)
{
    struct rmx_msg_group message = {
        .head = { .type = RMX_MSG_GROUP, .bytes = sizeof(message) },
        .group = group,
        .flags = flags,
        .jobs_max = jobs_max,
        .deadline_ns = deadline_ns,
        .name = RAW_GROUP_NAME,
    };

    cr_assert_eq(rmx_sock_say(raw_sock, &message, sizeof(message), 0), 0);
}

void raw_say_group(uint16_t type, uint32_t group)
{
    struct rmx_msg_group_name message = {
        .head = { .type = type, .bytes = sizeof(message) },
        .group = group,
    };

    cr_assert_eq(rmx_sock_say(raw_sock, &message, sizeof(message), 0), 0);
}

/* --- operators ------------------------------------------------------------------------------- */

int raw_greet(const struct harness *harness, uint64_t features, struct rmx_msg_welcome *welcome)
{
    struct rmx_msg_hello hello = {
        .head = { .type = RMX_MSG_HELLO, .bytes = sizeof(hello) },
        .version_min = RMX_WIRE_VERSION,
        .version_max = RMX_WIRE_VERSION,
        .features = features,
        .name = "test",
    };
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    int sock = rmx_sock_connect(harness->socket);

    cr_assert_geq(sock, 0);
    cr_assert_eq(rmx_sock_say(sock, &hello, sizeof(hello), 0), 0);
    cr_assert_gt(raw_receive(sock, welcome, sizeof(*welcome), &fds), 0);
    rmx_sock_fds_close(&fds);
    return sock;
}

int raw_operator(const struct harness *harness)
{
    struct rmx_msg_welcome welcome;
    int sock = raw_greet(harness, RMX_FEATURE_OPERATOR, &welcome);

    cr_assert_eq(welcome.head.type, RMX_MSG_WELCOME);
    cr_assert_eq(welcome.features, RMX_FEATURE_OPERATOR);
    cr_assert_eq(welcome.credits, 0);
    return sock;
}

size_t raw_jobs(int sock, struct rmx_jobs_item *to, size_t max)
{
    static struct { /* struct rmx_msg_jobs_reply with its items */
        struct rmx_msg_head head;
        uint32_t last;
        uint32_t zero;
        struct rmx_jobs_item items[RMX_JOBS_ITEMS_MAX];
    } page;
    const struct rmx_msg_head head = { .type = RMX_MSG_JOBS, .bytes = sizeof(head) };
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    size_t count = 0;

    cr_assert_eq(rmx_sock_say(sock, &head, sizeof(head), 0), 0);
    do {
        cr_assert_gt(raw_receive(sock, &page, sizeof(page), &fds), 0);
        cr_assert_eq(page.head.type, RMX_MSG_JOBS_REPLY);
        for (uint32_t i = 0; i < page.head.count; i++, count++) {
            if (count < max) {
                to[count] = page.items[i];
            }
        }
    } while (page.last == 0);
    return count;
}

uint64_t raw_cancel_jobs(int sock, const struct rmx_msg_cancel_jobs *match)
{
    struct rmx_msg_cancel_jobs message = *match;
    struct rmx_msg_cancel_reply reply;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

    message.head = (struct rmx_msg_head){ .type = RMX_MSG_CANCEL_JOBS, .bytes = sizeof(message) };
    cr_assert_eq(rmx_sock_say(sock, &message, sizeof(message), 0), 0);
    cr_assert_eq(raw_receive(sock, &reply, sizeof(reply), &fds), (int)sizeof(reply));
    cr_assert_eq(reply.head.type, RMX_MSG_CANCEL_REPLY);
    return reply.jobs;
}
