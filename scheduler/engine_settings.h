/*
 * engine_settings.h - the engine of a configuration, in the form that the clients take.
 */
#ifndef SLUICE_ENGINE_SETTINGS_H
#define SLUICE_ENGINE_SETTINGS_H

#include "api/engine.h"
#include "config.h"

static inline struct http_settings engine_http_settings_of(const struct config *c)
{
    /* An engine that was named without a word on its certificate has it checked, like any server. */
    return (struct http_settings){.max_connections = (int)c->engine_max_connections,
                                  .idle_close_ms = c->engine_keep_alive_ms == 0 ? HTTP_NEVER_KEEP
                                                                                : c->engine_keep_alive_ms,
                                  .tls_skip_verify = !c->engine_tls_verify && c->engine_cert_path != NULL,
                                  .ca_file = c->engine_ca_file,
                                  .cert_file = c->engine_cert_file,
                                  .key_file = c->engine_key_file,
                                  .proxy = c->engine_proxy == NULL ? "" : c->engine_proxy};
}

static inline struct engine_settings engine_settings_of(const struct config *c)
{
    return (struct engine_settings){
        .host = c->engine_host, .api_version = c->engine_api_version, .is_tls = c->engine_is_tls};
}

#endif
