#include "due.h"

#include "api/json.h"
#include "base/log.h"
#include "index.h"

#include <stdio.h>
#include <string.h>

/* Names hardly change; job variables are read again when the job is rendered. */
#define NAME_AGE_MS (10 * 60 * 1000)
#define PARAMETERS_MAX 256
/* A longer text is no image's name. */
#define IMAGE_MAX_BYTES 512

struct due {
    struct list link;
    struct dues *dues;
    struct launch *launch; /* owned until it goes to the runner */
    char *job_variables_json;
    char **tags;
    size_t tag_count;
    char *parameters_json;
    struct dues_sight sight;
};

/* As many as may come while a poll is out; one that is forgotten too soon costs a claim that is late. */
#define ENDS_MAX 512

/* Of a run's last launch. */
struct end {
    char flow_run_id[UUID_TEXT_SIZE];
    int64_t mono_ms;
};

struct dues {
    struct runner *runner;
    struct catalog *catalog;
    const struct config *config;
    const struct pool_record *pool;
    const struct clock *clock;
    int64_t told_ms; /* mono; when a failed call was told last */
    struct list all;
    struct index by_flow_run;
    struct end ends[ENDS_MAX]; /* a ring */
    size_t next_end;
    int64_t last_end_ms; /* mono; of the newest */
};

struct dues *dues_new(struct runner *runner, struct catalog *catalog, const struct config *config,
                      const struct pool_record *pool, const struct clock *clock)
{
    struct dues *d = check_alloc(sizeof(*d));
    *d = (struct dues){.runner = runner, .catalog = catalog, .config = config, .pool = pool, .clock = clock};
    list_init(&d->all);
    return d;
}

void dues_set_config(struct dues *dues, const struct config *config)
{
    dues->config = config;
}

static void free_due(struct due *due)
{
    list_remove(&due->link);
    if (due->launch != NULL)
        index_remove(&due->dues->by_flow_run, due->launch->flow_run_id);
    launch_free(due->launch);
    for (size_t i = 0; i < due->tag_count; i++)
        free(due->tags[i]);
    free(due->tags);
    free(due->job_variables_json);
    free(due->parameters_json);
    free(due);
}

void dues_free(struct dues *dues)
{
    if (dues == NULL)
        return;
    struct list *link;
    while ((link = list_take_first(&dues->all)) != NULL) {
        struct due *due = LIST_ITEM(link, struct due, link);
        catalog_leave(dues->catalog, due);
        free_due(due);
    }
    index_done(&dues->by_flow_run);
    free(dues);
}

/* Texts as they are, everything else as JSON. Names are borrowed from *parameters, values are the caller's.
 */
static size_t read_parameters(const char *text, struct json **parameters, const char **names, char **values)
{
    struct err ignored; /* parameters that can't be read match no rule */
    size_t count = 0;
    if (json_parse(text, strlen(text), parameters, &ignored) != 0)
        return 0;
    for (const struct json *p = json_first(*parameters); p != NULL && count < PARAMETERS_MAX;
         p = json_next(p)) {
        if (json_key(p) == NULL)
            break;
        const char *plain = json_text(p, NULL);
        names[count] = json_key(p);
        values[count++] = plain == NULL ? json_write(p) : check_strdup(plain);
    }
    return count;
}

static const struct config_class *classify_launch(struct due *due)
{
    struct launch *l = due->launch;
    const char *names[PARAMETERS_MAX];
    char *values[PARAMETERS_MAX];
    struct json *parameters = NULL;
    size_t count = read_parameters(due->parameters_json, &parameters, names, values);
    struct match_subject subject = {.tags = (const char *const *)due->tags,
                                    .tag_count = due->tag_count,
                                    .deployment = l->deployment_name,
                                    .flow = l->flow_name,
                                    .work_queue = l->work_queue_name,
                                    .parameter_names = names,
                                    .parameter_values = (const char *const *)values,
                                    .parameter_count = count};
    const struct config_class *c = config_class_for(due->dues->config, &subject);
    launch_set_text(&l->class_name, c->name);
    l->class_priority = c->priority;
    char *lines = values_lines(due->dues->config, c, &subject, "");
    launch_set_text(&l->limit_values, lines);
    free(lines);
    for (size_t i = 0; i < count; i++)
        free(values[i]);
    json_free(parameters);
    return c;
}

/* The image that the run itself names; what its job really says is known when that is rendered. */
static void read_image(struct due *due)
{
    struct json *variables = NULL;
    struct err ignored; /* the launch fails by it, later */
    if (json_parse(due->job_variables_json, strlen(due->job_variables_json), &variables, &ignored) != 0)
        return;
    const char *image = json_get_text(variables, "image", "");
    if (strlen(image) <= IMAGE_MAX_BYTES)
        launch_set_text(&due->launch->image, image);
    json_free(variables);
}

bool dues_have_room(size_t launches, int64_t queued_of_class)
{
    return launches < DUES_LAUNCHES_MAX || queued_of_class < DUES_OF_CLASS_MIN;
}

