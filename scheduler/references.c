/*
 * references.c - one entry for each request that is out or held back, shared by the sets that wait for it.
 *
 * An entry lives as long as its request, or as long as the server or the retry budget wants nobody to ask
 * again, and only while somebody waits for it or it is held. A failure names what was asked for.
 */
#include "references.h"

#include "base/list.h"
#include "clocks.h"
#include "index.h"

#include <stdio.h>
#include <string.h>

struct entry {
    struct references *references;
    struct list link;
    char *key; /* in the index, unless a younger entry has taken its place */
    struct jobspec_question question;
    char *object_id; /* of the flow run or flow; "" for blocks and variables */
    struct prefect_call *call;
    struct timer hold;
    bool is_retry;         /* it takes from the retry budget before it is sent */
    int64_t began_mono_ms; /* of the request */
    struct list waits;     /* wait.link */
};

/* One question of a set that is not answered yet. */
struct wait {
    struct list link; /* of its entry */
    struct list set_link;
    struct entry *entry;
    struct reference_set *set;
};

struct reference_set {
    struct references *references;
    struct list link;
    char *flow_run_id;
    char *flow_id;
    references_done_fn done;
    void *arg;
    struct list waits; /* wait.set_link */
    struct jobspec_answer *answers;
    size_t answer_count;
    size_t bytes;
    int64_t asked_mono_ms;
};

struct references {
    struct prefect *prefect;
    struct timers *timers;
    struct guard *guard;
    const struct config *config;
    struct index index; /* of entries that may be joined, by key */
    struct list entries;
    struct list sets;
};

struct references *references_new(struct prefect *prefect, struct timers *timers, struct guard *guard,
                                  const struct config *config)
{
    struct references *r = check_alloc(sizeof(*r));
    r->prefect = prefect;
    r->timers = timers;
    r->guard = guard;
    r->config = config;
    list_init(&r->entries);
    list_init(&r->sets);
    return r;
}

void references_set_config(struct references *references, const struct config *config)
{
    references->config = config;
}

static int64_t now_ms(const struct references *r)
{
    return clock_mono_ms(timers_clock(r->timers));
}

/* ---- entries ---- */

/* Whoever asks from now on gets another entry. */
static void leave_index(struct entry *e)
{
    if (index_find(&e->references->index, e->key) == e)
        index_remove(&e->references->index, e->key);
}

static void free_entry(struct entry *e)
{
    CHECK(list_is_empty(&e->waits));
    leave_index(e);
    if (e->call != NULL)
        prefect_cancel(e->call);
    timer_cancel(&e->hold);
    list_remove(&e->link);
    jobspec_free_question(&e->question);
    free(e->object_id);
    free(e->key);
    free(e);
}

static void free_wait(struct wait *w)
{
    list_remove(&w->link);
    list_remove(&w->set_link);
    free(w);
}

/* Nobody is waited for any more. What is held stays: nobody else may ask before its time either. */
static void leave_entries(struct reference_set *set)
{
    while (!list_is_empty(&set->waits)) {
        struct wait *w = LIST_ITEM(set->waits.next, struct wait, set_link);
        struct entry *e = w->entry;
        free_wait(w);
        if (list_is_empty(&e->waits) && e->call != NULL)
            free_entry(e);
    }
}

static void read_entry(struct entry *e);

static void on_hold_is_over(void *arg)
{
    struct entry *e = arg;
    if (list_is_empty(&e->waits))
        free_entry(e);
    else
        read_entry(e);
}

/* ---- answers ---- */

/* It is over: with all answers, or with this failure. The set may be gone when this returns. */
static void finish(struct reference_set *set, const struct failure *failure)
{
    leave_entries(set);
    set->done(set->arg, failure, now_ms(set->references) - set->asked_mono_ms);
}

