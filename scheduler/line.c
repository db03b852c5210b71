#include "line.h"

#include "base/check.h"

void line_done(struct line *line)
{
    free(line->heap);
    *line = (struct line){0};
}

bool line_is_before(const struct live *a, const struct live *b)
{
    int order = order_compare(&a->place, &b->place);
    if (order != 0)
        return order < 0;
    return a->arrival < b->arrival;
}

static void place(struct line *line, size_t i, struct live *live)
{
    line->heap[i] = live;
    live->line_index = i;
}

static void sift_up(struct line *line, size_t i)
{
    struct live *live = line->heap[i];
    while (i > 0 && line_is_before(live, line->heap[(i - 1) / 2])) {
        place(line, i, line->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(line, i, live);
}

static void sift_down(struct line *line, size_t i)
{
    struct live *live = line->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= line->count)
            break;
        if (child + 1 < line->count && line_is_before(line->heap[child + 1], line->heap[child]))
            child++;
        if (!line_is_before(line->heap[child], live))
            break;
        place(line, i, line->heap[child]);
        i = child;
    }
    place(line, i, live);
}

void line_add(struct line *line, struct live *live)
{
    if (line->count == line->cap) {
        line->cap = line->cap == 0 ? 64 : line->cap * 2;
        line->heap = check_realloc(line->heap, line->cap * sizeof(struct live *));
    }
    place(line, line->count, live);
    line->count++;
    sift_up(line, line->count - 1);
}

void line_remove(struct line *line, struct live *live)
{
    size_t i = live->line_index;
    CHECK(i < line->count && line->heap[i] == live);
    line->count--;
    if (i == line->count)
        return;
    place(line, i, line->heap[line->count]);
    sift_down(line, i);
    sift_up(line, line->heap[i]->line_index);
}

struct live *line_first(const struct line *line)
{
    return line->count == 0 ? NULL : line->heap[0];
}
