/*
 * fake_prefect_limits.c - global concurrency limits that are used as rates.
 *
 * As a 3.8.8 server keeps them: slots that were taken decay at slot_decay_per_second; a request takes all of
 * its slots or none; 423 if they are not there (a server adds a Retry-After); whatever is asked of a name
 * that nobody knows is granted, by an empty list.
 */
#include "fake_prefect_internal.h"

#include <string.h>

static size_t find(const struct fake_prefect *fake, const char *name)
{
    size_t i = 0;
    while (i < fake->limits.count && strcmp(((struct fake_limit *)fake->limits.items[i])->name, name) != 0)
        i++;
    return i;
}

void fake_prefect_add_limit(struct fake_prefect *fake, const char *name, int64_t limit, double slot_decay)
{
    struct fake_limit *made = check_alloc(sizeof(*made));
    fake_make_id(fake, made->id);
    made->name = check_strdup(name);
    made->limit = limit;
    made->slot_decay = slot_decay;
    made->updated_ms = fake_now_ms(fake);
    fake_array_add(&fake->limits, made);
}

int64_t fake_prefect_taken(const struct fake_prefect *fake, const char *name)
{
    size_t index = find(fake, name);
    return index < fake->limits.count ? ((struct fake_limit *)fake->limits.items[index])->taken : 0;
}

static void remove_at(struct fake_prefect *fake, size_t index)
{
    struct fake_limit *limit = fake->limits.items[index];
    free(limit->name);
    free(limit);
    fake_array_remove(&fake->limits, index);
}

void fake_prefect_delete_limit(struct fake_prefect *fake, const char *name)
{
    size_t index = find(fake, name);
    CHECK(index < fake->limits.count);
    remove_at(fake, index);
}

void fake_free_limits(struct fake_prefect *fake)
{
    while (fake->limits.count > 0)
        remove_at(fake, fake->limits.count - 1);
    free(fake->limits.items);
}

static void decay(const struct fake_prefect *fake, struct fake_limit *limit)
{
    double gone = limit->slot_decay * (double)(fake_now_ms(fake) - limit->updated_ms) / 1000.0;
    limit->active = limit->active > gone ? limit->active - gone : 0;
    limit->updated_ms = fake_now_ms(fake);
}

/* POST /v2/concurrency_limits/increment */
void fake_handle_take_rate(struct fake_prefect *fake, const struct fake_call *call,
                           struct fake_answer *answer)
{
    int64_t slots = json_get_int(call->body, "slots", 0);
    if (slots <= 0 || strcmp(json_get_text(call->body, "mode", ""), "rate_limit") != 0) {
        fake_answer_invalid(answer, "slots", "Input should be greater than 0");
        return;
    }
    struct json *granted = json_new_array();
    const struct json *name = json_first(json_get(call->body, "names"));
    size_t index = find(fake, json_text(name, ""));
    if (index < fake->limits.count) {
        struct fake_limit *limit = fake->limits.items[index];
        decay(fake, limit);
        if (limit->active + (double)slots > (double)limit->limit) {
            json_free(granted);
            fake_answer_detail(answer, 423, "Locked");
            return;
        }
        limit->active += (double)slots;
        limit->taken += slots;
        struct json *item = json_new_object();
        json_set_text(item, "id", limit->id);
        json_set_text(item, "name", limit->name);
        json_set_int(item, "limit", limit->limit);
        json_take_add(granted, item);
    }
    fake_answer_json(answer, 200, granted);
}
