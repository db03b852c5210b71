/*
 * index.h - a hash table from text to pointer; keys are borrowed and live as long as their value.
 */
#ifndef SLUICE_INDEX_H
#define SLUICE_INDEX_H

#include <stddef.h>

struct index {
    struct index_slot {
        const char *key; /* NULL: free */
        void *value;
    } * slots;
    size_t count;
    size_t cap; /* a power of two, or 0 */
};

void index_done(struct index *index);
void *index_find(const struct index *index, const char *key);
/* index_put - replaces what was there under an equal key. */
void index_put(struct index *index, const char *key, void *value);
void index_remove(struct index *index, const char *key);

#endif
