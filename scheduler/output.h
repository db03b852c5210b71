/*
 * output.h - copies the output of containers to our stdout, line by line with the container's name in front.
 *
 * Never blocks the loop and never touches the watching: lines that stdout doesn't take wait, bounded for each
 * container and in all (core/output_lines.h), then the oldest are dropped, counted and said: in their place,
 * and once a minute in the log. A disk that is full is tried again; of a stdout that is closed nothing more
 * is expected. A stream that breaks goes on where it broke, without a line twice or missing
 * (api/engine_log.h), as long as the engine has the log. Bytes are bytes; what is not UTF-8 passes through.
 */
#ifndef SLUICE_OUTPUT_H
#define SLUICE_OUTPUT_H

#include "api/engine.h"
#include "core/output_lines.h"

struct event_base;
struct output;

struct output_settings {
    struct engine *engine; /* borrowed, as timers */
    struct timers *timers;
    struct event_base *base;
    int fd;          /* where lines go; borrowed */
    bool with_names; /* "NAME | " in front of each line */
    /* Does this launch's container still run, as far as we know? Asked when a stream has ended. */
    bool (*still_runs)(void *arg, const char *launch_id);
    void *arg;
};

struct output *output_new(const struct output_settings *settings);
void output_free(struct output *output);

struct output_wish {
    const char *launch_id;
    const char *container_id;
    const char *name;
    /* After a restart: what was written while we were away is left out, and the engine is asked whether it
     * has a tty and still runs. Else tty is known. */
    bool is_resumed;
    bool tty;
    struct http_clocks clocks; /* of the inspect; of streams connect only */
};
/* output_follow - follow a container to its end. Following one twice is harmless. All borrowed. */
void output_follow(struct output *output, const struct output_wish *wish);
struct output_counts output_counts(const struct output *output);

#endif
