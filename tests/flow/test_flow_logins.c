/*
 * test_flow_logins.c - with which login images are pulled: the job's, or Docker's client configuration with
 * its credential helpers, which are real processes here.
 */
#include "tests/flow/world.h"

#include "api/jobspec.h"
#include "api/registry_login.h"
#include "base/base64.h"
#include "base/secret.h"
#include "live.h"
#include "runner.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define R "r.example"
#define PRIVATE R "/etl:1"
#define PASSWORD WORLD_REGISTRY_PASSWORD
#define CREDENTIALS(password, registry)                                                                      \
    "\"registry_credentials\":{\"username\":\"u\",\"password\":\"" password                                  \
    "\",\"registry_url\":\"" registry "\"}"
#define VARIABLES(image, more) "{\"image\":\"" image "\"," more "}"

/* The folder of config.json, and of helpers: it goes into PATH. */
struct docker_files {
    char folder[64];
    char *variable; /* "DOCKER_CONFIG=..." */
    const char *environment[2];
    char *old_path;
};
static struct docker_files files;

static char *file_path(const char *name)
{
    return check_printf("%s/%s", files.folder, name);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    char *AUTO_FREE path = file_path(name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void add_helper(const char *name, const char *script)
{
    char *AUTO_FREE file = check_printf("docker-credential-%s", name);
    char *AUTO_FREE text = check_printf("#!/bin/sh\ncd %s\necho . >> asked\n%s\n", files.folder, script);
    write_file(file, text, 0700);
}

static long times_asked(void)
{
    char *AUTO_FREE path = file_path("asked");
    struct stat status;
    return stat(path, &status) == 0 ? (long)status.st_size / 2 : 0;
}

static int setup(void **state)
{
    if (world_setup(state) != 0)
        return -1;
    struct world *w = *state;
    snprintf(files.folder, sizeof(files.folder), "/tmp/sluice-docker-XXXXXX");
    if (mkdtemp(files.folder) == NULL)
        return -1;
    files.variable = check_printf("DOCKER_CONFIG=%s", files.folder);
    files.environment[0] = files.variable;
    w->environment = files.environment;
    files.old_path = check_strdup(getenv("PATH"));
    char *AUTO_FREE path = check_printf("%s:%s", files.folder, files.old_path);
    setenv("PATH", path, 1);
    return 0;
}

static int teardown(void **state)
{
    int rc = world_teardown(state);
    bool has_child = waitid(P_ALL, 0, &(siginfo_t){0}, WEXITED | WNOHANG | WNOWAIT) == 0;
    char *AUTO_FREE remove = check_printf("rm -r %s", files.folder);
    int removed = system(remove); // NOLINT(cert-env33-c): our own folder
    setenv("PATH", files.old_path, 1);
    free(files.old_path);
    free(files.variable);
    return rc == 0 && removed == 0 && !has_child ? 0 : -1;
}

static char *header_of(const char *server, const char *password)
{
    struct registry_login *login = registry_login_new(server, "u", password);
    char *header = registry_login_header(login);
    registry_login_free(login);
    return header;
}

/* An image that is pulled in 1 s with this login, and refused with any other. NULL: with any. */
static void add_image(struct world *w, const char *image, const char *header)
{
    fake_engine_add_registry_image(
        w->engine,
        &(struct fake_registry_image){.image = image, .took_ms = 1000, .lines = 2, .registry_auth = header});
}

static const char *add_run(struct world *w, const char *variables)
{
    w->flow_variables = variables;
    return world_add_run(w);
}

static void until_completed(struct world *w, size_t count)
{
    UNTIL(w, MINUTES(2), world_count(w, PREFECT_STATE_COMPLETED) == count);
}

static void until_crashed(struct world *w, const char *run, const char *part)
{
    UNTIL(w, MINUTES(2), world_state(w, run) == PREFECT_STATE_CRASHED);
    if (strstr(world_message(w, run), part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", world_message(w, run), part);
    assert_null(strstr(world_message(w, run), PASSWORD));
}

static void write_auths(const char *registry, const char *password)
{
    char *AUTO_FREE pair = check_printf("u:%s", password);
    char *AUTO_FREE encoded = base64_encode(pair, BASE64_STANDARD);
    char *AUTO_FREE text = check_printf("{\"auths\":{\"%s\":{\"auth\":\"%s\"}}}", registry, encoded);
    write_file("config.json", text, 0600);
}

/* ---- the job's login ---- */

static void test_the_jobs_login_is_sent(void **state)
{
    struct world *w = *state;
    char *AUTO_FREE header = header_of("https://" R "/v1/", PASSWORD);
    add_image(w, PRIVATE, header);
    add_run(w, VARIABLES(PRIVATE, CREDENTIALS(PASSWORD, "https://" R "/v1/")));
    world_start(w, NULL);
    until_completed(w, 1);
    assert_string_equal(fake_engine_last_registry_auth(w->engine, FAKE_ENGINE_PULL), header);
    /* one request, and no login beside it */
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_OTHER), 0);
}

static void test_a_wrong_password_crashes_the_run(void **state)
{
    struct world *w = *state;
    add_image(w, PRIVATE, "another");
    const char *run = add_run(w, VARIABLES(PRIVATE, CREDENTIALS(PASSWORD, R)));
    world_start(w, NULL);
    until_crashed(w, run, "no basic auth credentials");
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_PULL), 1);
}

