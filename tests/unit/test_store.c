/*
 * Promises of store/store.h on rows and transactions, and of core/launch.h. Files that can't be opened are in
 * test_migrate.c, views in test_store_views.c.
 */
#include "store_fixture.h"

#include "store/store_internal.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOADED_MAX 16

struct loaded {
    struct launch *items[LOADED_MAX];
    size_t count;
    size_t stop_after; /* 0: never */
};

static bool take_loaded(void *arg, struct launch *take_launch)
{
    struct loaded *loaded = arg;
    assert_true(loaded->count < LOADED_MAX);
    loaded->items[loaded->count++] = take_launch;
    return loaded->count != loaded->stop_after;
}

static void loaded_done(struct loaded *loaded)
{
    for (size_t i = 0; i < loaded->count; i++)
        launch_free(loaded->items[i]);
    loaded->count = 0;
}

static void load(struct store *store, struct loaded *loaded)
{
    struct err err = {0};
    if (store_load_launches(store, take_loaded, loaded, &err) != 0)
        fail_msg("%s", err.msg);
}

static void begin(struct store *store)
{
    struct err err = {0};
    if (store_begin(store, &err) != 0)
        fail_msg("%s", err.msg);
}

static void commit(struct store *store)
{
    struct err err = {0};
    if (store_commit(store, &err) != 0)
        fail_msg("%s", err.msg);
}

static void test_launch_new_is_empty(void **state)
{
    (void)state;
    struct launch *l = launch_new("11111111-2222-4333-8444-555555555555", 77);
    assert_string_equal(l->flow_run_id, "11111111-2222-4333-8444-555555555555");
    assert_int_equal(l->run.due_at_ms, 77);
    assert_int_equal(l->run.state, RUN_STATE_QUEUED);
    assert_int_equal(l->run.verdict, RUN_VERDICT_NONE);
    assert_int_equal(l->run.pending, RUN_ACTION_NONE);
    const char *ids[] = {l->launch_id, l->submit_id,     l->report_id, l->hand_back_id, l->deployment_id,
                         l->flow_id,   l->work_queue_id, l->lease_id,  l->container_id};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        assert_string_equal(ids[i], "");
    const char *texts[] = {l->run_name,   l->flow_name,      l->deployment_name, l->work_queue_name,
                           l->class_name, l->container_name, l->image,           l->last_error};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_string_equal(texts[i], "");
    launch_free(l);
}

static void test_ids_tell_their_launch_and_their_maker(void **state)
{
    (void)state;
    static const char mark[] = "0123456789abcdef0123456789abcdef";
    struct launch *l = launch_new("r", 0);
    char found[UUID_TEXT_SIZE] = "";
    launch_make_ids(l, 0xfedcba9876543210, UINT64_MAX, mark);
    assert_string_equal(l->launch_id, "fedcba98-7654-8100-bfff-0123456789ab");
    assert_string_equal(l->submit_id, "fedcba98-7654-8101-bfff-0123456789ab");
    assert_string_equal(l->report_id, "fedcba98-7654-8102-bfff-0123456789ab");
    assert_string_equal(l->hand_back_id, "fedcba98-7654-8103-bfff-0123456789ab");
    const char *ids[] = {l->launch_id, l->submit_id, l->report_id, l->hand_back_id};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        assert_true(launch_id_of(ids[i], mark, found));
        assert_string_equal(found, l->launch_id);
        assert_false(launch_id_of(ids[i], "1123456789abcdef", found));
    }
    static const char *const others[] = {"", "x", "fedcba98-7654-4100-bfff-0123456789ab",
                                         "fedcba98-7654-8104-bfff-0123456789ab",
                                         "fedcba98-7654-8100-bfff-0123456789abc"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_false(launch_id_of(others[i], mark, found));
    l->submit_id[0] = '\0';
    launch_make_ids(l, 1, 2, mark); /* the launch id stays, and the others fit it */
    assert_string_equal(l->launch_id, "fedcba98-7654-8100-bfff-0123456789ab");
    assert_string_equal(l->submit_id, "fedcba98-7654-8101-bfff-0123456789ab");
    snprintf(l->launch_id, sizeof(l->launch_id), "an older one's");
    launch_make_ids(l, 1, 2, mark);
    assert_string_equal(l->launch_id, "an older one's");
    assert_string_equal(l->submit_id, "00000000-0000-8011-8002-0123456789ab");
    launch_free(l);
}

