/*
 * A state file whose disk has damaged it at a random place: cut off, sectors of garbage, zeroes or another
 * sector's content, in the file or in its log. It is refused, or set aside, or what is read is right: every
 * launch as it was saved, in the log up to some commit. Nothing crashes, and a damaged file is never lost.
 *
 * Same seed, same damage: SLUICE_DAMAGE_SEED=N tells one of them. What this can't promise: SQLite has no
 * checksums in the file itself, so a few bytes that rot within one number show nowhere; a disk's own
 * checksums answer that with a read error.
 */
#include "store_fixture.h"

#include <unistd.h>

#define LAUNCHES 40
#define DAMAGES 400
#define SECTOR_BYTES 512

struct image {
    char *bytes;
    size_t len;
};

struct damaged {
    struct store_fixture *f;
    struct image file; /* every launch with attempt 0 */
    struct image log;  /* attempt 1, one commit each, in order */
    char *log_path;
    uint64_t seed;
    int set_aside;
    int refused;
    int right;
};

static struct image read_image(const char *path)
{
    struct image image;
    FILE *file = fopen(path, "rbe");
    assert_non_null(file);
    image.bytes = check_alloc((size_t)4 << 20);
    image.len = fread(image.bytes, 1, (size_t)4 << 20, file);
    fclose(file);
    return image;
}

static void fill(struct launch *l, int n, int attempt)
{
    l->run.state = (enum run_state)(n % RUN_STATE_FINISHED);
    l->run.attempt = attempt;
    l->run.has_claim = n % 2 == 0;
    l->run.start_sent = n % 3 == 0;
    l->run.claimed_at_ms = 1763868000000 + n;
    memset(l->container_id, 'a' + n % 6, CONTAINER_ID_SIZE - 1);
    launch_set_text(&l->last_error, n % 4 == 0 ? "create: the engine said no, and said why at length" : "");
}

static void save_all(struct damaged *d, struct store *store, int attempt)
{
    for (int n = 0; n < LAUNCHES; n++) {
        struct launch *l = store_fixture_launch(d->f, n);
        struct err err;
        fill(l, n, attempt);
        assert_int_equal(store_begin(store, &err), 0);
        assert_int_equal(store_save_launch(store, l, &err), 0);
        assert_int_equal(store_add_transition(store, l->launch_id, "QUEUED", "CLAIMING", "admitted", 1, &err),
                         0);
        assert_int_equal(store_commit(store, &err), 0);
        launch_free(l);
    }
}

static void make_images(struct damaged *d)
{
    struct store *store = store_fixture_open(d->f);
    save_all(d, store, 0);
    store_close(store);
    store = store_fixture_open(d->f);
    save_all(d, store, 1);
    d->file = read_image(d->f->path);
    d->log = read_image(d->log_path);
    store_close(store);
    assert_true(d->file.len > 50000 && d->log.len > 100000);
}

static uint64_t draw(struct damaged *d, uint64_t below)
{
    return random_splitmix64(&d->seed) % below;
}

/* One to four sectors become something else. */
static void spoil_sectors(struct damaged *d, struct image *image, uint64_t kind)
{
    size_t sectors = image->len / SECTOR_BYTES;
    size_t count = 1 + draw(d, 4);
    size_t at = draw(d, sectors - count) * SECTOR_BYTES;
    size_t from = draw(d, sectors - count) * SECTOR_BYTES;
    for (size_t i = 0; i < count * SECTOR_BYTES; i++) {
        if (kind == 0)
            image->bytes[at + i] = (char)draw(d, 256);
        else if (kind == 1)
            image->bytes[at + i] = 0;
        else
            image->bytes[at + i] = image->bytes[from + i];
    }
}

static void spoil(struct damaged *d, struct image *file, struct image *log)
{
    struct image *image = draw(d, 3) == 0 ? log : file;
    uint64_t kind = draw(d, 5);
    if (kind == 3)
        image->len = draw(d, image->len);
    else if (kind == 4)
        image->len = draw(d, image->len / 4096) * 4096;
    else
        spoil_sectors(d, image, kind);
}

struct check {
    struct damaged *d;
    bool is_new[LAUNCHES]; /* with what the log says */
    bool is_there[LAUNCHES];
};