static void test_a_login_is_shown_to_no_other_registry(void **state)
{
    struct world *w = *state;
    add_image(w, "evil.example/" PRIVATE, NULL);
    add_run(w, VARIABLES("evil.example/" PRIVATE, CREDENTIALS(PASSWORD, R)));
    world_start(w, NULL);
    until_completed(w, 1);
    assert_string_equal(fake_engine_last_registry_auth(w->engine, FAKE_ENGINE_PULL), "");
    assert_int_equal(world_logged(w, "registry_credentials are for another registry"), 1);
}

/* A pull is shared by those of one login, and by no others. */
static void test_pulls_are_shared_by_login(void **state)
{
    struct world *w = *state;
    char *AUTO_FREE header = header_of(R, PASSWORD);
    add_image(w, PRIVATE, header);
    for (int i = 0; i < 5; i++)
        add_run(w, VARIABLES(PRIVATE, CREDENTIALS(PASSWORD, R)));
    const char *wrong = add_run(w, VARIABLES(PRIVATE, CREDENTIALS("another", R)));
    const char *none = add_run(w, VARIABLES(PRIVATE, "\"registry_credentials\":null"));
    world_start(w, NULL);
    until_completed(w, 5);
    until_crashed(w, wrong, "no basic auth");
    until_crashed(w, none, "no basic auth");
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_PULL), 3);
}

static void test_what_a_registry_repeats_is_not_told(void **state)
{
    struct world *w = *state;
    char *AUTO_FREE basic = base64_encode("u:" PASSWORD, BASE64_STANDARD);
    char *AUTO_FREE error = check_printf("denied: Basic %s is u:" PASSWORD, basic);
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = PRIVATE, .lines = 1, .error = error});
    const char *run = add_run(w, VARIABLES(PRIVATE, CREDENTIALS(PASSWORD, R)));
    world_start(w, NULL);
    until_crashed(w, run, "denied: Basic ***");
    assert_null(strstr(world_message(w, run), basic));
    assert_int_equal(world_logged(w, basic), 0);
}

/* As with docker-py: the file's password for the same user, if the job says reauth: false. */
static void test_without_reauth_a_known_login_counts(void **state)
{
    struct world *w = *state;
    char *AUTO_FREE known = header_of(R, PASSWORD);
    write_auths(R, PASSWORD);
    /* docker-py sends the file's email along, which is null here as in the job's */
    add_image(w, PRIVATE, known);
    add_run(w, VARIABLES(PRIVATE,
                         "\"registry_credentials\":{\"username\":\"u\",\"password\":\"old\",\"registry_url\":"
                         "\"" R "\",\"reauth\":false}"));
    const char *other =
        add_run(w, VARIABLES(PRIVATE, "\"registry_credentials\":{\"username\":\"v\",\"password\":\"old\","
                                      "\"registry_url\":\"" R "\",\"reauth\":false}"));
    world_start(w, NULL);
    until_completed(w, 1);
    until_crashed(w, other, "no basic auth");
}

