/*
 * jobspec_internal.h - what the jobspec_*.c files share; not for others.
 *
 * The order of a rendering: jobspec_merge (pool, deployment and run variables) -> jobspec_fields_fill
 * (substitution, then blocks and variables) -> [questions] -> jobspec_fields_read (types) ->
 * jobspec_environment, jobspec_labels, jobspec_container_name -> jobspec_body.
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

/* What the names of blocks' and variables' placeholders begin with. */
#define JOBSPEC_REFERENCE_PREFIX "prefect."
#define JOBSPEC_BLOCK_PREFIX JOBSPEC_REFERENCE_PREFIX "blocks."
#define JOBSPEC_VARIABLE_PREFIX JOBSPEC_REFERENCE_PREFIX "variables."

struct jobspec_substitution {
    const struct json *values;
    const struct jobspec_input *input; /* for {{ $NAME }} */
    size_t left_bytes;                 /* begins with JOBSPEC_GROWTH_MAX_BYTES */
    struct jobspec_secrets *secrets;   /* gets what {{ $NAME }} has put in */
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
/* jobspec_copy - a copy that counts against what is left. Errors: LIMIT. */
int jobspec_copy(struct jobspec_substitution *s, const struct json *value, struct json **out,
                 struct err *err) MUST_CHECK;
/* jobspec_copy_at - the same of what values has at a path; *out is NULL if there is nothing. Errors: LIMIT.
 */
int jobspec_copy_at(struct jobspec_substitution *s, const struct json *values, const char *path,
                    struct json **out, struct err *err) MUST_CHECK;
/* jobspec_path_split - "a.b[0]" -> "a", "b", "0"; free with jobspec_free_list. Errors: LIMIT. */
int jobspec_path_split(const char *path, char ***out, struct err *err) MUST_CHECK;

/* --- jobspec_references.c: blocks and variables --- */

struct jobspec_references {
    const struct jobspec_input *input;
    struct json **parsed; /* of input->answers; NULL: not needed yet */
    struct jobspec_question *asked;
    size_t asked_count;
    char *hidden;                   /* a block that came without its secrets, as a phrase; NULL: none */
    struct jobspec_secrets secrets; /* what the values hold of our environment */
};
void jobspec_references_init(struct jobspec_references *refs, const struct jobspec_input *input);
/* Also wipes what was parsed. */
void jobspec_references_done(struct jobspec_references *refs);
/* jobspec_note_secrets - add what the blocks that were answered hold of secrets. */
void jobspec_note_secrets(struct jobspec_references *refs);
/* jobspec_resolve - the value with blocks and then variables in the places of their references; those that
 * are not answered yet are noted as questions and left. *value is replaced. Errors: INVALID, LIMIT, PARSE (of
 * an answer). */
int jobspec_resolve(struct jobspec_references *refs, struct jobspec_substitution *s, struct json **value,
                    struct err *err) MUST_CHECK;
/* jobspec_answer_of - the answer's JSON. False: it is not answered yet, and noted as a question. *out is NULL
 * where nothing was found. Errors (*rc is -1): PARSE, LIMIT. */
bool jobspec_answer_of(struct jobspec_references *refs, const struct jobspec_question *question,
                       const struct json **out, int *rc, struct err *err);

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

#define JOBSPEC_FIELDS_MAX 16
/* The values of the fields, by the place in the table; NULL: absent. Secrets are among them. */
struct jobspec_values {
    struct json *items[JOBSPEC_FIELDS_MAX];
};
/* jobspec_fields_fill - every field's template with its placeholders and references replaced. With questions
 * in refs the values are not final. Errors begin with the field's name. */
int jobspec_fields_fill(const struct jobspec_merged *merged, struct jobspec_references *refs,
                        struct jobspec_values *out, struct err *err) MUST_CHECK;
void jobspec_values_done(struct jobspec_values *values);
/* The text of a field, NULL if it has none; borrowed. */
const char *jobspec_values_text(const struct jobspec_values *values, const char *field);

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
    struct json *create_kwargs;              /* NULL: none */
    struct jobspec_credentials *credentials; /* NULL: none */
};
int jobspec_fields_read(const struct jobspec_values *values, struct jobspec_fields *out,
                        struct err *err) MUST_CHECK;
