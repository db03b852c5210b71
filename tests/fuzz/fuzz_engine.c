/*
 * fuzz_engine.c - what the engine sends. The first byte chooses: an answer's reader, a stream's, or errors
 * and names; the second the size of the pieces of a stream.
 *
 * Answers: what is read has ids that are safe in a path. Streams say the same whole, in pieces, and cut in
 * two anywhere; log frames that are built from the input come out as they went in.
 */
#include "fuzz.h"

#include "api/engine_read.h"
#include "api/engine_stream.h"
#include "api/error_body.h"

/* Each place of a cut is tried up to this size. */
#define CUT_MAX_BYTES 160
#define LINE_MAX_BYTES 128

/* What a stream has said, as a hash, so that its size doesn't matter. */
struct heard {
    uint64_t hash;
};

static bool on_piece(void *arg, int stream, const char *data, size_t len)
{
    struct heard *h = arg;
    for (size_t i = 0; i < len; i++)
        h->hash = (h->hash ^ (unsigned char)data[i] ^ (uint64_t)stream << 8) * 1099511628211u;
    return true;
}

static bool on_line(void *arg, const char *line, size_t len)
{
    struct json *root = NULL;
    struct engine_event event;
    struct err err;
    if (engine_read_event(line, len, &root, &event, &err) == 0) {
        CHECK(event.type[0] != '\0' && event.action[0] != '\0' && event.id[0] != '\0');
        json_free(root);
    }
    CHECK(len > 0 && len <= LINE_MAX_BYTES && memchr(line, '\n', len) == NULL);
    return on_piece(arg, 3, line, len) && on_piece(arg, 4, "|", 1);
}

/* The end of the piece that begins at `at`: the first one has `first` bytes, each other one `piece`. */
static size_t piece_end(size_t at, size_t first, size_t piece, size_t len)
{
    size_t end = at < first ? first : at + piece;
    return end < len ? end : len;
}

typedef uint64_t (*hear_fn)(const char *data, size_t len, size_t first, size_t piece);

static uint64_t hear_lines(const char *data, size_t len, size_t first, size_t piece)
{
    struct heard heard = {0};
    struct engine_lines lines;
    engine_lines_init(&lines, LINE_MAX_BYTES);
    for (size_t at = 0; at < len; at = piece_end(at, first, piece, len))
        CHECK(engine_lines_feed(&lines, data + at, piece_end(at, first, piece, len) - at, on_line, &heard));
    CHECK(engine_lines_end(&lines, on_line, &heard));
    engine_lines_done(&lines);
    return heard.hash + lines.too_long;
}

static uint64_t hear_frames(const char *data, size_t len, size_t first, size_t piece)
{
    struct heard heard = {0};
    struct engine_frames frames;
    enum engine_frames_result result = ENGINE_FRAMES_OK;
    engine_frames_init(&frames, false);
    for (size_t at = 0; at < len && result == ENGINE_FRAMES_OK; at = piece_end(at, first, piece, len))
        result =
            engine_frames_feed(&frames, data + at, piece_end(at, first, piece, len) - at, on_piece, &heard);
    return heard.hash + (uint64_t)result + (engine_frames_is_complete(&frames) ? 8 : 0);
}

static uint64_t hear_pull(const char *data, size_t len, size_t first, size_t piece)
{
    struct heard heard = {0};
    struct engine_lines lines;
    struct engine_pull pull = {0};
    engine_lines_init(&lines, ENGINE_LINE_MAX_BYTES);
    for (size_t at = 0; at < len; at = piece_end(at, first, piece, len))
        CHECK(engine_lines_feed(&lines, data + at, piece_end(at, first, piece, len) - at, engine_pull_line,
                                &pull));
    CHECK(engine_lines_end(&lines, engine_pull_line, &pull));
    engine_lines_done(&lines);
    int64_t bytes = engine_pull_bytes(&pull);
    CHECK(bytes >= 0);
    if (pull.error != NULL)
        (void)on_piece(&heard, 5, pull.error, strlen(pull.error) + 1);
    uint64_t said = heard.hash + pull.bad_lines + (uint64_t)bytes * 31;
    engine_pull_done(&pull);
    return said;
}

