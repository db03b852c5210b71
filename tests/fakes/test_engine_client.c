/*
 * The engine client against the fake engine: what each call asks, and what it makes of the answer.
 */
#include "tests/fakes/engine_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- each call ---- */

static void test_ping(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    assert_string_equal(engine_api_version(w->engine), "");
    engine_world_call(w, FAKE_ENGINE_PING, &n);
    noted_assert_fine(&n);
    assert_string_equal(fake_engine_last_request(w->fake, FAKE_ENGINE_PING), "GET /_ping");
    assert_string_equal(n.version, "20.10.24");
    assert_string_equal(n.api_version, "1.41");
    assert_string_equal(engine_api_version(w->engine), "1.41");
    assert_string_equal(engine_pid_base(w->engine), "http+docker://localhost");
    assert_string_equal(engine_host(w->engine), fake_engine_host(w->fake));
}

static void test_image_inspect(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    struct err err;
    const struct http_clocks c = ENGINE_WORLD_CLOCKS;
    engine_world_call(w, FAKE_ENGINE_IMAGE_INSPECT, &n);
    noted_assert_fine(&n);
    assert_int_equal(strncmp(n.image_id, "sha256:", 7), 0);
    n = (struct noted){0};
    assert_int_equal(engine_image_inspect(w->engine, "h:5000/a b/c:1", &c, noted_on_done, &n, NULL, &err), 0);
    engine_world_turn(w);
    assert_string_equal(fake_engine_last_request(w->fake, FAKE_ENGINE_IMAGE_INSPECT),
                        "GET /v1.41/images/h%3A5000%2Fa%20b%2Fc%3A1/json");
    noted_assert_refused(&n, 404, "no such image: h:5000/a b/c:1: No such image: h:5000/a b/c:1");
    assert_int_equal(n.failure.stage, STAGE_IMAGE);
    assert_int_equal(n.failure.dependency, DEPENDENCY_ENGINE);
}

static void test_create(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_call(w, FAKE_ENGINE_CREATE, &n);
    noted_assert_fine(&n);
    assert_int_equal(n.status, 201);
    assert_string_equal(n.warning, "");
    assert_string_equal(n.container_id, fake_engine_find(w->fake, "c1")->id);
    assert_string_equal(fake_engine_last_request(w->fake, FAKE_ENGINE_CREATE),
                        "POST /v1.41/containers/create?name=c1");
    assert_string_equal(fake_engine_last_body(w->fake, FAKE_ENGINE_CREATE), ENGINE_WORLD_BODY);
    char *AUTO_FREE taken =
        check_printf("Conflict. The container name \"/c1\" is already in use by container \"%s\". You "
                     "have to remove (or rename) that container to be able to reuse that name.",
                     n.container_id);
    engine_world_call(w, FAKE_ENGINE_CREATE, &n);
    noted_assert_refused(&n, 409, taken);
    assert_true(n.failure.changes);
    assert_int_equal(n.failure.stage, STAGE_CREATE);
    fake_engine_remove_image(w->fake, "busybox");
    engine_world_call(w, FAKE_ENGINE_CREATE, &n);
    noted_assert_refused(&n, 404, "No such image: busybox:latest");
}

static void test_create_platform_and_warnings(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    struct err err;
    const struct http_clocks c = ENGINE_WORLD_CLOCKS;
    fake_engine_add_fault(w->fake,
                          &(struct fake_fault){.call = FAKE_ENGINE_CREATE,
                                               .kind = FAKE_FAULT_BODY,
                                               .body = "{\"Id\":\"abc\",\"Warnings\":[\"one\",\"two\"]}"});
    assert_int_equal(
        engine_create(w->engine, "c1", "linux/arm64", ENGINE_WORLD_BODY, &c, noted_on_done, &n, NULL, &err),
        0);
    engine_world_turn(w);
    noted_assert_fine(&n);
    assert_string_equal(n.warning, "one; two");
    assert_string_equal(fake_engine_last_request(w->fake, FAKE_ENGINE_CREATE),
                        "POST /v1.41/containers/create?name=c1&platform=linux%2Farm64");
}

static void test_start(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_make(w, false);
    engine_world_call(w, FAKE_ENGINE_START, &n);
    noted_assert_fine(&n);
    assert_false(n.was_already);
    engine_world_call(w, FAKE_ENGINE_START, &n);
    noted_assert_fine(&n);
    assert_true(n.was_already);
    assert_int_equal(fake_engine_starts(w->fake, "l1"), 1);
    fake_engine_remove(w->fake, "c1");
    engine_world_call(w, FAKE_ENGINE_START, &n);
    noted_assert_refused(&n, 404, "No such container: c1");
    assert_true(n.failure.changes);
    assert_int_equal(n.failure.stage, STAGE_START);
}

