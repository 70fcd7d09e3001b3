/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lists of users or groups, as settings name them: "www-data, 1004". Names are looked up once, when
 * the settings are read, on the supervisor's thread: a lane only compares numbers.
 */
#ifndef RMX_ENGINE_IDENTITY_H
#define RMX_ENGINE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#define RMX_IDENTITIES_MAX        32u
#define RMX_IDENTITIES_TEXT_BYTES 512

enum rmx_identity_kind {
    RMX_IDENTITY_USERS,
    RMX_IDENTITY_GROUPS,
};

struct rmx_identities {
    uint32_t count;
    uint32_t ids[RMX_IDENTITIES_MAX];
    char text[RMX_IDENTITIES_TEXT_BYTES]; /* as it was written */
};

/* Reads names and numbers with commas between, spaces allowed. False, nothing changed: one is
 * neither a number nor the name of anybody, or there are too many. */
bool rmx_identity_read(
    const char *text, enum rmx_identity_kind kind, struct rmx_identities *identities);

bool rmx_identity_has(const struct rmx_identities *identities, uint32_t id);

#endif
