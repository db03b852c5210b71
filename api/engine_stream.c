/*
 * engine_stream.c - lines, log frames and pull progress, see engine_stream.h.
 *
 * A line that lies whole in one piece is handed out where it is; only a line cut between pieces is collected.
 * A frame's bytes are handed on as they come, so a frame may be larger than our memory. The engine writes an
 * error of a pull as {"errorDetail":{"message":...},"error":...}; "error" is on its way out since API 1.48.
 */
#include "api/engine_stream.h"

#include "api/json.h"

#include <string.h>

void engine_lines_init(struct engine_lines *lines, size_t max_bytes)
{
    *lines = (struct engine_lines){0};
    buf_init(&lines->rest, max_bytes);
}

void engine_lines_done(struct engine_lines *lines)
{
    buf_done(&lines->rest);
}

static bool hand_out(const char *line, size_t len, engine_line_fn fn, void *arg)
{
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == ' '))
        len--;
    return len == 0 ? true : fn(arg, line, len);
}

/* Keep the beginning of a line; too long: forget it, and the rest of it as it comes. */
static void collect(struct engine_lines *lines, const char *data, size_t len)
{
    struct err err;
    if (lines->is_skipping || buf_add(&lines->rest, data, len, &err) == 0)
        return;
    lines->is_skipping = true;
    lines->too_long++;
    buf_clear(&lines->rest);
}

/* `data` ends a line that began in an earlier piece. */
static bool end_collected(struct engine_lines *lines, const char *data, size_t len, engine_line_fn fn,
                          void *arg)
{
    collect(lines, data, len);
    bool was_skipped = lines->is_skipping;
    lines->is_skipping = false;
    bool goes_on = was_skipped ? true : hand_out(buf_text(&lines->rest), lines->rest.len, fn, arg);
    buf_clear(&lines->rest);
    return goes_on;
}

bool engine_lines_feed(struct engine_lines *lines, const char *data, size_t len, engine_line_fn fn, void *arg)
{
    while (len > 0) {
        const char *end = memchr(data, '\n', len);
        if (end == NULL) {
            collect(lines, data, len);
            return true;
        }
        size_t line_len = (size_t)(end - data);
        bool goes_on;
        if (lines->rest.len > 0 || lines->is_skipping || line_len > lines->rest.max)
            goes_on = end_collected(lines, data, line_len, fn, arg);
        else
            goes_on = hand_out(data, line_len, fn, arg);
        if (!goes_on)
            return false;
        data = end + 1;
        len -= line_len + 1;
    }
    return true;
}

bool engine_lines_end(struct engine_lines *lines, engine_line_fn fn, void *arg)
{
    return end_collected(lines, "", 0, fn, arg);
}

void engine_frames_init(struct engine_frames *frames, bool is_raw)
{
    *frames = (struct engine_frames){.is_raw = is_raw, .stream = 1};
}

/* All 8 bytes of a header are here. */
static bool begin_frame(struct engine_frames *frames)
{
    const unsigned char *h = frames->header;
    if (h[0] > 3 || h[1] != 0 || h[2] != 0 || h[3] != 0)
        return false;
    frames->stream = h[0] >= 2 ? 2 : 1;
    frames->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
    frames->header_len = 0;
    return true;
}

enum engine_frames_result engine_frames_feed(struct engine_frames *frames, const char *data, size_t len,
                                             engine_frame_fn fn, void *arg)
{
    if (frames->is_raw)
        return len == 0 || fn(arg, 1, data, len) ? ENGINE_FRAMES_OK : ENGINE_FRAMES_STOPPED;
    while (len > 0) {
        if (frames->left == 0) {
            frames->header[frames->header_len++] = (unsigned char)*data++;
            len--;
            if (frames->header_len == sizeof(frames->header) && !begin_frame(frames))
                return ENGINE_FRAMES_BAD;
            continue;
        }
        size_t piece = len < frames->left ? len : frames->left;
        frames->left -= (uint32_t)piece;
        if (!fn(arg, frames->stream, data, piece))
            return ENGINE_FRAMES_STOPPED;
        data += piece;
        len -= piece;
    }
    return ENGINE_FRAMES_OK;
}

bool engine_frames_is_complete(const struct engine_frames *frames)
{
    return frames->is_raw || (frames->left == 0 && frames->header_len == 0);
}

void engine_pull_done(struct engine_pull *pull)
{
    free(pull->error);
    free(pull->layers);
    *pull = (struct engine_pull){0};
}

/* NULL: the line tells no error. */
static const char *error_of(const struct json *line)
{
    const struct json *detail = json_get(line, "errorDetail");
    const char *message = json_get_text(detail, "message", "");
    if (message[0] == '\0')
        message = json_get_text(line, "error", "");
    if (message[0] != '\0')
        return message;
    bool has_detail = detail != NULL && json_kind(detail) != JSON_NULL;
    return has_detail ? "the engine reported an error without a message" : NULL;
}

/* FNV-1a. Two layers of one image that share it are counted as one. */
static uint64_t hash_text(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

/* NULL: not one of those that are counted. */
static struct engine_layer *layer_by_id(struct engine_pull *pull, const char *id, bool adds)
{
    uint64_t hash = hash_text(id);
    for (size_t i = 0; i < pull->layer_count; i++)
        if (pull->layers[i].id_hash == hash)
            return &pull->layers[i];
    if (!adds || pull->layer_count == ENGINE_LAYERS_MAX)
        return NULL;
    if (pull->layers == NULL)
        pull->layers = check_alloc(ENGINE_LAYERS_MAX * sizeof(*pull->layers));
    struct engine_layer *layer = &pull->layers[pull->layer_count++];
    *layer = (struct engine_layer){.id_hash = hash};
    return layer;
}

/* A download that is tried again begins anew; the last line of one may be left out. */
static void count_bytes(struct engine_pull *pull, const struct json *line)
{
    const char *status = json_get_text(line, "status", "");
    const char *id = json_get_text(line, "id", "");
    bool downloads = strcmp(status, "Downloading") == 0;
    if (!downloads && strcmp(status, "Download complete") != 0)
        return;
    struct engine_layer *layer = layer_by_id(pull, id, downloads);
    if (layer == NULL)
        return;
    const struct json *detail = json_get(line, "progressDetail");
    int64_t bytes = downloads ? json_get_int(detail, "current", 0) : layer->total;
    if (downloads && json_get_int(detail, "total", 0) > 0)
        layer->total = json_get_int(detail, "total", 0);
    if (bytes > layer->bytes)
        layer->bytes = bytes;
}

int64_t engine_pull_bytes(const struct engine_pull *pull)
{
    int64_t sum = 0;
    for (size_t i = 0; i < pull->layer_count; i++)
        sum = pull->layers[i].bytes > INT64_MAX - sum ? INT64_MAX : sum + pull->layers[i].bytes;
    return sum;
}

bool engine_pull_line(void *arg, const char *line, size_t len)
{
    struct engine_pull *pull = arg;
    struct json *root = NULL;
    struct err err;
    if (json_parse(line, len, &root, &err) != 0) {
        pull->bad_lines++;
        return true;
    }
    if (json_kind(root) != JSON_OBJECT)
        pull->bad_lines++;
    const char *error = error_of(root);
    if (error != NULL && pull->error == NULL)
        pull->error = check_strdup(error);
    count_bytes(pull, root);
    json_free(root);
    return true;
}
