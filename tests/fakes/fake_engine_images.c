/*
 * fake_engine_images.c - the images of the fake engine: find, import, list, remove; as recorded from Docker
 * 20.10.24.
 */
#include "tests/fakes/fake_engine_internal.h"

#include <stdio.h>
#include <string.h>

char *fake_engine_full_image_name(const char *image)
{
    const char *slash = strrchr(image, '/');
    bool has_tag = strchr(slash != NULL ? slash : image, ':') != NULL || strchr(image, '@') != NULL;
    return check_printf("%s%s", image, has_tag ? "" : ":latest");
}

char *fake_engine_image_id(const char *full_name)
{
    uint64_t seed = 1469598103934665603u;
    for (const char *c = full_name; *c != '\0'; c++)
        seed = (seed ^ (unsigned char)*c) * 1099511628211u;
    char *AUTO_FREE digits = fake_engine_make_id(seed);
    return check_printf("sha256:%s", digits);
}

void fake_engine_drop_image(struct fake_engine *e, struct name_item *image)
{
    list_remove(&image->link);
    fake_engine_emit(e, "image", "untag", image->name, NULL, NULL);
    fake_engine_emit(e, "image", "delete", image->name, NULL, NULL);
    free(image->name);
    free(image->label);
    free(image);
}

void fake_engine_add_image(struct fake_engine *e, const char *image)
{
    char *AUTO_FREE full = fake_engine_full_image_name(image);
    if (fake_engine_find_name(&e->images, full) == NULL)
        fake_engine_add_name(&e->images, full);
}

bool fake_engine_remove_image(struct fake_engine *e, const char *image)
{
    char *AUTO_FREE full = fake_engine_full_image_name(image);
    struct name_item *item = fake_engine_find_name(&e->images, full);
    if (item == NULL)
        return false;
    fake_engine_drop_image(e, item);
    return true;
}

bool fake_engine_has_image(const struct fake_engine *e, const char *image)
{
    char *AUTO_FREE full = fake_engine_full_image_name(image);
    return fake_engine_find_name(&e->images, full) != NULL;
}

size_t fake_engine_image_count(const struct fake_engine *e)
{
    size_t count = 0;
    for (struct list *l = e->images.next; l != &e->images; l = l->next)
        count++;
    return count;
}

/* ---- calls ---- */

void fake_engine_do_image_inspect(struct fake_call *call)
{
    char *AUTO_FREE full = fake_engine_full_image_name(call->subject);
    if (fake_engine_find_name(&call->engine->images, full) == NULL) {
        fake_engine_answer_message(call, 404, "no such image: %s: No such image: %s", call->subject, full);
        return;
    }
    char *AUTO_FREE id = fake_engine_image_id(full);
    struct json *answer = json_new_object();
    json_set_text(answer, "Id", id);
    struct json *tags = json_new_array();
    json_take_add(tags, json_new_text(full));
    json_take_set(answer, "RepoTags", tags);
    json_take_set(answer, "RepoDigests", json_new_array());
    json_set_text(answer, "Architecture", "amd64");
    json_set_text(answer, "Os", "linux");
    fake_engine_answer_json(call, 200, answer);
}

/* By name or id. */
static struct name_item *find_image(struct fake_engine *e, const char *what)
{
    char *AUTO_FREE full = fake_engine_full_image_name(what);
    for (struct list *l = e->images.next; l != &e->images; l = l->next) {
        struct name_item *image = LIST_ITEM(l, struct name_item, link);
        char *AUTO_FREE id = fake_engine_image_id(image->name);
        if (strcmp(image->name, full) == 0 || strcmp(id, what) == 0)
            return image;
    }
    return NULL;
}

/* The filter is "KEY" or "KEY=VALUE". */
static bool has_label(const struct name_item *image, const char *filter)
{
    if (image->label == NULL)
        return false;
    size_t len = strlen(filter);
    bool is_whole = strchr(filter, '=') != NULL;
    return strncmp(image->label, filter, len) == 0 && image->label[len] == (is_whole ? '\0' : '=');
}