/* What reply says of the question, added to the set. False: it is too much. */
static bool add_answer(struct reference_set *set, const struct jobspec_question *question,
                       const struct prefect_reply *reply)
{
    bool is_found = reply->failure == NULL;
    size_t len = is_found ? strlen(reply->json) : 0;
    if (len > REFERENCES_MAX_BYTES - set->bytes)
        return false;
    set->bytes += len;
    set->answers = check_realloc(set->answers, (set->answer_count + 1) * sizeof(*set->answers));
    set->answers[set->answer_count++] = (struct jobspec_answer){
        .question = jobspec_copy_question(question),
        .is_found = is_found,
        .json = is_found ? check_strndup(reply->json, len) : NULL,
        .json_len = len,
        .secret_fields_json = is_found ? check_strdup_or_null(reply->secret_fields_json) : NULL};
    return true;
}

static void tell_set(struct reference_set *set, const struct jobspec_question *question,
                     const struct prefect_reply *reply, const struct failure *failure)
{
    if (failure != NULL) {
        finish(set, failure);
    } else if (!add_answer(set, question, reply)) {
        struct failure large = {
            .dependency = DEPENDENCY_PREFECT, .stage = STAGE_RESOLVE, .status = 400, .retry_after_ms = -1};
        snprintf(large.message, sizeof(large.message),
                 "the blocks and variables of the job configuration hold more than %zu MiB",
                 REFERENCES_MAX_BYTES >> 20);
        finish(set, &large);
    } else if (list_is_empty(&set->waits)) {
        finish(set, NULL);
    }
}

static bool is_missing(const struct entry *e, const struct failure *failure)
{
    bool is_object = e->question.kind == JOBSPEC_ASK_FLOW_RUN || e->question.kind == JOBSPEC_ASK_FLOW;
    return failure != NULL && failure->status == 404 && failure->transport == TRANSPORT_NONE && !is_object;
}

/* The failure with what was asked for in front. */
static struct failure named_failure(const struct entry *e, const struct failure *failure)
{
    struct failure named = *failure;
    char *AUTO_FREE phrase = jobspec_question_phrase(&e->question);
    snprintf(named.message, sizeof(named.message), "%s: %.*s", phrase, FAILURE_MESSAGE_SIZE / 2,
             failure->message);
    return named;
}

static void on_read(void *arg, const struct prefect_reply *reply)
{
    struct entry *e = arg;
    struct failure failure;
    const struct failure *told = NULL;
    e->call = NULL;
    if (reply->failure != NULL && !is_missing(e, reply->failure)) {
        failure = named_failure(e, reply->failure);
        told = &failure;
    }
    e->is_retry = told != NULL;
    if (told != NULL && told->retry_after_ms > 0)
        timer_start(e->references->timers, &e->hold, told->retry_after_ms, on_hold_is_over, e);
    else
        leave_index(e);
    struct list now;
    struct list *link;
    list_init(&now);
    while ((link = list_take_first(&e->waits)) != NULL)
        list_add_last(&now, link);
    while ((link = list_take_first(&now)) != NULL) {
        struct wait *w = LIST_ITEM(link, struct wait, link);
        struct reference_set *set = w->set;
        free_wait(w);
        tell_set(set, &e->question, reply, told);
    }
    if (!timer_is_running(&e->hold))
        free_entry(e);
}

/* ---- asking ---- */

static int start_call(struct entry *e, const struct prefect_ask *ask, struct err *err)
{
    struct prefect *p = e->references->prefect;
    const struct jobspec_question *q = &e->question;
    switch (q->kind) {
    case JOBSPEC_ASK_BLOCK_ID:
        return prefect_get_block(p, ask, q->name, err);
    case JOBSPEC_ASK_BLOCK:
        return prefect_get_block_by_name(p, ask, q->block_type, q->name, err);
    case JOBSPEC_ASK_VARIABLE:
        return prefect_get_variable(p, ask, q->name, err);
    case JOBSPEC_ASK_FLOW_RUN:
        return prefect_get_run_object(p, ask, e->object_id, err);
    case JOBSPEC_ASK_FLOW:
        return prefect_get_flow_object(p, ask, e->object_id, err);
    }
    UNREACHABLE();
}

