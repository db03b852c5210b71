#include "lanes.h"

#include "base/buf.h"
#include "base/check.h"

#include <string.h>

/* Not in the heap: it waits for a value. */
#define ASIDE SIZE_MAX

struct lane {
    struct lanes *lanes;
    char *key;
    struct line line;
    size_t heap_index; /* or ASIDE */
    struct list blocked_link;
};

static const struct live *first_of(const struct lane *lane)
{
    return line_first(&lane->line);
}

/* ---- the heap ---- */

static void place(struct lanes *lanes, size_t i, struct lane *lane)
{
    lanes->heap[i] = lane;
    lane->heap_index = i;
}

static void sift_up(struct lanes *lanes, struct lane *lane)
{
    size_t i = lane->heap_index;
    while (i > 0 && line_is_before(first_of(lane), first_of(lanes->heap[(i - 1) / 2]))) {
        place(lanes, i, lanes->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(lanes, i, lane);
}

static void sift_down(struct lanes *lanes, struct lane *lane)
{
    size_t i = lane->heap_index;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= lanes->open_count)
            break;
        if (child + 1 < lanes->open_count &&
            line_is_before(first_of(lanes->heap[child + 1]), first_of(lanes->heap[child])))
            child++;
        if (!line_is_before(first_of(lanes->heap[child]), first_of(lane)))
            break;
        place(lanes, i, lanes->heap[child]);
        i = child;
    }
    place(lanes, i, lane);
}

static void open_lane(struct lane *lane)
{
    struct lanes *lanes = lane->lanes;
    if (lanes->open_count == lanes->cap) {
        lanes->cap = lanes->cap == 0 ? 16 : lanes->cap * 2;
        lanes->heap = check_realloc(lanes->heap, lanes->cap * sizeof(struct lane *));
    }
    place(lanes, lanes->open_count++, lane);
    sift_up(lanes, lane);
}

static void close_lane(struct lane *lane)
{
    struct lanes *lanes = lane->lanes;
    size_t i = lane->heap_index;
    CHECK(lanes->heap[i] == lane);
    struct lane *last = lanes->heap[--lanes->open_count];
    lane->heap_index = ASIDE;
    if (last == lane)
        return;
    place(lanes, i, last);
    sift_down(lanes, last);
    sift_up(lanes, last);
}

/* ---- lanes ---- */

static void free_lane(struct lane *lane)
{
    list_remove(&lane->blocked_link);
    line_done(&lane->line);
    free(lane->key);
    free(lane);
}

void lanes_done(struct lanes *lanes)
{
    for (size_t i = 0; i < lanes->by_key.cap; i++)
        if (lanes->by_key.slots[i].key != NULL)
            free_lane(lanes->by_key.slots[i].value);
    index_done(&lanes->by_key);
    free(lanes->heap);
    *lanes = (struct lanes){0};
}

/* The values' keys, one after the other; no key holds a \r. */
static char *key_of(const struct live *live)
{
    size_t len = 0;
    for (size_t i = 0; i < live->value_count; i++)
        len += strlen(live->values[i]->key) + 1;
    char *key = check_alloc(len + 1);
    len = 0;
    for (size_t i = 0; i < live->value_count; i++) {
        size_t part = strlen(live->values[i]->key);
        memcpy(key + len, live->values[i]->key, part);
        len += part;
        key[len++] = '\r';
    }
    key[len] = '\0';
    return key;
}

static struct lane *lane_of(struct lanes *lanes, const struct live *live)
{
    char *key = key_of(live);
    struct lane *lane = index_find(&lanes->by_key, key);
    if (lane != NULL) {
        free(key);
        return lane;
    }
    lane = check_alloc(sizeof(*lane));
    lane->lanes = lanes;
    lane->key = key;
    lane->heap_index = ASIDE;
    list_init(&lane->blocked_link);
    index_put(&lanes->by_key, key, lane);
    return lane;
}

void lanes_add(struct lanes *lanes, struct live *live)
{
    struct lane *lane = lane_of(lanes, live);
    bool is_new = lane->line.count == 0;
    line_add(&lane->line, live);
    live->lane = lane;
    lanes->count++;
    if (is_new)
        open_lane(lane);
    else if (lane->heap_index != ASIDE)
        sift_up(lanes, lane);
}

void lanes_remove(struct lanes *lanes, struct live *live)
{
    struct lane *lane = live->lane;
    CHECK(lane != NULL && lane->lanes == lanes);
    bool is_open = lane->heap_index != ASIDE;
    bool is_last = lane->line.count == 1;
    if (is_last && is_open)
        close_lane(lane);
    line_remove(&lane->line, live);
    live->lane = NULL;
    lanes->count--;
    if (is_last) {
        index_remove(&lanes->by_key, lane->key);
        free_lane(lane);
    } else if (is_open) {
        sift_down(lanes, lane);
    }
}

static struct value *find_full(const struct live *live)
{
    for (size_t i = 0; i < live->value_count; i++)
        if (value_is_full(live->values[i]))
            return live->values[i];
    return NULL;
}

struct live *lanes_first(struct lanes *lanes)
{
    while (lanes->open_count > 0) {
        struct lane *lane = lanes->heap[0];
        struct live *first = line_first(&lane->line);
        struct value *full = find_full(first);
        if (full == NULL)
            return first;
        close_lane(lane);
        list_add_last(&full->blocked, &lane->blocked_link);
    }
    return NULL;
}

void lanes_reopen(struct value *value)
{
    struct list *link;
    while ((link = list_take_first(&value->blocked)) != NULL)
        open_lane(LIST_ITEM(link, struct lane, blocked_link));
}
