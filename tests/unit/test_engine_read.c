/*
 * The pure parts of the engine client, byte by byte: DOCKER_HOST, JSON answers, event lines, pull progress
 * and log frames; whole, cut at every place, and hostile.
 */
#include "api/engine_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- DOCKER_HOST ---- */

static void test_host_accepted(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        const char *unix_socket;
        const char *url;
        const char *pid_base;
        const char *for_people;
        bool is_tls;
    } cases[] = {
        {NULL, "/var/run/docker.sock", "http://localhost", "http+docker://localhost",
         "unix:///var/run/docker.sock", false},
        {"", "/var/run/docker.sock", "http://localhost", "http+docker://localhost",
         "unix:///var/run/docker.sock", false},
        {"unix:///run/x.sock", "/run/x.sock", "http://localhost", "http+docker://localhost",
         "unix:///run/x.sock", false},
        {"unix://run/x.sock", "/run/x.sock", "http://localhost", "http+docker://localhost",
         "unix:///run/x.sock", false},
        {"unix:///a@b c", "/a@b c", "http://localhost", "http+docker://localhost", "unix:///a@b c", false},
        {"tcp://h.example:2375", NULL, "http://h.example:2375", "http://h.example:2375",
         "tcp://h.example:2375", false},
        {"tcp://:2375", NULL, "http://127.0.0.1:2375", "http://127.0.0.1:2375", "tcp://127.0.0.1:2375",
         false},
        {"tcp://h:2375/", NULL, "http://h:2375", "http://h:2375", "tcp://h:2375", false},
        {"http://h:1", NULL, "http://h:1", "http://h:1", "tcp://h:1", false},
        {"h:65535", NULL, "http://h:65535", "http://h:65535", "tcp://h:65535", false},
        {"tcp://[::1]:2375", NULL, "http://[::1]:2375", "http://[::1]:2375", "tcp://[::1]:2375", false},
        {"tcp://h:2376", NULL, "https://h:2376", "https://h:2376", "tcp://h:2376", true},
        {"h:2376", NULL, "https://h:2376", "https://h:2376", "tcp://h:2376", true},
        {"https://h:2376", NULL, "https://h:2376", "https://h:2376", "tcp://h:2376", false},
        {"unix:///x", "/x", "http://localhost", "http+docker://localhost", "unix:///x", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct engine_target target;
        struct err err;
        assert_int_equal(engine_target_parse(cases[i].host, cases[i].is_tls, &target, &err), 0);
        if (cases[i].unix_socket == NULL)
            assert_null(target.unix_socket);
        else
            assert_string_equal(target.unix_socket, cases[i].unix_socket);
        assert_string_equal(target.url, cases[i].url);
        assert_string_equal(target.pid_base, cases[i].pid_base);
        assert_string_equal(target.for_people, cases[i].for_people);
        engine_target_done(&target);
    }
}