static void test_launch_takes_odd_input(void **state)
{
    (void)state;
    launch_free(NULL);
    char long_id[200];
    memset(long_id, 'x', sizeof(long_id));
    long_id[sizeof(long_id) - 1] = '\0';
    struct launch *l = launch_new(long_id, 0);
    assert_int_equal(strlen(l->flow_run_id), UUID_TEXT_SIZE - 1);
    launch_set_text(&l->image, "busybox");
    assert_string_equal(l->image, "busybox");
    launch_set_text(&l->image, l->image); /* from itself */
    assert_string_equal(l->image, "busybox");
    launch_set_text(&l->image, NULL);
    assert_string_equal(l->image, "");
    launch_free(l);
}

/* Values that differ from each other and from 0, so that two swapped columns show. */
static void fill_run(struct run *r, int n)
{
    r->state = RUN_STATE_STOPPING;
    r->verdict = RUN_VERDICT_RAN_TOO_LONG;
    r->pending = RUN_ACTION_STOP;
    r->epoch = 4711;
    r->attempt = n + 1;
    r->reach_tries = n + 2;
    r->launch_tries = n + 3;
    r->name_index = n + 4;
    r->exit_code = -n - 5;
    r->died_early = true;
    int64_t far_ms = INT64_C(1) << 52;
    r->due_at_ms = far_ms + 1;
    r->claimed_at_ms = far_ms + 2;
    r->start_sent_at_ms = far_ms + 3;
    r->started_at_ms = far_ms + 4;
    r->cancel_at_ms = far_ms + 5;
    r->unreachable_since_ms = far_ms + 6;
    r->next_try_at_ms = far_ms + 7;
    r->retrying_since_ms = far_ms + 11;
    r->park_wanted = true;
    r->unsettled_until_ms = far_ms + 8;
    r->unsettled_until_ms = 1763868000123;
    r->last_delay_ms = far_ms + 9;
}

static void fill_launch(struct launch *l, int n)
{
    fill_run(&l->run, n);
    snprintf(l->lease_id, sizeof(l->lease_id), "lease-%d", n);
    memset(l->container_id, 'a', CONTAINER_ID_SIZE - 1);
    launch_set_text(&l->run_name, "run \xc3\xa4 'quoted' \"twice\"\n; drop table launches");
    launch_set_text(&l->flow_name, "flow name");
    launch_set_text(&l->deployment_name, "deployment name");
    launch_set_text(&l->work_queue_name, "work queue name");
    launch_set_text(&l->class_name, "class name");
    launch_set_text(&l->container_name, "container-name-4");
    launch_set_text(&l->image, "registry:5000/image@sha256:0");
    launch_set_text(&l->last_error, "an error");
    l->queue_priority = INT32_MAX;
    l->class_priority = INT32_MIN;
    l->grace_ms = 31000;
    l->created_at_ms = 1;
    l->updated_at_ms = 2;
}

/* The boolean members, so that each can be told from its neighbours. */
static bool *flag(struct launch *l, size_t i)
{
    bool *flags[] = {&l->run.oom_killed,  &l->run.has_claim,     &l->run.create_sent,  &l->run.has_container,
                     &l->run.start_sent,  &l->run.is_retiring,   &l->run.is_announced, &l->run.has_repulled,
                     &l->run.is_retiring, &l->run.cancel_wanted, &l->auto_remove,      &l->stream_output};
    return i < ARRAY_LEN(flags) ? flags[i] : NULL;
}

