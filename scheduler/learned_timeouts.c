#include "learned_timeouts.h"

#include "base/log.h"
#include "core/timeout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SAVE_EVERY_MS 5000
#define ROW_NAME_SIZE 96
#define KIND_NAME_SIZE 48

/* The clocks that may be learned; their place in an array. */
static const enum clock_kind kinds[] = {CLOCK_KIND_CONNECT, CLOCK_KIND_INACTIVITY, CLOCK_KIND_TOTAL};

struct learned {
    bool is_unsaved;
    struct timeout timeout;
};

struct learned_class {
    char *name;
    struct learned *of[STAGE_COUNT][CLOCK_KIND_TOTAL + 1]; /* by stage and clock; NULL: not `auto` */
};

struct learned_timeouts {
    struct store *store;
    const struct clock *clock;
    const struct config *config;
    struct learned_class *classes;
    size_t class_count;
    bool is_unsaved; /* one of them is */
    int64_t saved_mono_ms;
};

/* ---- finding ---- */

static struct learned_class *find_class(const struct learned_timeouts *t, const char *name)
{
    for (size_t i = 0; i < t->class_count; i++)
        if (strcmp(t->classes[i].name, name) == 0)
            return &t->classes[i];
    return NULL;
}

/* Has it a value of its own? */
static bool is_learned(const struct config_class *of, enum stage stage, enum clock_kind clock)
{
    return config_clock(of, stage, clock)->is_auto &&
           !(clock == CLOCK_KIND_INACTIVITY && of->clocks[stage].inactivity_follows);
}

static struct learned *find(const struct learned_timeouts *t, const struct config_class *of, enum stage stage,
                            enum clock_kind clock)
{
    if (t == NULL || !is_learned(of, stage, clock))
        return NULL;
    const struct learned_class *c = find_class(t, of->name);
    return c == NULL ? NULL : c->of[stage][clock];
}

static struct timeout_policy policy_of(const struct config_class *of, enum stage stage, enum clock_kind clock)
{
    struct timeout_policy policy = {.fixed_ms = config_clock(of, stage, clock)->ms,
                                    .floor_ms = of->clocks[stage].floor_ms,
                                    .ceiling_ms = of->clocks[stage].ceiling_ms,
                                    .margin = of->timeout_margin,
                                    .min_samples = of->timeout_samples};
    if (clock == CLOCK_KIND_CONNECT) {
        policy.floor_ms = of->connect_floor_ms;
        policy.ceiling_ms = of->connect_ceiling_ms;
    } else if (clock == CLOCK_KIND_INACTIVITY) {
        policy.floor_ms = of->inactivity_floor_ms;
        policy.ceiling_ms = of->inactivity_ceiling_ms;
    }
    return policy;
}

/* ---- the state file ---- */

/* "timeout:pull_inactivity": as the view `limits` calls it, by the key that makes it `auto`. */
static void kind_name(enum stage stage, enum clock_kind clock, char name[static KIND_NAME_SIZE])
{
    bool is_total = clock == CLOCK_KIND_TOTAL;
    snprintf(name, KIND_NAME_SIZE, "timeout:%s%s%s", stage_name(stage), is_total ? "" : "_",
             is_total ? "" : clock_kind_name(clock));
}

static void row_name(const char *class_name, enum stage stage, enum clock_kind clock,
                     char name[static ROW_NAME_SIZE])
{
    char kind[KIND_NAME_SIZE];
    kind_name(stage, clock, kind);
    snprintf(name, ROW_NAME_SIZE, "%s:%s", kind, class_name);
}

/* FNV-1a: tells one engine's address from another's, and keeps it out of the file, since it may hold a login.
 */
static uint64_t engine_mark(const struct config *config)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *p = config->engine_host == NULL ? "" : config->engine_host; *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    return hash;
}

