/*
 * references.h - what a job configuration asks of the server: blocks, variables, the whole flow run or flow.
 *
 * A set belongs to one rendering: it gathers the answers to all its questions, each asked once, all at the
 * same time, and is freed (and wiped, since blocks hold secrets) as soon as the job is rendered. Nothing is
 * kept beyond that: the next run sees what the server has by then. Only a request that is already out, and
 * not for long, is shared by sets that ask the same.
 */
#ifndef SLUICE_REFERENCES_H
#define SLUICE_REFERENCES_H

#include "api/jobspec.h"
#include "api/prefect.h"
#include "config.h"
#include "guards.h"

struct references;
struct reference_set;

/* A request that went out longer ago is not waited for by somebody new: its answer may be older than what the
 * asker must see. As old as a copy of a deployment may be. */
#define REFERENCES_JOIN_MS 2000
/* Of the answers of one set together. */
#define REFERENCES_MAX_BYTES ((size_t)16 << 20)

/* All borrowed; guard: Prefect's, may be NULL. */
struct references *references_new(struct prefect *prefect, struct timers *timers, struct guard *guard,
                                  const struct config *config);
/* Ends every set and request, without a callback. Accepts NULL. */
void references_free(struct references *references);
void references_set_config(struct references *references, const struct config *config);

/* All questions are answered (failure NULL), or one could not be: then the others are not waited for. Called
 * once for each reference_set_ask(), on the loop thread, never from inside it; the set may be freed. */
typedef void (*references_done_fn)(void *arg, const struct failure *failure, int64_t took_ms);

/* reference_set_new - ids are copied: of the flow run and flow that questions mean. */
struct reference_set *reference_set_new(struct references *references, const char *flow_run_id,
                                        const char *flow_id, references_done_fn done, void *arg);
/* No callback comes any more; the answers are wiped. Accepts NULL. */
void reference_set_free(struct reference_set *set);
/* reference_set_ask - at least one question, none that was answered before. Nothing may be out. A missing
 * block or variable is an answer (is_found false), a missing flow run or flow a failure with status 404.
 * is_retry: it could not be answered before, so that it counts against the retry budget. */
void reference_set_ask(struct reference_set *set, const struct jobspec_question *questions, size_t count,
                       bool is_retry);
/* reference_set_answers - so far; borrowed until the set changes. Accepts NULL: none. */
const struct jobspec_answer *reference_set_answers(const struct reference_set *set, size_t *count);

#endif