static void assert_same_run(const struct run *a, const struct run *b)
{
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->verdict, b->verdict);
    assert_int_equal(a->attempt, b->attempt);
    assert_int_equal(a->reach_tries, b->reach_tries);
    assert_int_equal(a->launch_tries, b->launch_tries);
    assert_int_equal(a->name_index, b->name_index);
    assert_int_equal(a->exit_code, b->exit_code);
    assert_int_equal(a->due_at_ms, b->due_at_ms);
    assert_int_equal(a->claimed_at_ms, b->claimed_at_ms);
    assert_int_equal(a->start_sent_at_ms, b->start_sent_at_ms);
    assert_int_equal(a->started_at_ms, b->started_at_ms);
    assert_int_equal(a->cancel_at_ms, b->cancel_at_ms);
    assert_int_equal(a->unreachable_since_ms, b->unreachable_since_ms);
    assert_int_equal(a->next_try_at_ms, b->next_try_at_ms);
    assert_int_equal(a->retrying_since_ms, b->retrying_since_ms);
    assert_int_equal(a->park_wanted, b->park_wanted);
    assert_int_equal(a->is_retiring, b->is_retiring);
    assert_int_equal(a->unsettled_until_ms, b->unsettled_until_ms);
    assert_int_equal(a->unsettled_until_ms, b->unsettled_until_ms);
    assert_int_equal(a->last_delay_ms, b->last_delay_ms);
}

static void assert_same_launch(struct launch *a, struct launch *b)
{
    assert_same_run(&a->run, &b->run);
    for (size_t i = 0; flag(a, i) != NULL; i++)
        assert_int_equal(*flag(a, i), *flag(b, i));
    assert_string_equal(a->launch_id, b->launch_id);
    assert_string_equal(a->flow_run_id, b->flow_run_id);
    assert_string_equal(a->submit_id, b->submit_id);
    assert_string_equal(a->report_id, b->report_id);
    assert_string_equal(a->hand_back_id, b->hand_back_id);
    assert_string_equal(a->deployment_id, b->deployment_id);
    assert_string_equal(a->flow_id, b->flow_id);
    assert_string_equal(a->work_queue_id, b->work_queue_id);
    assert_string_equal(a->lease_id, b->lease_id);
    assert_string_equal(a->container_id, b->container_id);
    assert_string_equal(a->run_name, b->run_name);
    assert_string_equal(a->flow_name, b->flow_name);
    assert_string_equal(a->deployment_name, b->deployment_name);
    assert_string_equal(a->work_queue_name, b->work_queue_name);
    assert_string_equal(a->class_name, b->class_name);
    assert_string_equal(a->container_name, b->container_name);
    assert_string_equal(a->image, b->image);
    assert_string_equal(a->last_error, b->last_error);
    assert_int_equal(a->queue_priority, b->queue_priority);
    assert_int_equal(a->class_priority, b->class_priority);
    assert_int_equal(a->grace_ms, b->grace_ms);
    assert_int_equal(a->created_at_ms, b->created_at_ms);
    assert_int_equal(a->updated_at_ms, b->updated_at_ms);
}

/* Save, reopen, load, compare. */
static void assert_survives(struct store_fixture *f, struct launch *l)
{
    struct store *store = store_fixture_open(f);
    store_fixture_save(store, l);
    store_close(store);
    store = store_fixture_open(f);
    struct loaded loaded = {0};
    load(store, &loaded);
    assert_int_equal(loaded.count, 1);
    assert_same_launch(loaded.items[0], l);
    assert_int_equal(loaded.items[0]->run.pending, RUN_ACTION_NONE);
    assert_int_equal(loaded.items[0]->run.epoch, 0);
    assert_false(loaded.items[0]->run.died_early);
    loaded_done(&loaded);
    store_close(store);
}

static void test_every_field_survives(void **state)
{
    struct store_fixture *f = *state;
    struct launch *l = store_fixture_launch(f, 1);
    fill_launch(l, 1);
    for (size_t i = 0; flag(l, i) != NULL; i++) {
        *flag(l, i) = true;
        assert_survives(f, l);
        *flag(l, i) = false;
    }
    launch_free(l);
}

