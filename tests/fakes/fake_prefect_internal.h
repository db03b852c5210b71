/* fake_prefect_internal.h - what the files of the fake share. */
#ifndef SLUICE_TESTS_FAKE_PREFECT_INTERNAL_H
#define SLUICE_TESTS_FAKE_PREFECT_INTERNAL_H

#include "api/json.h"
#include "base/list.h"
#include "fake_prefect.h"

#include <netinet/in.h>

#define FAKE_NO_TIME INT64_MIN

/* A growing array of pointers to things of one kind. */
struct fake_array {
    void **items;
    size_t count;
};
void fake_array_add(struct fake_array *array, void *item);
void fake_array_remove(struct fake_array *array, size_t index);

struct fake_state {
    char id[UUID_TEXT_SIZE];
    enum prefect_state_type type;
    char *name;
    char *message;           /* NULL: null */
    char *data;              /* JSON text, "null" if none */
    char *transition_id;     /* NULL: null */
    char *lease_id;          /* NULL: null */
    int64_t scheduled_at_ms; /* FAKE_NO_TIME: null */
    int64_t timestamp_ms;
};

struct fake_flow {
    char id[UUID_TEXT_SIZE];
    char *name;
};

struct fake_queue {
    char id[UUID_TEXT_SIZE];
    char *name;
    int64_t priority;
    int64_t limit; /* -1: none */
    bool is_paused;
};

struct fake_pool {
    char id[UUID_TEXT_SIZE];
    char *name;
    char *type;
    char *template_json;
    int64_t limit; /* -1: none */
    bool is_paused;
    struct fake_array queues;
    struct fake_array workers;
};

struct fake_worker {
    char *name;
    int64_t heartbeat_ms; /* the last */
};

struct fake_deployment {
    char id[UUID_TEXT_SIZE];
    char *name;
    struct fake_flow *flow;
    struct fake_pool *pool; /* NULL: none */
    struct fake_queue *queue;
    char *job_variables_json;
    struct json *tags;
    bool has_limit;
    int64_t limit;
    int64_t active_slots;
    int64_t grace_s; /* of the first lease; 0: the server's */
    bool cancel_new;
    int64_t updated_ms;
};

struct fake_limit {
    char id[UUID_TEXT_SIZE];
    char *name;
    int64_t limit;
    double slot_decay; /* slots a second */
    double active;     /* slots taken at updated_ms */
    int64_t updated_ms;
    int64_t taken; /* ever */
};

struct fake_block {
    char id[UUID_TEXT_SIZE];
    char *type;
    char *name;
    char *data_json;
    char *secret_fields_json;
};

struct fake_block_type {
    char id[UUID_TEXT_SIZE];
    char *slug;
};

struct fake_block_schema {
    char id[UUID_TEXT_SIZE];
    char *secret_fields_json;
};

struct fake_variable {
    char id[UUID_TEXT_SIZE];
    char *name;
    char *value_json;
};

struct fake_lease {
    char id[UUID_TEXT_SIZE];
    char deployment_id[UUID_TEXT_SIZE];
    char run_id[UUID_TEXT_SIZE];
    int64_t expires_ms;
};

struct fake_run {
    char id[UUID_TEXT_SIZE];
    char *name;
    struct fake_flow *flow;
    char deployment_id[UUID_TEXT_SIZE]; /* "" none; stays when the deployment is deleted */
    struct fake_pool *pool;
    struct fake_queue *queue;
    struct json *tags;
    struct json *labels;
    char *parameters_json;
    char *job_variables_json;
    char *pid;
    struct fake_array states; /* oldest first, at least one */
    int64_t expected_start_ms;
    int64_t start_ms; /* FAKE_NO_TIME: null */
    int64_t end_ms;
    int run_count;
    bool retries_in_process;
    enum prefect_outcome refusal; /* of claims, until refused_until_ms */
    int64_t refused_until_ms;
};

struct fake_armed {
    struct list link;
    struct fake_prefect_fault fault; /* header and body are owned */
    int seen;
};

