#include "waits.h"

#include <string.h>

/* NULL: none. */
static char *say_image(const struct live *live)
{
    for (size_t i = 0; i < live->value_count; i++)
        if (live->values[i]->is_of_pulls && value_is_full(live->values[i]))
            return check_printf("image of %lld runs before it", (long long)live->values[i]->in_use);
    return NULL;
}

static char *say(const struct live *live, const struct server_limits *limits, uint64_t generation)
{
    char *said = live->seen_generation == generation ? NULL : server_limits_say(limits, live);
    return said != NULL ? said : say_image(live);
}

static bool are_equal(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

void waits_tell(struct runner *runner, const struct server_limits *limits, uint64_t generation, bool is_held)
{
    struct list *all = runner_all(runner);
    for (struct list *link = all->next; link != all; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        if (live->launch->run.state != RUN_STATE_QUEUED || live->launch->run.has_claim)
            continue;
        const char *before = live->said_reason != NULL ? live->said_wait : NULL;
        char *now = is_held ? NULL : say(live, limits, generation);
        if (!are_equal(before, now))
            runner_say_wait(runner, live, now == NULL ? "" : now);
        free(live->said_wait);
        live->said_wait = now;
    }
}