static void test_every_state_and_verdict_survives(void **state)
{
    struct store_fixture *f = *state;
    struct launch *l = store_fixture_launch(f, 1);
    for (int s = 0; s < RUN_STATE_FINISHED; s++) {
        l->run.state = (enum run_state)s;
        l->run.verdict = (enum run_verdict)(s % (RUN_VERDICT_HAND_BACK + 1));
        assert_survives(f, l);
    }
    launch_free(l);
}

static void test_empty_texts_and_huge_texts_survive(void **state)
{
    struct store_fixture *f = *state;
    struct launch *l = launch_new("r", -5);
    snprintf(l->launch_id, sizeof(l->launch_id), "x");
    assert_survives(f, l);
    size_t huge = (size_t)1 << 20;
    char *text = check_alloc(huge + 1);
    memset(text, 'e', huge);
    launch_set_text(&l->last_error, text);
    free(text);
    assert_survives(f, l);
    launch_free(l);
}

static void test_finished_is_not_loaded_and_order_is_arrival(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    for (int n = 5; n >= 1; n--) {
        struct launch *l = store_fixture_launch(f, n);
        store_fixture_save(store, l);
        if (n == 3) {
            l->run.state = RUN_STATE_FINISHED;
            store_fixture_save(store, l);
        }
        launch_free(l);
    }
    struct loaded loaded = {0};
    load(store, &loaded);
    assert_int_equal(loaded.count, 4);
    const char *expected[] = {"run-5", "run-4", "run-2", "run-1"};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(loaded.items[i]->run_name, expected[i]);
    loaded_done(&loaded);
    loaded.stop_after = 2;
    load(store, &loaded);
    assert_int_equal(loaded.count, 2);
    loaded_done(&loaded);
    store_close(store);
    store_fixture_expect(f->path, "select count(*) from launches", "5");
}

static void test_a_file_with_a_row_that_cannot_be_is_set_aside(void **state)
{
    struct store_fixture *f = *state;
    static const char *const damages[] = {
        "state = 'DANCING'",  "verdict = 'maybe'",           "attempt = 3000000000",
        "state = 'finished'", "flow_id = hex(zeroblob(40))", "has_claim = 2",
        "lease_id = 'a b'",   "report_id = char(0xe4)",      "due_at_ms = 9223372036854775807",
    };
    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        struct launch *l = store_fixture_launch(f, 1);
        struct store *store = store_fixture_open(f);
        assert_int_equal(store_is_new(store), i == 0);
        store_fixture_save(store, l);
        store_close(store);
        launch_free(l);
        char *AUTO_FREE sql = check_printf("update launches set %s", damages[i]);
        free(store_fixture_shell_write(f->path, sql));
        store = store_fixture_open(f);
        const char *why;
        const char *aside = store_set_aside(store, &why);
        assert_non_null(aside);
        assert_non_null(strstr(why, f->path));
        assert_non_null(strstr(why, "row 1 of launches"));
        assert_true(store_is_new(store));
        struct loaded loaded = {0};
        load(store, &loaded);
        assert_int_equal(loaded.count, 0);
        char *AUTO_FREE where = check_printf("select count(*) from launches where %s", damages[i]);
        store_fixture_expect(aside, where, "1");
        store_close(store);
        store = store_fixture_open(f);
        assert_null(store_set_aside(store, &why));
        assert_false(store_is_new(store));
        store_close(store);
    }
}

static void test_last_change(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    struct err err = {0};
    int64_t at_ms = -1;
    assert_int_equal(store_last_change(store, l->launch_id, &at_ms, &err), 0);
    assert_int_equal(at_ms, 0);
    l->run.state = RUN_STATE_FINISHED;
    l->updated_at_ms = 1763868000321;
    store_fixture_save(store, l);
    assert_int_equal(store_last_change(store, l->launch_id, &at_ms, &err), 0);
    assert_int_equal(at_ms, l->updated_at_ms);
    launch_free(l);
    store_close(store);
}