static void test_inspect(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    const struct fake_container *c = engine_world_make(w, true);
    engine_world_call(w, FAKE_ENGINE_INSPECT, &n);
    noted_assert_fine(&n);
    assert_int_equal(n.count, 1);
    assert_string_equal(n.container_id, c->id);
    assert_string_equal(n.name, "c1");
    assert_string_equal(n.launch_id, "l1");
    assert_int_equal(n.state, ENGINE_CONTAINER_RUNNING);
    fake_engine_exit(w->fake, "c1", 7);
    engine_world_call(w, FAKE_ENGINE_INSPECT, &n);
    assert_int_equal(n.state, ENGINE_CONTAINER_EXITED);
    assert_int_equal(n.exit_code, 7);
    fake_engine_remove(w->fake, "c1");
    engine_world_call(w, FAKE_ENGINE_INSPECT, &n);
    noted_assert_refused(&n, 404, "No such container: c1");
    assert_false(n.failure.changes);
    assert_int_equal(n.failure.stage, STAGE_INSPECT);
}

static void test_failed_start_is_seen_by_inspect(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_make(w, false);
    fake_engine_set_program(w->fake,
                            &(struct fake_program){.start_status = 400, .start_message = "no such file"});
    engine_world_call(w, FAKE_ENGINE_START, &n);
    noted_assert_refused(&n, 400, "no such file");
    assert_int_equal(fake_engine_starts(w->fake, "l1"), 0);
    engine_world_call(w, FAKE_ENGINE_INSPECT, &n);
    assert_int_equal(n.state, ENGINE_CONTAINER_CREATED);
    assert_int_equal(n.exit_code, 127);
    assert_string_equal(n.error, "no such file");
}

static void test_list(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_call(w, FAKE_ENGINE_LIST, &n);
    noted_assert_fine(&n);
    assert_int_equal(n.count, 0);
    assert_string_equal(
        fake_engine_last_request(w->fake, FAKE_ENGINE_LIST),
        "GET /v1.41/containers/json?all=1&filters=%7B%22label%22%3A%5B%22io.sluice.instance%3Di1%22%5D%7D");
    engine_world_make(w, false);
    fake_engine_create(w->fake, "foreign", "{\"Image\":\"busybox\",\"Cmd\":[\"x\"]}");
    fake_engine_create(w->fake, "other",
                       "{\"Image\":\"busybox\",\"Cmd\":[\"x\"],\"Labels\":{\"io.sluice.instance\":\"i2\"}}");
    engine_world_call(w, FAKE_ENGINE_LIST, &n);
    assert_int_equal(n.count, 1);
    assert_string_equal(n.name, "c1");
    assert_string_equal(n.launch_id, "l1");
    assert_int_equal(n.state, ENGINE_CONTAINER_CREATED);
}

static void test_network_connect(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_call(w, FAKE_ENGINE_NETWORK_CONNECT, &n);
    noted_assert_refused(&n, 404, "No such container: c1");
    assert_true(n.failure.changes);
    assert_int_equal(n.failure.stage, STAGE_NETWORK);
    engine_world_make(w, true);
    engine_world_call(w, FAKE_ENGINE_NETWORK_CONNECT, &n);
    noted_assert_fine(&n);
    assert_string_equal(fake_engine_last_request(w->fake, FAKE_ENGINE_NETWORK_CONNECT),
                        "POST /v1.41/networks/net1/connect");
    assert_string_equal(fake_engine_last_body(w->fake, FAKE_ENGINE_NETWORK_CONNECT),
                        "{\"Container\":\"c1\",\"EndpointConfig\":{\"Aliases\":[\"a\"]}}");
}

static void test_network_connect_twice_is_fine(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_make(w, true);
    engine_world_call(w, FAKE_ENGINE_NETWORK_CONNECT, &n);
    engine_world_call(w, FAKE_ENGINE_NETWORK_CONNECT, &n); /* 403 endpoint with name ... already exists */
    noted_assert_fine(&n);
    fake_engine_add_fault(w->fake, &(struct fake_fault){.call = FAKE_ENGINE_NETWORK_CONNECT,
                                                        .kind = FAKE_FAULT_STATUS,
                                                        .status = 500,
                                                        .message = "network is already connected"});
    engine_world_call(w, FAKE_ENGINE_NETWORK_CONNECT, &n);
    noted_assert_fine(&n);
    fake_engine_add_fault(w->fake, &(struct fake_fault){.call = FAKE_ENGINE_NETWORK_CONNECT,
                                                        .kind = FAKE_FAULT_STATUS,
                                                        .status = 403,
                                                        .message = "network x not manually attachable"});
    engine_world_call(w, FAKE_ENGINE_NETWORK_CONNECT, &n);
    noted_assert_refused(&n, 403, "network x not manually attachable");
}