static int load(struct learned_timeouts *t, const char *class_name, enum stage stage, enum clock_kind clock,
                struct learned *l, struct err *err)
{
    char name[ROW_NAME_SIZE];
    char *AUTO_FREE state = NULL;
    uint64_t mark = 0;
    int used = 0;
    row_name(class_name, stage, clock, name);
    if (store_load_learned(t->store, name, &state, err) != 0)
        return -1;
    if (state == NULL)
        return 0;
    if (sscanf(state, "%16" SCNx64 "%n", &mark, &used) != 1 || state[used] != ' ')
        log_warn("what was learned of a timeout can't be read; learned anew", kv_s("timeout", name));
    else if (mark != engine_mark(t->config))
        log_info("what was learned of a timeout is of another engine; learned anew", kv_s("timeout", name));
    else if (!timeout_load(&l->timeout, state + used + 1))
        log_warn("what was learned of a timeout can't be read; learned anew", kv_s("timeout", name));
    return 0;
}

static void describe(const struct learned *l, const struct timeout_policy *policy,
                     char text[static LEARNED_FROM_SIZE])
{
    if (timeout_is_learned(&l->timeout, policy))
        snprintf(text, LEARNED_FROM_SIZE, "%" PRId64 " samples", l->timeout.samples);
    else
        snprintf(text, LEARNED_FROM_SIZE, "fixed, %" PRId64 " of %" PRId64 " samples", l->timeout.samples,
                 policy->min_samples);
}

static int save(struct learned_timeouts *t, const struct config_class *of, enum stage stage,
                enum clock_kind clock, struct learned *l, struct err *err)
{
    char name[ROW_NAME_SIZE];
    char kind[KIND_NAME_SIZE];
    char from[LEARNED_FROM_SIZE];
    char text[TIMEOUT_TEXT_SIZE];
    char state[TIMEOUT_TEXT_SIZE + 32];
    struct timeout_policy policy = policy_of(of, stage, clock);
    row_name(of->name, stage, clock, name);
    kind_name(stage, clock, kind);
    describe(l, &policy, from);
    timeout_save(&l->timeout, text);
    snprintf(state, sizeof(state), "%016" PRIx64 " %s", engine_mark(t->config), text);
    struct store_learned row = {.name = name,
                                .class_name = of->name,
                                .kind = kind,
                                .value = (double)timeout_ms(&l->timeout, &policy),
                                .learned_from = from,
                                .state = state};
    if (store_save_learned(t->store, &row, err) != 0)
        return -1;
    l->is_unsaved = false;
    return 0;
}

static int save_stage(struct learned_timeouts *t, const struct config_class *of, enum stage stage,
                      struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct learned *l = find(t, of, stage, kinds[i]);
        if (l != NULL && l->is_unsaved && save(t, of, stage, kinds[i], l, err) != 0)
            return -1;
    }
    return 0;
}

int learned_timeouts_save(struct learned_timeouts *t, bool all, struct err *err)
{
    int64_t now_ms = clock_mono_ms(t->clock);
    if (!t->is_unsaved || (!all && now_ms - t->saved_mono_ms < SAVE_EVERY_MS))
        return 0;
    for (size_t i = 0; i < t->config->class_count; i++) {
        for (int stage = 0; stage < STAGE_COUNT; stage++)
            if (save_stage(t, &t->config->classes[i], (enum stage)stage, err) != 0)
                return -1;
    }
    t->is_unsaved = false;
    t->saved_mono_ms = now_ms;
    return 0;
}

bool learned_timeouts_is_unsaved(const struct learned_timeouts *t)
{
    return t->is_unsaved;
}

/* ---- the configuration ---- */

static struct learned_class *class_for(struct learned_timeouts *t, const char *name)
{
    struct learned_class *c = find_class(t, name);
    if (c != NULL)
        return c;
    t->classes = check_realloc(t->classes, (t->class_count + 1) * sizeof(*t->classes));
    c = &t->classes[t->class_count++];
    *c = (struct learned_class){.name = check_strdup(name)};
    return c;
}

