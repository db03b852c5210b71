/*
 * launch.h - one launch as it is stored: the run's values plus the names people and the two dependencies know
 * it by.
 *
 * A launch is one try to run one flow run as a container; a flow run that is scheduled again is a new launch.
 * Nothing here is secret: the rendered job configuration and its environment are never part of it.
 */
#ifndef SLUICE_CORE_LAUNCH_H
#define SLUICE_CORE_LAUNCH_H

#include "base/random.h"
#include "core/run.h"
#include "core/trace.h"

#define CONTAINER_ID_SIZE 65 /* 64 hex digits */

struct launch {
    struct run run;
    char launch_id[UUID_TEXT_SIZE]; /* ours; also the claim's transition id and the container's label */
    char flow_run_id[UUID_TEXT_SIZE];
    char submit_id[UUID_TEXT_SIZE];     /* transition id of Submitting; drawn with launch_id */
    char report_id[UUID_TEXT_SIZE];     /* transition id of the verdict */
    char hand_back_id[UUID_TEXT_SIZE];  /* transition id of the hand back */
    char deployment_id[UUID_TEXT_SIZE]; /* "" if the run has none */
    char flow_id[UUID_TEXT_SIZE];
    char work_queue_id[UUID_TEXT_SIZE];
    char lease_id[UUID_TEXT_SIZE];        /* deployment concurrency lease, "" if none */
    char container_id[CONTAINER_ID_SIZE]; /* "" until known */
    char trace_parent[TRACE_PARENT_SIZE]; /* the trace that the run brought along; "" if none */
    char *run_name;                       /* owned, as are all texts below; never NULL */
    char *flow_name;
    char *deployment_name; /* "" if none */
    char *work_queue_name;
    char *class_name;       /* job class, "default" if none matched */
    char *container_name;   /* the name create was or will be sent under; "" until rendered */
    char *image;            /* until rendered what the run itself names, or "" */
    char *last_error;       /* a sentence for people; "" if none */
    char *limit_values;     /* what it counts against: lines of core/per_value.h; "" if nothing */
    int32_t queue_priority; /* Prefect's: 1 is first */
    int32_t class_priority; /* higher first */
    int64_t grace_ms;       /* stop's grace time */
    bool auto_remove;       /* the job's */
    bool stream_output;     /* the job's */
    int64_t created_at_ms;  /* wall; when the row was made */
    int64_t updated_at_ms;  /* wall; last change of state */
};

/*
 * launch_make_ids - the ids of a launch and of its proposals, of 70 random bits: UUIDs of version 8 that
 * differ in one digit, and end in the first 12 digits of the mark, so that a state at the server tells who
 * made it, and for which launch, even when the state file is lost. A launch id that is there stays, and the
 * others fit it, mark and all, if it was made so. mark: hex digits, at least 12.
 */
void launch_make_ids(struct launch *launch, uint64_t random_a, uint64_t random_b, const char *mark);
/* launch_id_of - whether the transition id carries the mark, and the id of its launch. */
bool launch_id_of(const char *transition_id, const char *mark, char launch_id[static UUID_TEXT_SIZE]);

/* launch_new - heap-allocated, all texts "", ids "", run = run_new(due_at_ms). */
struct launch *launch_new(const char *flow_run_id, int64_t due_at_ms);
void launch_free(struct launch *launch);
/* launch_set_text - replace one of the owned texts; NULL counts as "". */
void launch_set_text(char **field, const char *text);

#endif
