/*
 * order.h - who is served first: Prefect's queue priority (1 first), class priority (higher first), due time;
 * and how waiting makes up for priority, so that nobody starves.
 *
 * With ageing, a run goes before one of a higher priority that fell due later, if it is older by `ageing_ms`
 * for each step of priority between the two. A step is one of the class priorities that are configured,
 * whatever the numbers; a step of queue priority counts as many as there are of those, so that of runs of one
 * age the queue decides first. Each run so has a fixed key, due time + steps * ageing, and the order of two
 * runs never changes while they wait: a heap needs no refresh. A run waits no longer than its steps * ageing
 * for runs that fell due after it.
 * Without ageing (0) priorities are strict, and a busy high one can keep a low one waiting for ever.
 */
#ifndef SLUICE_CORE_ORDER_H
#define SLUICE_CORE_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Queue priorities beyond count alike where ages differ. The key of the last of them, with 201 class
 * priorities and the longest ageing, still fits. */
#define ORDER_QUEUE_PRIORITY_MAX 1000000
#define ORDER_AGEING_MAX_MS (INT64_C(7) * 24 * 3600 * 1000)

struct order_rule {
    int64_t ageing_ms;               /* 0..ORDER_AGEING_MAX_MS; 0: none */
    const int32_t *class_priorities; /* of order_distinct(); borrowed */
    size_t class_priority_count;
};

struct order_place {
    int64_t key_ms; /* 0 without ageing */
    int32_t queue_priority;
    int32_t class_priority;
    int64_t due_at_ms;
};

/* order_distinct - sort, highest first, and drop what is there twice; returns how many are left. */
size_t order_distinct(int32_t *priorities, size_t count);

/* order_place - where a run stands. A class priority that is not among the rule's (of a class that has left
 * the configuration) counts as the next lower one. */
struct order_place order_place(const struct order_rule *rule, int32_t queue_priority, int32_t class_priority,
                               int64_t due_at_ms);

/* order_compare - below 0: a is served before b; 0: equal, as they came. */
int order_compare(const struct order_place *a, const struct order_place *b);

#endif