static void test_if_possible_goes_on_without_a_login(void **state)
{
    struct world *w = *state;
    add_image(w, PRIVATE, "another");
    fake_engine_add_image(w->engine, PRIVATE);
    add_run(w, VARIABLES(PRIVATE, CREDENTIALS(PASSWORD, R) ",\"image_pull_policy\":\"IfPossible\""));
    const char *absent = add_run(
        w, VARIABLES(R "/absent:1", CREDENTIALS(PASSWORD, R) ",\"image_pull_policy\":\"IfPossible\""));
    world_start(w, NULL);
    until_completed(w, 1);
    assert_int_equal(world_logged(w, "could not be pulled"), 1);
    until_crashed(w, absent, "pull access denied");
    until_crashed(w, absent, "nor is the image here");
}

/* Both forms of an error inside the stream: the image that is here is not used. */
static void test_an_error_in_the_stream_is_a_failure(void **state)
{
    struct world *w = *state;
    static const char *const variables[] = {VARIABLES("new:1", "\"image_pull_policy\":\"Always\""),
                                            VARIABLES("old:1", "\"image_pull_policy\":\"Always\"")};
    const char *runs[2];
    for (int i = 0; i < 2; i++) {
        const char *image = i == 0 ? "new:1" : "old:1";
        fake_engine_add_image(w->engine, image);
        fake_engine_add_registry_image(
            w->engine,
            &(struct fake_registry_image){
                .image = image, .lines = 2, .error = "unsupported media type", .error_is_old_style = i == 1});
        runs[i] = add_run(w, variables[i]);
    }
    world_start(w, NULL);
    until_crashed(w, runs[0], "unsupported media type");
    until_crashed(w, runs[1], "unsupported media type");
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_CREATE), 0);
}

/* Nothing secret of a job is kept while its container runs. */
static void test_the_job_is_forgotten_when_the_container_runs(void **state)
{
    struct world *w = *state;
    char *AUTO_FREE header = header_of(R, PASSWORD);
    add_image(w, PRIVATE, header);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = -1};
    const char *run = add_run(w, VARIABLES(PRIVATE, CREDENTIALS(PASSWORD, R)));
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), world_is_in(w, run, RUN_STATE_PULLING));
    const struct live *live = runner_find_flow_run(service_runner(w->service), run);
    assert_string_equal(live->job->credentials->password, PASSWORD);
    UNTIL(w, SECONDS(20), world_is_in(w, run, RUN_STATE_RUNNING));
    world_pass(w, 0);
    assert_null(live->job); /* wiped by jobspec_done() */
}

/* ---- Docker's client configuration ---- */

static void test_the_file_is_read_for_each_pull(void **state)
{
    struct world *w = *state;
    char *AUTO_FREE first = header_of(R, PASSWORD);
    char *AUTO_FREE second = header_of(R, PASSWORD "2");
    add_image(w, R "/a:1", first);
    add_image(w, R "/b:1", second);
    write_auths(R, PASSWORD);
    world_start(w, NULL);
    add_run(w, VARIABLES(R "/a:1", "\"auto_remove\":false"));
    until_completed(w, 1);
    write_auths(R, PASSWORD "2");
    add_run(w, VARIABLES(R "/b:1", "\"auto_remove\":false"));
    until_completed(w, 2);
}