void jobspec_fields_done(struct jobspec_fields *fields);
/* Whether it is the name of a field of the job configuration. */
bool jobspec_is_field(const char *name);

/* --- jobspec_credentials.c --- */

/* jobspec_credentials_read - an object with username, password and registry_url. Errors: INVALID, LIMIT,
 * without any value. */
int jobspec_credentials_read(const struct json *value, struct jobspec_credentials **out,
                             struct err *err) MUST_CHECK;
/* jobspec_read_bool - as the official worker's validation: also 0, 1, "yes", "off", ... Errors: INVALID. */
int jobspec_read_bool(const struct json *value, bool *out, struct err *err) MUST_CHECK;

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
/* Whether the engine has this minor version of API 1, or a later one; if_unknown: before its first answer. */
bool jobspec_api_has(const char *engine_api_version, long minor, bool if_unknown);
bool jobspec_is_podman(const struct jobspec_input *input);
bool jobspec_knows_host_gateway(const struct jobspec_input *input);
/* The name of the machine itself inside a container. */
const char *jobspec_host_name(const struct jobspec_input *input);
/* Whether the container is told a name of the machine that it has no address for. */
bool jobspec_lacks_host_name(const struct jobspec_input *input, const struct jobspec_pairs *environment);

/* --- jobspec_secrets.c --- */

/* jobspec_secrets_note - a copy of the text. */
void jobspec_secrets_note(struct jobspec_secrets *secrets, const char *text);
/* jobspec_secrets_note_block - what is at these paths of a block's data. paths_json: as secret_fields_json of
 * struct jobspec_answer; one that is no list is passed over. */
void jobspec_secrets_note_block(struct jobspec_secrets *secrets, const struct json *data,
                                const char *paths_json);
/* Wipes. */
void jobspec_secrets_done(struct jobspec_secrets *secrets);

/* --- jobspec_labels.c --- */

void jobspec_labels(const struct jobspec_input *input, const struct jobspec_pairs *user,
                    struct jobspec_pairs *out);
/* jobspec_utc_time - ISO 8601 -> as Python's isoformat() in UTC; other text as it is. malloc'ed. */
char *jobspec_utc_time(const char *text);

/* --- jobspec_name.c --- */

/* jobspec_ask_for_name - note what a name with these placeholders needs of flow run and flow. Errors: PARSE,
 * LIMIT. */
int jobspec_ask_for_name(struct jobspec_references *refs, const char *name, struct err *err) MUST_CHECK;
/* jobspec_container_name - *out is malloc'ed and legal. name: NULL for the run's. Errors: PARSE, LIMIT. */
int jobspec_container_name(struct jobspec_references *refs, const char *name, char **out,
                           struct err *err) MUST_CHECK;

/* --- jobspec_volumes.c --- */

/* jobspec_volume_resolve - check one volume text and make its source absolute. *bind: the whole, *path: where
 * it is in the container; both malloc'ed. Errors: INVALID. */
int jobspec_volume_resolve(const char *text, const char *working_directory, char **bind, char **path,
                           struct err *err) MUST_CHECK;

/* --- jobspec_convert.c, jobspec_records.c, jobspec_forms.c: one value of a keyword -> one of the engine ---
 */

/* *out: a new value. Errors: INVALID, PARSE, LIMIT, with what was expected; not with the keyword's name. */
typedef int (*jobspec_convert_fn)(const struct json *value, struct json **out, struct err *err);
int jobspec_as_text(const struct json *value, struct json **out, struct err *err) MUST_CHECK;
int jobspec_as_bool(const struct json *value, struct json **out, struct err *err) MUST_CHECK;
int jobspec_as_list(const struct json *value, struct json **out, struct err *err) MUST_CHECK;
int jobspec_as_object(const struct json *value, struct json **out, struct err *err) MUST_CHECK;
int jobspec_as_whole(const struct json *value, struct json **out, struct err *err) MUST_CHECK;
int jobspec_as_size(const struct json *value, struct json **out, struct err *err) MUST_CHECK;
int jobspec_as_user(const struct json *value, struct json **out, struct err *err) MUST_CHECK;
int jobspec_as_host_only(const struct json *value, struct json **out, struct err *err) MUST_CHECK;
int jobspec_as_words(const struct json *value, struct json **out, struct err *err) MUST_CHECK;
int jobspec_as_texts(const struct json *value, struct json **out, struct err *err) MUST_CHECK;
int jobspec_as_text_values(const struct json *value, struct json **out, struct err *err) MUST_CHECK;