static void test_host_refused(void **state)
{
    (void)state;
    static const char *const hosts[] = {
        "unix://",         "tcp://",      "tcp://h",        "tcp://h:",        "tcp://h:0",
        "tcp://h:65536",   "tcp://h:12x", "tcp://h:1/path", "tcp://u:p@h:1",   "tcp://h:1?a=b",
        "tcp://h:1#f",     "https://h",   "ssh://u@h",      "npipe:////./p",   "fd://3",
        "/run/x.sock",     "just-a-name", "tcp://h :1",     "tcp://[::1:2375", "tcp://h:99999999999999999999",
        "tcp://h:1\r\nX:",
    };
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct engine_target target;
        struct err err = {0};
        assert_int_equal(engine_target_parse(hosts[i], false, &target, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_non_null(strstr(err.msg, "DOCKER_HOST"));
        engine_target_done(&target);
    }
    struct engine_target target;
    struct err err = {0};
    assert_int_equal(engine_target_parse("http://h:1", true, &target, &err), -1); /* plain after all */
    assert_non_null(strstr(err.msg, "without TLS"));
    assert_int_equal(engine_target_parse("tcp://user:secret@h:1", false, &target, &err), -1);
    assert_null(strstr(err.msg, "secret"));
}

static void test_host_too_long(void **state)
{
    (void)state;
    char host[300];
    struct engine_target target;
    struct err err = {0};
    memset(host, 'a', sizeof(host));
    memcpy(host, "unix:///", 8);
    host[7 + 107] = '\0'; /* the path has 107 bytes: the longest a socket may have */
    assert_int_equal(engine_target_parse(host, false, &target, &err), 0);
    engine_target_done(&target);
    host[7 + 107] = 'a';
    host[7 + 108] = '\0';
    assert_int_equal(engine_target_parse(host, false, &target, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
}

/* ---- JSON answers ---- */

typedef int (*read_fn)(const char *body, size_t len, struct engine_parsed *out, struct err *err);

static void expect_bad(read_fn read, const char *body)
{
    struct engine_parsed parsed = {0};
    struct err err = {0};
    if (read(body, strlen(body), &parsed, &err) != -1)
        fail_msg("accepted: %s", body);
    assert_true(err.msg[0] != '\0');
    engine_parsed_done(&parsed);
}

/* No beginning of a good answer is a good answer, and none may crash. The copy has no byte to spare. */
static void expect_bad_when_cut(read_fn read, const char *body)
{
    for (size_t len = 0; len < strlen(body); len++) {
        char *copy = test_malloc(len + 1);
        memcpy(copy, body, len);
        struct engine_parsed parsed = {0};
        struct err err = {0};
        assert_int_equal(read(copy, len, &parsed, &err), -1);
        engine_parsed_done(&parsed);
        test_free(copy);
    }
}

#define ID_A "8708cbb8860e9db21229c49dc36cb36cdee181f78a4fcf4d6f4e562855a522d0"

static void test_create(void **state)
{
    (void)state;
    struct engine_parsed parsed = {0};
    struct err err;
    const char *body =
        "{\"Id\":\"" ID_A "\",\"Warnings\":[\"no swap\",\"\",\"old kernel\"],\"New\":{\"a\":[1]}}\n";
    assert_int_equal(engine_read_create(body, strlen(body), &parsed, &err), 0);
    assert_string_equal(parsed.container_id, ID_A);
    assert_string_equal(parsed.warning, "no swap; old kernel");
    engine_parsed_done(&parsed);
    body = "{\"Id\":\"" ID_A "\",\"Warnings\":null}";
    assert_int_equal(engine_read_create(body, strlen(body), &parsed, &err), 0);
    assert_null(parsed.warning);
    engine_parsed_done(&parsed);
    expect_bad_when_cut(engine_read_create, body);
}

static void test_create_bad(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "null",
        "[]",
        "\"Id\"",
        "{}",
        "{\"Id\":null}",
        "{\"Id\":7}",
        "{\"Id\":\"\"}",
        "{\"id\":\"abc\"}",
        "{\"Id\":\"../../info\"}",
        "{\"Id\":\"a/b\"}",
        "{\"Id\":\"a b\"}",
        "{\"Id\":\".a\"}",
        "{\"Id\":\"a\"} x",
        "<html><body>502 Bad Gateway</body></html>",
        "{\"Id\":\"a\\u0000b\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        expect_bad(engine_read_create, bodies[i]);
}

#define STATE(status, code)                                                                                  \
    "\"State\":{\"Status\":\"" status "\",\"Running\":false,\"OOMKilled\":true,\"Pid\":0,\"ExitCode\":" code \
    ",\"Error\":\"boom\",\"StartedAt\":\"2026-11-23T14:55:41.685815036Z\",\"FinishedAt\":\"2026-11-23T14:"   \
    "55:42Z\"}"
#define INSPECT(state)                                                                                       \
    "{\"Id\":\"" ID_A "\",\"Created\":\"2026-11-23T14:55:40.041141718Z\"," state ",\"Image\":\"sha256:8f\"," \
    "\"Name\":\"/run-a\",\"Config\":{\"Tty\":true,\"Image\":\"busybox\",\"Labels\":{\"io.sluice.instance\":" \
    "\"i1\",\"io.sluice.launch\":\"l1\",\"io.sluice.class\":\"big\",\"io.prefect.flow-run-id\":\"f1\"}}}"

static void test_inspect(void **state)
{
    (void)state;
    struct engine_parsed parsed = {0};
    struct err err;
    const char *body = INSPECT(STATE("exited", "137"));
    assert_int_equal(engine_read_inspect(body, strlen(body), &parsed, &err), 0);
    assert_int_equal(parsed.count, 1);
    const struct engine_container *c = parsed.containers;
    assert_string_equal(c->id, ID_A);
    assert_string_equal(c->name, "run-a");
    assert_string_equal(c->launch_id, "l1");
    assert_string_equal(c->flow_run_id, "f1");
    assert_string_equal(c->instance, "i1");
    assert_string_equal(c->class_name, "big");
    assert_string_equal(c->image, "busybox");
    assert_int_equal(c->state, ENGINE_CONTAINER_EXITED);
    assert_int_equal(c->exit_code, 137);
    assert_true(c->oom_killed);
    assert_true(c->tty);
    assert_string_equal(c->error, "boom");
    assert_int_equal(c->created_at_ms, 1795445740041);
    assert_int_equal(c->started_at_ms, 1795445741685);
    assert_int_equal(c->finished_at_ms, 1795445742000);
    engine_parsed_done(&parsed);
    expect_bad_when_cut(engine_read_inspect, body);
}

static void test_inspect_sparse(void **state)
{
    (void)state;
    struct engine_parsed parsed = {0};
    struct err err;
    const char *body =
        "{\"Id\":\"a1\",\"Name\":null,\"Config\":null,\"State\":{\"Status\":\"created\",\"ExitCode\":-1,"
        "\"Error\":null,\"StartedAt\":\"0001-01-01T00:00:00Z\",\"FinishedAt\":7}}";
    assert_int_equal(engine_read_inspect(body, strlen(body), &parsed, &err), 0);
    const struct engine_container *c = parsed.containers;
    assert_string_equal(c->name, "");
    assert_string_equal(c->launch_id, "");
    assert_string_equal(c->image, "");
    assert_string_equal(c->error, "");
    assert_int_equal(c->exit_code, -1);
    assert_int_equal(c->created_at_ms, 0);
    assert_int_equal(c->started_at_ms, 0);
    assert_int_equal(c->finished_at_ms, 0);
    assert_false(c->tty);
    engine_parsed_done(&parsed);
}

static void test_inspect_states(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum engine_container_state state;
    } cases[] = {
        {INSPECT(STATE("created", "0")), ENGINE_CONTAINER_CREATED},
        {INSPECT(STATE("configured", "0")), ENGINE_CONTAINER_CREATED},
        {INSPECT(STATE("running", "0")), ENGINE_CONTAINER_RUNNING},
        {INSPECT(STATE("paused", "0")), ENGINE_CONTAINER_RUNNING},
        {INSPECT(STATE("restarting", "0")), ENGINE_CONTAINER_RUNNING},
        {INSPECT(STATE("exited", "0")), ENGINE_CONTAINER_EXITED},
        {INSPECT(STATE("dead", "0")), ENGINE_CONTAINER_EXITED},
        {INSPECT(STATE("removing", "0")), ENGINE_CONTAINER_REMOVING},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct engine_parsed parsed = {0};
        struct err err;
        assert_int_equal(engine_read_inspect(cases[i].body, strlen(cases[i].body), &parsed, &err), 0);
        assert_int_equal(parsed.containers[0].state, cases[i].state);
        engine_parsed_done(&parsed);
    }
}

static void test_inspect_bad(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "null",
        "[]",
        "{}",
        INSPECT("\"State\":null"),
        INSPECT("\"State\":\"exited\""),
        INSPECT(STATE("", "0")),
        INSPECT(STATE("EXITED", "0")),
        INSPECT(STATE("weird", "0")),
        INSPECT(STATE("exited", "null")),
        INSPECT(STATE("exited", "\"0\"")),
        INSPECT(STATE("exited", "1.5")),
        INSPECT(STATE("exited", "99999999999")),
        INSPECT(STATE("exited", "1e400")),
        "{\"Id\":\"a1\",\"State\":{\"Status\":\"exited\"}}",
        "{\"State\":{\"Status\":\"exited\",\"ExitCode\":0}}",
        "<!doctype html>",
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        expect_bad(engine_read_inspect, bodies[i]);
}

static void test_list(void **state)
{
    (void)state;
    struct engine_parsed parsed = {0};
    struct err err;
    const char *body =
        "[{\"Id\":\"" ID_A "\",\"Names\":[\"/a\",\"/b/c\"],\"Image\":\"busybox\",\"Created\":1795445740,"
        "\"Labels\":{\"io.sluice.launch\":\"l1\"},\"State\":\"exited\",\"Status\":\"Exited (3)\"},"
        "{\"Id\":\"b2\",\"Names\":null,\"Labels\":null,\"State\":\"running\",\"Created\":null}]\n";
    assert_int_equal(engine_read_list(body, strlen(body), &parsed, &err), 0);
    assert_int_equal(parsed.count, 2);
    assert_string_equal(parsed.containers[0].id, ID_A);
    assert_string_equal(parsed.containers[0].name, "a");
    assert_string_equal(parsed.containers[0].launch_id, "l1");
    assert_int_equal(parsed.containers[0].created_at_ms, 1795445740000);
    assert_int_equal(parsed.containers[0].state, ENGINE_CONTAINER_EXITED);
    assert_string_equal(parsed.containers[1].name, "");
    assert_string_equal(parsed.containers[1].launch_id, "");
    assert_string_equal(parsed.containers[1].error, "");
    assert_int_equal(parsed.containers[1].created_at_ms, 0);
    engine_parsed_done(&parsed);
    expect_bad_when_cut(engine_read_list, "[{\"Id\":\"b2\",\"State\":\"running\"}]");
    assert_int_equal(engine_read_list("[]", 2, &parsed, &err), 0);
    assert_int_equal(parsed.count, 0);
    engine_parsed_done(&parsed);
}

/* An absence is concluded from the list: an item that can't be read must not just be left out. */
static void test_list_bad(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "null",
        "{}",
        "[null]",
        "[[]]",
        "[{\"Id\":\"a\"}]",
        "[{\"State\":\"running\"}]",
        "[{\"Id\":\"a\",\"State\":\"running\"},{\"Id\":\"b\",\"State\":7}]",
        "[{\"Id\":\"/etc\",\"State\":\"running\"}]",
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        expect_bad(engine_read_list, bodies[i]);
}

static void test_image(void **state)
{
    (void)state;
    struct engine_parsed parsed = {0};
    struct err err;
    const char *body =
        "{\"Id\":\"sha256:8f\",\"RepoTags\":[\"a:1\"],\"RepoDigests\":[\"a@sha256:1\",null,\"b@sha256:2\"]}";
    assert_int_equal(engine_read_image(body, strlen(body), &parsed, &err), 0);
    assert_string_equal(parsed.image_id, "sha256:8f");
    assert_int_equal(parsed.count, 2);
    assert_string_equal(parsed.repo_digests[0], "a@sha256:1");
    assert_string_equal(parsed.repo_digests[1], "b@sha256:2");
    engine_parsed_done(&parsed);
    assert_int_equal(engine_read_image("{\"Id\":\"x\",\"RepoDigests\":null}", 29, &parsed, &err), 0);
    assert_int_equal(parsed.count, 0);
    engine_parsed_done(&parsed);
    static const char *const bodies[] = {
        "", "null", "[]", "{}", "{\"Id\":null}", "{\"Id\":[]}", "{\"Id\":\"\"}"};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        expect_bad(engine_read_image, bodies[i]);
}

static void test_images(void **state)
{
    (void)state;
    struct engine_parsed parsed = {0};
    struct err err;
    const char *body = "[{\"Id\":\"sha256:8f\",\"RepoTags\":null},{\"Id\":\"sha256:9a\"}]";
    assert_int_equal(engine_read_images(body, strlen(body), &parsed, &err), 0);
    assert_int_equal(parsed.count, 2);
    assert_string_equal(parsed.image_ids[0], "sha256:8f");
    assert_string_equal(parsed.image_ids[1], "sha256:9a");
    engine_parsed_done(&parsed);
    static const char *const bodies[] = {"", "null", "{}", "[null]", "[{}]", "[{\"Id\":\"a\"},{\"Id\":7}]"};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        expect_bad(engine_read_images, bodies[i]);
}

static void test_wait(void **state)
{
    (void)state;
    struct engine_parsed parsed = {0};
    struct err err;
    const char *body = "{\"Error\":null,\"StatusCode\":3}";
    assert_int_equal(engine_read_wait(body, strlen(body), &parsed, &err), 0);
    assert_int_equal(parsed.count, 1);
    assert_int_equal(parsed.containers[0].exit_code, 3);
    engine_parsed_done(&parsed);
    expect_bad_when_cut(engine_read_wait, body);
    expect_bad(engine_read_wait, "{\"StatusCode\":null}");
    expect_bad(engine_read_wait, "{}");
    body = "{\"StatusCode\":0,\"Error\":{\"Message\":\"no such container\"}}";
    assert_int_equal(engine_read_wait(body, strlen(body), &parsed, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_non_null(strstr(err.msg, "no such container"));
    engine_parsed_done(&parsed);
}

static void test_event(void **state)
{
    (void)state;
    struct json *root = NULL;
    struct engine_event event;
    struct err err;
    const char *line = "{\"status\":\"die\",\"id\":\"old\",\"Type\":\"container\",\"Action\":\"die\","
                       "\"Actor\":{\"ID\":\"abc\","
                       "\"Attributes\":{\"exitCode\":\"3\",\"io.sluice.launch\":\"l1\"}},\"time\":1795445740,"
                       "\"timeNano\":1795445740230768722}";
    assert_int_equal(engine_read_event(line, strlen(line), &root, &event, &err), 0);
    assert_string_equal(event.type, "container");
    assert_string_equal(event.action, "die");
    assert_string_equal(event.id, "abc");
    assert_string_equal(event.launch_id, "l1");
    assert_int_equal(event.time_ms, 1795445740230);
    json_free(root);
    line = "{\"Type\":\"container\",\"Action\":\"remove\",\"Actor\":{\"ID\":\"abc\",\"Attributes\":null},"
           "\"time\":5}";
    assert_int_equal(engine_read_event(line, strlen(line), &root, &event, &err), 0);
    assert_string_equal(event.action, "destroy");
    assert_string_equal(event.launch_id, "");
    assert_int_equal(event.time_ms, 5000);
    json_free(root);
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{}",
        "<html>",
        "{\"Type\":\"container\",\"Action\":\"die\"}",
        "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"\"}}",
        "{\"Type\":\"container\",\"Action\":7,\"Actor\":{\"ID\":\"a\"}}",
        "{\"Type\":\"container\"",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(engine_read_event(bad[i], strlen(bad[i]), &root, &event, &err), -1);
}

static void expect_message(const char *body, bool is_engines, const char *expected)
{
    char text[FAILURE_MESSAGE_SIZE];
    assert_int_equal(engine_read_message(body, strlen(body), text, sizeof(text)), is_engines);
    assert_string_equal(text, expected);
}

static void test_message(void **state)
{
    (void)state;
    expect_message("{\"message\":\"No such image: a:1\"}\n", true, "No such image: a:1");
    expect_message("{\"cause\":\"x\",\"message\":\"podman says\",\"response\":500}", true, "podman says");
    expect_message("{\"message\":null}", false, "{\"message\":null}");
    expect_message("{\"message\":\"cut", false, "{\"message\":\"cut");
    expect_message("<html>\n<body>\x01\x7f 502</body>", false, "<html> <body>   502</body>");
    expect_message("", false, "");
    expect_message("null", false, "null");
}

static void test_message_is_bounded(void **state)
{
    (void)state;
    char body[8000];
    char text[FAILURE_MESSAGE_SIZE];
    memset(body, 'x', sizeof(body));
    assert_false(engine_read_message(body, sizeof(body), text, sizeof(text)));
    assert_int_equal(strlen(text), 200);
    /* 2-byte characters from an odd place on: the cut may not halve one. */
    size_t n = (size_t)snprintf(body, sizeof(body), "{\"message\":\"");
    while (n + 4 < sizeof(body)) {
        memcpy(body + n, "\xc3\xa4", 2);
        n += 2;
    }
    memcpy(body + n, "\"}", 3);
    assert_true(engine_read_message(body, n + 2, text, sizeof(text)));
    assert_int_equal(strlen(text), FAILURE_MESSAGE_SIZE - 2);
    assert_int_equal((unsigned char)text[strlen(text) - 1], 0xa4);
}

static void test_api_minor(void **state)
{
    (void)state;
    assert_int_equal(engine_read_api_minor("1.41"), 41);
    assert_int_equal(engine_read_api_minor("1.9"), 9);
    assert_int_equal(engine_read_api_minor("2.0"), 9999);
    static const char *const bad[] = {NULL,    "",       "1",    "1.",    ".41",  "v1.41",
                                      "1.41 ", "1.41.2", "1.-4", "-1.41", "0.41", "1.99999999999999999999999",
                                      "1.4x"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(engine_read_api_minor(bad[i]), -1);
}

static void test_split_image(void **state)
{
    (void)state;
    static const struct {
        const char *image;
        const char *repository;
        const char *tag;
    } cases[] = {
        {"busybox", "busybox", "latest"},
        {"busybox:1.36", "busybox", "1.36"},
        {"localhost:5000/a/b", "localhost:5000/a/b", "latest"},
        {"localhost:5000/a/b:c", "localhost:5000/a/b", "c"},
        {"a@sha256:12", "a", "sha256:12"},
        {"a:1@sha256:12", "a", "sha256:12"},
        {"h:5000/a@sha256:12", "h:5000/a", "sha256:12"},
        {"h:5000/a:1@sha256:12", "h:5000/a", "sha256:12"},
        {"a:", "a", ""},
        {"", "", "latest"},
        {":", "", ""},
        {"@", "", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *repository = NULL;
        char *tag = NULL;
        engine_split_image(cases[i].image, &repository, &tag);
        assert_string_equal(repository, cases[i].repository);
        assert_string_equal(tag, cases[i].tag);
        free(repository);
        free(tag);
    }
}

/* ---- streams ---- */

struct collected {
    char text[4096]; /* lines as "[line]", frames as "1:data|" */
    size_t len;
    int stop_after; /* pieces; 0: never */
    int pieces;
};

static bool collect(struct collected *c, const char *front, const char *data, size_t len, const char *end)
{
    int n = snprintf(c->text + c->len, sizeof(c->text) - c->len, "%s%.*s%s", front, (int)len, data, end);
    assert_true(n >= 0 && c->len + (size_t)n < sizeof(c->text));
    c->len += (size_t)n;
    c->pieces++;
    return c->stop_after == 0 || c->pieces < c->stop_after;
}

static bool on_line(void *arg, const char *line, size_t len)
{
    return collect(arg, "[", line, len, "]");
}

/* Bytes of one stream join whatever the pieces are. */
static bool on_frame(void *arg, int stream, const char *data, size_t len)
{
    struct collected *c = arg;
    char front[8] = "";
    static int last_stream;
    if (c->pieces == 0 || stream != last_stream)
        snprintf(front, sizeof(front), "|%d:", stream);
    last_stream = stream;
    return collect(c, front, data, len, "");
}

/* Feed in pieces that begin at 0, cut, cut + step, ...; each piece is a copy without a byte to spare. */
static void feed_lines_cut(const char *data, size_t len, size_t cut, size_t step, struct collected *c)
{
    struct engine_lines lines;
    engine_lines_init(&lines, 64);
    for (size_t at = 0; at < len;) {
        size_t piece = at == 0 && cut > 0 ? cut : step;
        piece = piece < len - at ? piece : len - at;
        char *copy = test_malloc(piece);
        memcpy(copy, data + at, piece);
        assert_true(engine_lines_feed(&lines, copy, piece, on_line, c));
        test_free(copy);
        at += piece;
    }
    assert_true(engine_lines_end(&lines, on_line, c));
    engine_lines_done(&lines);
}

static void test_lines_cut_anywhere(void **state)
{
    (void)state;
    const char *data = "one\r\n\r\n\ntwo\nthree four\r\nlast";
    for (size_t cut = 0; cut <= strlen(data); cut++)
        for (size_t step = 1; step <= strlen(data); step++) {
            struct collected c = {0};
            feed_lines_cut(data, strlen(data), cut, step, &c);
            assert_string_equal(c.text, "[one][two][three four][last]");
        }
}

static void test_lines_too_long(void **state)
{
    (void)state;
    char data[300];
    memset(data, 'x', sizeof(data));
    memcpy(data, "a\n", 2);
    data[200] = '\n';
    memcpy(data + 201, "b\n", 2);
    for (size_t step = 1; step <= 250; step += 7) {
        struct engine_lines lines;
        struct collected c = {0};
        engine_lines_init(&lines, 64);
        for (size_t at = 0; at < 210; at += step)
            assert_true(engine_lines_feed(&lines, data + at, step < 210 - at ? step : 210 - at, on_line, &c));
        assert_string_equal(c.text, "[a][b]");
        assert_int_equal(lines.too_long, 1);
        assert_true(lines.rest.len <= 64 && lines.rest.cap <= 128);
        engine_lines_done(&lines);
    }
}

static void test_lines_stop(void **state)
{
    (void)state;
    struct engine_lines lines;
    struct collected c = {.stop_after = 2};
    engine_lines_init(&lines, 64);
    assert_false(engine_lines_feed(&lines, "a\nb\nc\n", 6, on_line, &c));
    assert_string_equal(c.text, "[a][b]");
    engine_lines_done(&lines);
}

static void test_frames_cut_anywhere(void **state)
{
    (void)state;
    static const char data[] =
        "\1\0\0\0\0\0\0\4out\n\2\0\0\0\0\0\0\3err\1\0\0\0\0\0\0\0\3\0\0\0\0\0\0\2!!\0\0\0\0\0\0\0\1x";
    size_t len = sizeof(data) - 1;
    for (size_t step = 1; step <= len; step++) {
        struct engine_frames frames;
        struct collected c = {0};
        engine_frames_init(&frames, false);
        for (size_t at = 0; at < len; at += step) {
            size_t piece = step < len - at ? step : len - at;
            assert_int_equal(engine_frames_feed(&frames, data + at, piece, on_frame, &c), ENGINE_FRAMES_OK);
            if (at + piece < len && at + piece == 5)
                assert_false(engine_frames_is_complete(&frames));
        }
        assert_string_equal(c.text, "|1:out\n|2:err!!|1:x");
        assert_true(engine_frames_is_complete(&frames));
    }
}

static void test_frames_bad(void **state)
{
    (void)state;
    static const char *const bad[] = {"\4\0\0\0\0\0\0\1x", "\1\1\0\0\0\0\0\1x", "\1\0\0\1\0\0\0\1x",
                                      "<html><body>"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct engine_frames frames;
        struct collected c = {0};
        engine_frames_init(&frames, false);
        assert_int_equal(engine_frames_feed(&frames, bad[i], 9, on_frame, &c), ENGINE_FRAMES_BAD);
        assert_int_equal(c.pieces, 0);
    }
}

/* A frame may say that it is larger than any memory; a tty has no frames; the listener may stop. */
static void test_frames_large_raw_and_stopped(void **state)
{
    (void)state;
    struct engine_frames frames;
    struct collected c = {0};
    engine_frames_init(&frames, false);
    assert_int_equal(engine_frames_feed(&frames, "\1\0\0\0\xff\xff\xff\xffxyz", 11, on_frame, &c),
                     ENGINE_FRAMES_OK);
    assert_string_equal(c.text, "|1:xyz");
    assert_int_equal(frames.left, 0xffffffffu - 3);
    assert_false(engine_frames_is_complete(&frames));

    c = (struct collected){0};
    engine_frames_init(&frames, true);
    assert_int_equal(engine_frames_feed(&frames, "\4raw", 4, on_frame, &c), ENGINE_FRAMES_OK);
    assert_string_equal(c.text, "|1:\4raw");
    assert_true(engine_frames_is_complete(&frames));

    c = (struct collected){.stop_after = 1};
    engine_frames_init(&frames, false);
    assert_int_equal(engine_frames_feed(&frames, "\1\0\0\0\0\0\0\1a\1\0\0\0\0\0\0\1b", 18, on_frame, &c),
                     ENGINE_FRAMES_STOPPED);
    assert_string_equal(c.text, "|1:a");
}

static void test_pull_lines(void **state)
{
    (void)state;
    struct engine_pull pull = {0};
    static const char *const fine[] = {"{\"status\":\"Pulling from library/busybox\",\"id\":\"latest\"}",
                                       "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1}}",
                                       "{\"error\":null}",
                                       "{\"error\":\"\"}",
                                       "{\"errorDetail\":null}",
                                       "{}"};
    for (size_t i = 0; i < ARRAY_LEN(fine); i++)
        assert_true(engine_pull_line(&pull, fine[i], strlen(fine[i])));
    assert_null(pull.error);
    assert_int_equal(pull.bad_lines, 0);
    static const char *const bad[] = {"<html>", "{\"status\":", "null", "[]", "7"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_true(engine_pull_line(&pull, bad[i], strlen(bad[i])));
    assert_int_equal(pull.bad_lines, ARRAY_LEN(bad));
    engine_pull_done(&pull);
}

static void feed_pull(struct engine_pull *pull, const char *status, const char *id, const char *detail)
{
    char line[200];
    snprintf(line, sizeof(line), "{\"status\":\"%s\",\"progressDetail\":{%s},\"id\":\"%s\"}", status, detail,
             id);
    assert_true(engine_pull_line(pull, line, strlen(line)));
    assert_int_equal(pull->bad_lines, 0);
}

static void test_what_a_pull_has_downloaded(void **state)
{
    (void)state;
    struct engine_pull pull = {0};
    assert_int_equal(engine_pull_bytes(&pull), 0);
    feed_pull(&pull, "Already exists", "a1", "");
    feed_pull(&pull, "Downloading", "b2", "\"current\":1000,\"total\":5000");
    feed_pull(&pull, "Downloading", "c3", "\"current\":300");
    feed_pull(&pull, "Downloading", "b2", "\"current\":4000,\"total\":5000");
    assert_int_equal(engine_pull_bytes(&pull), 4300);
    feed_pull(&pull, "Downloading", "b2", "\"current\":10,\"total\":5000"); /* tried again */
    assert_int_equal(engine_pull_bytes(&pull), 4300);
    feed_pull(&pull, "Download complete", "b2", "");
    feed_pull(&pull, "Download complete", "c3", "");
    feed_pull(&pull, "Download complete", "d4", "");
    assert_int_equal(engine_pull_bytes(&pull), 5300);
    feed_pull(&pull, "Extracting", "b2", "\"current\":9000,\"total\":9000");
    feed_pull(&pull, "Pull complete", "b2", "");
    feed_pull(&pull, "Downloading", "c3", "\"current\":\"x\",\"total\":-7");
    feed_pull(&pull, "Downloading", "e5", "\"current\":-7");
    assert_int_equal(engine_pull_bytes(&pull), 5300);
    feed_pull(&pull, "Downloading", "f6", "\"current\":9223372036854775807");
    assert_true(engine_pull_bytes(&pull) == INT64_MAX);
    engine_pull_done(&pull);
    for (int i = 0; i < 2 * ENGINE_LAYERS_MAX; i++) {
        char id[20];
        snprintf(id, sizeof(id), "layer%d", i);
        feed_pull(&pull, "Downloading", id, "\"current\":10");
    }
    assert_int_equal(engine_pull_bytes(&pull), 10 * ENGINE_LAYERS_MAX);
    engine_pull_done(&pull);
}

static void test_pull_errors(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *error;
    } cases[] = {
        {"{\"errorDetail\":{\"message\":\"new\"},\"error\":\"old\"}", "new"},
        {"{\"error\":\"old\"}", "old"},
        {"{\"errorDetail\":{\"code\":401},\"error\":\"old\"}", "old"},
        {"{\"errorDetail\":{\"message\":\"only new\"}}", "only new"},
        {"{\"errorDetail\":{}}", "the engine reported an error without a message"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct engine_pull pull = {0};
        assert_true(engine_pull_line(&pull, cases[i].line, strlen(cases[i].line)));
        assert_non_null(pull.error);
        assert_string_equal(pull.error, cases[i].error);
        const char *second = "{\"error\":\"second\"}";
        assert_true(engine_pull_line(&pull, second, strlen(second)));
        assert_string_equal(pull.error, cases[i].error);
        engine_pull_done(&pull);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_accepted),
        cmocka_unit_test(test_host_refused),
        cmocka_unit_test(test_host_too_long),
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_create_bad),
        cmocka_unit_test(test_inspect),
        cmocka_unit_test(test_inspect_sparse),
        cmocka_unit_test(test_inspect_states),
        cmocka_unit_test(test_inspect_bad),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_bad),
        cmocka_unit_test(test_image),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_event),
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_message_is_bounded),
        cmocka_unit_test(test_api_minor),
        cmocka_unit_test(test_split_image),
        cmocka_unit_test(test_lines_cut_anywhere),
        cmocka_unit_test(test_lines_too_long),
        cmocka_unit_test(test_lines_stop),
        cmocka_unit_test(test_frames_cut_anywhere),
        cmocka_unit_test(test_frames_bad),
        cmocka_unit_test(test_frames_large_raw_and_stopped),
        cmocka_unit_test(test_pull_lines),
        cmocka_unit_test(test_what_a_pull_has_downloaded),
        cmocka_unit_test(test_pull_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
