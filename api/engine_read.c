/*
 * engine_read.c - the engine's JSON answers, see engine_read.h.
 *
 * The texts of the values borrow from the JSON tree, which travels with them in engine_parsed. States are
 * words in 1.41 and later; Podman knows a few more of them. An ended container without a readable exit code
 * is a bad answer: a guessed code would decide a flow run.
 */
#include "api/engine_read.h"

#include "base/text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define BODY_EXCERPT_BYTES 200

void engine_parsed_done(struct engine_parsed *parsed)
{
    json_free(parsed->root);
    free(parsed->warning);
    free(parsed->containers);
    free(parsed->repo_digests);
    free(parsed->image_ids);
    *parsed = (struct engine_parsed){0};
}

static int parse_root(const char *body, size_t len, enum json_kind kind, struct engine_parsed *out,
                      struct err *err)
{
    if (json_parse(body, len, &out->root, err) != 0)
        return -1;
    if (json_kind(out->root) != kind)
        return err_set(err, ERR_PARSE, "not a JSON %s", kind == JSON_ARRAY ? "list" : "object");
    return 0;
}

bool engine_is_container_name(const char *text)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    static const char later[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    if (text == NULL || text[0] == '\0' || strchr(first, text[0]) == NULL)
        return false;
    size_t len = strspn(text, later);
    return text[len] == '\0' && len <= 255;
}

/* An id goes into later paths, so it must be one. */
static int read_id(const struct json *object, const char **id, struct err *err)
{
    const char *text = json_get_text(object, "Id", "");
    if (!engine_is_container_name(text))
        return err_set(err, ERR_PARSE, "\"Id\" is missing or no id");
    *id = text;
    return 0;
}

int engine_read_create(const char *body, size_t len, struct engine_parsed *out, struct err *err)
{
    if (parse_root(body, len, JSON_OBJECT, out, err) != 0 || read_id(out->root, &out->container_id, err) != 0)
        return -1;
    struct buf joined;
    buf_init(&joined, FAILURE_MESSAGE_SIZE);
    const struct json *warnings = json_get(out->root, "Warnings");
    for (const struct json *w = json_first(warnings); w != NULL; w = json_next(w)) {
        const char *text = json_text(w, "");
        struct err ignored; /* what is too long for the log line may be lost */
        if (text[0] != '\0' && buf_printf(&joined, &ignored, "%s%s", joined.len > 0 ? "; " : "", text) != 0)
            break;
    }
    if (joined.len > 0)
        out->warning = buf_take(&joined);
    buf_done(&joined);
    return 0;
}

static int read_state(const char *word, enum engine_container_state *state, struct err *err)
{
    static const struct {
        const char *word;
        enum engine_container_state state;
    } words[] = {
        {"created", ENGINE_CONTAINER_CREATED},     {"configured", ENGINE_CONTAINER_CREATED},
        {"initialized", ENGINE_CONTAINER_CREATED}, {"running", ENGINE_CONTAINER_RUNNING},
        {"paused", ENGINE_CONTAINER_RUNNING},      {"restarting", ENGINE_CONTAINER_RUNNING},
        {"stopping", ENGINE_CONTAINER_RUNNING},    {"exited", ENGINE_CONTAINER_EXITED},
        {"stopped", ENGINE_CONTAINER_EXITED},      {"dead", ENGINE_CONTAINER_EXITED},
        {"removing", ENGINE_CONTAINER_REMOVING},
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(word, words[i].word) == 0) {
            *state = words[i].state;
            return 0;
        }
    }
    return err_set(err, ERR_PARSE, "unknown container state \"%.40s\"", word);
}

static void read_labels(const struct json *labels, struct engine_container *c)
{
    c->launch_id = json_get_text(labels, ENGINE_LABEL_LAUNCH, "");
    c->flow_run_id = json_get_text(labels, ENGINE_LABEL_FLOW_RUN, "");
    c->instance = json_get_text(labels, ENGINE_LABEL_INSTANCE, "");
    c->class_name = json_get_text(labels, ENGINE_LABEL_CLASS, "");
}

static const char *without_slash(const char *name)
{
    return name[0] == '/' ? name + 1 : name;
}