static void check_cuts(hear_fn hear, const char *data, size_t len, size_t piece)
{
    uint64_t whole = hear(data, len, len, len + 1);
    CHECK(hear(data, len, piece, piece) == whole);
    for (size_t cut = 1; cut < len && len <= CUT_MAX_BYTES; cut++)
        CHECK(hear(data, len, cut, len + 1) == whole);
}

/* Frames of which the input gives stream, length and bytes, one after the other. */
static void build_frames(const unsigned char *data, size_t len, size_t piece)
{
    struct buf stream;
    struct heard expected = {0};
    struct err err;
    buf_init(&stream, SIZE_MAX / 4);
    while (len >= 2) {
        size_t size = data[1] < len - 2 ? data[1] : len - 2;
        const char header[8] = {(char)(data[0] % 4), 0, 0, 0, 0, 0, 0, (char)size};
        CHECK(buf_add(&stream, header, sizeof(header), &err) == 0);
        CHECK(buf_add(&stream, data + 2, size, &err) == 0);
        (void)on_piece(&expected, data[0] % 4 >= 2 ? 2 : 1, (const char *)data + 2, size);
        data += 2 + size;
        len -= 2 + size;
    }
    CHECK(hear_frames(buf_text(&stream), stream.len, piece, piece) == expected.hash + 8);
    check_cuts(hear_frames, buf_text(&stream), stream.len, piece);
    buf_done(&stream);
}

typedef int (*read_fn)(const char *body, size_t len, struct engine_parsed *out, struct err *err);

static void read_answer(read_fn read, const char *data, size_t len)
{
    struct engine_parsed parsed = {0};
    struct err err = {.msg = ""};
    if (read(data, len, &parsed, &err) == 0) {
        CHECK(parsed.container_id == NULL || engine_is_container_name(parsed.container_id));
        for (size_t i = 0; parsed.containers != NULL && i < parsed.count; i++) {
            const struct engine_container *c = &parsed.containers[i];
            CHECK(c->id[0] == '\0' || engine_is_container_name(c->id));
            CHECK(c->name != NULL && c->launch_id != NULL && c->flow_run_id != NULL && c->error != NULL);
            CHECK(c->created_at_ms >= 0 && c->started_at_ms >= 0 && c->finished_at_ms >= 0);
        }
        for (size_t i = 0; parsed.image_ids != NULL && i < parsed.count; i++)
            CHECK(parsed.image_ids[i][0] != '\0');
    } else {
        CHECK(err.msg[0] != '\0');
    }
    engine_parsed_done(&parsed);
}

static void read_errors(const char *data, size_t len, size_t size)
{
    char *AUTO_FREE message = check_alloc(size);
    (void)engine_read_message(data, len, message, size);
    CHECK(strlen(message) < size);
    (void)error_body_read(data, len, message, size);
    CHECK(strlen(message) < size);
    char *AUTO_FREE text = fuzz_text(data, len);
    int minor = engine_read_api_minor(text);
    CHECK(minor >= -1 && minor <= 9999);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len)
{
    static const read_fn readers[] = {engine_read_create, engine_read_inspect, engine_read_list,
                                      engine_read_image,  engine_read_images,  engine_read_wait};
    static const hear_fn streams[] = {hear_lines, hear_frames, hear_pull};
    if (len < 2)
        return 0;
    size_t which = data[0] % (ARRAY_LEN(readers) + ARRAY_LEN(streams) + 2);
    size_t piece = 1 + data[1] % 32;
    const char *rest = (const char *)data + 2;
    len -= 2;
    if (which < ARRAY_LEN(readers))
        read_answer(readers[which], rest, len);
    else if (which - ARRAY_LEN(readers) < ARRAY_LEN(streams))
        check_cuts(streams[which - ARRAY_LEN(readers)], rest, len, piece);
    else if (which == ARRAY_LEN(readers) + ARRAY_LEN(streams))
        build_frames(data + 2, len, piece);
    else
        read_errors(rest, len, 1 + data[1]);
    return 0;
}