static void test_stop(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_make(w, true);
    engine_world_call(w, FAKE_ENGINE_STOP, &n);
    noted_assert_fine(&n);
    assert_false(n.was_already);
    assert_string_equal(fake_engine_last_request(w->fake, FAKE_ENGINE_STOP),
                        "POST /v1.41/containers/c1/stop?t=3");
    assert_int_equal(fake_engine_find(w->fake, "c1")->exit_code, 143);
    engine_world_call(w, FAKE_ENGINE_STOP, &n);
    noted_assert_fine(&n);
    assert_true(n.was_already);
    fake_engine_remove(w->fake, "c1");
    engine_world_call(w, FAKE_ENGINE_STOP, &n);
    noted_assert_refused(&n, 404, "No such container: c1");
    assert_false(n.failure.changes);
    assert_int_equal(n.failure.stage, STAGE_STOP);
}

/* The engine answers a stop when the container has ended: the grace time is no inactivity. */
static void test_stop_extends_its_clocks(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    struct err err;
    const struct http_clocks c = {.connect_ms = 1000, .inactivity_ms = 1000, .total_ms = 1000};
    fake_engine_set_program(w->fake, &(struct fake_program){.run_ms = -1, .ignores_sigterm = true});
    engine_world_make(w, true);
    assert_int_equal(engine_stop(w->engine, "c1", 30000, &c, noted_on_done, &n, NULL, &err), 0);
    engine_world_advance(w, 29999);
    assert_int_equal(n.done, 0);
    engine_world_advance(w, 1);
    noted_assert_fine(&n);
    assert_int_equal(n.took_ms, 30000);
    assert_int_equal(fake_engine_find(w->fake, "c1")->exit_code, 137);
}

static void test_kill(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    const struct fake_container *c = engine_world_make(w, true);
    engine_world_call(w, FAKE_ENGINE_KILL, &n);
    noted_assert_fine(&n);
    assert_string_equal(fake_engine_last_request(w->fake, FAKE_ENGINE_KILL),
                        "POST /v1.41/containers/c1/kill?signal=SIGKILL");
    char *AUTO_FREE message = check_printf("Cannot kill container: c1: Container %s is not running", c->id);
    engine_world_call(w, FAKE_ENGINE_KILL, &n);
    noted_assert_refused(&n, 409, message);
    assert_false(n.failure.changes);
}

static void test_remove(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    struct err err;
    const struct http_clocks c = ENGINE_WORLD_CLOCKS;
    const struct fake_container *container = engine_world_make(w, true);
    char *AUTO_FREE message =
        check_printf("You cannot remove a running container %s. Stop the container before attempting "
                     "removal or force remove",
                     container->id);
    assert_int_equal(engine_remove(w->engine, "c1", false, &c, noted_on_done, &n, NULL, &err), 0);
    engine_world_turn(w);
    noted_assert_refused(&n, 409, message);
    assert_string_equal(fake_engine_last_request(w->fake, FAKE_ENGINE_REMOVE),
                        "DELETE /v1.41/containers/c1?v=1&force=0");
    engine_world_call(w, FAKE_ENGINE_REMOVE, &n);
    noted_assert_fine(&n);
    assert_string_equal(fake_engine_last_request(w->fake, FAKE_ENGINE_REMOVE),
                        "DELETE /v1.41/containers/c1?v=1&force=1");
    engine_world_call(w, FAKE_ENGINE_REMOVE, &n);
    noted_assert_refused(&n, 404, "No such container: c1");
    assert_int_equal(n.failure.stage, STAGE_REMOVE);
}

/* Days may pass without a byte. */
static void test_wait(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_make(w, true);
    engine_world_call(w, FAKE_ENGINE_WAIT, &n);
    assert_string_equal(fake_engine_last_request(w->fake, FAKE_ENGINE_WAIT),
                        "POST /v1.41/containers/c1/wait?condition=not-running");
    engine_world_advance(w, 100000000);
    assert_int_equal(n.done, 0);
    fake_engine_exit(w->fake, "c1", 9);
    engine_world_turn(w);
    noted_assert_fine(&n);
    assert_int_equal(n.exit_code, 9);
}

