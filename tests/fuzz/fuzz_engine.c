/*
 * fuzz_engine.c - the engine's answers from any bytes. The first byte chooses the parser, the second the size
 * of the pieces of a stream. Streams must say the same whole and in pieces.
 */
#include "api/engine_read.h"
#include "api/engine_stream.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len);

/* What a stream has said, as a hash, so that its size doesn't matter. */
struct heard {
    uint64_t hash;
    int stream;
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
    return on_piece(arg, 3, line, len) && on_piece(arg, 4, "|", 1);
}

static uint64_t hear_lines(const char *data, size_t len, size_t piece)
{
    struct heard heard = {0};
    struct engine_lines lines;
    engine_lines_init(&lines, 128);
    for (size_t at = 0; at < len; at += piece)
        CHECK(engine_lines_feed(&lines, data + at, piece < len - at ? piece : len - at, on_line, &heard));
    CHECK(engine_lines_end(&lines, on_line, &heard));
    engine_lines_done(&lines);
    return heard.hash;
}

static uint64_t hear_frames(const char *data, size_t len, size_t piece)
{
    struct heard heard = {0};
    struct engine_frames frames;
    enum engine_frames_result result = ENGINE_FRAMES_OK;
    engine_frames_init(&frames, false);
    for (size_t at = 0; at < len && result == ENGINE_FRAMES_OK; at += piece)
        result =
            engine_frames_feed(&frames, data + at, piece < len - at ? piece : len - at, on_piece, &heard);
    return heard.hash + (uint64_t)result;
}

typedef int (*read_fn)(const char *body, size_t len, struct engine_parsed *out, struct err *err);

static void read_answer(read_fn read, const char *data, size_t len)
{
    struct engine_parsed parsed = {0};
    struct err err;
    if (read(data, len, &parsed, &err) == 0)
        for (size_t i = 0; parsed.containers != NULL && i < parsed.count; i++)
            CHECK(parsed.containers[i].id != NULL && parsed.containers[i].launch_id != NULL);
    engine_parsed_done(&parsed);
}

static void read_rest(const char *data, size_t len)
{
    char message[FAILURE_MESSAGE_SIZE];
    struct engine_pull pull = {0};
    (void)engine_read_message(data, len, message, sizeof(message));
    CHECK(strlen(message) < sizeof(message));
    CHECK(engine_pull_line(&pull, data, len));
    engine_pull_done(&pull);
    char *AUTO_FREE text = check_printf("%.*s", (int)len, data);
    char *AUTO_FREE repository = NULL;
    char *AUTO_FREE tag = NULL;
    engine_split_image(text, &repository, &tag);
    CHECK(strlen(repository) + strlen(tag) <= strlen(text) + strlen("latest"));
    (void)engine_read_api_minor(text);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len)
{
    static const read_fn readers[] = {engine_read_create, engine_read_inspect, engine_read_list,
                                      engine_read_image, engine_read_wait};
    if (len < 2)
        return 0;
    size_t piece = 1 + data[1] % 32;
    const char *rest = (const char *)data + 2;
    len -= 2;
    if (data[0] % 8 < ARRAY_LEN(readers))
        read_answer(readers[data[0] % 8], rest, len);
    else if (data[0] % 8 == 5)
        CHECK(hear_lines(rest, len, piece) == hear_lines(rest, len, len + 1));
    else if (data[0] % 8 == 6)
        CHECK(hear_frames(rest, len, piece) == hear_frames(rest, len, len + 1));
    else
        read_rest(rest, len);
    return 0;
}
