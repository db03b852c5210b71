#include "values.h"

#include "core/ahead.h"
#include "core/per_value.h"
#include "index.h"

#include <string.h>

struct values {
    struct index by_key;
    struct list changed; /* value.changed_link */
};

struct values *values_new(void)
{
    struct values *v = check_alloc(sizeof(*v));
    list_init(&v->changed);
    return v;
}

void values_free(struct values *v)
{
    if (v == NULL)
        return;
    CHECK(v->by_key.count == 0); /* whoever counted has let go */
    index_done(&v->by_key);
    free(v);
}

/* Read the limits of both lists; they were checked with the configuration. */
static struct per_value *read_limits(const struct match_list *pool, const struct match_list *class_list,
                                     size_t *count)
{
    struct per_value *limits = check_alloc((pool->count + class_list->count + 1) * sizeof(*limits));
    *count = 0;
    for (size_t i = 0; i < pool->count; i++)
        CHECK(per_value_parse(pool->globs[i], &limits[(*count)++]) == NULL);
    for (size_t i = 0; i < class_list->count; i++)
        CHECK(per_value_parse(class_list->globs[i], &limits[(*count)++]) == NULL);
    return limits;
}

char *values_lines(const struct config *config, const struct config_class *class_,
                   const struct match_subject *run, const char *before)
{
    size_t count;
    struct per_value *limits = read_limits(&config->running_per, &class_->running_per, &count);
    char *lines = per_value_lines(limits, count, run, before);
    free(limits);
    return lines;
}

static struct value *value_of(struct values *v, const char *class_name, const char *line, size_t len)
{
    char *key = check_printf("%s\n%.*s", class_name, (int)len, line);
    struct value *value = index_find(&v->by_key, key);
    if (value != NULL) {
        free(key);
        return value;
    }
    value = check_alloc(sizeof(*value));
    value->key = key;
    list_init(&value->changed_link);
    list_init(&value->blocked);
    index_put(&v->by_key, key, value);
    return value;
}

static struct value *attach_to(struct values *v, struct live *live, const char *class_name, const char *line,
                               size_t len)
{
    struct value *value = value_of(v, class_name, line, len);
    value->users++;
    live->values = check_realloc(live->values, (live->value_count + 1) * sizeof(struct value *));
    live->values[live->value_count++] = value;
    return value;
}

static void attach(struct values *v, struct live *live, const char *class_name, const struct match_list *list)
{
    struct per_value limit;
    for (size_t i = 0; i < list->count; i++) {
        CHECK(per_value_parse(list->globs[i], &limit) == NULL);
        for (const char *p = live->launch->limit_values; *p != '\0';) {
            size_t len = strcspn(p, "\n");
            if (per_value_has(&limit, p, len))
                attach_to(v, live, class_name, p, len)->limit = limit.limit;
            p += len + (p[len] == '\n' ? 1 : 0);
        }
    }
}

static void attach_to_pulls(struct values *v, struct live *live)
{
    const struct launch *l = live->launch;
    char *AUTO_FREE line = check_printf("pulls\t%s %s", l->deployment_id, l->image);
    struct value *value = attach_to(v, live, "", line, strlen(line));
    value->is_of_pulls = true;
    value->limit = AHEAD_PULLING_ALIKE_MAX;
}

void values_attach(struct values *v, const struct config *config, struct live *live)
{
    const struct config_class *c = config_class_by_name(config, live->launch->class_name);
    attach(v, live, "", &config->running_per);
    attach(v, live, c->name, &c->running_per);
    attach_to_pulls(v, live);
}

void values_detach(struct values *v, struct live *live)
{
    for (size_t i = 0; i < live->value_count; i++) {
        struct value *value = live->values[i];
        if (--value->users > 0)
            continue;
        CHECK(value->in_use == 0 && list_is_empty(&value->blocked));
        list_remove(&value->changed_link);
        index_remove(&v->by_key, value->key);
        free(value->key);
        free(value);
    }
    free(live->values);
    live->values = NULL;
    live->value_count = 0;
}

static void mark_changed(struct values *v, struct value *value)
{
    list_remove(&value->changed_link);
    list_add_last(&v->changed, &value->changed_link);
}

static bool is_in_use(const struct value *value, const struct run *run)
{
    return value->is_of_pulls ? run->state == RUN_STATE_PULLING : run_holds_running_slot(run);
}

void values_count(struct values *v, const struct live *live, const struct run *before,
                  const struct run *after)
{
    for (size_t i = 0; i < live->value_count; i++) {
        struct value *value = live->values[i];
        bool held = before != NULL && is_in_use(value, before);
        bool holds = after != NULL && is_in_use(value, after);
        value->in_use += (int64_t)holds - (int64_t)held;
        if (held && !holds)
            mark_changed(v, value);
    }
}

bool value_is_full(const struct value *value)
{
    return value->in_use + value->let_in >= value->limit;
}

void values_let_in(struct values *v, const struct live *live)
{
    for (size_t i = 0; i < live->value_count; i++) {
        live->values[i]->let_in++;
        /* Whoever was let in may leave before the row says so. */
        mark_changed(v, live->values[i]);
    }
}

struct value *values_take_changed(struct values *v)
{
    struct list *link = list_take_first(&v->changed);
    if (link == NULL)
        return NULL;
    struct value *value = LIST_ITEM(link, struct value, changed_link);
    value->let_in = 0;
    return value;
}

int64_t values_in_use(const struct values *v, const char *key)
{
    const struct value *value = index_find(&v->by_key, key);
    return value == NULL ? 0 : value->in_use;
}
