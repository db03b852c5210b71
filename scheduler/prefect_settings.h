/*
 * prefect_settings.h - every setting of Prefect by name, and the text in which its worker hands a value on.
 *
 * Knows nothing of where settings come from (config_environment.c). Source: the settings classes of the
 * Prefect version we claim to equal; the table is written by scripts/make-prefect-settings.
 */
#ifndef SLUICE_PREFECT_SETTINGS_H
#define SLUICE_PREFECT_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

enum prefect_setting_kind {
    PREFECT_SETTING_TEXT,  /* anything, handed on as it is; spans of time and others of the server's, too */
    PREFECT_SETTING_BOOL,  /* True, False */
    PREFECT_SETTING_WHOLE, /* 30 */
    PREFECT_SETTING_FLOAT, /* 30.0 */
    PREFECT_SETTING_LEVEL, /* WARNING */
    PREFECT_SETTING_PATH,  /* no slash twice or at the end */
    PREFECT_SETTING_TEXT_SET,  /* a,b: sorted, each once */
    PREFECT_SETTING_WHOLE_SET, /* 429,504: sorted as texts, each once */
    PREFECT_SETTING_DELAYS,    /* 5 or 2.5 as it is, several as 1.0,2.0: sorted as texts */
    PREFECT_SETTING_OBJECT     /* JSON with a blank behind : and , */
};

struct prefect_setting {
    const char *name;     /* PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK */
    const char *old_name; /* PREFECT_DEFAULT_RESULT_STORAGE_BLOCK; NULL: none */
    enum prefect_setting_kind kind;
};

extern const struct prefect_setting prefect_settings[];
extern const size_t prefect_settings_count;

/* prefect_setting_text - what Prefect's worker writes into a container's environment for a value that was
 * given; malloc'ed. NULL: no such value can be (Prefect itself would refuse it). */
char *prefect_setting_text(const struct prefect_setting *setting, const char *value);
/* prefect_setting_allowed - what may be given, for a sentence: "a whole number". */
const char *prefect_setting_allowed(const struct prefect_setting *setting);
/* prefect_setting_float - a number as Python reads it: blanks around it, "1e3", ".5", "1_000". */
bool prefect_setting_float(const char *value, double *out);

#endif
