#include "pull_limits.h"

#include "base/log.h"
#include "core/bucket.h"
#include "core/registry.h"
#include "index.h"

#include <string.h>

struct registry {
    char *name; /* "registry:ghcr.io", as the bucket is saved */
    int64_t tat_us;
};

struct pull_limits {
    struct store *store;
    const struct clock *clock;
    int64_t wall_minus_mono_ms; /* read once, so that a clock that is set neither grants nor takes a pull */
    struct index registries;    /* by name, those that a rate was asked for */
};

struct pull_limits *pull_limits_new(struct store *store, const struct clock *clock)
{
    struct pull_limits *l = check_alloc(sizeof(*l));
    *l = (struct pull_limits){
        .store = store, .clock = clock, .wall_minus_mono_ms = clock_wall_ms(clock) - clock_mono_ms(clock)};
    return l;
}

void pull_limits_free(struct pull_limits *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; i < l->registries.cap; i++) {
        struct registry *r = l->registries.slots[i].value;
        if (l->registries.slots[i].key == NULL)
            continue;
        free(r->name);
        free(r);
    }
    index_done(&l->registries);
    free(l);
}

static struct registry *registry_by_host(struct pull_limits *l, const char *host)
{
    char *name = check_printf("registry:%s", host);
    struct registry *r = index_find(&l->registries, name);
    if (r != NULL) {
        free(name);
        return r;
    }
    struct err err;
    r = check_alloc(sizeof(*r));
    r->name = name;
    if (l->store != NULL && store_load_bucket(l->store, name, &r->tat_us, &err) != 0)
        log_warn("the rate of a registry is not known from before", kv_s("registry", host),
                 kv_s("error", err.msg));
    index_put(&l->registries, name, r);
    return r;
}

static int64_t now_ms(const struct pull_limits *l)
{
    return clock_mono_ms(l->clock) + l->wall_minus_mono_ms;
}

int64_t pull_limits_wait_ms(struct pull_limits *l, const struct config *config, const char *registry,
                            int64_t in_flight)
{
    double most = registry_limit_for(&config->registry_pulls, registry);
    if (most >= 0 && (double)in_flight >= most)
        return -1;
    double rate = registry_limit_for(&config->registry_pulls_per_second, registry);
    if (rate < 0)
        return 0;
    struct bucket b = bucket_make(rate, 1, registry_by_host(l, registry)->tat_us);
    return bucket_wait_ms(&b, now_ms(l));
}

void pull_limits_take(struct pull_limits *l, const struct config *config, const char *registry)
{
    double rate = registry_limit_for(&config->registry_pulls_per_second, registry);
    if (rate < 0)
        return;
    struct registry *r = registry_by_host(l, registry);
    r->tat_us = bucket_take(bucket_make(rate, 1, r->tat_us), now_ms(l)).tat_us;
    struct err err;
    if (l->store != NULL &&
        (store_begin(l->store, &err) != 0 || store_save_bucket(l->store, r->name, r->tat_us, &err) != 0))
        log_warn("the rate of a registry could not be saved", kv_s("registry", registry),
                 kv_s("error", err.msg)); /* the runner's own save will fail too, and stop the process */
}
