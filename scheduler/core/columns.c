#include "core/columns.h"

#include "base/check.h"

#include <string.h>

static size_t taken(const size_t *widths, size_t count)
{
    size_t sum = 0;
    size_t shown = 0;
    for (size_t i = 0; i < count; i++) {
        sum += widths[i];
        shown += widths[i] > 0;
    }
    return shown == 0 ? 0 : sum + (shown - 1) * COLUMNS_GAP;
}

/* The widest column that may be cut further, the last of equal ones; count: none. */
static size_t widest(const size_t *widths, const struct column_shape *shapes, size_t count)
{
    size_t found = count;
    for (size_t i = 0; i < count; i++)
        if (widths[i] > shapes[i].least && (found == count || widths[i] >= widths[found]))
            found = i;
    return found;
}

/* Cuts until it fits, or nothing more may be cut. */
static void shrink(size_t *widths, const struct column_shape *shapes, size_t count, size_t room)
{
    for (size_t i = 0; i < count; i++)
        if (widths[i] > room && widths[i] > shapes[i].least)
            widths[i] = room > shapes[i].least ? room : shapes[i].least;
    size_t first;
    while (taken(widths, count) > room && (first = widest(widths, shapes, count)) < count)
        widths[first]--;
}

/* The column to leave out next: of equal ranks the last; count: none. */
static size_t least_wanted(const struct column_shape *shapes, const size_t *widths, size_t count)
{
    size_t found = count;
    for (size_t i = 0; i < count; i++)
        if (widths[i] > 0 && shapes[i].rank > 0 && (found == count || shapes[i].rank >= shapes[found].rank))
            found = i;
    return found;
}

/* Nothing is left to be left out: cuts from the last column on, without regard to what is least. */
static void cut(size_t *widths, size_t count, size_t room)
{
    for (size_t i = count; i-- > 0 && taken(widths, count) > room;) {
        size_t excess = taken(widths, count) - room;
        widths[i] = widths[i] > excess ? widths[i] - excess : 0;
    }
}

void columns_fit(const struct column_shape *shapes, size_t count, size_t room, size_t *widths)
{
    CHECK(count <= COLUMNS_MAX);
    for (size_t i = 0; i < count; i++)
        widths[i] = shapes[i].natural;
    if (room == 0)
        return;
    for (;;) {
        size_t wanted[COLUMNS_MAX];
        memcpy(wanted, widths, count * sizeof(*widths));
        shrink(widths, shapes, count, room);
        if (taken(widths, count) <= room)
            return;
        size_t out = least_wanted(shapes, widths, count);
        if (out == count)
            break;
        memcpy(widths, wanted, count * sizeof(*widths));
        widths[out] = 0;
    }
    cut(widths, count, room);
}
