/*
 * keeper.h - ended containers whose launch is over: removed when they are older than their class's
 * keep_containers, a few in each round of lists, the rest in the next.
 *
 * When one ended stands in the launch's row. Where that is gone (keep_history is over, or the state file was
 * lost) the engine is asked, once for each. Removal is without force: what runs after all stays.
 */
#ifndef SLUICE_KEEPER_H
#define SLUICE_KEEPER_H

#include "api/engine.h"
#include "config.h"

struct keeper;

/* keeper_new - both borrowed. */
struct keeper *keeper_new(struct engine *engine, const struct config *config);
void keeper_free(struct keeper *keeper);
void keeper_set_config(struct keeper *keeper, const struct config *config);
/* A round of lists begins. now_ms: wall. */
void keeper_begin(struct keeper *keeper, int64_t now_ms);
/* keeper_look - an ended container of a launch that is over. ended_at_ms: wall; 0: in no row. */
void keeper_look(struct keeper *keeper, const struct engine_container *container, int64_t ended_at_ms);
/* keeper_remove - whatever its age, without force. */
void keeper_remove(struct keeper *keeper, const char *container_id);

#endif
