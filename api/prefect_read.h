/*
 * prefect_read.h - the Prefect API's answers as structs: pure parsing, one function per kind of answer.
 *
 * The texts in a result live in the arena, which outlives the callback that reads them. Unknown fields, nulls
 * and missing fields are taken; what we can't do without is demanded: ids are UUIDs (they go into paths,
 * rows and labels), a set_state answer has a known status word and, where accepted, a state.
 */
#ifndef SLUICE_API_PREFECT_READ_H
#define SLUICE_API_PREFECT_READ_H

#include "api/json.h"
#include "api/prefect.h"

/* Pieces of memory that are given back together. */
struct prefect_arena {
    struct prefect_arena_block *first;
    struct json *root; /* the parsed answer: texts point into it */
};

void prefect_arena_init(struct prefect_arena *arena);
void prefect_arena_done(struct prefect_arena *arena);

/* prefect_source_text - the source text of a value, kept by the arena; the fallback where it is null or
 * missing. */
const char *prefect_source_text(struct prefect_arena *arena, const struct json *value, const char *fallback);

/* Reads one kind of answer into its fields of the reply. Errors: PARSE, with a sentence that holds nothing of
 * the answer but the names of our own fields. */
typedef int (*prefect_read_fn)(const struct json *root, struct prefect_arena *arena,
                               struct prefect_reply *reply, struct err *err);

int prefect_read_pool(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                      struct err *err) MUST_CHECK;
int prefect_read_workers(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                         struct err *err);
int prefect_read_queues(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                        struct err *err) MUST_CHECK;
/* A poll's list: each run wrapped with its pool and queue. */
int prefect_read_poll(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                      struct err *err) MUST_CHECK;
int prefect_read_runs(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                      struct err *err) MUST_CHECK;
int prefect_read_run(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                     struct err *err) MUST_CHECK;
int prefect_read_history(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                         struct err *err) MUST_CHECK;
int prefect_read_set_state(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                           struct err *err) MUST_CHECK;
int prefect_read_granted(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                         struct err *err);
int prefect_read_deployment(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                            struct err *err) MUST_CHECK;
int prefect_read_flow(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                      struct err *err) MUST_CHECK;
int prefect_read_version(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                         struct err *err) MUST_CHECK;

/* prefect_read_answer - parse the body and read it. fn NULL: the call has no answer to read, so any body is
 * fine but a page of HTML, which shows that something else than the API answered. */
int prefect_read_answer(const char *body, size_t len, prefect_read_fn fn, struct prefect_arena *arena,
                        struct prefect_reply *reply, struct err *err) MUST_CHECK;

/*
 * prefect_read_error - the sentence of an error answer, cut to size: `detail` or `exception_message`; the
 * first few of a list of validation errors as "field: what". False: the body is not an answer of the API
 * (HTML, cut off, not an object), and text tells that in our words. Values that we sent are left out.
 */
bool prefect_read_error(const char *body, size_t len, char *text, size_t text_size);

#endif