struct wire;

struct fake_prefect {
    struct timers *timers;
    struct wire *wire;
    char *url;
    char *authorization;
    uint64_t random_state;
    int64_t slot_wait_ms;
    struct fake_array pools;
    struct fake_array flows;
    struct fake_array deployments;
    struct fake_array runs;
    struct fake_array leases;
    struct fake_array limits;
    struct fake_array blocks;
    struct fake_array block_types;
    struct fake_array block_schemas; /* struct fake_block_schema */
    struct fake_array variables;
    bool hides_secrets;
    struct fake_array events;    /* char *, JSON */
    struct fake_array event_ids; /* char * */
    struct fake_array logs;
    struct list faults;  /* of fake_armed.link */
    struct list pending; /* of job.link: delayed, held or stalled */
    fake_prefect_fault_fn choose_fault;
    void *choose_fault_arg;
    int calls[FAKE_PREFECT_ANY + 1];
    int changes;
    int heartbeats;
    int names_made;
    bool csrf_demanded;
    char *csrf_token;
    char *csrf_client;
    int64_t csrf_expires_ms;
    int64_t csrf_life_ms;
    char *history_text;
    char *last_request;
    char *last_head; /* header lines */
};

/* --- fake_prefect_limits.c --- */
void fake_free_limits(struct fake_prefect *fake);

/* --- fake_prefect_references.c --- */
void fake_free_references(struct fake_prefect *fake);

/* --- fake_prefect_data.c --- */

int64_t fake_now_ms(const struct fake_prefect *fake);
void fake_make_id(struct fake_prefect *fake, char id[static UUID_TEXT_SIZE]);
struct fake_pool *fake_find_pool(const struct fake_prefect *fake, const char *name);
struct fake_queue *fake_find_queue(const struct fake_pool *pool, const char *name);
struct fake_flow *fake_find_flow(const struct fake_prefect *fake, const char *id);
struct fake_deployment *fake_find_deployment(const struct fake_prefect *fake, const char *id);
struct fake_run *fake_find_run(const struct fake_prefect *fake, const char *id);
struct fake_state *fake_present_state(const struct fake_run *run);
void fake_free_state(struct fake_state *state);
void fake_free_data(struct fake_prefect *fake);

/* --- fake_prefect_rules.c --- */

/* What set_state decides. state is the run's present one afterwards; reason is static text or "". */
struct fake_decision {
    enum prefect_outcome outcome;
    bool is_new; /* the present state was written by this proposal: 201 */
    const char *reason;
    int64_t delay_s;
    char reason_text[160];
};
/* Take the proposal by the server's rules; takes the state over. */
void fake_take_proposal(struct fake_prefect *fake, struct fake_run *run, struct fake_state *take_state,
                        bool is_forced, struct fake_decision *out);
const char *fake_default_state_name(enum prefect_state_type type);
/* A run in this state occupies a slot of its deployment. */
bool fake_occupies(enum prefect_state_type type);

/* --- fake_prefect_leases.c --- */

/* The leases that have run out give their slots back. */
void fake_expire_leases(struct fake_prefect *fake);
/* Take a slot with a lease; false: none is free. */
bool fake_take_slot(struct fake_prefect *fake, struct fake_deployment *deployment, const char *run_id,
                    char lease_id[static UUID_TEXT_SIZE]);
/* The run begins: false if its lease is gone. */
bool fake_renew_at_running(struct fake_prefect *fake, const struct fake_deployment *deployment,
                           const char *lease_id);
/* The run leaves its slot. lease_id NULL: it had none. */
void fake_release_slot(struct fake_prefect *fake, const char *deployment_id, const char *lease_id);

/* --- fake_prefect_routes.c --- */

#define FAKE_PARTS_MAX 8

struct fake_call {
    const char *method;
    char *path; /* after /api, decoded parts point into `text` */
    char *query;
    char *parts[FAKE_PARTS_MAX]; /* decoded, the last is "" after a trailing slash */
    size_t part_count;
    struct json *body; /* NULL: none or not JSON */
};