static void test_wait_that_lost_the_code(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_make(w, false);
    fake_engine_add_fault(
        w->fake, &(struct fake_fault){.call = FAKE_ENGINE_WAIT,
                                      .kind = FAKE_FAULT_BODY,
                                      .body = "{\"StatusCode\":0,\"Error\":{\"Message\":\"it is gone\"}}"});
    engine_world_call(w, FAKE_ENGINE_WAIT, &n);
    assert_true(n.has_failed);
    assert_int_equal(n.failure.transport, TRANSPORT_BAD_ANSWER);
    assert_non_null(strstr(n.failure.message, "it is gone"));
}

/* ---- images made and removed ---- */

static void test_image_import(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_call(w, FAKE_ENGINE_IMPORT, &n);
    noted_assert_fine(&n);
    assert_string_equal(
        fake_engine_last_request(w->fake, FAKE_ENGINE_IMPORT),
        "POST /v1.41/images/create?fromSrc=-&repo=made&tag=t1&changes=LABEL%20io.sluice.tune%3Dt1");
    assert_true(fake_engine_has_image(w->fake, "made:t1"));
    engine_world_call(w, FAKE_ENGINE_IMAGE_LIST, &n);
    noted_assert_fine(&n);
    assert_int_equal(n.count, 1);
    assert_string_equal(fake_engine_last_request(w->fake, FAKE_ENGINE_IMAGE_LIST),
                        "GET /v1.41/images/json?filters=%7B%22label%22%3A%5B%22io.sluice.tune%3Dt1%22%5D%7D");
}

/* Either before the answer begins or inside of it; the engine's own word both times: no registry is asked. */
static void test_image_import_that_is_refused(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    struct err err;
    const struct http_clocks c = ENGINE_WORLD_CLOCKS;
    struct engine_import import = ENGINE_WORLD_IMPORT;
    import.tar_len = 1000;
    assert_int_equal(engine_image_import(w->engine, &import, &c, noted_on_done, &n, NULL, &err), 0);
    engine_world_turn(w);
    noted_assert_refused(&n, 500, "Error processing tar file(exit status 1): unexpected EOF");
    assert_int_equal(n.failure.dependency, DEPENDENCY_ENGINE);
    assert_int_equal(n.failure.stage, STAGE_IMAGE);
    assert_false(n.failure.changes);
    fake_engine_add_fault(
        w->fake, &(struct fake_fault){.call = FAKE_ENGINE_IMPORT,
                                      .kind = FAKE_FAULT_BODY,
                                      .body = "{\"errorDetail\":{\"message\":\"no space left\"}}\r\n"});
    engine_world_call(w, FAKE_ENGINE_IMPORT, &n);
    noted_assert_refused(&n, 200, "no space left");
    assert_int_equal(n.failure.dependency, DEPENDENCY_ENGINE);
}

/* A tar is full of zeros: all of it must arrive, byte for byte. */
static void test_image_import_sends_binary(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    struct err err;
    const struct http_clocks c = ENGINE_WORLD_CLOCKS;
    char tar[512] = "exit";
    struct engine_import import = ENGINE_WORLD_IMPORT;
    import.tar = tar;
    import.tar_len = sizeof(tar);
    assert_int_equal(engine_image_import(w->engine, &import, &c, noted_on_done, &n, NULL, &err), 0);
    memset(tar, 'x', sizeof(tar)); /* it was copied */
    engine_world_turn(w);
    noted_assert_fine(&n);
    assert_string_equal(fake_engine_last_body(w->fake, FAKE_ENGINE_IMPORT), "exit");
}

