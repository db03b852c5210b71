/*
 * jobspec.h - job template + variables -> the finished create body and the few values the rest of us needs.
 * Pure.
 *
 * Follows the official worker (docs/job-configuration.md): every field of its job configuration, every
 * keyword of container_create_kwargs, `{{ var }}` templating, blocks and variables. What can't be done is an
 * error that names the field, never silently dropped.
 *
 * A configuration may refer to what only the server knows: blocks, variables, fields of the flow and the flow
 * run. Then the first rendering gives questions instead of a body: the caller gets the answers and renders
 * again with them, three times at most.
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

enum jobspec_question_kind {
    JOBSPEC_ASK_BLOCK_ID, /* a block by its id */
    JOBSPEC_ASK_BLOCK,    /* a block by its type and name */
    JOBSPEC_ASK_VARIABLE, /* a Prefect variable */
    JOBSPEC_ASK_FLOW_RUN, /* the whole flow run */
    JOBSPEC_ASK_FLOW      /* the whole flow */
};

struct jobspec_question {
    enum jobspec_question_kind kind;
    char *name;       /* the block's id or name, the variable's name; "" for flow run and flow */
    char *block_type; /* slug; "" but for JOBSPEC_ASK_BLOCK */
};

/* No configuration may ask for more. */
#define JOBSPEC_QUESTIONS_MAX 100

struct jobspec_answer {
    struct jobspec_question question;
    bool is_found; /* false: the server has none of that name */
    char *json;    /* what was found: a block's data, a variable's value, the object as the server gave it.
                      Secret */
    size_t json_len;
    char *secret_fields_json; /* of a block: a list of paths in its data ("password", "child.token",
                                 "headers.*") that the server calls secret; NULL: none */
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
    const char *const *proxy_environment; /* pairs as above, or NULL: the proxies of the Docker client's
                                             configuration; left out where the job says so */
    const char *default_image;
    const char *working_directory; /* for relative volumes */
    const char *trace_parent;      /* TRACEPARENT; NULL or "": none */
    const char *instance;          /* labels of ours */
    const char *launch_id;
    const char *class_name;
    const char *engine_api_version;                     /* "1.41"; host-gateway needs 1.41 */
    const char *podman_version;                         /* "4.3.1"; NULL or "": the engine is not Podman */
    const char *(*getenv)(void *arg, const char *name); /* for {{ $NAME }}; NULL: nothing is set */
    void *getenv_arg;
    const struct jobspec_answer *answers; /* of the renderings before; none in the first */
    size_t answer_count;
};

/* The job's login to a registry (`registry_credentials`): secret but for the address. Texts are never NULL.
 */
struct jobspec_credentials {
    char *username;
    char *password;
    char *registry_url; /* as written; "" is Docker Hub's */
    bool reauth;        /* false: a login of the same user in Docker's client configuration counts instead */
};
/* NULL gives NULL. */
struct jobspec_credentials *jobspec_credentials_copy(const struct jobspec_credentials *credentials);
/* Wipes; NULL is fine. */
void jobspec_credentials_free(struct jobspec_credentials *credentials);
/* Both NULL, or the same in all that matters to a pull. */
bool jobspec_credentials_equal(const struct jobspec_credentials *a, const struct jobspec_credentials *b);

/* Texts that nobody may see. Zeroed: none. */
struct jobspec_secrets {
    char **items;
    size_t count;
};

/* Owned by the struct. */
struct jobspec {
    char *image;
    char *name; /* 2 to 250 legal characters: the job's, the run's, or "run-" and 8 digits of the run's id */
    char *create_body; /* JSON */
    char *platform;    /* NULL: none */
    char **networks;   /* to connect after create (all but the first); NULL-terminated, NULL if none */
    char **endpoints;  /* for each of networks its settings: a JSON object in the engine's form */
    enum jobspec_pull_policy pull_policy;
    struct jobspec_credentials *credentials; /* NULL: none */
    bool auto_remove;
    bool stream_output;
    bool tty;
    char *warning;                  /* something to log, or NULL */
    struct jobspec_secrets secrets; /* of blocks and of our environment, wherever they stand in the job */
    /* What has to be answered first, all that can be told by now and none twice. With any of them nothing
     * else is set. */
    struct jobspec_question *questions;
    size_t question_count;
};

/* jobspec_render - <= 200 us for an ordinary template. Errors: PARSE, INVALID and LIMIT (nesting, members of
 * one object, growth by substitution, questions), with a sentence that names the field, for a flow's author;
 * values of env, labels, blocks, variables and credentials are never in it. */
int jobspec_render(const struct jobspec_input *input, struct jobspec *out, struct err *err) MUST_CHECK;
/* jobspec_done - body, credentials and secrets are wiped. */
void jobspec_done(struct jobspec *spec);
/* jobspec_hide - take out of a message what it repeats of the job's secrets and of the values of its
 * environment; short ones of the latter (below JOBSPEC_HIDDEN_MIN_BYTES: "true", "INFO") stay, since words
 * would go with them. spec: NULL is fine. */
#define JOBSPEC_HIDDEN_MIN_BYTES 8
void jobspec_hide(const struct jobspec *spec, char *message);

bool jobspec_is_same_question(const struct jobspec_question *a, const struct jobspec_question *b);
/* jobspec_question_phrase - "block 'NAME' of type 'TYPE'", for sentences; malloc'ed. */
char *jobspec_question_phrase(const struct jobspec_question *question);
struct jobspec_question jobspec_copy_question(const struct jobspec_question *question);
void jobspec_free_question(struct jobspec_question *question);

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
