#include "troubles.h"

#include "base/check.h"
#include "base/text.h"

#include <string.h>

struct trouble *troubles_add(struct troubles *t)
{
    struct trouble *place = &t->ring[t->next];
    t->next = (t->next + 1) % TROUBLES_MAX;
    t->count += t->count < TROUBLES_MAX ? 1 : 0;
    *place = (struct trouble){.clock = CLOCK_KIND_NONE};
    return place;
}

const struct trouble *troubles_get(const struct troubles *t, size_t index)
{
    CHECK(index < t->count);
    return &t->ring[(t->next + TROUBLES_MAX - 1 - index) % TROUBLES_MAX];
}

void troubles_text(char *to, size_t size, const char *text)
{
    const char *from = text == NULL ? "" : text;
    size_t len = text_fitting(from, strlen(from), size - 1);
    memcpy(to, from, len);
    to[len] = '\0';
}