static void test_image_import_of_invalid_texts(void **state)
{
    struct engine_world *w = *state;
    static const char *const labels[] = {"", "a=b c", "a=b\nCMD x", "a=\"b\"", "a=$b"};
    const struct http_clocks c = ENGINE_WORLD_CLOCKS;
    struct noted n = {0};
    struct err err;
    struct engine_import import = ENGINE_WORLD_IMPORT;
    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        import.label = labels[i];
        assert_int_equal(engine_image_import(w->engine, &import, &c, noted_on_done, &n, NULL, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
    }
    import = ENGINE_WORLD_IMPORT;
    import.name = "made:";
    assert_int_equal(engine_image_import(w->engine, &import, &c, noted_on_done, &n, NULL, &err), -1);
    assert_int_equal(engine_image_remove(w->engine, "..", true, &c, noted_on_done, &n, NULL, &err), -1);
}

static void test_image_remove(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    struct err err;
    const struct http_clocks c = ENGINE_WORLD_CLOCKS;
    engine_world_make(w, true);
    assert_int_equal(engine_image_remove(w->engine, "busybox", false, &c, noted_on_done, &n, NULL, &err), 0);
    engine_world_turn(w);
    assert_true(n.has_failed);
    assert_int_equal(n.failure.status, 409);
    assert_string_equal(fake_engine_last_request(w->fake, FAKE_ENGINE_IMAGE_REMOVE),
                        "DELETE /v1.41/images/busybox?force=0");
    fake_engine_remove(w->fake, "c1");
    engine_world_call(w, FAKE_ENGINE_IMAGE_REMOVE, &n);
    noted_assert_fine(&n);
    assert_string_equal(fake_engine_last_request(w->fake, FAKE_ENGINE_IMAGE_REMOVE),
                        "DELETE /v1.41/images/busybox?force=1");
    assert_false(fake_engine_has_image(w->fake, "busybox"));
    engine_world_call(w, FAKE_ENGINE_IMAGE_REMOVE, &n);
    noted_assert_refused(&n, 404, "No such image: busybox:latest");
    assert_int_equal(n.failure.stage, STAGE_IMAGE);
}

/* ---- texts that can't be sent ---- */

static void test_invalid_texts(void **state)
{
    struct engine_world *w = *state;
    static const char *const names[] = {"",      "../info", "a/b", "a b",      "a?x=1",
                                        "a%2fb", ".hidden", "-x",  "\xc3\xa4", "a\r\nb"};
    const struct http_clocks c = ENGINE_WORLD_CLOCKS;
    struct noted n = {0};
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *x = names[i];
        assert_int_equal(engine_start(w->engine, x, &c, noted_on_done, &n, NULL, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_int_equal(engine_inspect(w->engine, x, &c, noted_on_done, &n, NULL, &err), -1);
        assert_int_equal(engine_stop(w->engine, x, 0, &c, noted_on_done, &n, NULL, &err), -1);
        assert_int_equal(engine_kill(w->engine, x, "SIGTERM", &c, noted_on_done, &n, NULL, &err), -1);
        assert_int_equal(engine_remove(w->engine, x, true, &c, noted_on_done, &n, NULL, &err), -1);
        assert_int_equal(engine_wait(w->engine, x, &c, noted_on_done, &n, NULL, &err), -1);
        assert_int_equal(engine_logs(w->engine, x, false, 0, &n.log, 0, noted_on_output, &c, noted_on_done,
                                     &n, NULL, &err),
                         -1);
        assert_int_equal(engine_create(w->engine, x, NULL, "{}", &c, noted_on_done, &n, NULL, &err), -1);
        assert_int_equal(
            engine_network_connect(w->engine, "net1", x, "{}", &c, noted_on_done, &n, NULL, &err), -1);
    }
    assert_int_equal(engine_stop(w->engine, "c1", -1, &c, noted_on_done, &n, NULL, &err), -1);
    assert_int_equal(engine_network_connect(w->engine, "..", "c1", "{}", &c, noted_on_done, &n, NULL, &err),
                     -1);
    assert_int_equal(engine_image_inspect(w->engine, "", &c, noted_on_done, &n, NULL, &err), -1);
    assert_int_equal(engine_pull(w->engine, "a:", NULL, NULL, &c, noted_on_done, &n, NULL, &err), -1);
    assert_int_equal(engine_pull(w->engine, "", NULL, NULL, &c, noted_on_done, &n, NULL, &err), -1);
    assert_int_equal(engine_pull(w->engine, "a", NULL, "x\r\nY: z", &c, noted_on_done, &n, NULL, &err), -1);
    engine_world_turn(w);
    assert_int_equal(n.done, 0);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_ANY), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, engine_world_setup, engine_world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_ping),
        TEST(test_image_inspect),
        TEST(test_create),
        TEST(test_create_platform_and_warnings),
        TEST(test_start),
        TEST(test_inspect),
        TEST(test_failed_start_is_seen_by_inspect),
        TEST(test_list),
        TEST(test_network_connect),
        TEST(test_network_connect_twice_is_fine),
        TEST(test_stop),
        TEST(test_stop_extends_its_clocks),
        TEST(test_kill),
        TEST(test_remove),
        TEST(test_wait),
        TEST(test_wait_that_lost_the_code),
        TEST(test_image_import),
        TEST(test_image_import_that_is_refused),
        TEST(test_image_import_sends_binary),
        TEST(test_image_import_of_invalid_texts),
        TEST(test_image_remove),
        TEST(test_invalid_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
