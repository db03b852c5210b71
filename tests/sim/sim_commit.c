/*
 * sim_commit.c - what of the state files is durable, seen from outside: the calls of store/ are listened to
 * (linker option --wrap), so a row counts as durable exactly when store_commit() has said so.
 *
 * A commit that failed leaves its rows in doubt: after the next start either is right.
 */
#include "sim.h"

#include "store/store.h"

#include <string.h>

static struct sim *listener;

/* Ends that wait for what is saved next; sim_commit_hold_ends(). */
static struct {
    bool is_on;
    struct store *store;
    const struct launch *launches[SIM_RUNS_MAX];
    size_t count;
} held;

int __real_store_save_launch(struct store *store, const struct launch *launch, struct err *err);
int __wrap_store_save_launch(struct store *store, const struct launch *launch, struct err *err);
int __real_store_commit(struct store *store, struct err *err);
int __wrap_store_commit(struct store *store, struct err *err);

void sim_commit_begin(struct sim *sim)
{
    listener = sim;
}

void sim_commit_done(struct sim *sim)
{
    listener = NULL;
    held.count = 0;
    free(sim->rows);
}

static struct sim_worker *worker_of(struct sim *sim, const struct store *store)
{
    for (int i = 0; i < sim->worker_count; i++)
        if (strcmp(sim->workers[i].state_path, store_path(store)) == 0)
            return &sim->workers[i];
    UNREACHABLE();
}

struct sim_row *sim_row_by(struct sim *sim, const char *launch_id)
{
    for (size_t i = sim->row_count; i-- > 0;)
        if (memcmp(sim->rows[i].launch.launch_id, launch_id, UUID_TEXT_SIZE) == 0)
            return &sim->rows[i];
    return NULL;
}

struct sim_row *sim_row_by_container(struct sim *sim, const char *container_id)
{
    for (size_t i = sim->row_count; i-- > 0;)
        if (strcmp(sim->rows[i].launch.container_id, container_id) == 0)
            return &sim->rows[i];
    return NULL;
}

static struct sim_row *make_row(struct sim *sim, const struct launch *launch)
{
    if ((sim->row_count & (sim->row_count + 1)) == 0) {
        sim->rows = realloc(sim->rows, (sim->row_count + 1) * 2 * sizeof(*sim->rows));
        CHECK(sim->rows != NULL);
    }
    struct sim_row *row = &sim->rows[sim->row_count++];
    *row = (struct sim_row){.launch = *launch};
    row->launch.container_id[0] = '\0';
    return row;
}

void sim_commit_hold_ends(void)
{
    held.is_on = true;
}

static int save_launch(struct store *store, const struct launch *launch, struct err *err)
{
    int rc = __real_store_save_launch(store, launch, err);
    if (rc != 0 || listener == NULL)
        return rc;
    struct sim_row *row = sim_row_by(listener, launch->launch_id);
    if (row == NULL)
        row = make_row(listener, launch);
    row->worker = worker_of(listener, store);
    sim_control_on_save(row,
                        row->has_saved      ? &row->saved
                        : row->is_committed ? &row->launch.run
                                            : NULL,
                        &launch->run);
    row->saved = launch->run;
    row->has_saved = true;
    snprintf(row->saved_container_id, sizeof(row->saved_container_id), "%s", launch->container_id);
    snprintf(row->saved_name, sizeof(row->saved_name), "%s", launch->container_name);
    return 0;
}

static int save_held(struct store *store, struct err *err)
{
    size_t count = held.store == store ? held.count : 0;
    held.count = 0;
    for (size_t i = 0; i < count; i++)
        if (save_launch(store, held.launches[i], err) != 0)
            return -1;
    return 0;
}

int __wrap_store_save_launch(struct store *store, const struct launch *launch, struct err *err)
{
    if (held.is_on && launch->run.state == RUN_STATE_FINISHED && held.count < ARRAY_LEN(held.launches)) {
        held.store = store;
        held.launches[held.count++] = launch;
        return 0;
    }
    if (save_launch(store, launch, err) != 0)
        return -1;
    return save_held(store, err);
}

int __wrap_store_commit(struct store *store, struct err *err)
{
    if (save_held(store, err) != 0)
        return -1;
    int rc = __real_store_commit(store, err);
    if (rc != 0 || listener == NULL)
        return rc;
    struct sim_worker *w = worker_of(listener, store);
    bool has_claims = false;
    bool has_passed = false;
    for (size_t i = 0; i < listener->row_count; i++) {
        struct sim_row *row = &listener->rows[i];
        if (row->worker != w || !row->has_saved)
            continue;
        bool is_new = !row->is_committed;
        bool has_token =
            row->saved.state == RUN_STATE_CREATING && (is_new || row->launch.run.state < RUN_STATE_CREATING);
        if (row->saved.state == RUN_STATE_CLAIMING && (is_new || row->launch.run.state == RUN_STATE_QUEUED)) {
            has_claims = true;
            /* One that a person has released has its claim, and may have been let through long before this
             * commit: its look needs none. */
            bool was_claimed = !is_new && row->launch.run.has_claim;
            has_passed = has_passed || (!was_claimed && !sim_control_is_high(row));
        }
        row->has_saved = false;
        row->is_committed = true;
        if (row->saved.state == RUN_STATE_CLEARING && row->launch.run.state != RUN_STATE_CLEARING)
            row->clearing_ms = listener->wall_ms;
        row->launch.run = row->saved;
        snprintf(row->launch.container_id, sizeof(row->launch.container_id), "%s", row->saved_container_id);
        snprintf(row->name, sizeof(row->name), "%s", row->saved_name);
        if (has_token)
            sim_control_on_token(row);
    }
    if (has_claims)
        sim_control_on_claims(w, has_passed);
    return 0;
}

void sim_commit_forget(struct sim_worker *worker)
{
    struct sim *sim = worker->sim;
    held.count = 0;
    for (size_t i = 0; i < sim->row_count; i++) {
        struct sim_row *row = &sim->rows[i];
        if (row->worker != worker)
            continue;
        row->is_in_doubt = row->is_in_doubt || row->has_saved;
        row->has_saved = false;
    }
}
