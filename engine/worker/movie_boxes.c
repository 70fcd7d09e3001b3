/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The boxes of a plain movie. Worker process, a job's fiber. Pure. See movie_boxes.h.
 */
#include "engine/worker/movie_boxes.h"

#include <errno.h>
#include <string.h>

#include <libavutil/intreadwrite.h>

int rmx_movie_boxes_next(
    struct rmx_movie_span *rest, const uint8_t **type, struct rmx_movie_span *content)
{
    if (rest->bytes < 8 || AV_RB32(rest->at) < 8 || AV_RB32(rest->at) > rest->bytes) {
        return -ENOTSUP;
    }
    uint32_t size = AV_RB32(rest->at);

    *type = rest->at + 4;
    *content = (struct rmx_movie_span){ .at = rest->at + 8, .bytes = size - 8 };
    rest->at += size;
    rest->bytes -= size;
    return 0;
}

int rmx_movie_boxes_walk(
    struct rmx_movie_place place, struct rmx_movie_span boxes, const struct rmx_movie_rule *rules)
{
    unsigned seen = 0;

    while (boxes.bytes > 0) {
        struct rmx_movie_span content;
        const struct rmx_movie_rule *rule = rules;
        const uint8_t *type;

        if (rmx_movie_boxes_next(&boxes, &type, &content) < 0) {
            return -ENOTSUP;
        }
        while (rule->type && memcmp(rule->type, type, 4) != 0) {
            rule++;
        }
        unsigned bit = RMX_MOVIE_RULE(rule - rules);

        if (!rule->type || (seen & bit && !rule->often) || (seen & rule->after) != rule->after) {
            return -ENOTSUP;
        }
        seen |= bit;
        if (rule->read && rule->read(place, content) < 0) {
            return -ENOTSUP;
        }
    }
    return 0;
}

int rmx_movie_boxes_skip(struct rmx_movie_span *in, size_t bytes)
{
    if (in->bytes < bytes) {
        return -ENOTSUP;
    }
    in->at += bytes;
    in->bytes -= bytes;
    return 0;
}
