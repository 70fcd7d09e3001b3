/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A stream's side data as ffprobe shows it. Worker process, a job's fiber.
 */
#include "engine/worker/sidedata.h"

#include <string.h>

#include <libavutil/bprint.h>
#include <libavutil/display.h>
#include <libavutil/dovi_meta.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mastering_display_metadata.h>
#include <libavutil/spherical.h>
#include <libavutil/stereo3d.h>

#include "engine/worker/avshim.h"

static void put_name(struct rmx_json *json, const char *name, const char *value)
{
    rmx_json_string(json, name, value ? value : "unknown");
}

static void put_ratio(struct rmx_json *json, const char *name, AVRational value)
{
    rmx_json_format(json, name, "%d/%d", value.num, value.den);
}

static void put_display_matrix(struct rmx_json *json, const AVPacketSideData *side)
{
    int32_t matrix[9];
    AVBPrint text;

    memcpy(matrix, side->data, sizeof(matrix));
    av_bprint_init(&text, 0, AV_BPRINT_SIZE_AUTOMATIC);
    for (int cell = 0; cell < 9; cell++) {
        if (cell % 3 == 0) {
            av_bprintf(&text, "\n%08x: ", (unsigned)cell / 3);
        }
        av_bprintf(&text, " %11d", matrix[cell]);
    }
    av_bprintf(&text, "\n");
    rmx_json_string(json, "displaymatrix", text.str);
    rmx_json_int(json, "rotation", (int64_t)av_display_rotation_get(matrix));
    av_bprint_finalize(&text, NULL);
}

static void put_stereo3d(struct rmx_json *json, const AVPacketSideData *side)
{
    AVStereo3D stereo;

    memcpy(&stereo, side->data, sizeof(stereo));
    put_name(json, "type", av_stereo3d_type_name(stereo.type));
    rmx_json_int(json, "inverted", !!(stereo.flags & AV_STEREO3D_FLAG_INVERT));
}

static void put_spherical(
    struct rmx_json *json, const AVCodecParameters *parameters, const AVPacketSideData *side)
{
    AVSphericalMapping sphere;
    size_t left;
    size_t top;
    size_t right;
    size_t bottom;

    memcpy(&sphere, side->data, sizeof(sphere));
    put_name(json, "projection", av_spherical_projection_name(sphere.projection));
    if (sphere.projection == AV_SPHERICAL_CUBEMAP) {
        rmx_json_int(json, "padding", sphere.padding);
    } else if (sphere.projection == AV_SPHERICAL_EQUIRECTANGULAR_TILE) {
        av_spherical_tile_bounds(&sphere, (size_t)parameters->width, (size_t)parameters->height,
            &left, &top, &right, &bottom);
        rmx_json_int(json, "bound_left", (int64_t)left);
        rmx_json_int(json, "bound_top", (int64_t)top);
        rmx_json_int(json, "bound_right", (int64_t)right);
        rmx_json_int(json, "bound_bottom", (int64_t)bottom);
    }
    rmx_json_int(json, "yaw", sphere.yaw / (1 << 16));
    rmx_json_int(json, "pitch", sphere.pitch / (1 << 16));
    rmx_json_int(json, "roll", sphere.roll / (1 << 16));
}

static void put_mastering(struct rmx_json *json, const AVPacketSideData *side)
{
    static const char *const colours[3][2] = {
        { "red_x", "red_y" },
        { "green_x", "green_y" },
        { "blue_x", "blue_y" },
    };
    AVMasteringDisplayMetadata mastering;

    memcpy(&mastering, side->data, sizeof(mastering));
    if (mastering.has_primaries) {
        for (int colour = 0; colour < 3; colour++) {
            put_ratio(json, colours[colour][0], mastering.display_primaries[colour][0]);
            put_ratio(json, colours[colour][1], mastering.display_primaries[colour][1]);
        }
        put_ratio(json, "white_point_x", mastering.white_point[0]);
        put_ratio(json, "white_point_y", mastering.white_point[1]);
    }
    if (mastering.has_luminance) {
        put_ratio(json, "min_luminance", mastering.min_luminance);
        put_ratio(json, "max_luminance", mastering.max_luminance);
    }
}

static void put_light_level(struct rmx_json *json, const AVPacketSideData *side)
{
    AVContentLightMetadata light;

    memcpy(&light, side->data, sizeof(light));
    rmx_json_int(json, "max_content", light.MaxCLL);
    rmx_json_int(json, "max_average", light.MaxFALL);
}

