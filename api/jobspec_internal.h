/*
 * jobspec_internal.h - what the jobspec_*.c files share; not for others.
 *
 * The order of a rendering: jobspec_merge (pool, deployment and run variables) -> jobspec_fields_read
 * (substitution and types, field by field) -> jobspec_environment, jobspec_labels, jobspec_container_name ->
 * jobspec_body.
 */
#ifndef SLUICE_API_JOBSPEC_INTERNAL_H
#define SLUICE_API_JOBSPEC_INTERNAL_H

#include "api/jobspec.h"
#include "api/json.h"

#include <stdint.h>

/* Objects are searched one member after the other; a larger one would hold up the whole process. */
#define JOBSPEC_MEMBERS_MAX 4000
/* How much substitution may add in all: a few placeholders can otherwise blow up a template without bound. */
#define JOBSPEC_GROWTH_MAX_BYTES ((size_t)64 << 20)
/* Parts of a dotted key: each is a level of nesting. */
#define JOBSPEC_PATH_PARTS_MAX 100
#define JOBSPEC_NAME_MAX 250

/* --- jobspec_pairs.c: names with values, in the order of their first setting --- */

struct jobspec_pair {
    char *name;
    char *value; /* NULL: explicitly unset */
};
struct jobspec_pairs {
    struct jobspec_pair *items;
    size_t count;
    size_t cap;
};
/* jobspec_pairs_set - a name that is there keeps its place and gets the new value (as a Python dict does). */
void jobspec_pairs_set(struct jobspec_pairs *pairs, const char *name, const char *value);
/* NULL if absent. */
const struct jobspec_pair *jobspec_pairs_find(const struct jobspec_pairs *pairs, const char *name);
void jobspec_pairs_done(struct jobspec_pairs *pairs);

/* --- jobspec_python.c: values as Python writes them --- */

/* jobspec_python_text - str() of the value. Errors: LIMIT. */
int jobspec_python_text(const struct json *value, struct buf *out, struct err *err) MUST_CHECK;
/* "a list", "text", ...; for sentences. */
const char *jobspec_kind_phrase(const struct json *value);
/* jobspec_decode - the code point at the front of UTF-8 text, and its length in bytes; U+FFFD and 1 for a
 * malformed one. text must not be empty. */
uint32_t jobspec_decode(const char *text, size_t *len);

/* --- jobspec_template.c: placeholders --- */

struct jobspec_substitution {
    const struct json *values;
    const struct jobspec_input *input; /* for {{ $NAME }} */
    size_t left_bytes;                 /* begins with JOBSPEC_GROWTH_MAX_BYTES */
};
enum jobspec_placeholder_kind {
    JOBSPEC_PLACEHOLDER_VALUE,
    JOBSPEC_PLACEHOLDER_ENVIRONMENT,
    JOBSPEC_PLACEHOLDER_BLOCK,
    JOBSPEC_PLACEHOLDER_VARIABLE
};
struct jobspec_placeholder {
    size_t start; /* of the first brace */
    size_t end;   /* behind the last one */
    char *name;   /* owned by the caller */
    enum jobspec_placeholder_kind kind;
};
/* jobspec_find_placeholder - the first at or after `from`; false if there is none. */
bool jobspec_find_placeholder(const char *text, size_t from, struct jobspec_placeholder *out);
/* jobspec_apply - the template with its placeholders replaced. *out is NULL if the whole template is one
 * placeholder of an absent name. Errors: LIMIT. */
int jobspec_apply(struct jobspec_substitution *s, const struct json *template, struct json **out,
                  struct err *err) MUST_CHECK;
/* jobspec_refuse_references - what needs a question to the server: blocks and variables. Errors: INVALID. */
int jobspec_refuse_references(const struct json *value, struct err *err) MUST_CHECK;
/* jobspec_path_split - "a.b[0]" -> "a", "b", "0"; free with jobspec_free_list. Errors: LIMIT. */
int jobspec_path_split(const char *path, char ***out, struct err *err) MUST_CHECK;

/* --- jobspec_merge.c: pool, deployment and run --- */

struct jobspec_merged {
    struct json *template;            /* owned */
    const struct json *configuration; /* the template's job_configuration */
    struct json *env;                 /* owned; template of the field env, NULL if there is none */
    struct json *variables;           /* owned; name -> value */
};
int jobspec_merge(const struct jobspec_input *input, struct jobspec_merged *out, struct err *err) MUST_CHECK;
void jobspec_merged_done(struct jobspec_merged *merged);
/* What Python takes for true; NULL is not. */
bool jobspec_is_truthy(const struct json *value);

/* --- jobspec_fields.c: substitution and types --- */

