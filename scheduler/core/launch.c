#include "core/launch.h"

#include "base/check.h"
#include "core/run_step.h"

#include <stdio.h>
#include <string.h>

struct launch *launch_new(const char *flow_run_id, int64_t due_at_ms)
{
    struct launch *l = check_alloc(sizeof(*l));
    l->run = run_new(due_at_ms);
    snprintf(l->flow_run_id, sizeof(l->flow_run_id), "%s", flow_run_id);
    char **texts[] = {&l->run_name,        &l->flow_name,  &l->deployment_name,
                      &l->work_queue_name, &l->class_name, &l->container_name,
                      &l->image,           &l->last_error, &l->limit_values};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = check_strdup("");
    l->queue_priority = 1;
    l->grace_ms = 30000;
    return l;
}

/* Places in "rrrrrrrr-rrrr-8rrk-vrrr-mmmmmmmmmmmm": r random, k which id of the launch, m mark (RFC
 * 9562, 5.8). */
#define ID_VERSION_AT 14
#define ID_KIND_AT 17
#define ID_MARK_AT 24
#define ID_MARK_DIGITS 12

static const char id_kinds[] = "0123"; /* claim (the launch id), Submitting, verdict, hand back */

void launch_make_ids(struct launch *l, uint64_t random_a, uint64_t random_b, const char *mark)
{
    char base[UUID_TEXT_SIZE];
    CHECK(strlen(mark) >= ID_MARK_DIGITS);
    /* Whoever's mark it bears: an adopted launch goes on under the ids of its first owner. */
    bool is_made_so =
        launch_id_of(l->launch_id, l->launch_id + ID_MARK_AT, base) && strcmp(base, l->launch_id) == 0;
    if (!is_made_so)
        snprintf(base, sizeof(base), "%08x-%04x-8%02x%c-%04x-%.*s", (unsigned)(random_a >> 32),
                 (unsigned)(random_a >> 16 & 0xffff), (unsigned)(random_a & 0xff), id_kinds[0],
                 (unsigned)(0x8000 | (random_b & 0x3fff)), ID_MARK_DIGITS, mark);
    if (l->launch_id[0] == '\0')
        snprintf(l->launch_id, sizeof(l->launch_id), "%s", base);
    char *siblings[] = {l->submit_id, l->report_id, l->hand_back_id};
    for (size_t i = 0; i < ARRAY_LEN(siblings); i++) {
        snprintf(siblings[i], UUID_TEXT_SIZE, "%s", base);
        siblings[i][ID_KIND_AT] = id_kinds[i + 1];
    }
}

bool launch_id_of(const char *transition_id, const char *mark, char launch_id[static UUID_TEXT_SIZE])
{
    if (strlen(transition_id) != UUID_TEXT_SIZE - 1 || transition_id[ID_VERSION_AT] != '8' ||
        strchr(id_kinds, transition_id[ID_KIND_AT]) == NULL ||
        strncmp(transition_id + ID_MARK_AT, mark, ID_MARK_DIGITS) != 0)
        return false;
    snprintf(launch_id, UUID_TEXT_SIZE, "%s", transition_id);
    launch_id[ID_KIND_AT] = id_kinds[0];
    return true;
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
    free(launch->limit_values);
    free(launch);
}

void launch_set_text(char **field, const char *text)
{
    char *copy = check_strdup(text == NULL ? "" : text);
    free(*field);
    *field = copy;
}