int jobspec_as_ulimits(const struct json *value, struct json **out, struct err *err) MUST_CHECK;
int jobspec_as_device_requests(const struct json *value, struct json **out, struct err *err) MUST_CHECK;
int jobspec_as_healthcheck(const struct json *value, struct json **out, struct err *err) MUST_CHECK;
int jobspec_as_log_config(const struct json *value, struct json **out, struct err *err) MUST_CHECK;
int jobspec_as_restart_policy(const struct json *value, struct json **out, struct err *err) MUST_CHECK;

int jobspec_as_tmpfs(const struct json *value, struct json **out, struct err *err) MUST_CHECK;
int jobspec_as_devices(const struct json *value, struct json **out, struct err *err) MUST_CHECK;
int jobspec_as_links(const struct json *value, struct json **out, struct err *err) MUST_CHECK;
int jobspec_as_lxc_conf(const struct json *value, struct json **out, struct err *err) MUST_CHECK;
int jobspec_as_volumes_from(const struct json *value, struct json **out, struct err *err) MUST_CHECK;

/* "expected a list, got text"; returns -1, so that it may stand behind `return`. */
int jobspec_wrong_type(const char *expected, const struct json *value, struct err *err);
/* Errors: LIMIT, if there are more than JOBSPEC_MEMBERS_MAX. */
int jobspec_limit_members(const struct json *value, struct err *err) MUST_CHECK;
/* jobspec_python_copy - str() of the value, malloc'ed. Errors: LIMIT. */
int jobspec_python_copy(const struct json *value, char **out, struct err *err) MUST_CHECK;

/* --- jobspec_ports.c --- */

/* jobspec_ports - value: the keyword's, or NULL; fills PortBindings of host and ExposedPorts of top. Errors:
 * INVALID, LIMIT. */
int jobspec_ports(const struct json *value, struct json *top, struct json *host, struct err *err) MUST_CHECK;

/* --- jobspec_networks.c --- */

/* jobspec_networks - lay the keywords network and networking_config over fields->networks; before anything
 * asks for the network mode. Errors: INVALID, LIMIT. */
int jobspec_networks(struct jobspec_fields *fields, struct jobspec *out, struct err *err) MUST_CHECK;
/* The one that belongs into the create body, NULL if there is none; borrowed. */
const char *jobspec_first_network(const struct jobspec_fields *fields);
/* jobspec_further_networks - fills networks and endpoints of out. */
void jobspec_further_networks(const struct jobspec_fields *fields, struct jobspec *out);
/* jobspec_add_endpoint - NetworkingConfig of top, and where a MacAddress goes. mode: HostConfig's
 * NetworkMode. Errors: INVALID. */
int jobspec_add_endpoint(const struct jobspec_fields *fields, const char *mode,
                         const char *engine_api_version, struct json *top, struct err *err) MUST_CHECK;

/* --- jobspec_kwargs.c --- */

/* jobspec_kwargs - container_create_kwargs into the top of the create body and its HostConfig, in any order;
 * also sets tty, platform and warning of out. Not extra_hosts, environment and networks. Errors: INVALID,
 * PARSE, LIMIT. */
int jobspec_kwargs(const struct json *kwargs, struct json *top, struct json *host, struct jobspec *out,
                   struct err *err) MUST_CHECK;
/* jobspec_kwargs_environment - lay the keyword environment over env. Errors: INVALID, LIMIT. */
int jobspec_kwargs_environment(const struct json *kwargs, struct jobspec_pairs *env,
                               struct err *err) MUST_CHECK;
/* Whether the proxies of the Docker client belong into the environment. */
bool jobspec_uses_proxies(const struct json *kwargs);

/* --- jobspec.c --- */

/* jobspec_warn - one more sentence for the log. */
void jobspec_warn(struct jobspec *out, const char *fmt, ...) PRINTF_LIKE(2, 3);

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
