/*
 * config_internal.h - what the files config*.c share: the memory behind a configuration, parsing of one
 * value, the collected mistakes, and the sources in the order they are applied.
 */
#ifndef SLUICE_CONFIG_INTERNAL_H
#define SLUICE_CONFIG_INTERNAL_H

#include "base/buf.h"
#include "config.h"
#include "config_table.h"
#include "core/rules.h"

#define CONFIG_MAX_FILE_BYTES (1024 * 1024)
/* with its newline; libinih 55 has a buffer of that size on its stack */
#define CONFIG_MAX_LINE_BYTES 200
#define CONFIG_MAX_CLASSES 200
#define CONFIG_MAX_RULES 200
#define CONFIG_MAX_CLASS_NAME_BYTES 40
#define CONFIG_MAX_PROBLEMS 100
#define CONFIG_AUTO INT64_MIN

/* Memory that lives as long as the configuration. */
struct config_arena {
    struct config_arena_block *head;
};
void *config_arena_alloc(struct config_arena *arena, size_t size_bytes) __attribute__((returns_nonnull));
char *config_arena_copy(struct config_arena *arena, const char *text, size_t len);
char *config_arena_printf(struct config_arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);
void config_arena_done(struct config_arena *arena);

struct config_list {
    char **items;
    size_t count;
};

/* A [rule NAME] as it was written, and what is made of it. */
struct config_rule {
    struct rule rule;
    struct match_list stage;
    struct match_list dependency;
    struct match_list transport;
    struct match_list status;
    const char *class_word; /* NULL: not given */
    const char *action_word;
    int line;
};

/* The configuration as handed out, and what only these files know of it. */
struct config_settings {
    struct config public;               /* what callers see */
    struct config_class base;           /* what every class starts from; becomes "default" */
    struct config_list work_queues;     /* as given */
    struct config_list adopt;           /* as given */
    struct config_list admin_names;     /* as given */
    int64_t launching;                  /* as given; CONFIG_AUTO */
    int64_t pulls;                      /* as given; CONFIG_AUTO */
    int64_t running;                    /* [limits] running alone */
    struct config_clocks engine_clocks; /* [engine]; what they mean is in the clocks of `base` */
    const char **from;                  /* by row of the table: origin of service values and of `base` */
    const char ***class_from;           /* by class, by row: origin of its values */
    const char ***rule_from;            /* by rule, by row: origin of its values; "default": not given */
    struct config_rule *rules;          /* as many as public.rule_count */
    struct config_arena arena;
};
const struct config_settings *config_settings_of(const struct config *config);

/* One place that can hold values of the table: its target and the origins beside it. */
struct config_target {
    void *service; /* struct config_settings; NULL: class keys only */
    struct config_class *class_values;
    struct config_rule *rule_values;
    const char **from;
    struct config_arena *arena;
};

/* ---- config_value.c ---- */
/* config_value_set - parse text into its place, and note the origin. As config_value_check on error. */
int config_value_set(const struct config_target *target, const struct config_key *key, const char *text,
                     enum config_style style, const char *from, struct err *err) MUST_CHECK;
/* config_value_is_in_ms - a time that is given so counts in whole milliseconds, as OpenTelemetry's variables
 * do. */
bool config_value_is_in_ms(const struct config_key *key, enum config_style style);
/* config_value_text - the value as it would be written in a file; "" if not set. In the arena. */
const char *config_value_text(const struct config_key *key, const void *base, struct config_arena *arena);

/* ---- config_check.c: NULL, or what is wrong ---- */
/* login: what is wrong with a URL that holds one. */
const char *config_check_url(const char *text, const char *login);
const char *config_check_webhook(const char *text);
const char *config_check_proxy(const char *text);
const char *config_check_engine_host(const char *text);
const char *config_check_listen(const char *text);
const char *config_check_version(const char *text);
const char *config_check_glob(const char *glob);
/* Step over one element of a glob, a set being several; keeps whether the place is inside a set. */
const char *config_glob_next(const char *p, bool *is_in_set);