static void expect_ended(struct store *store, const char *flow_run_id, const char *container_id,
                         bool expected)
{
    struct err err = {0};
    bool has_ended = !expected;
    assert_int_equal(store_has_ended(store, flow_run_id, container_id, &has_ended, &err), 0);
    assert_int_equal(has_ended, expected);
}

static void test_has_ended(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    struct launch *other = store_fixture_launch(f, 2);
    l->run.state = RUN_STATE_RUNNING;
    store_fixture_save(store, l);
    expect_ended(store, l->flow_run_id, l->container_id, false);
    l->run.state = RUN_STATE_FINISHED;
    store_fixture_save(store, l);
    expect_ended(store, l->flow_run_id, l->container_id, true);
    expect_ended(store, other->flow_run_id, l->container_id, false);
    expect_ended(store, l->flow_run_id, "another", false);
    char *AUTO_FREE plan = store_fixture_shell(
        f->path, "explain query plan select 1 from launches where flow_run_id = 'a' and container_id = 'b' "
                 "and state = 'FINISHED' limit 1");
    assert_non_null(strstr(plan, "launches_flow_run"));
    launch_free(l);
    launch_free(other);
    store_close(store);
}

static void test_update_keeps_one_row(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    store_fixture_save(store, l);
    launch_set_text(&l->image, "changed");
    l->run.attempt = 9;
    store_fixture_save(store, l);
    store_fixture_expect(f->path, "select count(*), min(image), min(attempt) from launches", "1|changed|9");
    launch_free(l);
    store_close(store);
}

static void test_only_committed_is_seen(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    struct err err = {0};
    assert_false(store_is_begun(store));
    begin(store);
    begin(store); /* harmless */
    assert_true(store_is_begun(store));
    assert_int_equal(store_save_launch(store, l, &err), 0);
    store_fixture_expect(f->path, "select count(*) from queue", "0");
    commit(store);
    assert_false(store_is_begun(store));
    store_fixture_expect(f->path, "select count(*) from queue", "1");
    /* close rolls back what was not committed */
    begin(store);
    launch_set_text(&l->image, "never");
    assert_int_equal(store_save_launch(store, l, &err), 0);
    store_close(store);
    store_fixture_expect(f->path, "select count(*) from launches where image = 'never'", "0");
    launch_free(l);
}

