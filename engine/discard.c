/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Gets rid of descriptors. See discard.h.
 */
#include "engine/discard.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "engine/file.h"
#include "ring/base.h"

void rmx_discard_fd(struct rmx_loop *loop, int *fd)
{
    if (*fd >= 0 && rmx_file_is_slow_to_close(*fd)) {
        rmx_loop_drop(loop, rmx_take_fd(fd));
    }
    rmx_base_close(fd);
}

void rmx_discard_fds(struct rmx_loop *loop, struct rmx_sock_fds *fds)
{
    for (int i = 0; i < fds->count; i++) {
        rmx_discard_fd(loop, &fds->fds[i]);
    }
    fds->count = 0;
}

static void discard_rights(struct rmx_loop *loop, const struct cmsghdr *rights)
{
    size_t count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);

    for (size_t i = 0; i < count; i++) {
        int fd;

        memcpy(&fd, CMSG_DATA(rights) + i * sizeof(fd), sizeof(fd));
        rmx_discard_fd(loop, &fd);
    }
}

/* Takes one message that was not heard. False: there is none. An empty one has 0 bytes, as the end;
 * but of each the kernel says who sent it. */
static bool take_unheard(struct rmx_loop *loop, int sock)
{
    _Alignas(struct cmsghdr) unsigned char
        control[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int) * RMX_SOCK_FDS_MAX)];
    unsigned char byte; /* what does not fit is lost */
    struct iovec part = { .iov_base = &byte, .iov_len = sizeof(byte) };
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof(control),
    };

    if (recvmsg(sock, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0) {
        return errno == ECONNRESET || errno == EINTR; /* that it has gone is told once, and first */
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            discard_rights(loop, c);
        }
    }
    return message.msg_controllen > 0;
}

void rmx_discard_socket(struct rmx_loop *loop, int *sock)
{
    const int yes = 1;

    (void)shutdown(*sock, SHUT_RDWR); /* no more can come; and polls hold it longer than we do */
    if (setsockopt(*sock, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) == 0) {
        while (take_unheard(loop, *sock)) {
        }
    }
    rmx_base_close(sock);
}
