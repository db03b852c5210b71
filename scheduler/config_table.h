/*
 * config_table.h - the one table of everything that can be set: what it is called in the file, the
 * environment and on the command line, which values it takes, what it is by default and where it is kept.
 *
 * Reading, `sluice check`, `sluice config`, --help and the test of docs/configuration.md all walk this table.
 */
#ifndef SLUICE_CONFIG_TABLE_H
#define SLUICE_CONFIG_TABLE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the text of a value may be, and the C type at its offset. */
enum config_type {
    CONFIG_TYPE_TEXT,    /* const char *: any text */
    CONFIG_TYPE_NAME,    /* const char *: no / and no % */
    CONFIG_TYPE_URL,     /* const char *: http or https; trailing slashes cut off */
    CONFIG_TYPE_WEBHOOK, /* const char *: http or https, as it is: path, query and login are the receiver's */
    CONFIG_TYPE_ENGINE_HOST, /* const char *: unix://PATH, tcp://HOST:PORT, http[s]://HOST:PORT, HOST:PORT */
    CONFIG_TYPE_LISTEN,      /* const char *: HOST:PORT or [ADDRESS]:PORT */
    CONFIG_TYPE_PROXY,       /* const char *: http or https, without a login */
    CONFIG_TYPE_VERSION,     /* const char *: NUMBER.NUMBER */
    CONFIG_TYPE_WORD,        /* const char *: one of `words` */
    CONFIG_TYPE_JITTER,      /* enum jitter: one of `words` */
    CONFIG_TYPE_BOOL,        /* bool */
    CONFIG_TYPE_PRESENCE,   /* bool; in the environment any text means true, as Docker reads DOCKER_TLS_VERIFY
                             */
    CONFIG_TYPE_LIST,       /* struct config_list */
    CONFIG_TYPE_GLOBS,      /* struct match_list */
    CONFIG_TYPE_PARAMETERS, /* struct match_list of NAME=GLOB */
    CONFIG_TYPE_REGISTRY_COUNTS, /* struct match_list of HOST COUNT (core/registry.h) */
    CONFIG_TYPE_REGISTRY_RATES,  /* struct match_list of HOST RATE */
    CONFIG_TYPE_PER_VALUE,       /* struct match_list of WORD LIMIT (core/per_value.h) */
    CONFIG_TYPE_WORDS,           /* struct match_list, each item one of `words` */
    CONFIG_TYPE_TRANSPORTS,      /* struct match_list of what goes wrong below HTTP (core/classify.h) */
    CONFIG_TYPE_STATUSES,        /* struct match_list of 429, 5xx, 500-599 */
    CONFIG_TYPE_DURATION,        /* int64_t, ms */
    CONFIG_TYPE_TIME,            /* struct config_time */
    CONFIG_TYPE_TIME_AUTO,       /* struct config_time, or the word auto */
    CONFIG_TYPE_SIZE,            /* int64_t, bytes */
    CONFIG_TYPE_RATE,            /* double > 0, or no limit when not given */
    CONFIG_TYPE_FACTOR,          /* double */
    CONFIG_TYPE_PERCENT,         /* double, 50 to below 100; with or without % */
    CONFIG_TYPE_COUNT,           /* int64_t, or no limit when not given */
    CONFIG_TYPE_COUNT_AUTO,      /* int64_t, or the word auto (INT64_MIN) */
    CONFIG_TYPE_COUNT32          /* int32_t */
};

/* Where the target offset counts from. */
enum config_scope {
    CONFIG_SCOPE_SERVICE, /* struct config_settings */
    CONFIG_SCOPE_CLASS,   /* struct config_class: [class] keys, and what every class starts from */
    CONFIG_SCOPE_RULE     /* struct config_rule */
};

struct config_key {
    const char *section; /* "prefect"; "class" for [class NAME], "rule" for [rule NAME]; "command" and
                            "environment": not in a file */
    const char *key;
    enum config_type type;
    const char *words;        /* "logfmt json"; NULL: none */
    int64_t min;              /* smallest value of a number, ms of a duration */
    int64_t max;              /* largest */
    const char *default_text; /* as in a file; NULL: none */
    const char *environment;  /* one name or several, by blanks, strongest first; NULL: none */
    const char *flag;         /* "--pool"; NULL: none */
    char short_flag;          /* 'p'; 0: none */
    bool in_class;            /* may also stand in [class NAME] */
    bool reloadable;          /* SIGHUP changes it */
    bool is_secret;           /* never printed */
    enum config_scope scope;
    size_t offset;
    const char *help; /* one line */
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* Where a text came from decides how a duration is written: with a unit in files, as seconds elsewhere. */
enum config_style {
    CONFIG_STYLE_FILE,
    CONFIG_STYLE_ENVIRONMENT, /* seconds, decimals allowed */
    CONFIG_STYLE_FLAG         /* whole seconds */
};

/* config_keys_find - the row that `key` in `section` of a file means ("class": also those with in_class);
 * NULL: none. */
const struct config_key *config_keys_find(const char *section, const char *key);
const struct config_key *config_keys_find_flag(const char *flag);
bool config_key_is_in_file(const struct config_key *key);
/* config_keys_find_full - by "limits.running", as options.c names a key; NULL: no such key. */
const struct config_key *config_keys_find_full(const char *full_name);

/* config_value_check - may `text` stand for this key? Errors: INVALID, `"7": what is allowed`. */
int config_value_check(const struct config_key *key, const char *text, enum config_style style,
                       struct err *err) MUST_CHECK;

#define CONFIG_DESCRIPTION_SIZE 300
/* config_value_describe - what is allowed, as mistakes and the manual say it: "a whole number from 1 to 9".
 */
void config_value_describe(const struct config_key *key, enum config_style style, char *out, size_t size);

#endif
