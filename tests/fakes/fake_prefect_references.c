/*
 * fake_prefect_references.c - blocks and variables, as a 3.8.8 server shows them.
 *
 * Without include_secrets=true, or for a role that may not read them, every text of a block is ********: the
 * fake knows no schemas that would tell which of them are secrets.
 */
#include "fake_prefect_internal.h"

#include <string.h>

static struct fake_block *find_block(const struct fake_prefect *fake, const char *type, const char *name)
{
    for (size_t i = 0; i < fake->blocks.count; i++) {
        struct fake_block *block = fake->blocks.items[i];
        if (strcmp(block->type, type) == 0 && strcmp(block->name, name) == 0)
            return block;
    }
    return NULL;
}

static size_t find_variable(const struct fake_prefect *fake, const char *name)
{
    size_t i = 0;
    while (i < fake->variables.count &&
           strcmp(((struct fake_variable *)fake->variables.items[i])->name, name) != 0)
        i++;
    return i;
}

const char *fake_prefect_set_block(struct fake_prefect *fake, const char *type, const char *name,
                                   const char *data_json)
{
    struct fake_block *block = find_block(fake, type, name);
    if (block == NULL) {
        block = check_alloc(sizeof(*block));
        fake_make_id(fake, block->id);
        block->type = check_strdup(type);
        block->name = check_strdup(name);
        fake_array_add(&fake->blocks, block);
    }
    free(block->data_json);
    block->data_json = check_strdup(data_json);
    free(block->secret_fields_json);
    block->secret_fields_json = check_strdup("[\"*\"]");
    return block->id;
}

static void free_block(struct fake_block *block)
{
    free(block->type);
    free(block->name);
    free(block->data_json);
    free(block->secret_fields_json);
    free(block);
}

void fake_prefect_delete_block(struct fake_prefect *fake, const char *type, const char *name)
{
    for (size_t i = 0; i < fake->blocks.count; i++) {
        if (fake->blocks.items[i] == find_block(fake, type, name)) {
            free_block(fake->blocks.items[i]);
            fake_array_remove(&fake->blocks, i);
            return;
        }
    }
}

void fake_prefect_hide_secrets(struct fake_prefect *fake)
{
    fake->hides_secrets = true;
}

static void free_variable(struct fake_variable *variable)
{
    free(variable->name);
    free(variable->value_json);
    free(variable);
}

void fake_prefect_set_variable(struct fake_prefect *fake, const char *name, const char *value_json)
{
    size_t index = find_variable(fake, name);
    if (index < fake->variables.count) {
        free_variable(fake->variables.items[index]);
        fake_array_remove(&fake->variables, index);
    }
    if (value_json == NULL)
        return;
    struct fake_variable *variable = check_alloc(sizeof(*variable));
    fake_make_id(fake, variable->id);
    variable->name = check_strdup(name);
    variable->value_json = check_strdup(value_json);
    fake_array_add(&fake->variables, variable);
}

void fake_free_references(struct fake_prefect *fake)
{
    for (size_t i = 0; i < fake->blocks.count; i++)
        free_block(fake->blocks.items[i]);
    for (size_t i = 0; i < fake->variables.count; i++)
        free_variable(fake->variables.items[i]);
    for (size_t i = 0; i < fake->block_types.count; i++) {
        struct fake_block_type *type = fake->block_types.items[i];
        free(type->slug);
        free(type);
    }
    free(fake->block_types.items);
    for (size_t i = 0; i < fake->block_schemas.count; i++) {
        struct fake_block_schema *schema = fake->block_schemas.items[i];
        free(schema->secret_fields_json);
        free(schema);
    }
    free(fake->block_schemas.items);
    free(fake->blocks.items);
    free(fake->variables.items);
}

static struct json *hidden(const struct json *value)
{
    if (json_kind(value) == JSON_STRING)
        return json_new_text("********");
    if (json_kind(value) != JSON_OBJECT && json_kind(value) != JSON_ARRAY)
        return json_copy(value);
    struct json *copy = json_kind(value) == JSON_OBJECT ? json_new_object() : json_new_array();
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
        if (json_kind(value) == JSON_OBJECT)
            json_take_set(copy, json_key(item), hidden(item));
        else
            json_take_add(copy, hidden(item));
    }
    return copy;
}

