#include "core/order.h"

#include <stdlib.h>

static int compare(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int higher_first(const void *a, const void *b)
{
    return compare(*(const int32_t *)b, *(const int32_t *)a);
}

size_t order_distinct(int32_t *priorities, size_t count)
{
    if (count == 0)
        return 0;
    qsort(priorities, count, sizeof(*priorities), higher_first);
    size_t kept = 1;
    for (size_t i = 1; i < count; i++)
        if (priorities[i] != priorities[kept - 1])
            priorities[kept++] = priorities[i];
    return kept;
}

/* How many steps below the highest. */
static int64_t class_steps(const struct order_rule *rule, int32_t class_priority)
{
    size_t steps = 0;
    while (steps + 1 < rule->class_priority_count && rule->class_priorities[steps] > class_priority)
        steps++;
    return (int64_t)steps;
}

static int64_t queue_steps(int32_t queue_priority)
{
    if (queue_priority < 0)
        return 0;
    return queue_priority < ORDER_QUEUE_PRIORITY_MAX ? queue_priority : ORDER_QUEUE_PRIORITY_MAX;
}

struct order_place order_place(const struct order_rule *rule, int32_t queue_priority, int32_t class_priority,
                               int64_t due_at_ms)
{
    struct order_place place = {
        .queue_priority = queue_priority, .class_priority = class_priority, .due_at_ms = due_at_ms};
    if (rule->ageing_ms == 0)
        return place;
    int64_t steps_per_queue = rule->class_priority_count > 0 ? (int64_t)rule->class_priority_count : 1;
    int64_t steps = queue_steps(queue_priority) * steps_per_queue + class_steps(rule, class_priority);
    place.key_ms = due_at_ms + steps * rule->ageing_ms;
    return place;
}

int order_compare(const struct order_place *a, const struct order_place *b)
{
    int result = compare(a->key_ms, b->key_ms);
    if (result == 0)
        result = compare(a->queue_priority, b->queue_priority);
    if (result == 0)
        result = compare(b->class_priority, a->class_priority);
    return result != 0 ? result : compare(a->due_at_ms, b->due_at_ms);
}