/* ---- config_problems.c ---- */
void config_problem(struct config_problems *problems, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* config_problems_sort - by line of the file; equal ones, and those of other sources at the end, keep their
 * order.
 */
void config_problems_sort(struct config_problems *problems, const char *path);

/* ---- config_file.c ---- */
struct config_entry {
    const struct config_key *key;
    size_t class_index; /* of [class NAME]; SIZE_MAX: another section */
    size_t rule_index;  /* of [rule NAME]; SIZE_MAX: another section */
    const char *value;
    int line;
};
struct config_file_section { /* one that has a name */
    const char *name;
    int line;
};
struct config_file {
    const char *path; /* borrowed */
    struct config_entry *entries;
    size_t entry_count;
    struct config_file_section *classes;
    size_t class_count;
    struct config_file_section *rules;
    size_t rule_count;
};
/* config_file_read - read and split a file; texts in the arena. Errors: IO, LIMIT (over 1 MiB). */
int config_file_read(const char *path, struct config_arena *arena, struct config_file *out,
                     struct config_problems *problems, struct err *err) MUST_CHECK;
void config_file_done(struct config_file *file);

/* ---- config_rules.c ---- */
/* config_rules_build - make public.rules of what the [rule NAME] sections say. */
void config_rules_build(struct config_settings *settings, const struct config_file *file,
                        struct config_problems *problems);
/* config_rules_check_text - NULL, or what is wrong with an item of such a list. */
const char *config_rules_check_status(const char *item);
const char *config_rules_check_transport(const char *item);

/* ---- config_clocks.c ---- */
/* config_clocks_join - inactivity clocks of the class, all whose keys are in, that go along with a total. */
void config_clocks_join(struct config_class *class, const char **from, const char *path);
/* config_clocks_check - floors above their ceiling. label: "[class etl]". base_from: the origins that the
 * class took over; what is wrong with those is told of class default, where from is base_from. */
void config_clocks_check(const struct config_class *class, const char *label, const char **from,
                         const char **base_from, const char *path, struct config_problems *problems);

/* ---- config_contradictions.c ---- */
/* config_contradictions_find - limits that can't all hold, of the pool and of each class. */
void config_contradictions_find(const struct config_settings *settings, const struct config_file *file,
                                struct config_problems *problems);

/* ---- config.c ---- */
size_t config_row_named(const char *full_name);
/* config_is_own - does the origin name a line of this file? */
bool config_is_own(const char *from, const char *path);
/* config_apply_entries - those of one class or one rule (SIZE_MAX: of none). */
void config_apply_entries(const struct config_file *file, size_t class_index, size_t rule_index,
                          const struct config_target *target, struct config_problems *problems);

/* ---- config_environment.c ---- */
/* Where a setting of Prefect or Docker stands, weakest first. */
enum config_source {
    CONFIG_SOURCE_PROFILE, /* the active one */
    CONFIG_SOURCE_PYPROJECT,
    CONFIG_SOURCE_PREFECT_TOML,
    CONFIG_SOURCE_DOTENV,
    CONFIG_SOURCE_ENVIRONMENT,
    CONFIG_SOURCE_CHOSEN_PROFILE /* --profile, if that is another one */
};
struct config_variable {
    const char *name; /* PREFECT_API_URL */
    const char *value;
    const char *from; /* "PREFECT_API_URL", ".env:3", "profile prod", "prefect.toml:2" */
    enum config_source source;
    size_t order; /* the later one of equal names in one source counts */
};
struct config_variables {
    struct config_variable *items; /* weakest first */
    size_t count;
    const char *notice; /* for people; NULL: none */
};
void config_variables_read(const struct config_sources *sources, struct config_arena *arena,
                           struct config_variables *out, struct config_problems *problems);
void config_variables_done(struct config_variables *variables);
/* config_variables_find - the strongest of this name that is set. */
const struct config_variable *config_variables_find(const struct config_variables *variables,
                                                    const char *name);
bool config_variable_beats_file(const struct config_variable *variable);
/* config_variables_apply - those that beat our file or those that don't, to service values and `base`. */
void config_variables_apply(const struct config_variables *variables, bool beats_file,
                            const struct config_target *target, struct config_problems *problems);

/* ---- config_forwarded.c ---- */
/* config_is_cloud - is this the API of Prefect Cloud? url may be NULL. */
bool config_is_cloud(const struct config_variables *variables, const char *url);
/* config_forwarded - pairs for containers, in the order of Prefect's own worker; config->api_url if it is not
 * of a variable. A value that no setting can have is a mistake. */
const char *const *config_forwarded(const struct config_variables *variables, const struct config *config,
                                    char **environment, struct config_arena *arena,
                                    struct config_problems *problems);

/* config_home_path - a path with "~" or "~/" at its beginning filled in. */
const char *config_home_path(char **environment, const char *path, struct config_arena *arena);
/* config_environ_path - a variable that names a path, "~/" filled in; NULL if not set or empty. */
const char *config_environ_path(char **environment, const char *name, struct config_arena *arena);

/* ---- config_engine.c ---- */
/* config_engine_clocks - the clocks of [engine] become those of every stage of the engine in `base`. */
void config_engine_clocks(const struct config_file *file, const struct config_target *target);
/* config_engine_finish - whether there is TLS, with which files; what contradicts itself is a mistake. */
void config_engine_finish(struct config_settings *settings, const struct config_sources *sources,
                          struct config_problems *problems);

/* ---- config_proxy.c ---- */
/* config_proxy_for - the proxy through which this address is asked, "" for none; url may be NULL. */
const char *config_proxy_for(char **environment, const char *url, struct config_arena *arena);

/* ---- config_traces.c ---- */
/* config_traces_finish - what follows from [traces] and the variables of OpenTelemetry. */
void config_traces_finish(struct config_settings *settings, const struct config_sources *sources,
                          struct config_problems *problems);

/* ---- config_state_path.c ---- */
const char *config_state_path(const struct config_sources *sources, const char *pool, const char *name,
                              struct config_arena *arena, struct config_problems *problems);

#endif
