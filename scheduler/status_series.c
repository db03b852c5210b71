#include "status_series.h"

#include <inttypes.h>

void status_series_begin(struct status_series *s, const struct status_sample *now)
{
    *s = (struct status_series){.last = *now};
}

/* Counters never fall; should one, a step without any is nearer to the truth than a wrapped number. */
static uint64_t added(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

void status_series_add(struct status_series *s, const struct status_sample *now)
{
    struct status_sample *place = &s->ring[s->next];
    *place = *now;
    place->starts = added(now->starts, s->last.starts);
    place->timeouts = added(now->timeouts, s->last.timeouts);
    place->errors = added(now->errors, s->last.errors);
    s->last = *now;
    s->next = (s->next + 1) % STATUS_SERIES_MAX;
    s->count += s->count < STATUS_SERIES_MAX ? 1 : 0;
}

static const struct {
    const char *name;
    size_t offset;
} fields[] = {
    {"starts", offsetof(struct status_sample, starts)},
    {"timeouts", offsetof(struct status_sample, timeouts)},
    {"errors", offsetof(struct status_sample, errors)},
    {"running", offsetof(struct status_sample, running)},
    {"due", offsetof(struct status_sample, due)},
    {"create", offsetof(struct status_sample, create)},
    {"start", offsetof(struct status_sample, start)},
    {"pull", offsetof(struct status_sample, pull)},
    {"create_limit", offsetof(struct status_sample, create_limit)},
    {"start_limit", offsetof(struct status_sample, start_limit)},
    {"pull_limit", offsetof(struct status_sample, pull_limit)},
};

/* All fields are 64 bits wide, and none is negative. */
static uint64_t number_at(const struct status_sample *sample, size_t offset)
{
    return *(const uint64_t *)(const void *)((const char *)sample + offset);
}

void status_series_write(const struct status_series *s, struct buf *out)
{
    struct err err;
    size_t first = s->count < STATUS_SERIES_MAX ? 0 : s->next;
    CHECK(buf_printf(out, &err, "{\"step_s\":%d", STATUS_SERIES_STEP_MS / 1000) == 0);
    for (size_t f = 0; f < ARRAY_LEN(fields); f++) {
        CHECK(buf_printf(out, &err, ",\"%s\":[", fields[f].name) == 0);
        for (size_t i = 0; i < s->count; i++) {
            const struct status_sample *sample = &s->ring[(first + i) % STATUS_SERIES_MAX];
            CHECK(buf_printf(out, &err, "%s%" PRIu64, i == 0 ? "" : ",",
                             number_at(sample, fields[f].offset)) == 0);
        }
        CHECK(buf_add_str(out, "]", &err) == 0);
    }
    CHECK(buf_add_str(out, "}", &err) == 0);
}
