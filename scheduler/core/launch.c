#include "core/launch.h"

#include "base/check.h"
#include "core/run_step.h"

#include <stdio.h>

struct launch *launch_new(const char *flow_run_id, int64_t due_at_ms)
{
    struct launch *l = check_alloc(sizeof(*l));
    l->run = run_new(due_at_ms);
    snprintf(l->flow_run_id, sizeof(l->flow_run_id), "%s", flow_run_id);
    char **texts[] = {&l->run_name,   &l->flow_name,      &l->deployment_name, &l->work_queue_name,
                      &l->class_name, &l->container_name, &l->image,           &l->last_error};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = check_strdup("");
    l->queue_priority = 1;
    l->grace_ms = 30000;
    return l;
}

void launch_free(struct launch *launch)
{
    if (launch == NULL)
        return;
    free(launch->run_name);
    free(launch->flow_name);
    free(launch->deployment_name);
    free(launch->work_queue_name);
    free(launch->class_name);
    free(launch->container_name);
    free(launch->image);
    free(launch->last_error);
    free(launch);
}

void launch_set_text(char **field, const char *text)
{
    char *copy = check_strdup(text == NULL ? "" : text);
    free(*field);
    *field = copy;
}
