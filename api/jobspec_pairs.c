/*
 * jobspec_pairs.c - names with values that keep their order.
 *
 * Environment and labels are built by laying several sources over each other; a name keeps the place of its
 * first appearance and the value of its last, which is what the official worker's dictionaries do. Searching
 * is linear: the sources are limited to JOBSPEC_MEMBERS_MAX. Not here: JSON.
 */
#include "api/jobspec_internal.h"

#include <string.h>

static struct jobspec_pair *find(const struct jobspec_pairs *pairs, const char *name)
{
    for (size_t i = 0; i < pairs->count; i++) {
        if (strcmp(pairs->items[i].name, name) == 0)
            return &pairs->items[i];
    }
    return NULL;
}

static struct jobspec_pair *append(struct jobspec_pairs *pairs, const char *name)
{
    if (pairs->count == pairs->cap) {
        size_t cap = pairs->cap == 0 ? 32 : pairs->cap * 2;
        struct jobspec_pair *items = check_alloc(cap * sizeof(*items));
        if (pairs->count > 0)
            memcpy(items, pairs->items, pairs->count * sizeof(*items));
        free(pairs->items);
        pairs->items = items;
        pairs->cap = cap;
    }
    struct jobspec_pair *pair = &pairs->items[pairs->count++];
    *pair = (struct jobspec_pair){.name = check_strdup(name)};
    return pair;
}

void jobspec_pairs_set(struct jobspec_pairs *pairs, const char *name, const char *value)
{
    struct jobspec_pair *pair = find(pairs, name);
    if (pair == NULL)
        pair = append(pairs, name);
    char *copy = check_strdup_or_null(value);
    free(pair->value);
    pair->value = copy;
}

const struct jobspec_pair *jobspec_pairs_find(const struct jobspec_pairs *pairs, const char *name)
{
    return find(pairs, name);
}

void jobspec_pairs_done(struct jobspec_pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        free(pairs->items[i].name);
        free(pairs->items[i].value);
    }
    free(pairs->items);
    *pairs = (struct jobspec_pairs){0};
}
