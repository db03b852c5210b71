#include "core/vacancy.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

static const struct vacancy_queue *find(const struct vacancy *v, const char *queue_id)
{
    for (size_t i = 0; i < v->queue_count; i++)
        if (strcmp(v->queues[i].id, queue_id) == 0)
            return &v->queues[i];
    return NULL;
}

static struct vacancy_queue *queue_of(struct vacancy *v, const char *queue_id)
{
    const struct vacancy_queue *found = find(v, queue_id);
    if (found != NULL)
        return &v->queues[found - v->queues];
    v->queues = check_realloc(v->queues, (v->queue_count + 1) * sizeof(*v->queues));
    struct vacancy_queue *queue = &v->queues[v->queue_count++];
    *queue = (struct vacancy_queue){0};
    snprintf(queue->id, sizeof(queue->id), "%s", queue_id);
    return queue;
}

void vacancy_done(struct vacancy *v)
{
    free(v->queues);
    *v = (struct vacancy){0};
}

void vacancy_show(struct vacancy *v, const char *queue_id)
{
    v->shown++;
    queue_of(v, queue_id)->shown++;
}

void vacancy_take(struct vacancy *v, const char *queue_id)
{
    v->taken++;
    queue_of(v, queue_id)->taken++;
}

bool vacancy_has_room(const struct vacancy *v, const char *queue_id, struct vacancy_limits limits)
{
    const struct vacancy_queue *queue = find(v, queue_id);
    if (limits.of_pool && v->taken >= v->shown)
        return false;
    return !limits.of_queue || (queue != NULL && queue->taken < queue->shown);
}
