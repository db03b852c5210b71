/*
 * config_contradictions.c - limits that can't all hold: a class with more than the whole pool, a burst that
 * belongs to no rate. Each is told at the line that is to be changed. Only what was written is compared: a
 * limit of the command line (--limit) may be below that of the file, which is what it is for.
 */
#include "config_internal.h"

#include <string.h>

struct comparison {
    const struct config_settings *settings;
    const struct config_file *file;
    struct config_problems *problems;
};

/* Where the class says this itself; NULL: nowhere. */
static const char *class_origin(const struct comparison *c, size_t index, const char *full_name)
{
    const char *from = c->settings->class_from[index][config_row_named(full_name)];
    return config_is_own(from, c->file->path) ? from : NULL;
}

static void compare_counts(const struct comparison *c, size_t index, const char *key, int64_t of_class,
                           int64_t of_pool)
{
    char *AUTO_FREE class_key = check_printf("class.%s", key);
    char *AUTO_FREE pool_key = check_printf("limits.%s", key);
    const char *from = class_origin(c, index, class_key);
    if (from == NULL || of_pool <= 0 || of_class <= of_pool)
        return;
    config_problem(
        c->problems,
        "%s: [class %s] %s: %lld is above the whole pool's, %lld (%s); allowed: a whole number from "
        "1 to %lld; leave the key out for no limit of its own",
        from, c->settings->public.classes[index].name, key, (long long)of_class, (long long)of_pool,
        c->settings->from[config_row_named(pool_key)], (long long)of_pool);
}

static void compare_rates(const struct comparison *c, size_t index)
{
    const char *from = class_origin(c, index, "class.starts_per_second");
    double of_class = c->settings->public.classes[index].starts_per_second;
    double of_pool = c->settings->public.starts_per_second;
    if (from == NULL || of_pool <= 0 || of_class <= of_pool)
        return;
    config_problem(
        c->problems,
        "%s: [class %s] starts_per_second: %.10g is above the whole pool's, %.10g (%s); allowed: a "
        "number above 0, up to %.10g; leave the key out for no limit of its own",
        from, c->settings->public.classes[index].name, of_class, of_pool,
        c->settings->from[config_row_named("limits.starts_per_second")], of_pool);
}

static void check_burst(const struct comparison *c, const char *from, const char *label, double rate)
{
    if (from != NULL && config_is_own(from, c->file->path) && rate < 0)
        config_problem(c->problems,
                       "%s: [%s] start_burst: a burst without a rate limits nothing; allowed: together with "
                       "starts_per_second",
                       from, label);
}

void config_contradictions_find(const struct config_settings *settings, const struct config_file *file,
                                struct config_problems *problems)
{
    const struct comparison c = {settings, file, problems};
    const struct config *config = &settings->public;
    check_burst(&c, settings->from[config_row_named("limits.start_burst")], "limits",
                config->starts_per_second);
    for (size_t i = 0; i < file->class_count; i++) {
        const struct config_class *class = &config->classes[i];
        char *AUTO_FREE label = check_printf("class %s", class->name);
        compare_counts(&c, i, "running", class->running, settings->running);
        compare_counts(&c, i, "launching", class->launching, settings->launching);
        compare_rates(&c, i);
        check_burst(&c, class_origin(&c, i, "class.start_burst"), label, class->starts_per_second);
    }
}
