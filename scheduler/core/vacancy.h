/*
 * vacancy.h - how many runs may be claimed after a poll of a work pool that has concurrency limits at the
 * server: of the pool, or of its queues. Values in, values out.
 *
 * The server cuts a poll's answer to what such a limit leaves room for, each queue's first, then the pool's,
 * and looks at no limit when a run is claimed. So of the pool no more may be claimed than the answer is long,
 * of a queue no more than it shows of that queue, whichever runs they are. All claims since the poll was sent
 * count, and those before it of which it isn't known whether they have landed.
 */
#ifndef SLUICE_CORE_VACANCY_H
#define SLUICE_CORE_VACANCY_H

#include "base/random.h"

#include <stdbool.h>
#include <stddef.h>

struct vacancy_queue {
    char id[UUID_TEXT_SIZE];
    size_t shown;
    size_t taken;
};

/* Zero at first, and when a poll is sent. */
struct vacancy {
    size_t shown; /* runs in the poll's answer */
    size_t taken; /* claims that count */
    struct vacancy_queue *queues;
    size_t queue_count;
};

/* Which limits a run counts against. */
struct vacancy_limits {
    bool of_pool;
    bool of_queue;
};

void vacancy_done(struct vacancy *vacancy);
/* vacancy_show - the answer shows a run of this queue. */
void vacancy_show(struct vacancy *vacancy, const char *queue_id);
/* vacancy_take - a run of this queue is claimed, or may be without our knowing. */
void vacancy_take(struct vacancy *vacancy, const char *queue_id);
/* vacancy_has_room - may one more run of this queue be claimed, shown or not? */
bool vacancy_has_room(const struct vacancy *vacancy, const char *queue_id, struct vacancy_limits limits);

#endif