/* What is `auto` gets a value, and its row; the row of what is not goes. */
static int follow(struct learned_timeouts *t, const struct config_class *of, enum stage stage,
                  enum clock_kind clock, struct err *err)
{
    struct learned **place = &class_for(t, of->name)->of[stage][clock];
    if (!is_learned(of, stage, clock)) {
        char name[ROW_NAME_SIZE];
        row_name(of->name, stage, clock, name);
        free(STEAL(*place));
        return store_forget_learned(t->store, name, err);
    }
    if (*place == NULL) {
        *place = check_alloc(sizeof(**place));
        if (load(t, of->name, stage, clock, *place, err) != 0)
            return -1;
    }
    return save(t, of, stage, clock, *place, err);
}

static int forget_stage(struct learned_timeouts *t, struct learned_class *c, enum stage stage,
                        struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct learned **place = &c->of[stage][kinds[i]];
        char name[ROW_NAME_SIZE];
        row_name(c->name, stage, kinds[i], name);
        if (*place != NULL && store_forget_learned(t->store, name, err) != 0)
            return -1;
        free(STEAL(*place));
    }
    return 0;
}

/* Rows of classes that a reload has taken away. */
static int forget_removed(struct learned_timeouts *t, struct err *err)
{
    for (size_t i = 0; i < t->class_count; i++) {
        struct learned_class *c = &t->classes[i];
        bool is_there = strcmp(config_class_by_name(t->config, c->name)->name, c->name) == 0;
        for (int stage = 0; stage < STAGE_COUNT && !is_there; stage++)
            if (forget_stage(t, c, (enum stage)stage, err) != 0)
                return -1;
    }
    return 0;
}

static bool may_be_learned(enum stage stage)
{
    return stage != STAGE_API && stage != STAGE_RESOLVE && stage != STAGE_REPORT && stage != STAGE_RUN;
}

static int follow_stage(struct learned_timeouts *t, const struct config_class *of, enum stage stage,
                        struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (may_be_learned(stage) && follow(t, of, stage, kinds[i], err) != 0)
            return -1;
    return 0;
}

int learned_timeouts_set_config(struct learned_timeouts *t, const struct config *config, struct err *err)
{
    bool was_begun = store_is_begun(t->store);
    t->config = config;
    if (store_begin(t->store, err) != 0 || forget_removed(t, err) != 0)
        return -1;
    for (size_t i = 0; i < config->class_count; i++)
        for (int stage = 0; stage < STAGE_COUNT; stage++)
            if (follow_stage(t, &config->classes[i], (enum stage)stage, err) != 0)
                return -1;
    t->is_unsaved = false;
    t->saved_mono_ms = clock_mono_ms(t->clock);
    return was_begun ? 0 : store_commit(t->store, err);
}

int learned_timeouts_new(struct store *store, const struct clock *clock, const struct config *config,
                         struct learned_timeouts **out, struct err *err)
{
    struct learned_timeouts *t = check_alloc(sizeof(*t));
    t->store = store;
    t->clock = clock;
    if (learned_timeouts_set_config(t, config, err) != 0) {
        learned_timeouts_free(t);
        return -1;
    }
    *out = t;
    return 0;
}

void learned_timeouts_free(struct learned_timeouts *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->class_count; i++) {
        for (int stage = 0; stage < STAGE_COUNT; stage++)
            for (size_t kind = 0; kind < ARRAY_LEN(kinds); kind++)
                free(t->classes[i].of[stage][kinds[kind]]);
        free(t->classes[i].name);
    }
    free(t->classes);
    free(t);
}

/* ---- values ---- */

static int64_t value_ms(const struct learned_timeouts *t, const struct config_class *of, enum stage stage,
                        enum clock_kind clock)
{
    const struct learned *l = find(t, of, stage, clock);
    if (l == NULL)
        return config_clock(of, stage, clock)->ms;
    struct timeout_policy policy = policy_of(of, stage, clock);
    return timeout_ms(&l->timeout, &policy);
}

int64_t learned_timeouts_total_ms(const struct learned_timeouts *t, const struct config_class *of,
                                  enum stage stage)
{
    return value_ms(t, of, stage, CLOCK_KIND_TOTAL);
}