void fake_engine_do_image_list(struct fake_call *call)
{
    struct fake_engine *e = call->engine;
    struct json *filters = NULL;
    if (!fake_engine_read_filters(call, &filters))
        return;
    const char *label = json_text(json_first(json_get(filters, "label")), NULL);
    struct json *answer = json_new_array();
    for (struct list *l = e->images.next; l != &e->images; l = l->next) {
        const struct name_item *image = LIST_ITEM(l, struct name_item, link);
        if (label != NULL && !has_label(image, label))
            continue;
        char *AUTO_FREE id = fake_engine_image_id(image->name);
        struct json *item = json_new_object();
        struct json *tags = json_new_array();
        json_take_add(tags, json_new_text(image->name));
        json_set_text(item, "Id", id);
        json_take_set(item, "RepoTags", tags);
        json_take_add(answer, item);
    }
    json_free(filters);
    fake_engine_answer_json(call, 200, answer);
}

/* A container made of this image, a running one first; NULL: none. */
static const struct container *find_user(const struct fake_engine *e, const struct name_item *image)
{
    const struct container *user = NULL;
    for (struct list *l = e->containers.next; l != &e->containers; l = l->next) {
        const struct container *c = LIST_ITEM(l, struct container, link);
        char *AUTO_FREE full = fake_engine_full_image_name(c->pub.image);
        if (strcmp(full, image->name) == 0 && (user == NULL || fake_engine_is_running(c)))
            user = c;
    }
    return user;
}

void fake_engine_do_image_remove(struct fake_call *call)
{
    struct fake_engine *e = call->engine;
    struct name_item *image = find_image(e, call->subject);
    if (image == NULL) {
        char *AUTO_FREE full = fake_engine_full_image_name(call->subject);
        fake_engine_answer_message(call, 404, "No such image: %s", full);
        return;
    }
    char *AUTO_FREE force = fake_engine_query(call, "force");
    const struct container *user = find_user(e, image);
    bool is_forced = force != NULL && strcmp(force, "1") == 0;
    if (user != NULL && (!is_forced || fake_engine_is_running(user))) {
        fake_engine_answer_message(
            call, 409,
            "conflict: unable to remove repository reference \"%s\" (%s) - container %.12s is using its %s",
            call->subject, fake_engine_is_running(user) ? "cannot be forced" : "must force", user->pub.id,
            "referenced image");
        return;
    }
    char *AUTO_FREE body = check_printf("[{\"Untagged\":\"%s\"}]\n", image->name);
    fake_engine_count_effect(e, FAKE_ENGINE_IMAGE_REMOVE);
    fake_engine_drop_image(e, image);
    fake_engine_answer(call, 200, body);
}

/* A tar is a whole number of blocks of 512 bytes. */
static bool is_tar(const struct fake_call *call)
{
    const char *length = wire_header(call->exchange, "Content-Length");
    long bytes = length == NULL ? 0 : strtol(length, NULL, 10);
    return bytes > 0 && bytes % 512 == 0;
}

static void make_image(struct fake_call *call, const char *name)
{
    struct fake_engine *e = call->engine;
    char *AUTO_FREE changes = fake_engine_query(call, "changes");
    struct name_item *image = fake_engine_find_name(&e->images, name);
    if (image == NULL) {
        fake_engine_add_name(&e->images, name);
        image = fake_engine_find_name(&e->images, name);
    }
    free(image->label);
    image->label = changes != NULL && strncmp(changes, "LABEL ", 6) == 0 ? check_strdup(changes + 6) : NULL;
    fake_engine_count_effect(e, FAKE_ENGINE_IMPORT);
}

void fake_engine_do_import(struct fake_call *call)
{
    char *AUTO_FREE repository = fake_engine_query(call, "repo");
    char *AUTO_FREE tag = fake_engine_query(call, "tag");
    char *AUTO_FREE name =
        check_printf("%s:%s", repository != NULL ? repository : "", tag != NULL ? tag : "");
    char *AUTO_FREE id = fake_engine_image_id(name);
    char *AUTO_FREE line = check_printf("{\"status\":\"%s\"}\r\n", id);
    if (!is_tar(call)) {
        fake_engine_answer_message(call, 500, "Error processing tar file(exit status 1): unexpected EOF");
        return;
    }
    make_image(call, name);
    if (fake_engine_stream_begin(call) && fake_engine_stream_send(call, line, strlen(line)))
        fake_engine_stream_end(call);
}
