/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a service manager hears of us. See notify.h.
 */
#include "engine/notify.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "engine/clock.h"
#include "ring/base.h"

/* Where the manager listens; the supervisor's. */
static struct sockaddr_un manager = { .sun_family = AF_UNIX };
static socklen_t manager_bytes; /* 0 = there is none */

/* "@name" is abstract, as everywhere; what else is no path (vsock:...) is not for us. */
void rmx_notify_init(void)
{
    const char *path = secure_getenv("NOTIFY_SOCKET");
    size_t length = path == NULL ? 0 : strlen(path);

    if (length < 2 || length >= sizeof(manager.sun_path) || (path[0] != '/' && path[0] != '@')) {
        return;
    }
    memcpy(manager.sun_path, path, length);
    if (path[0] == '@') {
        manager.sun_path[0] = 0;
    }
    manager_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static void notify(const char *text)
{
    rmx_autofd int fd = -1;

    if (manager_bytes == 0) {
        return;
    }
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
            (const struct sockaddr *)&manager, manager_bytes);
    }
}

void rmx_notify_ready(void)
{
    notify("READY=1\nSTATUS=Ready");
}

void rmx_notify_reloading(void)
{
    char text[64];

    (void)snprintf(
        text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, rmx_clock_ns() / 1000u);
    notify(text);
}

void rmx_notify_stopping(void)
{
    notify("STOPPING=1\nSTATUS=Draining");
}