void learned_timeouts_each(const struct learned_timeouts *t, learned_timeout_fn fn, void *arg)
{
    for (size_t kind = ARRAY_LEN(kinds); kind-- > 0;)
        for (size_t i = 0; i < t->config->class_count; i++)
            for (int stage = 0; stage < STAGE_COUNT; stage++) {
                const struct config_class *of = &t->config->classes[i];
                if (find(t, of, (enum stage)stage, kinds[kind]) != NULL)
                    fn(arg, of->name, (enum stage)stage, kinds[kind],
                       value_ms(t, of, (enum stage)stage, kinds[kind]));
            }
}

struct http_clocks learned_timeouts_clocks(const struct learned_timeouts *t, const struct config_class *of,
                                           enum stage stage)
{
    /* An inactivity clock that goes along with the total would only say the same. */
    int64_t inactivity_ms =
        of->clocks[stage].inactivity_follows ? 0 : value_ms(t, of, stage, CLOCK_KIND_INACTIVITY);
    return (struct http_clocks){value_ms(t, of, stage, CLOCK_KIND_CONNECT), inactivity_ms,
                                value_ms(t, of, stage, CLOCK_KIND_TOTAL)};
}

void learned_timeouts_from(const struct learned_timeouts *t, const struct config_class *of, enum stage stage,
                           enum clock_kind clock, char from[static LEARNED_FROM_SIZE])
{
    const struct learned *l = find(t, of, stage, clock);
    struct timeout_policy policy = policy_of(of, stage, clock);
    if (l == NULL)
        snprintf(from, LEARNED_FROM_SIZE, "%.*s", LEARNED_FROM_SIZE - 1,
                 config_clock(of, stage, clock)->from);
    else if (timeout_is_learned(&l->timeout, &policy))
        snprintf(from, LEARNED_FROM_SIZE, "learned (auto, %" PRId64 " samples)", l->timeout.samples);
    else
        snprintf(from, LEARNED_FROM_SIZE, "fixed (auto, %" PRId64 " of %" PRId64 " samples)",
                 l->timeout.samples, policy.min_samples);
}

/* ---- what came of a call ---- */

/* The value that changes now; NULL: not learned. */
static struct timeout *changing(struct learned_timeouts *t, const struct config_class *of, enum stage stage,
                                enum clock_kind clock)
{
    struct learned *l = find(t, of, stage, clock);
    if (l == NULL)
        return NULL;
    l->is_unsaved = true;
    t->is_unsaved = true;
    return &l->timeout;
}

static void done(struct learned_timeouts *t, const struct config_class *of, enum stage stage,
                 enum clock_kind clock, int64_t took_ms)
{
    struct timeout *timeout = took_ms < 0 ? NULL : changing(t, of, stage, clock);
    if (timeout != NULL)
        timeout_done(timeout, took_ms);
}

void learned_timeouts_done(struct learned_timeouts *t, const struct config_class *of, enum stage stage,
                           const struct learned_times *times)
{
    done(t, of, stage, CLOCK_KIND_CONNECT, times->connect_ms);
    done(t, of, stage, CLOCK_KIND_INACTIVITY, times->silence_ms);
    done(t, of, stage, CLOCK_KIND_TOTAL, times->took_ms);
}

void learned_timeouts_expired(struct learned_timeouts *t, const struct config_class *of, enum stage stage,
                              enum clock_kind clock, int64_t used_ms)
{
    struct timeout_policy policy = policy_of(of, stage, clock);
    struct timeout *timeout = changing(t, of, stage, clock);
    if (timeout != NULL)
        timeout_expired(timeout, &policy, used_ms);
}

void learned_timeouts_late(struct learned_timeouts *t, const struct config_class *of, enum stage stage,
                           enum clock_kind clock, int64_t used_ms, int64_t seen_ms)
{
    struct timeout_policy policy = policy_of(of, stage, clock);
    struct timeout *timeout = changing(t, of, stage, clock);
    if (timeout != NULL)
        timeout_late(timeout, &policy, used_ms, seen_ms);
}
