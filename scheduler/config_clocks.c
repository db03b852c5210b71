/*
 * config_clocks.c - what the clocks of one stage mean together: which goes along with which, and bounds of
 * learned times that can't both hold.
 */
#include "config_internal.h"
#include "config_text.h"

#include <string.h>

/* How closely a clock was meant: what the file says of this very stage (2) is meant more than what its
 * [engine] says of all of them (1), and that more than what a variable or a default says of many (0). */
static int closeness(const char *from, const char *of_all, const char *path)
{
    if (!config_is_own(from, path))
        return 0;
    return strcmp(from, of_all) == 0 ? 1 : 2;
}

/* The total says how long nothing may come, too. */
static void take_along(struct config_class *class, struct config_clocks *clocks, const char **from)
{
    clocks->inactivity = clocks->total;
    for (size_t row = 0; row < config_key_count; row++)
        if (config_keys[row].scope == CONFIG_SCOPE_CLASS &&
            config_keys[row].offset == (size_t)((const char *)&clocks->inactivity - (const char *)class))
            from[row] = clocks->total.from;
}

/*
 * The engine and the API say nothing before they are done (pulls apart), so a total above the inactivity
 * clock would mean nothing: whoever writes "create = 5m" means that create may take 5 minutes. So a total
 * that is longer, or learned, takes along an inactivity clock that was meant less closely. One that is to be
 * learned all the same has the total's value until it is; and where both are learned they would learn the
 * same, so that one value serves them.
 */
void config_clocks_join(struct config_class *class, const char **from, const char *path)
{
    const char *total_of_all = from[config_row_named("engine.total")];
    const char *inactivity_of_all = from[config_row_named("engine.inactivity")];
    for (int stage = 0; stage < STAGE_COUNT; stage++) {
        struct config_clocks *clocks = &class->clocks[stage];
        if (stage == STAGE_PULL || stage == STAGE_RUN)
            continue;
        int of_total = closeness(clocks->total.from, total_of_all, path);
        int of_inactivity = closeness(clocks->inactivity.from, inactivity_of_all, path);
        bool is_longer = clocks->total.ms > clocks->inactivity.ms;
        if (of_total > of_inactivity && (is_longer || clocks->total.is_auto))
            take_along(class, clocks, from);
        else if (of_total > 0 && is_longer && clocks->inactivity.is_auto)
            clocks->inactivity.ms = clocks->total.ms;
        clocks->inactivity_follows = clocks->total.is_auto && clocks->inactivity.is_auto;
    }
}

/* The row of the ceiling that belongs to this row; NULL: it is no floor. */
static const struct config_key *ceiling_of(const struct config_key *key)
{
    static const char suffix[] = "_floor";
    size_t len = strlen(key->key);
    if (strcmp(key->section, "timeouts") != 0 || len < sizeof(suffix) ||
        strcmp(key->key + len - (sizeof(suffix) - 1), suffix) != 0)
        return NULL;
    char *AUTO_FREE name = check_printf("timeouts.%.*s_ceiling", (int)(len - (sizeof(suffix) - 1)), key->key);
    const struct config_key *ceiling = config_keys_find_full(name);
    CHECK(ceiling != NULL);
    return ceiling;
}

static int64_t bound_ms(const struct config_class *class, const struct config_key *key)
{
    return *(const int64_t *)(const void *)((const char *)class + key->offset);
}

void config_clocks_check(const struct config_class *class, const char *label, const char **from,
                         const char **base_from, const char *path, struct config_problems *problems)
{
    for (size_t row = 0; row < config_key_count; row++) {
        const struct config_key *floor = &config_keys[row];
        const struct config_key *ceiling = ceiling_of(floor);
        if (ceiling == NULL || bound_ms(class, floor) <= bound_ms(class, ceiling))
            continue;
        size_t ceiling_row = (size_t)(ceiling - config_keys);
        const char *floor_from = from[row];
        const char *ceiling_from = from[ceiling_row];
        bool is_default = from == base_from;
        bool has_floor = is_default ? config_is_own(floor_from, path) : floor_from != base_from[row];
        bool has_ceiling = is_default || ceiling_from != base_from[ceiling_row];
        char floor_text[TEXT_DURATION_SIZE];
        char ceiling_text[TEXT_DURATION_SIZE];
        if (has_floor || has_ceiling)
            config_problem(problems,
                           "%s: %s %s: %s (%s) is above %s, %s (%s); allowed: a floor up to the ceiling",
                           has_floor ? floor_from : ceiling_from, label, floor->key,
                           text_of_duration(bound_ms(class, floor), floor_text), floor_from, ceiling->key,
                           text_of_duration(bound_ms(class, ceiling), ceiling_text), ceiling_from);
    }
}