/* The engine writes year 1 for "never". */
static int64_t read_time(const struct json *object, const char *key)
{
    int64_t wall_ms = 0;
    struct err err;
    if (clock_parse(json_get_text(object, key, ""), &wall_ms, &err) != 0 || wall_ms < 0)
        return 0;
    return wall_ms;
}

static int read_exit_code(const struct json *object, const char *key, int32_t *code, struct err *err)
{
    int64_t value = json_get_int(object, key, INT64_MIN);
    if (value < INT32_MIN || value > INT32_MAX)
        return err_set(err, ERR_PARSE, "\"%s\" is missing or no number", key);
    *code = (int32_t)value;
    return 0;
}

int engine_read_inspect(const char *body, size_t len, struct engine_parsed *out, struct err *err)
{
    if (parse_root(body, len, JSON_OBJECT, out, err) != 0)
        return -1;
    out->containers = check_alloc(sizeof(*out->containers));
    struct engine_container *c = out->containers;
    const struct json *state = json_get(out->root, "State");
    const struct json *config = json_get(out->root, "Config");
    if (read_id(out->root, &c->id, err) != 0 ||
        read_state(json_get_text(state, "Status", ""), &c->state, err) != 0 ||
        read_exit_code(state, "ExitCode", &c->exit_code, err) != 0)
        return -1;
    c->name = without_slash(json_get_text(out->root, "Name", ""));
    c->image = json_get_text(config, "Image", "");
    read_labels(json_get(config, "Labels"), c);
    c->tty = json_get_bool(config, "Tty", false);
    c->oom_killed = json_get_bool(state, "OOMKilled", false);
    c->error = json_get_text(state, "Error", "");
    c->created_at_ms = read_time(out->root, "Created");
    c->started_at_ms = read_time(state, "StartedAt");
    c->finished_at_ms = read_time(state, "FinishedAt");
    out->count = 1;
    return 0;
}

static int read_list_item(const struct json *item, struct engine_container *c, struct err *err)
{
    if (read_id(item, &c->id, err) != 0 || read_state(json_get_text(item, "State", ""), &c->state, err) != 0)
        return -1;
    c->name = without_slash(json_text(json_first(json_get(item, "Names")), ""));
    c->image = json_get_text(item, "Image", "");
    c->error = "";
    int64_t created_s = json_get_int(item, "Created", 0);
    c->created_at_ms = created_s > 0 && created_s < INT64_MAX / 1000 ? created_s * 1000 : 0;
    read_labels(json_get(item, "Labels"), c);
    return 0;
}

int engine_read_list(const char *body, size_t len, struct engine_parsed *out, struct err *err)
{
    if (parse_root(body, len, JSON_ARRAY, out, err) != 0)
        return -1;
    size_t count = json_count(out->root);
    out->containers = check_alloc((count + 1) * sizeof(*out->containers));
    for (const struct json *item = json_first(out->root); item != NULL; item = json_next(item)) {
        if (read_list_item(item, &out->containers[out->count], err) != 0)
            return err_wrap(err, "item %zu of the list", out->count);
        out->count++;
    }
    return 0;
}

int engine_read_image(const char *body, size_t len, struct engine_parsed *out, struct err *err)
{
    if (parse_root(body, len, JSON_OBJECT, out, err) != 0)
        return -1;
    const char *id = json_get_text(out->root, "Id", "");
    if (id[0] == '\0')
        return err_set(err, ERR_PARSE, "\"Id\" is missing");
    const struct json *digests = json_get(out->root, "RepoDigests");
    out->repo_digests = check_alloc((json_count(digests) + 1) * sizeof(*out->repo_digests));
    for (const struct json *d = json_first(digests); d != NULL; d = json_next(d)) {
        const char *text = json_text(d, "");
        if (text[0] != '\0')
            out->repo_digests[out->count++] = text;
    }
    out->image_id = id;
    return 0;
}

int engine_read_images(const char *body, size_t len, struct engine_parsed *out, struct err *err)
{
    if (parse_root(body, len, JSON_ARRAY, out, err) != 0)
        return -1;
    out->image_ids = check_alloc((json_count(out->root) + 1) * sizeof(*out->image_ids));
    for (const struct json *item = json_first(out->root); item != NULL; item = json_next(item)) {
        const char *id = json_get_text(item, "Id", "");
        if (id[0] == '\0')
            return err_set(err, ERR_PARSE, "image %zu: \"Id\" is missing", out->count);
        out->image_ids[out->count++] = id;
    }
    return 0;
}

