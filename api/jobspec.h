/*
 * jobspec.h - job template + variables -> the finished create body and the few values the rest of us needs.
 * Pure.
 *
 * Follows the official worker (docs/job-configuration.md). First form: image, command, env, labels, name,
 * network_mode, networks, volumes, mem_limit, memswap_limit, privileged, image_pull_policy, auto_remove,
 * stream_output, most keywords of container_create_kwargs and `{{ var }}` templating; what it can't do yet
 * (blocks, variables, registry credentials, the other keywords) is an error that names the field, never
 * silently dropped.
 */
#ifndef SLUICE_API_JOBSPEC_H
#define SLUICE_API_JOBSPEC_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum jobspec_pull_policy {
    JOBSPEC_PULL_IF_NOT_PRESENT,
    JOBSPEC_PULL_ALWAYS,
    JOBSPEC_PULL_IF_POSSIBLE,
    JOBSPEC_PULL_NEVER
};

/* Everything borrowed. Texts may be "" where unknown, never NULL unless said. */
struct jobspec_input {
    const char *template_json;             /* the pool's base_job_template */
    const char *deployment_variables_json; /* "{}" without a deployment */
    const char *run_variables_json;
    const char *flow_run_id;
    const char *flow_run_name;
    const char *flow_id;
    const char *flow_name;
    /* The whole objects as the server gave them, for {{ ctx.flow_run.* }} and {{ ctx.flow.* }} in `name`;
     * NULL: only id, name, flow_id and deployment_id can be used there. */
    const char *flow_run_json;
    const char *flow_json;
    const char *deployment_id; /* "": none */
    const char *deployment_name;
    const char *deployment_updated; /* ISO text; written into its label as UTC with +00:00 */
    const char *pool_id;
    const char *pool_name;
    const char *worker_name;
    const char *worker_id;        /* Cloud; "" otherwise */
    const char *prefect_version;  /* for the label io.prefect.version */
    const char *api_url;          /* the worker's own */
    const char *const *forwarded; /* pairs name, value, ..., NULL: the worker's PREFECT_* settings for the
                                     container, PREFECT_API_URL among them */
    const char *default_image;
    const char *working_directory; /* for relative volumes */
    const char *instance;          /* labels of ours */
    const char *launch_id;
    const char *class_name;
    const char *engine_api_version;                     /* "1.41"; host-gateway needs 1.41 */
    const char *(*getenv)(void *arg, const char *name); /* for {{ $NAME }}; NULL: nothing is set */
    void *getenv_arg;
};

/* Owned by the struct. */
struct jobspec {
    char *image;
    char *name; /* 2 to 250 legal characters: the job's, the run's, or "run-" and 8 digits of the run's id */
    char *create_body; /* JSON */
    char *platform;    /* NULL: none */
    char **networks;   /* to connect after create (all but the first); NULL-terminated, NULL if none */
    enum jobspec_pull_policy pull_policy;
    bool auto_remove;
    bool stream_output;
    bool tty;
    char *warning; /* something to log, or NULL */
};

/* jobspec_render - <= 200 us for an ordinary template. Errors: PARSE, INVALID and LIMIT (nesting, members of
 * one object, growth by substitution), with a sentence that names the field, for a flow's author; values of
 * env, labels and credentials are never in it. */
int jobspec_render(const struct jobspec_input *input, struct jobspec *out, struct err *err) MUST_CHECK;
void jobspec_done(struct jobspec *spec);

/* jobspec_default_template - base_job_template of a new Docker work pool (docker-base-job-template.json). */
const char *jobspec_default_template(void);

/* jobspec_slug - a legal container name from any text, as the official worker makes it; malloc'ed, "" if
 * nothing is left. */
char *jobspec_slug(const char *text);
/* jobspec_split_command - split like a POSIX shell, without expansion; NULL-terminated, free with
 * jobspec_free_list. Errors: PARSE (unbalanced quote). */
int jobspec_split_command(const char *text, char ***out, struct err *err) MUST_CHECK;
void jobspec_free_list(char **list);
/* jobspec_parse_size - docker-py's parse_bytes: number, or text with b, k, m, g and an optional following b;
 * "" is 0. Errors: INVALID. */
int jobspec_parse_size(const char *text, long long *bytes, struct err *err) MUST_CHECK;
/* jobspec_image_tag - "latest" if the image has neither tag nor digest; borrowed pointer into image or a
 * static text. A registry's port is no tag. */
const char *jobspec_image_tag(const char *image);

#endif