struct fake_answer {
    int status;
    char *body; /* owned; NULL: none */
};

enum fake_prefect_route fake_route(const struct fake_call *call);
/* Carry out the effect and make the answer. */
void fake_serve(struct fake_prefect *fake, enum fake_prefect_route route, const struct fake_call *call,
                struct fake_answer *answer);
bool fake_route_changes(enum fake_prefect_route route);

/* --- fake_prefect_json.c --- */

void fake_answer_json(struct fake_answer *answer, int status, struct json *take_body);
/* {key: text} */
void fake_answer_text(struct fake_answer *answer, int status, const char *key, const char *text);
/* {"detail": text} */
void fake_answer_detail(struct fake_answer *answer, int status, const char *text);
/* 422 as the server words it. */
void fake_answer_invalid(struct fake_answer *answer, const char *field, const char *message);
void fake_answer_no_pool(struct fake_answer *answer, const char *name);
void fake_answer_no_run(struct fake_answer *answer, const char *id);
void fake_set_time(struct json *object, const char *key, int64_t at_ms);
void fake_set_limit(struct json *object, const char *key, int64_t limit);
struct json *fake_parsed(const char *text); /* text of our own */
/* Read a time of the body; false: there is one that can't be read. */
bool fake_read_time(const struct json *object, const char *key, int64_t *at_ms);
/* Source text of a member; malloc'ed. */
char *fake_source_or(const struct json *object, const char *key, const char *fallback);
/* The list is absent, empty, or holds the name. */
bool fake_is_named(const struct json *names, const char *name);
struct json *fake_pool_to_json(const struct fake_pool *pool);
struct json *fake_queue_to_json(const struct fake_pool *pool, const struct fake_queue *queue);
struct json *fake_state_to_json(const struct fake_run *run, const struct fake_state *state);
struct json *fake_run_to_json(const struct fake_run *run);
struct json *fake_deployment_to_json(const struct fake_deployment *deployment);
struct json *fake_flow_to_json(const struct fake_flow *flow);

/* --- fake_prefect_pools.c, fake_prefect_runs.c, fake_prefect_references.c --- */

typedef void fake_handler_fn(struct fake_prefect *fake, const struct fake_call *call,
                             struct fake_answer *answer);
fake_handler_fn fake_handle_get_pool;
fake_handler_fn fake_handle_create_pool;
fake_handler_fn fake_handle_patch_pool;
fake_handler_fn fake_handle_delete_pool;
fake_handler_fn fake_handle_heartbeat;
fake_handler_fn fake_handle_list_workers;
fake_handler_fn fake_handle_list_queues;
fake_handler_fn fake_handle_create_queue;
fake_handler_fn fake_handle_patch_queue;
fake_handler_fn fake_handle_poll;
fake_handler_fn fake_handle_filter_runs;
fake_handler_fn fake_handle_get_run;
fake_handler_fn fake_handle_patch_run;
fake_handler_fn fake_handle_patch_labels;
fake_handler_fn fake_handle_delete_run;
fake_handler_fn fake_handle_history;
fake_handler_fn fake_handle_set_state;
fake_handler_fn fake_handle_renew_lease;
fake_handler_fn fake_handle_take_rate;
fake_handler_fn fake_handle_create_flow;
fake_handler_fn fake_handle_get_flow;
fake_handler_fn fake_handle_create_deployment;
fake_handler_fn fake_handle_get_deployment;
fake_handler_fn fake_handle_delete_deployment;
fake_handler_fn fake_handle_create_run;
fake_handler_fn fake_handle_create_block_type;
fake_handler_fn fake_handle_create_block_schema;
fake_handler_fn fake_handle_create_block;
fake_handler_fn fake_handle_create_variable;
fake_handler_fn fake_handle_get_block;
fake_handler_fn fake_handle_get_block_by_name;
fake_handler_fn fake_handle_get_variable;

#endif
