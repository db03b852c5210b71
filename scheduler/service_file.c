/*
 * service_file.c - the state file beside the rows: whose it is, what people see of the configuration.
 */
#include "service_internal.h"

#include "base/log.h"
#include "core/per_value.h"

#include <stdio.h>
#include <unistd.h>

/* FNV-1a with two offsets: an identity, not a secret. */
static uint64_t hash_parts(uint64_t h, const char *const *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (const char *p = parts[i]; *p != '\0'; p++)
            h = (h ^ (unsigned char)*p) * 0x100000001b3u;
        h = (h ^ 0xff) * 0x100000001b3u;
    }
    return h;
}

static void hash_text(const char *const *parts, size_t count, char text[static SERVICE_INSTANCE_SIZE])
{
    snprintf(text, SERVICE_INSTANCE_SIZE, "%016llx%016llx",
             (unsigned long long)hash_parts(0xcbf29ce484222325u, parts, count),
             (unsigned long long)hash_parts(0x9ae16a3b2f90404fu, parts, count));
}

void service_instance(const char *api_url, const char *pool, const char *name,
                      char text[static SERVICE_INSTANCE_SIZE])
{
    const char *parts[] = {api_url, pool, name};
    hash_text(parts, ARRAY_LEN(parts), text);
}

void service_mark(const char *instance, const char *state_path, char text[static SERVICE_INSTANCE_SIZE])
{
    char host[256] = "";
    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = '\0';
    const char *parts[] = {instance, host, state_path};
    hash_text(parts, ARRAY_LEN(parts), text);
}

/* kinds: where the texts are kept that the limits refer to. */
static void add_per_value(const struct match_list *list, const char *class_name, struct store_limit *limits,
                          size_t *count, char **kinds, size_t *kind_count)
{
    for (size_t i = 0; i < list->count; i++) {
        struct per_value limit;
        CHECK(per_value_parse(list->globs[i], &limit) == NULL);
        kinds[*kind_count] = check_printf("running_per %s", limit.word);
        limits[(*count)++] =
            (struct store_limit){class_name, kinds[(*kind_count)++], (double)limit.limit, 0, NULL, NULL};
    }
}

int service_save_limits(struct service *s, const struct config *c, struct err *err)
{
    size_t max = 5 + 4 * c->class_count + c->running_per.count;
    for (size_t i = 0; i < c->class_count; i++)
        max += c->classes[i].running_per.count;
    char **kinds = check_alloc(max * sizeof(*kinds));
    size_t kind_count = 0;
    struct store_limit *limits = check_alloc(max * sizeof(*limits));
    char **buckets = check_alloc(c->class_count * sizeof(*buckets));
    struct store_class *classes = check_alloc(c->class_count * sizeof(*classes));
    size_t n = 0;
    limits[n++] =
        (struct store_limit){"", "starts_per_second", c->starts_per_second, c->start_burst, "pool", NULL};
    limits[n++] = (struct store_limit){"", "launching", (double)c->launching,
                                       0,  NULL,        c->launching_is_auto ? "auto" : NULL};
    limits[n++] = (struct store_limit){"", "running", (double)c->running, 0, NULL, NULL};
    limits[n++] =
        (struct store_limit){"", "pulls", (double)c->pulls, 0, NULL, c->pulls_is_auto ? "auto" : NULL};
    limits[n++] = (struct store_limit){"", "stops", (double)c->stops, 0, NULL, NULL};
    add_per_value(&c->running_per, "", limits, &n, kinds, &kind_count);
    for (size_t i = 0; i < c->class_count; i++) {
        const struct config_class *k = &c->classes[i];
        buckets[i] = check_printf("class:%s", k->name);
        classes[i] = (struct store_class){k->name, k->rule_text, k->priority};
        limits[n++] = (struct store_limit){k->name,        "starts_per_second", k->starts_per_second,
                                           k->start_burst, buckets[i],          NULL};
        limits[n++] = (struct store_limit){k->name, "launching", (double)k->launching, 0, NULL, NULL};
        limits[n++] = (struct store_limit){k->name, "running", (double)k->running, 0, NULL, NULL};
        add_per_value(&k->running_per, k->name, limits, &n, kinds, &kind_count);
    }
    int rc = store_begin(s->store, err);
    if (rc == 0)
        rc = store_replace_classes(s->store, classes, c->class_count, err);
    if (rc == 0)
        rc = store_save_ageing(s->store, c->ageing_ms, err);
    if (rc == 0)
        rc = store_replace_limits(s->store, limits, n, err);
    if (rc == 0)
        rc = store_commit(s->store, err);
    for (size_t i = 0; i < c->class_count; i++)
        free(buckets[i]);
    for (size_t i = 0; i < kind_count; i++)
        free(kinds[i]);
    free(kinds);
    free(buckets);
    free(classes);
    free(limits);
    return rc;
}

void service_tell_of_file(const struct service *s)
{
    const char *why;
    const char *aside = store_set_aside(s->store, &why);
    if (aside != NULL)
        log_error(
            "the state file was damaged: it is kept under another name, and a new one begun; containers "
            "that live are adopted by their label, history and backoffs are lost",
            kv_s("file", store_path(s->store)), kv_s("kept_as", aside), kv_s("error", why));
    log_info("state file open", kv_s("file", store_path(s->store)),
             kv_int("unfinished", (int64_t)runner_count(s->runner)),
             kv_s("is", store_is_new(s->store) ? "new" : NULL));
}
