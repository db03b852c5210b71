/*
 * index.c - open addressing with linear probing and backward-shift deletion; at most half full.
 */
#include "index.h"

#include "base/check.h"

#include <stdbool.h>

#include <stdint.h>
#include <string.h>

/* FNV-1a: keys are UUIDs and names, no adversary chooses them. */
static uint64_t hash_text(const char *key)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *key != '\0'; key++)
        h = (h ^ (unsigned char)*key) * 0x100000001b3u;
    return h;
}

static size_t home_of(const struct index *index, const char *key)
{
    return (size_t)hash_text(key) & (index->cap - 1);
}

/* The slot that holds the key, or the free one where it belongs. */
static size_t find_slot(const struct index *index, const char *key)
{
    size_t i = home_of(index, key);
    while (index->slots[i].key != NULL && strcmp(index->slots[i].key, key) != 0)
        i = (i + 1) & (index->cap - 1);
    return i;
}

static void grow(struct index *index)
{
    struct index old = *index;
    index->cap = old.cap == 0 ? 64 : old.cap * 2;
    index->slots = check_alloc(index->cap * sizeof(*index->slots));
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].key != NULL)
            index->slots[find_slot(index, old.slots[i].key)] = old.slots[i];
    free(old.slots);
}

void index_done(struct index *index)
{
    free(index->slots);
    *index = (struct index){0};
}

void *index_find(const struct index *index, const char *key)
{
    return index->cap == 0 ? NULL : index->slots[find_slot(index, key)].value;
}

void index_put(struct index *index, const char *key, void *value)
{
    if (index->count * 2 >= index->cap)
        grow(index);
    struct index_slot *slot = &index->slots[find_slot(index, key)];
    if (slot->key == NULL)
        index->count++;
    *slot = (struct index_slot){key, value};
}

void index_remove(struct index *index, const char *key)
{
    if (index->cap == 0)
        return;
    size_t hole = find_slot(index, key);
    if (index->slots[hole].key == NULL)
        return;
    index->count--;
    size_t mask = index->cap - 1;
    for (size_t i = (hole + 1) & mask; index->slots[i].key != NULL; i = (i + 1) & mask) {
        size_t home = home_of(index, index->slots[i].key);
        bool may_move = ((i - home) & mask) >= ((i - hole) & mask);
        if (may_move) {
            index->slots[hole] = index->slots[i];
            hole = i;
        }
    }
    index->slots[hole] = (struct index_slot){NULL, NULL};
}
