/*
 * jobspec.c - the order of the steps from a run to its container.
 *
 * Merge (jobspec_merge.c), substitute, put in blocks and variables and read the fields (jobspec_template.c,
 * jobspec_references.c, jobspec_fields.c), environment, labels and name, then the create body
 * (jobspec_body.c). Pure: no request, no file, no clock; the environment of this process only through the
 * input's function, what the server knows only through the answers to questions. docs/job-configuration.md
 * tells the same at length.
 */
#include "api/jobspec_internal.h"

#include "base/secret.h"

#include <stdarg.h>
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

void jobspec_warn(struct jobspec *out, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *AUTO_FREE sentence = check_vprintf(fmt, ap);
    va_end(ap);
    char *before = out->warning;
    out->warning = before == NULL ? STEAL(sentence) : check_printf("%s; %s", before, sentence);
    free(before);
}

static int build(struct jobspec_references *refs, const struct jobspec_fields *fields, struct jobspec *out,
                 struct err *err)
{
    const struct jobspec_input *input = refs->input;
    struct jobspec_pairs environment = {0};
    struct jobspec_pairs labels = {0};
    jobspec_environment(input, fields, &environment);
    jobspec_labels(input, &fields->labels, &labels);
    out->image = check_strdup(fields->image == NULL ? input->default_image : fields->image);
    out->pull_policy = pull_policy(fields, out->image);
    jobspec_further_networks(fields, out);
    out->auto_remove = fields->auto_remove;
    out->stream_output = fields->stream_output;
    struct jobspec_parts parts = {input, fields, &environment, &labels, out->image};
    int rc = jobspec_container_name(refs, fields->name, &out->name, err);
    if (rc == 0)
        rc = jobspec_body(&parts, out, err);
    jobspec_pairs_done(&labels);
    jobspec_pairs_done(&environment);
    return rc;
}

static void warn_of_hidden(const struct jobspec_references *refs, struct jobspec *out)
{
    if (refs->hidden != NULL)
        jobspec_warn(
            out,
            "%s came with ******** in the place of a secret: the API key's role may not read secrets "
            "of blocks",
            refs->hidden);
}

/* The values are complete, unless there are questions: then only these are handed out. */
static int finish(struct jobspec_references *refs, const struct jobspec_values *values, struct jobspec *out,
                  struct err *err)
{
    const char *name = jobspec_values_text(values, "name");
    if (name != NULL && jobspec_ask_for_name(refs, name, err) != 0)
        return err_wrap(err, "name");
    if (refs->asked_count > 0) {
        out->questions = refs->asked;
        out->question_count = refs->asked_count;
        refs->asked = NULL;
        refs->asked_count = 0;
        return 0;
    }
    struct jobspec_fields fields;
    if (jobspec_fields_read(values, &fields, err) != 0)
        return -1;
    /* Two keywords that belong to fields: what follows sees them there. */
    int rc = jobspec_kwargs_environment(fields.create_kwargs, &fields.env, err);
    if (rc == 0)
        rc = jobspec_networks(&fields, out, err);
    if (rc == 0)
        rc = build(refs, &fields, out, err);
    out->credentials = STEAL(fields.credentials);
    jobspec_note_secrets(refs);
    out->secrets = refs->secrets;
    refs->secrets = (struct jobspec_secrets){0};
    jobspec_fields_done(&fields);
    warn_of_hidden(refs, out);
    return rc;
}

int jobspec_render(const struct jobspec_input *input, struct jobspec *out, struct err *err)
{
    struct jobspec_merged merged;
    struct jobspec_values values;
    struct jobspec_references refs;
    struct jobspec spec = {0};
    if (jobspec_merge(input, &merged, err) != 0)
        return -1;
    jobspec_references_init(&refs, input);
    int rc = jobspec_fields_fill(&merged, &refs, &values, err);
    jobspec_merged_done(&merged);
    if (rc == 0) {
        rc = finish(&refs, &values, &spec, err);
        jobspec_values_done(&values);
    }
    jobspec_references_done(&refs);
    if (rc == 0)
        *out = spec;
    else
        jobspec_done(&spec);
    return rc;
}

void jobspec_done(struct jobspec *spec)
{
    secret_free(spec->create_body);
    jobspec_credentials_free(spec->credentials);
    jobspec_secrets_done(&spec->secrets);
    free(spec->image);
    free(spec->name);
    free(spec->platform);
    jobspec_free_list(spec->networks);
    jobspec_free_list(spec->endpoints);
    free(spec->warning);
    for (size_t i = 0; i < spec->question_count; i++)
        jobspec_free_question(&spec->questions[i]);
    free(spec->questions);
    *spec = (struct jobspec){0};
}
