/*
 * clocks.h - the configured clocks of a stage for a class, in the form the clients take.
 *
 * For calls that nothing is learned from: where a class says `auto`, the fixed value that comes before. Calls
 * to the engine for a launch take learned_timeouts_clocks().
 */
#ifndef SLUICE_CLOCKS_H
#define SLUICE_CLOCKS_H

#include "api/http.h"
#include "config.h"

static inline struct http_clocks clocks_for(const struct config *config, const char *class_name,
                                            enum stage stage)
{
    const struct config_clocks *c = &config_class_by_name(config, class_name)->clocks[stage];
    return (struct http_clocks){c->connect.ms, c->inactivity.ms, c->total.ms};
}

#endif