static void test_a_file_that_cant_be_read_harms_who_needs_it(void **state)
{
    struct world *w = *state;
    char *AUTO_FREE path = file_path("config.json");
    write_file("config.json", "{\"auths\":{\"" R "\":{\"auth\":\"" PASSWORD, 0600);
    add_image(w, "open.example/a:1", NULL);
    add_image(w, PRIVATE, "some");
    add_run(w, VARIABLES("open.example/a:1", "\"auto_remove\":false"));
    const char *run = add_run(w, VARIABLES(PRIVATE, "\"auto_remove\":false"));
    world_start(w, NULL);
    until_completed(w, 1);
    until_crashed(w, run, path);
    until_crashed(w, run, "not valid JSON");
    assert_int_equal(world_logged(w, "client configuration can't be used"), 1);
    assert_true(world_logged(w, path) >= 1);
}

/* ---- credential helpers ---- */

#define IMAGES 20

/* One process for all that wait, and none afterwards. */
static void test_a_helper_is_asked_once_for_many(void **state)
{
    struct world *w = *state;
    static char images[IMAGES][32];
    static char variables[IMAGES][64];
    char *AUTO_FREE header = header_of(R, PASSWORD);
    write_file("config.json", "{\"credHelpers\":{\"" R "\":\"x\"}}", 0600);
    add_helper("x", "printf '{\"ServerURL\":\"%s\",\"Username\":\"u\",\"Secret\":\"" PASSWORD "\"}' $(cat)");
    for (int i = 0; i < IMAGES; i++) {
        snprintf(images[i], sizeof(images[i]), R "/etl-%d:1", i);
        snprintf(variables[i], sizeof(variables[i]), "{\"image\":\"" R "/etl-%d:1\"}", i);
        add_image(w, images[i], header);
        add_run(w, variables[i]);
    }
    world_start(w, "[limits]\nlaunching = 200\n");
    until_completed(w, IMAGES);
    assert_in_range(times_asked(), 1, 4);
    assert_int_equal(service_helpers(w->service), 0);
}

/* 30 s later the pull goes without a login; other registries don't wait. */
static void test_a_helper_that_hangs_holds_up_no_other(void **state)
{
    struct world *w = *state;
    write_file("config.json", "{\"credHelpers\":{\"" R "\":\"x\",\"h.example\":\"x\"}}", 0600);
    add_helper("x", "exec sleep 1000");
    add_image(w, PRIVATE, "some");
    add_image(w, "h.example/open:1", NULL);
    add_image(w, "o.example/a:1", NULL);
    w->helpers_hang = true;
    const char *run = add_run(w, VARIABLES(PRIVATE, "\"auto_remove\":false"));
    add_run(w, VARIABLES("h.example/open:1", "\"auto_remove\":false"));
    add_run(w, VARIABLES("o.example/a:1", "\"auto_remove\":false"));
    world_start(w, "[limits]\npulls = 1\n");
    UNTIL(w, SECONDS(5), service_helpers(w->service) == 2);
    int64_t began_ms = w->clock.mono_ms;
    UNTIL(w, SECONDS(10), world_count(w, PREFECT_STATE_COMPLETED) == 1);
    assert_int_equal(service_helpers(w->service), 2);
    UNTIL(w, SECONDS(40), world_state(w, run) == PREFECT_STATE_CRASHED);
    assert_in_range(w->clock.mono_ms - began_ms, 25000, 33000);
    until_crashed(w, run, "docker-credential-x did not answer within 30000 ms");
    until_completed(w, 2);
    w->helpers_hang = false; /* killed: the clock waits for its end */
    UNTIL(w, SECONDS(1), service_helpers(w->service) == 0);
}

static void test_a_helper_that_fails_for_a_moment_is_asked_again(void **state)
{
    struct world *w = *state;
    char *AUTO_FREE header = header_of(R, PASSWORD);
    write_file("config.json", "{\"credHelpers\":{\"" R "\":\"x\"}}", 0600);
    add_helper("x", "[ $(wc -l < asked) -gt 2 ] || { echo " PASSWORD "; exit 1; }\n"
                    "echo '{\"Username\":\"u\",\"Secret\":\"" PASSWORD "\"}'");
    add_image(w, PRIVATE, header);
    add_run(w, VARIABLES(PRIVATE, "\"auto_remove\":false"));
    world_start(w, NULL);
    until_completed(w, 1);
    assert_int_equal(times_asked(), 3);
}