/* Send the request, or hold it until there is a retry for it. */
static void read_entry(struct entry *e)
{
    struct references *r = e->references;
    struct prefect_ask ask = {.stage = STAGE_RESOLVE,
                              .clocks = clocks_for(r->config, "default", STAGE_RESOLVE),
                              .done = on_read,
                              .arg = e,
                              .call = &e->call};
    struct err err;
    int64_t wait_ms;
    if (e->is_retry && r->guard != NULL && !guard_take(r->guard, &wait_ms)) {
        timer_start(r->timers, &e->hold, wait_ms, on_hold_is_over, e);
        return;
    }
    e->began_mono_ms = now_ms(r);
    CHECK(start_call(e, &ask, &err) == 0); /* the renderer asks for no name that a path can't hold */
}

static struct entry *new_entry(struct references *r, const struct jobspec_question *question,
                               const char *object_id, const char *key)
{
    struct entry *e = check_alloc(sizeof(*e));
    e->references = r;
    e->key = check_strdup(key);
    e->question = jobspec_copy_question(question);
    e->object_id = check_strdup(object_id);
    list_init(&e->waits);
    list_add_last(&r->entries, &e->link);
    index_put(&r->index, e->key, e);
    return e;
}

/* The entry for the question: one that is held or has just gone out, or a new one that is sent or held. */
static struct entry *entry_for(struct reference_set *set, const struct jobspec_question *question,
                               bool is_retry)
{
    struct references *r = set->references;
    const char *object_id = question->kind == JOBSPEC_ASK_FLOW_RUN ? set->flow_run_id
                            : question->kind == JOBSPEC_ASK_FLOW   ? set->flow_id
                                                                   : "";
    char *AUTO_FREE key =
        check_printf("%d %s %s %s", (int)question->kind, object_id, question->block_type, question->name);
    struct entry *e = index_find(&r->index, key);
    if (e != NULL && (timer_is_running(&e->hold) || now_ms(r) - e->began_mono_ms <= REFERENCES_JOIN_MS))
        return e;
    if (e != NULL)
        leave_index(e);
    e = new_entry(r, question, object_id, key);
    e->is_retry = is_retry;
    read_entry(e);
    return e;
}

/* ---- sets ---- */

struct reference_set *reference_set_new(struct references *references, const char *flow_run_id,
                                        const char *flow_id, references_done_fn done, void *arg)
{
    struct reference_set *set = check_alloc(sizeof(*set));
    set->references = references;
    set->flow_run_id = check_strdup(flow_run_id);
    set->flow_id = check_strdup(flow_id);
    set->done = done;
    set->arg = arg;
    list_init(&set->waits);
    list_add_last(&references->sets, &set->link);
    return set;
}

void reference_set_free(struct reference_set *set)
{
    if (set == NULL)
        return;
    leave_entries(set);
    for (size_t i = 0; i < set->answer_count; i++) {
        struct jobspec_answer *answer = &set->answers[i];
        if (answer->json != NULL)
            explicit_bzero(answer->json, answer->json_len);
        free(answer->json);
        free(answer->secret_fields_json);
        jobspec_free_question(&answer->question);
    }
    free(set->answers);
    free(set->flow_run_id);
    free(set->flow_id);
    list_remove(&set->link);
    free(set);
}

void reference_set_ask(struct reference_set *set, const struct jobspec_question *questions, size_t count,
                       bool is_retry)
{
    CHECK(count > 0 && list_is_empty(&set->waits));
    set->asked_mono_ms = now_ms(set->references);
    for (size_t i = 0; i < count; i++) {
        struct wait *w = check_alloc(sizeof(*w));
        w->set = set;
        w->entry = entry_for(set, &questions[i], is_retry);
        list_add_last(&w->entry->waits, &w->link);
        list_add_last(&set->waits, &w->set_link);
    }
}

const struct jobspec_answer *reference_set_answers(const struct reference_set *set, size_t *count)
{
    *count = set == NULL ? 0 : set->answer_count;
    return set == NULL ? NULL : set->answers;
}

void references_free(struct references *r)
{
    if (r == NULL)
        return;
    while (!list_is_empty(&r->sets))
        reference_set_free(LIST_ITEM(r->sets.next, struct reference_set, link));
    while (!list_is_empty(&r->entries)) /* those that are held */
        free_entry(LIST_ITEM(r->entries.next, struct entry, link));
    index_done(&r->index);
    free(r);
}
