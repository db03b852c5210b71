/* kill_points.c - see kill_points.h. */
#include "tests/crash/kill_points.h"

#include "base/check.h"
#include "base/kill_point.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static struct kill_points *in_use;

void kill_points_use(struct kill_points *points)
{
    in_use = points;
    if (points == NULL)
        return;
    points->passes_of_this = 0;
    for (int i = 0; i < points->count; i++)
        points->passed[i].of_this = 0;
}

static struct kill_passed *find(const char *name)
{
    for (int i = 0; i < in_use->count; i++)
        if (strcmp(in_use->passed[i].name, name) == 0)
            return &in_use->passed[i];
    return NULL;
}

void kill_point(const char *name)
{
    if (in_use == NULL)
        return;
    struct kill_passed *point = find(name);
    if (point == NULL) {
        CHECK(in_use->count < KILL_POINTS_MAX);
        point = &in_use->passed[in_use->count++];
        *point = (struct kill_passed){.passes = 0};
        snprintf(point->name, sizeof(point->name), "%s", name);
    }
    point->passes++;
    point->of_this++;
    in_use->passes_of_this++;
    const struct kill_plan *plan = &in_use->plan;
    bool is_named = plan->pass == point->of_this && strcmp(plan->name, name) == 0;
    if (is_named || (plan->any_pass > 0 && plan->any_pass == in_use->passes_of_this))
        raise(SIGKILL);
}
