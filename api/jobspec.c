/*
 * jobspec.c - the order of the steps from a run to its container.
 *
 * Merge (jobspec_merge.c), substitute and read the fields (jobspec_template.c, jobspec_fields.c),
 * environment, labels and name, then the create body (jobspec_body.c). Pure: no request, no file, no clock;
 * the environment of this process only through the input's function. docs/job-configuration.md tells the same
 * at length.
 */
#include "api/jobspec_internal.h"

#include <string.h>

const char *jobspec_image_tag(const char *image)
{
    const char *slash = strchr(image, '/');
    const char *rest = slash == NULL ? image : slash + 1;
    const char *separator = strchr(rest, '@');
    if (separator == NULL)
        separator = strchr(rest, ':');
    return separator == NULL || separator[1] == '\0' ? "latest" : separator + 1;
}

static enum jobspec_pull_policy pull_policy(const struct jobspec_fields *fields, const char *image)
{
    if (fields->has_pull_policy)
        return fields->pull_policy;
    return strcmp(jobspec_image_tag(image), "latest") == 0 ? JOBSPEC_PULL_ALWAYS
                                                           : JOBSPEC_PULL_IF_NOT_PRESENT;
}

/* All but the first, NULL if there is no other. */
static char **further_networks(const struct jobspec_fields *fields)
{
    size_t count = 0;
    while (fields->networks[count] != NULL)
        count++;
    if (count < 2)
        return NULL;
    char **list = check_alloc(count * sizeof(*list));
    for (size_t i = 1; i <= count; i++)
        list[i - 1] = check_strdup_or_null(fields->networks[i]);
    return list;
}

static int build(const struct jobspec_input *input, const struct jobspec_fields *fields, struct jobspec *out,
                 struct err *err)
{
    struct jobspec_pairs environment = {0};
    struct jobspec_pairs labels = {0};
    jobspec_environment(input, fields, &environment);
    jobspec_labels(input, &fields->labels, &labels);
    out->image = check_strdup(fields->image == NULL ? input->default_image : fields->image);
    out->pull_policy = pull_policy(fields, out->image);
    out->networks = further_networks(fields);
    out->auto_remove = fields->auto_remove;
    out->stream_output = fields->stream_output;
    struct jobspec_parts parts = {input, fields, &environment, &labels, out->image};
    int rc = jobspec_container_name(input, fields->name, &out->name, err);
    if (rc == 0)
        rc = jobspec_body(&parts, out, err);
    jobspec_pairs_done(&labels);
    jobspec_pairs_done(&environment);
    return rc;
}

int jobspec_render(const struct jobspec_input *input, struct jobspec *out, struct err *err)
{
    struct jobspec_merged merged;
    struct jobspec_fields fields;
    struct jobspec spec = {0};
    if (jobspec_merge(input, &merged, err) != 0)
        return -1;
    int rc = jobspec_fields_read(&merged, input, &fields, err);
    jobspec_merged_done(&merged);
    if (rc != 0)
        return -1;
    rc = build(input, &fields, &spec, err);
    jobspec_fields_done(&fields);
    if (rc == 0)
        *out = spec;
    else
        jobspec_done(&spec);
    return rc;
}

void jobspec_done(struct jobspec *spec)
{
    free(spec->image);
    free(spec->name);
    free(spec->create_body);
    free(spec->platform);
    jobspec_free_list(spec->networks);
    free(spec->warning);
    *spec = (struct jobspec){0};
}