static void put_dovi(struct rmx_json *json, const AVPacketSideData *side)
{
    AVDOVIDecoderConfigurationRecord dovi;

    memcpy(&dovi, side->data, sizeof(dovi));
    rmx_json_int(json, "dv_version_major", dovi.dv_version_major);
    rmx_json_int(json, "dv_version_minor", dovi.dv_version_minor);
    rmx_json_int(json, "dv_profile", dovi.dv_profile);
    rmx_json_int(json, "dv_level", dovi.dv_level);
    rmx_json_int(json, "rpu_present_flag", dovi.rpu_present_flag);
    rmx_json_int(json, "el_present_flag", dovi.el_present_flag);
    rmx_json_int(json, "bl_present_flag", dovi.bl_present_flag);
    rmx_json_int(json, "dv_bl_signal_compatibility_id", dovi.dv_bl_signal_compatibility_id);
}

static void put_buffer_properties(struct rmx_json *json, const AVPacketSideData *side)
{
    AVCPBProperties buffer;

    memcpy(&buffer, side->data, sizeof(buffer));
    rmx_json_int(json, "max_bitrate", buffer.max_bitrate);
    rmx_json_int(json, "min_bitrate", buffer.min_bitrate);
    rmx_json_int(json, "avg_bitrate", buffer.avg_bitrate);
    rmx_json_int(json, "buffer_size", buffer.buffer_size);
    rmx_json_int(json, "vbv_delay", (int64_t)buffer.vbv_delay);
}

static void put_skip_samples(struct rmx_json *json, const AVPacketSideData *side)
{
    rmx_json_int(json, "skip_samples", AV_RL32(side->data));
    rmx_json_int(json, "discard_padding", AV_RL32(side->data + 4));
    rmx_json_int(json, "skip_reason", side->data[8]);
    rmx_json_int(json, "discard_reason", side->data[9]);
}

static void put_number(struct rmx_json *json, const AVPacketSideData *side)
{
    if (side->type == AV_PKT_DATA_AUDIO_SERVICE_TYPE) {
        rmx_json_int(json, "service_type", AV_RN32(side->data));
    } else if (side->type == AV_PKT_DATA_MPEGTS_STREAM_ID) {
        rmx_json_int(json, "id", side->data[0]);
    } else {
        rmx_json_int(json, "active_format", side->data[0]);
    }
}

/* The library allocates these with the size of the struct they hold; less is not read. */
static void put_side_data_body(
    struct rmx_json *json, const AVCodecParameters *parameters, const AVPacketSideData *side)
{
    size_t bytes = side->size;

    if (side->type == AV_PKT_DATA_DISPLAYMATRIX && bytes >= 9 * sizeof(int32_t)) {
        put_display_matrix(json, side);
    } else if (side->type == AV_PKT_DATA_STEREO3D && bytes >= sizeof(AVStereo3D)) {
        put_stereo3d(json, side);
    } else if (side->type == AV_PKT_DATA_SPHERICAL && bytes >= sizeof(AVSphericalMapping)) {
        put_spherical(json, parameters, side);
    } else if (side->type == AV_PKT_DATA_MASTERING_DISPLAY_METADATA &&
               bytes >= sizeof(AVMasteringDisplayMetadata)) {
        put_mastering(json, side);
    } else if (side->type == AV_PKT_DATA_CONTENT_LIGHT_LEVEL &&
               bytes >= sizeof(AVContentLightMetadata)) {
        put_light_level(json, side);
    } else if (side->type == AV_PKT_DATA_DOVI_CONF &&
               bytes >= sizeof(AVDOVIDecoderConfigurationRecord)) {
        put_dovi(json, side);
    } else if (side->type == AV_PKT_DATA_CPB_PROPERTIES && bytes >= sizeof(AVCPBProperties)) {
        put_buffer_properties(json, side);
    } else if (side->type == AV_PKT_DATA_SKIP_SAMPLES && bytes == 10) {
        put_skip_samples(json, side);
    } else if ((side->type == AV_PKT_DATA_AUDIO_SERVICE_TYPE && bytes >= 4) ||
               (side->type == AV_PKT_DATA_MPEGTS_STREAM_ID && bytes >= 1) ||
               (side->type == AV_PKT_DATA_AFD && bytes >= 1)) {
        put_number(json, side);
    }
}

void rmx_sidedata_write(struct rmx_json *json, const AVStream *stream)
{
    int count = rmx_avshim_side_data_count(stream);

    if (count == 0) {
        return;
    }
    rmx_json_open(json, "side_data_list", '[');
    for (int slot = 0; slot < count; slot++) {
        const AVPacketSideData *side = rmx_avshim_side_data(stream, slot);
        const char *name = av_packet_side_data_name(side->type);

        rmx_json_open(json, NULL, '{');
        rmx_json_string(json, "side_data_type", name ? name : "unknown");
        put_side_data_body(json, stream->codecpar, side);
        rmx_json_close(json, '}');
    }
    rmx_json_close(json, ']');
}