static void expect_same(const struct launch *a, const struct launch *b)
{
    assert_int_equal(a->run.state, b->run.state);
    assert_int_equal(a->run.has_claim, b->run.has_claim);
    assert_int_equal(a->run.start_sent, b->run.start_sent);
    assert_int_equal(a->run.claimed_at_ms, b->run.claimed_at_ms);
    assert_int_equal(a->run.due_at_ms, b->run.due_at_ms);
    assert_string_equal(a->launch_id, b->launch_id);
    assert_string_equal(a->flow_run_id, b->flow_run_id);
    assert_string_equal(a->submit_id, b->submit_id);
    assert_string_equal(a->report_id, b->report_id);
    assert_string_equal(a->container_id, b->container_id);
    assert_string_equal(a->last_error, b->last_error);
    assert_string_equal(a->run_name, b->run_name);
}

static bool check_launch(void *arg, struct launch *take_launch)
{
    struct check *check = arg;
    int n = (int)(take_launch->run.due_at_ms - check->d->f->now_ms + 1000);
    assert_in_range(n, 0, LAUNCHES - 1);
    struct launch *l = store_fixture_launch(check->d->f, n);
    fill(l, n, take_launch->run.attempt);
    assert_in_range(take_launch->run.attempt, 0, 1);
    expect_same(take_launch, l);
    check->is_there[n] = true;
    check->is_new[n] = take_launch->run.attempt == 1;
    launch_free(l);
    launch_free(take_launch);
    return true;
}

/* All launches, as some commit left them. */
static void expect_right(struct damaged *d, struct store *store)
{
    struct check check = {.d = d};
    struct err err;
    if (store_load_launches(store, check_launch, &check, &err) != 0)
        fail_msg("%s", err.msg);
    for (int n = 0; n < LAUNCHES; n++) {
        assert_true(check.is_there[n]);
        assert_true(n == 0 || check.is_new[n - 1] || !check.is_new[n]);
    }
    struct launch *l = store_fixture_launch(d->f, LAUNCHES + 1);
    store_fixture_save(store, l);
    launch_free(l);
}

static void expect_kept(const char *path, const struct image *image)
{
    struct image kept = read_image(path);
    assert_int_equal(kept.len, image->len);
    assert_memory_equal(kept.bytes, image->bytes, image->len);
    free(kept.bytes);
    unlink(path);
}

static void open_it(struct damaged *d, const struct image *file)
{
    struct store *store = NULL;
    struct err err = {0};
    if (store_open(d->f->path, &d->f->clock, &store, &err) != 0) {
        assert_int_equal(err.kind, ERR_PARSE);
        assert_non_null(strstr(err.msg, d->f->path));
        expect_kept(d->f->path, file);
        d->refused++;
        return;
    }
    const char *why;
    const char *aside = store_set_aside(store, &why);
    if (aside == NULL) {
        expect_right(d, store);
        d->right++;
    } else {
        assert_true(store_is_new(store));
        expect_kept(aside, file);
        char *AUTO_FREE aside_log = check_printf("%s-wal", aside);
        unlink(aside_log);
        d->set_aside++;
    }
    store_close(store);
}

static void damage_once(struct damaged *d, uint64_t seed)
{
    struct image file = {check_alloc(d->file.len), d->file.len};
    struct image log = {check_alloc(d->log.len), d->log.len};
    memcpy(file.bytes, d->file.bytes, file.len);
    memcpy(log.bytes, d->log.bytes, log.len);
    d->seed = seed;
    spoil(d, &file, &log);
    char *AUTO_FREE shm_path = check_printf("%s-shm", d->f->path);
    unlink(shm_path);
    unlink(d->f->path);
    store_fixture_write_file(d->f->path, file.bytes, file.len);
    store_fixture_write_file(d->log_path, log.bytes, log.len);
    open_it(d, &file);
    free(file.bytes);
    free(log.bytes);
}

static void test_any_damage(void **state)
{
    struct damaged d = {.f = *state};
    d.log_path = check_printf("%s-wal", d.f->path);
    make_images(&d);
    const char *one = getenv("SLUICE_DAMAGE_SEED");
    uint64_t first = one == NULL ? 1 : strtoull(one, NULL, 10);
    uint64_t last = one == NULL ? DAMAGES : first;
    for (uint64_t seed = first; seed <= last; seed++) {
        if (one == NULL && seed % 100 == 0)
            print_message("seed %d\n", (int)seed);
        damage_once(&d, seed);
    }
    print_message("%d set aside, %d refused, %d right\n", d.set_aside, d.refused, d.right);
    assert_true(one != NULL || (d.set_aside > 100 && d.right > 50));
    free(d.file.bytes);
    free(d.log.bytes);
    free(d.log_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_any_damage, store_fixture_setup, store_fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
