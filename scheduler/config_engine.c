/*
 * config_engine.c - what the keys of [engine] mean together: its clocks for every stage, TLS and its files.
 *
 * TLS follows docker-py: asked for by tls_verify (DOCKER_TLS_VERIFY) or by cert_path (DOCKER_CERT_PATH)
 * alone, which then doesn't check the engine's certificate; without effect on a unix socket. Other than
 * docker-py a folder without a certificate of ours is fine: an engine need not ask for one.
 */
#include "config_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define TWIN "DOCKER_CLIENT_TIMEOUT" /* the clocks that one number sets for all stages of the engine */

/* Does the row hold the clock `name` (connect, inactivity, total) of a stage of the engine? */
static bool is_engine_clock(const struct config_key *key, const char *name)
{
    if (key->environment == NULL || strcmp(key->environment, TWIN) != 0)
        return false;
    const char *kind = strrchr(key->key, '_');
    return strcmp(kind == NULL ? "total" : kind + 1, name) == 0;
}

void config_engine_clocks(const struct config_file *file, const struct config_target *target)
{
    for (size_t i = 0; i < file->entry_count; i++) {
        const struct config_entry *entry = &file->entries[i];
        struct err err;
        if (strcmp(entry->key->section, "engine") != 0 || entry->key->type != CONFIG_TYPE_TIME_AUTO)
            continue;
        if (config_value_check(entry->key, entry->value, CONFIG_STYLE_FILE, &err) != 0)
            continue; /* told of the key itself, once, by config_apply_entries() */
        const char *from = config_arena_printf(target->arena, "%s:%d", file->path, entry->line);
        for (size_t row = 0; row < config_key_count; row++)
            if (is_engine_clock(&config_keys[row], entry->key->key) &&
                config_value_set(target, &config_keys[row], entry->value, CONFIG_STYLE_FILE, from, &err) != 0)
                UNREACHABLE(); /* the same type and bounds */
    }
}

/* Where the value of `key` came from, for a mistake. */
static const char *from_of(const struct config_settings *settings, const char *full_name)
{
    const struct config_key *key = config_keys_find_full(full_name);
    CHECK(key != NULL);
    return settings->from[key - config_keys];
}

/* FOLDER/NAME, or NULL if there is no such file. */
static const char *file_in(const char *folder, const char *name, struct config_arena *arena)
{
    const char *path = config_arena_printf(arena, "%s/%s", folder, name);
    return access(path, F_OK) == 0 ? path : NULL;
}

static void check_readable(const char *path, const char *from, struct config_problems *problems)
{
    if (path != NULL && access(path, R_OK) != 0)
        config_problem(problems, "%s: \"%s\" can't be read: %s", from, path, strerror(errno));
}

static void find_files(struct config_settings *settings, const char *folder, const char *from,
                       struct config_problems *problems)
{
    struct config *config = &settings->public;
    config->engine_ca_file = file_in(folder, "ca.pem", &settings->arena);
    config->engine_cert_file = file_in(folder, "cert.pem", &settings->arena);
    config->engine_key_file = file_in(folder, "key.pem", &settings->arena);
    check_readable(config->engine_ca_file, from, problems);
    check_readable(config->engine_cert_file, from, problems);
    check_readable(config->engine_key_file, from, problems);
    if ((config->engine_cert_file == NULL) != (config->engine_key_file == NULL))
        config_problem(problems,
                       "%s: \"%s\" holds one of cert.pem and key.pem; allowed: both, or none of them", from,
                       folder);
    else if (config->engine_ca_file == NULL && config->engine_cert_file == NULL &&
             config->engine_cert_path != NULL)
        config_problem(problems,
                       "%s: \"%s\" holds none of ca.pem, cert.pem and key.pem; allowed: a folder with the "
                       "files that Docker's clients take",
                       from, folder);
}

void config_engine_finish(struct config_settings *settings, const struct config_sources *sources,
                          struct config_problems *problems)
{
    struct config *config = &settings->public;
    const char *host = config->engine_host != NULL ? config->engine_host : "unix://";
    bool is_unix = strncmp(host, "unix://", 7) == 0;
    bool is_asked = config->engine_tls_verify || config->engine_cert_path != NULL;
    config->engine_is_tls = !is_unix && (is_asked || strncmp(host, "https://", 8) == 0);
    if (!config->engine_is_tls)
        return;
    if (strncmp(host, "http://", 7) == 0)
        config_problem(
            problems, "%s: \"%s\" is without TLS, which %s asks for; allowed: tcp:// or https://",
            from_of(settings, "engine.host"), host,
            from_of(settings, config->engine_tls_verify ? "engine.tls_verify" : "engine.cert_path"));
    const char *home = config_environ_path(sources->environ, "HOME", &settings->arena);
    const char *folder = config->engine_cert_path;
    if (folder == NULL && home != NULL)
        folder = config_arena_printf(&settings->arena, "%s/.docker", home);
    if (folder != NULL)
        find_files(settings, folder, from_of(settings, "engine.cert_path"), problems);
}
