/*
 * output.h - copies the output of containers to our stdout, line by line with the container's name in front.
 *
 * Never blocks the loop and never touches the watching: what stdout doesn't take is kept up to a bound for
 * each container and in all, then dropped and counted. Bytes are bytes; what is not UTF-8 passes through.
 */
#ifndef SLUICE_OUTPUT_H
#define SLUICE_OUTPUT_H

#include "api/engine.h"

struct output;

/* fd: where lines go (borrowed). */
struct output *output_new(struct engine *engine, struct timers *timers, int fd);
void output_free(struct output *output);
/* Follow a container to its end. clocks: connect only is used. Following one twice is harmless. since_ms:
 * wall, 0 = from the beginning. */
void output_follow(struct output *output, const char *container_id, const char *name, bool tty,
                   int64_t since_ms, const struct http_clocks *clocks);
/* Bytes dropped so far because stdout was too slow. */
int64_t output_dropped_bytes(const struct output *output);

#endif