static void become_launch(struct due *due)
{
    struct dues *d = due->dues;
    struct launch *l = due->launch;
    const struct catalog_item *deployment = catalog_deployment(d->catalog, l->deployment_id);
    const struct pool_queue *queue = pool_queue_by_id(d->pool, l->work_queue_id);
    launch_set_text(&l->deployment_name, l->deployment_id[0] == '\0' ? "" : deployment->name);
    launch_set_text(&l->flow_name, catalog_flow(d->catalog, l->flow_id)->name);
    if (queue != NULL) {
        launch_set_text(&l->work_queue_name, queue->name);
        l->queue_priority = queue->priority;
    }
    const struct config_class *c = classify_launch(due);
    bool is_left =
        strcmp(c->when_late, "leave") == 0 && run_is_late(&l->run, clock_wall_ms(d->clock), c->late_after.ms);
    if (is_left)
        log_debug("late run is left to other workers", kv_s("run", l->flow_run_id),
                  kv_s("name", l->run_name));
    if (is_left ||
        (due->sight.generation == 0 &&
         !dues_have_room(runner_count(d->runner), runner_slots(d->runner, l->class_name).queued))) {
        free_due(due);
        return;
    }
    index_remove(&d->by_flow_run, l->flow_run_id);
    read_image(due);
    due->launch = NULL;
    struct live *live = runner_add(d->runner, l);
    live->seen_mono_ms = due->sight.mono_ms;
    live->seen_generation = due->sight.generation;
    live->job_variables_json = STEAL(due->job_variables_json);
    live->tags = STEAL(due->tags);
    live->tag_count = due->tag_count;
    due->tag_count = 0;
    runner_feed_kind(d->runner, live, RUN_EVENT_ENTER);
    free_due(due);
}

static void go_on(struct due *due);

/* All who waited for one call hear of its end in one turn; it is told once. */
static void tell_failure(struct dues *d, const struct failure *failure, int64_t took_ms)
{
    int64_t now_ms = clock_mono_ms(d->clock);
    if (now_ms != d->told_ms)
        runner_record_timeout(d->runner, failure, took_ms);
    d->told_ms = now_ms;
}

static void on_catalog(void *arg, const struct failure *failure, int64_t took_ms)
{
    struct due *due = arg;
    if (failure == NULL) {
        go_on(due);
        return;
    }
    tell_failure(due->dues, failure, took_ms);
    /* The next poll shows the run again, if it is still there. */
    log_debug("names not read", kv_s("run", due->launch->flow_run_id), kv_int("status", failure->status),
              kv_s("error", failure->message));
    free_due(due);
}

static void go_on(struct due *due)
{
    struct dues *d = due->dues;
    const struct launch *l = due->launch;
    if (l->deployment_id[0] != '\0' &&
        !catalog_want_deployment(d->catalog, l->deployment_id, NAME_AGE_MS, on_catalog, due))
        return;
    if (!catalog_want_flow(d->catalog, l->flow_id, NAME_AGE_MS, on_catalog, due))
        return;
    become_launch(due);
}

/* A poll's sight counts for more than a later one of another request. */
static void see_again(struct due *due, const struct dues_sight *sight)
{
    if (sight->mono_ms > due->sight.mono_ms)
        due->sight.mono_ms = sight->mono_ms;
    if (sight->generation != 0)
        due->sight.generation = sight->generation;
}

void dues_note_end(struct dues *d, const char *flow_run_id)
{
    struct end *end = &d->ends[d->next_end];
    d->next_end = (d->next_end + 1) % ENDS_MAX;
    snprintf(end->flow_run_id, UUID_TEXT_SIZE, "%s", flow_run_id);
    end->mono_ms = d->last_end_ms = clock_mono_ms(d->clock);
}

/* A claim that is refused may have moved the run's due time; an old sight would tell the one before. */
static bool is_overtaken(const struct dues *d, const char *flow_run_id, int64_t seen_mono_ms)
{
    if (seen_mono_ms >= d->last_end_ms)
        return false;
    for (size_t i = 0; i < ENDS_MAX; i++)
        if (d->ends[i].mono_ms > seen_mono_ms && strcmp(d->ends[i].flow_run_id, flow_run_id) == 0)
            return true;
    return false;
}

void dues_add(struct dues *d, const struct prefect_run *run, const struct dues_sight *sight)
{
    if (is_overtaken(d, run->id, sight->mono_ms))
        return;
    struct due *due = index_find(&d->by_flow_run, run->id);
    if (due != NULL) {
        see_again(due, sight);
        return;
    }
    due = check_alloc(sizeof(*due));
    due->dues = d;
    due->launch = launch_new(run->id, run->expected_start_ms);
    launch_set_text(&due->launch->run_name, run->name);
    snprintf(due->launch->deployment_id, UUID_TEXT_SIZE, "%s", run->deployment_id);
    snprintf(due->launch->flow_id, UUID_TEXT_SIZE, "%s", run->flow_id);
    snprintf(due->launch->work_queue_id, UUID_TEXT_SIZE, "%s", run->work_queue_id);
    if (run->trace_parent.span != 0)
        trace_parent_write(&run->trace_parent, due->launch->trace_parent);
    due->job_variables_json = check_strdup(run->job_variables_json);
    due->parameters_json = check_strdup(run->parameters_json);
    due->tags = check_alloc((run->tag_count + 1) * sizeof(*due->tags));
    for (size_t i = 0; i < run->tag_count; i++)
        due->tags[due->tag_count++] = check_strdup(run->tags[i]);
    due->sight = *sight;
    list_add_last(&d->all, &due->link);
    index_put(&d->by_flow_run, due->launch->flow_run_id, due);
    go_on(due);
}

size_t dues_count(const struct dues *dues)
{
    return dues->by_flow_run.count;
}