struct jobspec_fields {
    char *command;            /* NULL: the worker's own */
    struct jobspec_pairs env; /* a NULL value unsets */
    struct jobspec_pairs labels;
    char *name;  /* NULL: the run's */
    char *image; /* NULL: the default */
    bool has_pull_policy;
    enum jobspec_pull_policy pull_policy;
    char **networks; /* NULL-terminated, never NULL itself; so are the volumes */
    char **volumes;
    char *network_mode; /* NULL: to be found out */
    bool auto_remove;
    bool stream_output;
    bool privileged;
    bool has_mem_limit;
    bool has_memswap_limit;
    long long mem_limit_bytes;
    long long memswap_limit_bytes;
    struct json *create_kwargs; /* NULL: none */
};
int jobspec_fields_read(const struct jobspec_merged *merged, const struct jobspec_input *input,
                        struct jobspec_fields *out, struct err *err) MUST_CHECK;
void jobspec_fields_done(struct jobspec_fields *fields);
/* Whether it is the name of a field of the job configuration. */
bool jobspec_is_field(const char *name);

/* --- jobspec_env.c: environment, network mode, extra hosts --- */

/* jobspec_network_mode - borrowed; NULL: left to the engine. env: where PREFECT_API_URL is looked up before
 * api_url. */
const char *jobspec_network_mode(const struct jobspec_fields *fields, const struct jobspec_pairs *env,
                                 const char *api_url);
/* jobspec_environment - the finished variables; none is NULL. */
void jobspec_environment(const struct jobspec_input *input, const struct jobspec_fields *fields,
                         struct jobspec_pairs *out);
/* Whether the container needs the name host.docker.internal to reach the API. */
bool jobspec_needs_host_entry(const struct jobspec_pairs *environment);
bool jobspec_knows_host_gateway(const char *engine_api_version);

/* --- jobspec_labels.c --- */

void jobspec_labels(const struct jobspec_input *input, const struct jobspec_pairs *user,
                    struct jobspec_pairs *out);
/* jobspec_utc_time - ISO 8601 -> as Python's isoformat() in UTC; other text as it is. malloc'ed. */
char *jobspec_utc_time(const char *text);

/* --- jobspec_name.c --- */

/* jobspec_container_name - *out is malloc'ed and legal. Errors: INVALID, for a placeholder in `name` that
 * can't be filled. */
int jobspec_container_name(const struct jobspec_input *input, const char *name, char **out,
                           struct err *err) MUST_CHECK;

/* --- jobspec_volumes.c --- */

/* jobspec_volume_resolve - check one volume text and make its source absolute. *bind: the whole, *path: where
 * it is in the container; both malloc'ed. Errors: INVALID. */
int jobspec_volume_resolve(const char *text, const char *working_directory, char **bind, char **path,
                           struct err *err) MUST_CHECK;

/* --- jobspec_kwargs.c --- */

/* jobspec_kwargs - container_create_kwargs into the top of the create body and its HostConfig, in any order;
 * also sets tty, platform and warning of out. Not extra_hosts. Errors: INVALID, PARSE, LIMIT. */
int jobspec_kwargs(const struct json *kwargs, struct json *top, struct json *host, struct jobspec *out,
                   struct err *err) MUST_CHECK;

/* --- jobspec_hosts.c --- */

/* jobspec_extra_hosts - own: the job's, or NULL. *out is NULL where nothing is to be sent. Errors: INVALID,
 * LIMIT. */
int jobspec_extra_hosts(const struct json *own, bool with_gateway, struct json **out,
                        struct err *err) MUST_CHECK;

/* --- jobspec_translit.c: generated tables --- */

/* A run of `count` code points; with count > 1 each further one is the next ASCII character. */
struct jobspec_translit {
    uint32_t first;
    uint16_t count;
    char text[6];
};
struct jobspec_entity {
    const char *name;
    uint32_t code_point;
};
struct jobspec_range {
    uint32_t first;
    uint32_t last;
};
/* Decomposed and transliterated to ASCII. */
extern const struct jobspec_translit jobspec_translit_table[];
extern const size_t jobspec_translit_count;
/* Only decomposed; "-" stands for what is not ASCII. */
extern const struct jobspec_translit jobspec_decompose_table[];
extern const size_t jobspec_decompose_count;
/* HTML 4, sorted by name in byte order. */
extern const struct jobspec_entity jobspec_entity_table[];
extern const size_t jobspec_entity_count;
/* Letters and digits outside ASCII, as Python's \w knows them. */
extern const struct jobspec_range jobspec_word_table[];
extern const size_t jobspec_word_count;

/* --- jobspec_body.c --- */

struct jobspec_parts {
    const struct jobspec_input *input;
    const struct jobspec_fields *fields;
    const struct jobspec_pairs *environment;
    const struct jobspec_pairs *labels;
    const char *image;
};
/* jobspec_body - fills create_body and warning of out. */
int jobspec_body(const struct jobspec_parts *parts, struct jobspec *out, struct err *err) MUST_CHECK;

#endif