int engine_read_wait(const char *body, size_t len, struct engine_parsed *out, struct err *err)
{
    if (parse_root(body, len, JSON_OBJECT, out, err) != 0)
        return -1;
    const struct json *error = json_get(out->root, "Error");
    if (error != NULL && json_kind(error) != JSON_NULL)
        return err_set(err, ERR_INVALID, "the engine does not know the exit code: %s",
                       json_get_text(error, "Message", "no reason given"));
    out->containers = check_alloc(sizeof(*out->containers));
    struct engine_container *c = out->containers;
    if (read_exit_code(out->root, "StatusCode", &c->exit_code, err) != 0)
        return -1;
    c->id = c->name = c->launch_id = c->flow_run_id = c->instance = c->class_name = c->image = c->error = "";
    c->state = ENGINE_CONTAINER_EXITED;
    out->count = 1;
    return 0;
}

int engine_read_event(const char *line, size_t len, struct json **root, struct engine_event *event,
                      struct err *err)
{
    struct json *parsed = NULL;
    if (json_parse(line, len, &parsed, err) != 0)
        return -1;
    const struct json *actor = json_get(parsed, "Actor");
    struct engine_event e = {
        .type = json_get_text(parsed, "Type", ""),
        .action = json_get_text(parsed, "Action", ""),
        .id = json_get_text(actor, "ID", ""),
        .launch_id = json_get_text(json_get(actor, "Attributes"), ENGINE_LABEL_LAUNCH, ""),
        .flow_run_id = json_get_text(json_get(actor, "Attributes"), ENGINE_LABEL_FLOW_RUN, ""),
        .time_ms = json_get_int(parsed, "timeNano", 0) / 1000000,
    };
    if (e.type[0] == '\0' || e.action[0] == '\0' || e.id[0] == '\0') {
        json_free(parsed);
        return err_set(err, ERR_PARSE, "an event without Type, Action or Actor.ID");
    }
    int64_t time_s = json_get_int(parsed, "time", 0);
    if (e.time_ms == 0 && time_s > 0 && time_s < INT64_MAX / 1000)
        e.time_ms = time_s * 1000;
    if (strcmp(e.type, "container") == 0 && strcmp(e.action, "remove") == 0)
        e.action = "destroy";
    *root = parsed;
    *event = e;
    return 0;
}

void engine_copy_text(char *text, size_t size, const char *from, size_t len)
{
    len = text_fitting(from, len, size - 1);
    memcpy(text, from, len);
    text[len] = '\0';
}

bool engine_read_message(const char *body, size_t len, char *text, size_t size)
{
    struct json *root = NULL;
    struct err err;
    if (json_parse(body, len, &root, &err) == 0) {
        const char *message = json_get_text(root, "message", "");
        bool has_message = message[0] != '\0';
        if (has_message)
            engine_copy_text(text, size, message, strlen(message));
        json_free(root);
        if (has_message)
            return true;
    }
    engine_copy_text(text, size < BODY_EXCERPT_BYTES + 1 ? size : BODY_EXCERPT_BYTES + 1, body, len);
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    return false;
}

int engine_read_api_minor(const char *text)
{
    char *end = NULL;
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return -1;
    unsigned long major = strtoul(text, &end, 10);
    if (*end != '.' || end[1] < '0' || end[1] > '9')
        return -1;
    unsigned long minor = strtoul(end + 1, &end, 10);
    if (*end != '\0' || major == 0 || major > 9999 || minor > 9999)
        return -1;
    return major > 1 ? 9999 : (int)minor;
}

void engine_split_image(const char *image, char **repository, char **tag)
{
    const char *slash = strrchr(image, '/');
    const char *at = strchr(image, '@');
    const char *name_end = at != NULL ? at : image + strlen(image);
    if (at != NULL)
        for (slash = at; slash > image && *slash != '/';)
            slash--;
    const char *colon =
        memchr(slash != NULL ? slash : image, ':', (size_t)(name_end - (slash != NULL ? slash : image)));
    if (at != NULL)
        *tag = check_strdup(at + 1);
    else
        *tag = check_strdup(colon != NULL ? colon + 1 : "latest");
    *repository = check_printf("%.*s", (int)((colon != NULL ? colon : name_end) - image), image);
}