/* Data that is no JSON we would write is sent as it is. */
static void answer_block(const struct fake_prefect *fake, const struct fake_call *call,
                         const struct fake_block *block, struct fake_answer *answer)
{
    if (block == NULL) {
        fake_answer_detail(answer, 404, "Block document not found");
        return;
    }
    bool shows =
        call->query != NULL && strcmp(call->query, "include_secrets=true") == 0 && !fake->hides_secrets;
    if (shows) {
        answer->status = 200;
        answer->body = check_printf("{\"id\":\"%s\",\"name\":\"%s\",\"data\":%s,\"is_anonymous\":false,"
                                    "\"block_schema\":{\"fields\":{\"secret_fields\":%s}}}",
                                    block->id, block->name, block->data_json, block->secret_fields_json);
        return;
    }
    struct json *data = fake_parsed(block->data_json);
    struct json *object = json_new_object();
    json_set_text(object, "id", block->id);
    json_set_text(object, "name", block->name);
    json_take_set(object, "data", hidden(data));
    json_free(data);
    fake_answer_json(answer, 200, object);
}

void fake_handle_get_block(struct fake_prefect *fake, const struct fake_call *call,
                           struct fake_answer *answer)
{
    const struct fake_block *found = NULL;
    for (size_t i = 0; i < fake->blocks.count; i++) {
        const struct fake_block *block = fake->blocks.items[i];
        if (strcmp(block->id, call->parts[1]) == 0)
            found = block;
    }
    answer_block(fake, call, found, answer);
}

void fake_handle_get_block_by_name(struct fake_prefect *fake, const struct fake_call *call,
                                   struct fake_answer *answer)
{
    answer_block(fake, call, find_block(fake, call->parts[2], call->parts[5]), answer);
}

void fake_handle_get_variable(struct fake_prefect *fake, const struct fake_call *call,
                              struct fake_answer *answer)
{
    size_t index = find_variable(fake, call->parts[2]);
    if (index == fake->variables.count) {
        fake_answer_detail(answer, 404, "Variable not found.");
        return;
    }
    const struct fake_variable *variable = fake->variables.items[index];
    answer->status = 200;
    answer->body = check_printf("{\"id\":\"%s\",\"name\":\"%s\",\"value\":%s,\"tags\":[]}", variable->id,
                                variable->name, variable->value_json);
}

/* --- making, as the contract program does --- */

static void answer_id(struct fake_answer *answer, const char *id)
{
    fake_answer_text(answer, 201, "id", id);
}

void fake_handle_create_block_type(struct fake_prefect *fake, const struct fake_call *call,
                                   struct fake_answer *answer)
{
    struct fake_block_type *type = check_alloc(sizeof(*type));
    fake_make_id(fake, type->id);
    type->slug = check_strdup(json_get_text(call->body, "slug", ""));
    fake_array_add(&fake->block_types, type);
    answer_id(answer, type->id);
}

/* Of a schema is kept what it calls secret. */
void fake_handle_create_block_schema(struct fake_prefect *fake, const struct fake_call *call,
                                     struct fake_answer *answer)
{
    struct fake_block_schema *schema = check_alloc(sizeof(*schema));
    fake_make_id(fake, schema->id);
    schema->secret_fields_json = fake_source_or(json_get(call->body, "fields"), "secret_fields", "[]");
    fake_array_add(&fake->block_schemas, schema);
    answer_id(answer, schema->id);
}

static void take_secret_fields(struct fake_prefect *fake, const struct fake_call *call)
{
    const char *id = json_get_text(call->body, "block_schema_id", "");
    struct fake_block *newest = fake->blocks.items[fake->blocks.count - 1];
    for (size_t i = 0; i < fake->block_schemas.count; i++) {
        const struct fake_block_schema *schema = fake->block_schemas.items[i];
        if (strcmp(schema->id, id) != 0)
            continue;
        free(newest->secret_fields_json);
        newest->secret_fields_json = check_strdup(schema->secret_fields_json);
    }
}

void fake_handle_create_block(struct fake_prefect *fake, const struct fake_call *call,
                              struct fake_answer *answer)
{
    const char *type_id = json_get_text(call->body, "block_type_id", "");
    for (size_t i = 0; i < fake->block_types.count; i++) {
        const struct fake_block_type *type = fake->block_types.items[i];
        if (strcmp(type->id, type_id) != 0)
            continue;
        char *AUTO_FREE data = fake_source_or(call->body, "data", "{}");
        answer_id(answer,
                  fake_prefect_set_block(fake, type->slug, json_get_text(call->body, "name", ""), data));
        take_secret_fields(fake, call);
        return;
    }
    fake_answer_detail(answer, 404, "Block type not found");
}

void fake_handle_create_variable(struct fake_prefect *fake, const struct fake_call *call,
                                 struct fake_answer *answer)
{
    const char *name = json_get_text(call->body, "name", "");
    char *AUTO_FREE value = fake_source_or(call->body, "value", "null");
    fake_prefect_set_variable(fake, name, value);
    answer_id(answer, ((struct fake_variable *)fake->variables.items[find_variable(fake, name)])->id);
}