static void test_two_claims_of_one_run_are_refused(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *first = store_fixture_launch(f, 1);
    struct launch *second = store_fixture_launch(f, 2);
    struct err err = {0};
    memcpy(second->flow_run_id, first->flow_run_id, sizeof(second->flow_run_id));
    store_fixture_save(store, first);
    begin(store);
    assert_int_equal(store_save_launch(store, second, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    commit(store);
    /* once the first is past its claim the run may be queued anew (a retry, a resumed pause) */
    first->run.state = RUN_STATE_REPORTING;
    store_fixture_save(store, first);
    store_fixture_save(store, second);
    store_fixture_expect(f->path, "select count(*) from launches", "2");
    launch_free(first);
    launch_free(second);
    store_close(store);
}

static void test_save_outside_of_a_transaction_aborts(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err err;
        fclose(stderr);
        signal(SIGABRT, SIG_DFL);
        _exit(store_save_launch(store, l, &err) == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    launch_free(l);
    store_close(store);
}

static void test_a_failed_commit_closes_the_store_for_writing(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    struct err err = {0};
    store_fixture_save(store, l);
    begin(store);
    launch_set_text(&l->image, "lost");
    assert_int_equal(store_save_launch(store, l, &err), 0);
    /* As SQLite does by itself when the disk is full or fails. */
    assert_int_equal(sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(store_commit(store, &err), -1);
    assert_int_equal(err.kind, ERR_IO);
    assert_int_equal(store_begin(store, &err), -1);
    assert_int_equal(err.kind, ERR_IO);
    assert_non_null(strstr(err.msg, f->path));
    store_close(store);
    store = store_fixture_open(f);
    store_fixture_expect(f->path, "select count(*) from launches where image = 'lost'", "0");
    launch_free(l);
    store_close(store);
}

static void test_a_full_file_fails_the_save(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    struct err err = {0};
    store_fixture_save(store, l);
    sqlite3_exec(store->db, "PRAGMA max_page_count = 1", NULL, NULL, NULL); /* becomes the present size */
    size_t huge = (size_t)1 << 20;
    char *text = check_alloc(huge + 1);
    memset(text, 'e', huge);
    launch_set_text(&l->last_error, text);
    free(text);
    begin(store);
    assert_int_equal(store_save_launch(store, l, &err), -1);
    assert_int_equal(err.kind, ERR_IO);
    assert_non_null(strstr(err.msg, "make room"));
    store_close(store);
    store_fixture_expect(f->path, "select count(*), max(length(last_error)) from launches", "1|0");
    launch_free(l);
}

static void test_history_may_come_before_its_launch(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    struct err err = {0};
    begin(store);
    assert_int_equal(store_add_transition(store, l->launch_id, NULL, "QUEUED", "seen", 1000, &err), 0);
    struct store_attempt a = {.launch_id = l->launch_id, .stage = "api", .outcome = "ok"};
    assert_int_equal(store_add_attempt(store, &a, &err), 0);
    assert_int_equal(store_save_launch(store, l, &err), 0);
    assert_int_equal(store_add_transition(store, l->launch_id, "QUEUED", "CLAIMING", NULL, 2500, &err), 0);
    commit(store);
    store_fixture_expect(f->path, "select \"from\", \"to\", why, at from history",
                         "(null)|QUEUED|seen|1970-01-01T00:00:01.000Z\n"
                         "QUEUED|CLAIMING||1970-01-01T00:00:02.500Z");
    store_fixture_expect(f->path, "select run_id from attempts", l->flow_run_id);
    begin(store);
    assert_int_equal(store_add_transition(store, "never saved", NULL, "QUEUED", "", 1, &err), 0);
    assert_int_equal(store_commit(store, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    store_fixture_expect(f->path, "select count(*) from history_rows", "2");
    launch_free(l);
    store_close(store);
}

static void test_a_long_error_is_cut_between_characters(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct err err = {0};
    char text[8192];
    for (size_t i = 0; i + 2 < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xa4", 3);
    begin(store);
    struct store_attempt a = {.stage = "pull", .outcome = "error", .error = text};
    assert_int_equal(store_add_attempt(store, &a, &err), 0);
    a.error = text + 1; /* begins inside a character; the cut falls inside one, too */
    assert_int_equal(store_add_attempt(store, &a, &err), 0);
    a.error = NULL;
    a.launch_id = "no such launch";
    assert_int_equal(store_add_attempt(store, &a, &err), 0);
    commit(store);
    store_fixture_expect(f->path, "select length(cast(error as blob)), run_id from attempts",
                         "4096|(null)\n4095|(null)\n(null)|(null)");
    store_close(store);
}

static void test_buckets_survive(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct err err = {0};
    int64_t tat_us = 5;
    assert_int_equal(store_load_bucket(store, "pool", &tat_us, &err), 0);
    assert_int_equal(tat_us, 0);
    begin(store);
    assert_int_equal(store_save_bucket(store, "pool", 1, &err), 0);
    assert_int_equal(store_save_bucket(store, "pool", INT64_C(1795000000123456), &err), 0);
    assert_int_equal(store_save_bucket(store, "class:etl", -7, &err), 0);
    commit(store);
    store_close(store);
    store = store_fixture_open(f);
    assert_int_equal(store_load_bucket(store, "pool", &tat_us, &err), 0);
    assert_int_equal(tat_us, INT64_C(1795000000123456));
    assert_int_equal(store_load_bucket(store, "class:etl", &tat_us, &err), 0);
    assert_int_equal(tat_us, -7);
    store_close(store);
}

static void expect_learned(struct store *store, const char *name, const char *expected)
{
    struct err err = {0};
    char *AUTO_FREE text = NULL;
    assert_int_equal(store_load_learned(store, name, &text, &err), 0);
    if (expected == NULL)
        assert_null(text);
    else
        assert_string_equal(text, expected);
}

static void test_what_was_learned_survives_and_shows(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct err err = {0};
    expect_learned(store, "launching:create", NULL);
    struct store_learned l = {"launching:create", "", "launching:create", 2, "7 samples", "v1 2 7"};
    begin(store);
    assert_int_equal(store_save_learned(store, &l, &err), 0);
    l = (struct store_learned){"launching:create", "", "launching:create", 3, "9 samples", "v1 3 9"};
    assert_int_equal(store_save_learned(store, &l, &err), 0);
    l = (struct store_learned){"timeout:create:etl", "etl", "timeout:create", -1, "2 samples", ""};
    assert_int_equal(store_save_learned(store, &l, &err), 0);
    commit(store);
    store_close(store);
    store = store_fixture_open(f);
    expect_learned(store, "launching:create", "v1 3 9");
    expect_learned(store, "timeout:create:etl", "");
    store_fixture_expect(f->path,
                         "select class, kind, \"limit\", in_use, learned_value, learned_from from limits",
                         "(pool)|launching:create|(null)|(null)|3.0|9 samples\n"
                         "etl|timeout:create|(null)|(null)|(null)|2 samples");
    begin(store);
    assert_int_equal(store_forget_learned(store, "launching:create", &err), 0);
    assert_int_equal(store_forget_learned(store, "nobody's", &err), 0);
    commit(store);
    expect_learned(store, "launching:create", NULL);
    store_close(store);
}

static int64_t count_steps(struct store *store)
{
    int64_t steps = 0;
    for (size_t i = 0; i < STORE_STATEMENT_COUNT; i++)
        if (store->statements[i] != NULL)
            steps += sqlite3_stmt_status(store->statements[i], SQLITE_STMTSTATUS_VM_STEP, 1);
    return steps;
}

/* What one turn of the loop writes for one run: the work must not depend on how many rows there are. */
static int64_t steps_of_one_turn(struct store_fixture *f, struct store *store, int n)
{
    struct err err = {0};
    struct launch *l = store_fixture_launch(f, n);
    struct store_attempt a = {.launch_id = l->launch_id, .stage = "create", .outcome = "ok"};
    struct store_trimmed trimmed;
    l->run.state = RUN_STATE_CREATING;
    count_steps(store);
    begin(store);
    assert_int_equal(store_save_launch(store, l, &err), 0);
    assert_int_equal(store_add_transition(store, l->launch_id, "READY", "CREATING", "", 1, &err), 0);
    assert_int_equal(store_add_attempt(store, &a, &err), 0);
    assert_int_equal(store_save_wait(store, l->launch_id, "launch slot", &err), 0);
    assert_int_equal(store_save_bucket(store, "pool", 1, &err), 0);
    assert_int_equal(store_trim(store, 0, 1, &trimmed, &err), 0);
    commit(store);
    launch_free(l);
    return count_steps(store);
}

static void add_queued(struct store_fixture *f, struct store *store, int from, int to)
{
    struct err err = {0};
    begin(store);
    for (int n = from; n < to; n++) {
        struct launch *l = store_fixture_launch(f, n);
        l->run.state = n % 2 == 0 ? RUN_STATE_QUEUED : RUN_STATE_FINISHED;
        assert_int_equal(store_save_launch(store, l, &err), 0);
        launch_free(l);
    }
    commit(store);
}

static bool drop_launch(void *arg, struct launch *take_launch)
{
    (void)arg;
    launch_free(take_launch);
    return true;
}

/* The start reads what lives, however many have ended. */
static void test_work_of_the_start_does_not_grow(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct err err = {0};
    int64_t steps[2];
    for (int i = 0; i < 2; i++) {
        begin(store);
        for (int n = 1; n <= (i == 0 ? 10 : 1000); n++) {
            struct launch *l = store_fixture_launch(f, n);
            l->run.state = i == 0 || n <= 10 ? RUN_STATE_RUNNING : RUN_STATE_FINISHED;
            assert_int_equal(store_save_launch(store, l, &err), 0);
            launch_free(l);
        }
        commit(store);
        count_steps(store);
        assert_int_equal(store_load_launches(store, drop_launch, NULL, &err), 0);
        steps[i] = count_steps(store);
    }
    assert_true(steps[0] > 0);
    assert_int_equal(steps[0], steps[1]);
    store_close(store);
}

static void test_work_of_a_save_does_not_grow(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    add_queued(f, store, 0, 10);
    steps_of_one_turn(f, store, 4); /* prepares the statements */
    int64_t few = steps_of_one_turn(f, store, 6);
    add_queued(f, store, 10, 3000);
    int64_t many = steps_of_one_turn(f, store, 8);
    assert_true(few > 0);
    assert_int_equal(few, many);
    store_close(store);
}

static void test_no_request_is_out_after_a_restart(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    struct err err = {0};
    l->run.state = RUN_STATE_CREATING;
    l->run.pending = RUN_ACTION_CREATE;
    store_fixture_save(store, l);
    begin(store);
    assert_int_equal(store_save_wait(store, l->launch_id, "a slot", &err), 0);
    commit(store);
    store_close(store);
    store_fixture_expect(f->path, "select pending, waits_for from launches", "create|a slot");
    store = store_fixture_open(f);
    store_fixture_expect(f->path, "select pending, waits_for from launches", "none|");
    launch_free(l);
    store_close(store);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, store_fixture_setup, store_fixture_teardown)

static void test_size(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *launch = store_fixture_launch(f, 1);
    store_fixture_save(store, launch);
    launch_free(launch);
    struct store_disk size = store_disk(store);
    assert_true(size.file_bytes >= 4096 && size.file_bytes % 4096 == 0);
    assert_true(size.log_bytes > 0);
    assert_true(size.disk_free_bytes > 0 && size.disk_free_bytes <= size.disk_bytes);
    unlink(f->path);
    size = store_disk(store);
    assert_int_equal(size.file_bytes, -1);
    assert_int_equal(size.disk_bytes, -1);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_launch_new_is_empty),
        cmocka_unit_test(test_launch_takes_odd_input),
        cmocka_unit_test(test_ids_tell_their_launch_and_their_maker),
        STORE_TEST(test_size),
        STORE_TEST(test_every_field_survives),
        STORE_TEST(test_every_state_and_verdict_survives),
        STORE_TEST(test_empty_texts_and_huge_texts_survive),
        STORE_TEST(test_finished_is_not_loaded_and_order_is_arrival),
        STORE_TEST(test_a_file_with_a_row_that_cannot_be_is_set_aside),
        STORE_TEST(test_last_change),
        STORE_TEST(test_has_ended),
        STORE_TEST(test_update_keeps_one_row),
        STORE_TEST(test_only_committed_is_seen),
        STORE_TEST(test_two_claims_of_one_run_are_refused),
        STORE_TEST(test_save_outside_of_a_transaction_aborts),
        STORE_TEST(test_a_failed_commit_closes_the_store_for_writing),
        STORE_TEST(test_a_full_file_fails_the_save),
        STORE_TEST(test_history_may_come_before_its_launch),
        STORE_TEST(test_a_long_error_is_cut_between_characters),
        STORE_TEST(test_buckets_survive),
        STORE_TEST(test_what_was_learned_survives_and_shows),
        STORE_TEST(test_work_of_the_start_does_not_grow),
        STORE_TEST(test_work_of_a_save_does_not_grow),
        STORE_TEST(test_no_request_is_out_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