static void test_the_file_counts_where_a_helper_has_nothing(void **state)
{
    struct world *w = *state;
    char *AUTO_FREE token = base64_encode("{\"identitytoken\":\"" PASSWORD "\"}", BASE64_URL);
    write_file("config.json",
               "{\"credsStore\":\"x\",\"auths\":{\"" R "\":{\"identitytoken\":\"" PASSWORD "\"}}}", 0600);
    add_helper("x", "echo credentials not found in native keychain; exit 1");
    add_image(w, PRIVATE, token);
    add_run(w, VARIABLES(PRIVATE, "\"auto_remove\":false"));
    world_start(w, NULL);
    until_completed(w, 1);
    assert_int_equal(world_logged(w, "credential helper"), 0);
}

static void test_a_job_asks_no_helper_for_what_it_names(void **state)
{
    struct world *w = *state;
    char *AUTO_FREE header = header_of(R, PASSWORD);
    write_file("config.json", "{\"credsStore\":\"x\"}", 0600);
    add_helper("x", "exit 1");
    add_image(w, PRIVATE, header);
    add_run(w, VARIABLES(PRIVATE, CREDENTIALS(PASSWORD, R)));
    world_start(w, NULL);
    until_completed(w, 1);
    assert_int_equal(times_asked(), 0);
}

/* Killed while a helper is asked; stopped; cancelled: no process is left. */
static void test_the_end_comes_while_a_helper_is_asked(void **state)
{
    struct world *w = *state;
    write_file("config.json", "{\"credsStore\":\"x\"}", 0600);
    add_helper("x", "exec sleep 1000");
    add_image(w, PRIVATE, NULL);
    w->helpers_hang = true;
    const char *run = add_run(w, VARIABLES(PRIVATE, "\"auto_remove\":false"));
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), service_helpers(w->service) == 1);
    world_crash(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), service_helpers(w->service) == 1);
    fake_prefect_user_cancels(w->prefect, run);
    UNTIL(w, SECONDS(20), world_state(w, run) == PREFECT_STATE_CANCELLED);
    w->helpers_hang = false; /* killed: the clock waits for its end */
    UNTIL(w, SECONDS(1), service_helpers(w->service) == 0);
    add_helper("x", "echo '{\"Username\":\"\",\"Secret\":\"\"}'");
    add_run(w, VARIABLES(PRIVATE, "\"auto_remove\":false"));
    until_completed(w, 1);
    w->helpers_hang = true;
    add_helper("x", "exec sleep 1000");
    fake_engine_remove_image(w->engine, PRIVATE);
    add_run(w, VARIABLES(PRIVATE, "\"auto_remove\":false"));
    UNTIL(w, SECONDS(20), service_helpers(w->service) == 1);
    world_stop(w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_jobs_login_is_sent),
        TEST(test_a_wrong_password_crashes_the_run),
        TEST(test_a_login_is_shown_to_no_other_registry),
        TEST(test_pulls_are_shared_by_login),
        TEST(test_what_a_registry_repeats_is_not_told),
        TEST(test_without_reauth_a_known_login_counts),
        TEST(test_if_possible_goes_on_without_a_login),
        TEST(test_an_error_in_the_stream_is_a_failure),
        TEST(test_the_job_is_forgotten_when_the_container_runs),
        TEST(test_the_file_is_read_for_each_pull),
        TEST(test_a_file_that_cant_be_read_harms_who_needs_it),
        TEST(test_a_helper_is_asked_once_for_many),
        TEST(test_a_helper_that_hangs_holds_up_no_other),
        TEST(test_a_helper_that_fails_for_a_moment_is_asked_again),
        TEST(test_the_file_counts_where_a_helper_has_nothing),
        TEST(test_a_job_asks_no_helper_for_what_it_names),
        TEST(test_the_end_comes_while_a_helper_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
