/*
 * kill_points.h - where the service's process dies: the test's side of base/kill_point.h.
 *
 * The plan, and the list of points that were passed, lie in memory that test and service share, so they
 * outlive the process. A name is learned when it is first passed: nobody keeps a list that could miss one.
 */
#ifndef SLUICE_TESTS_CRASH_KILL_POINTS_H
#define SLUICE_TESTS_CRASH_KILL_POINTS_H

#include <stdint.h>

#define KILL_NAME_SIZE 96
#define KILL_POINTS_MAX 400

struct kill_plan {
    char name[KILL_NAME_SIZE]; /* die at this point... */
    int pass;                  /* ...when this process passes it for this time (1: the first); 0: never */
    int any_pass;              /* or at the so many-th passing of whatever point; 0: never */
};

struct kill_passed {
    char name[KILL_NAME_SIZE];
    int passes;  /* of all processes since the list was emptied */
    int of_this; /* of the present process */
};

struct kill_points {
    struct kill_plan plan;
    struct kill_passed passed[KILL_POINTS_MAX]; /* in the order they were first passed */
    int count;
    int passes_of_this; /* of all points, of the present process */
};

/* kill_points_use - from now on passings count, and the plan is in force; NULL: no more. In the service's
 * process, before anything else. */
void kill_points_use(struct kill_points *points);

#endif
