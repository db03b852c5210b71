/*
 * engine_read.h - the engine's JSON answers, read strictly: text in, values out. Pure.
 *
 * What we act upon must be there and of the right type (ids, states, an ended container's exit code), all
 * else may be missing or null. Unknown fields are ignored. Source: Docker Engine API 1.41 to 1.51; answers
 * recorded from Docker 20.10 and Podman 4.3.
 */
#ifndef SLUICE_API_ENGINE_READ_H
#define SLUICE_API_ENGINE_READ_H

#include "api/engine.h"
#include "api/json.h"

/* One answer; every text lives as long as this struct. */
struct engine_parsed {
    struct json *root;
    const char *container_id;
    char *warning; /* NULL: none */
    struct engine_container *containers;
    size_t count;
    const char *image_id;
    const char **repo_digests;
    const char **image_ids;
};
/* Accepts a zeroed and a half-built one. */
void engine_parsed_done(struct engine_parsed *parsed);

/* Each fills a zeroed *out. Errors: PARSE, with what is wrong; INVALID where noted. *out is to be
 * ended in any case. */
int engine_read_create(const char *body, size_t len, struct engine_parsed *out, struct err *err) MUST_CHECK;
int engine_read_inspect(const char *body, size_t len, struct engine_parsed *out, struct err *err) MUST_CHECK;
/* One bad item makes the whole list bad: an absence is concluded from it. */
int engine_read_list(const char *body, size_t len, struct engine_parsed *out, struct err *err) MUST_CHECK;
int engine_read_image(const char *body, size_t len, struct engine_parsed *out, struct err *err) MUST_CHECK;
/* As engine_read_list: one bad item makes the whole list bad. */
int engine_read_images(const char *body, size_t len, struct engine_parsed *out, struct err *err) MUST_CHECK;
/* INVALID: the engine says itself that it doesn't know the code (Error is set). */
int engine_read_wait(const char *body, size_t len, struct engine_parsed *out, struct err *err) MUST_CHECK;

/* One line of GET /events. *root is to be freed after use of *event; Podman's "remove" becomes "destroy". */
int engine_read_event(const char *line, size_t len, struct json **root, struct engine_event *event,
                      struct err *err) MUST_CHECK;

/*
 * engine_read_message - the sentence of an error answer: its "message", else the first 200 bytes of the body
 * with control characters blanked, else "". Always fits and ends at a character's end. False: there was no
 * "message", so it may not have been the engine who spoke.
 */
bool engine_read_message(const char *body, size_t len, char *text, size_t size);
/* engine_copy_text - as much of `from` as fits, never half a UTF-8 character. */
void engine_copy_text(char *text, size_t size, const char *from, size_t len);

/* "1.41" -> 41; a major version above 1 counts as minor 9999. -1: no version. */
int engine_read_api_minor(const char *text);
/* Is it a container's id or name, and so safe in a path: [a-zA-Z0-9][a-zA-Z0-9_.-]*, at most 255 bytes. */
bool engine_is_container_name(const char *text);
/*
 * engine_split_image - "HOST:PORT/a/b:tag" -> "HOST:PORT/a/b" and "tag"; "name@sha256:..." -> the digest as
 * tag, a tag beside it dropped; "latest" if there is neither. Both malloc'ed.
 */
void engine_split_image(const char *image, char **repository, char **tag);

#endif
