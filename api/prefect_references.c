/*
 * prefect_references.c - the calls for what a job configuration may refer to: blocks, variables, and the
 * whole flow run or flow.
 *
 * An answer travels as source text, since it goes on into the rendering of a job. Only `data` of a block with
 * the names of its secret fields, and `value` of a variable are looked at; nothing of them is in a message.
 */
#include "api/prefect_internal.h"

#include <string.h>

static int demand_object(const struct json *value, const char *what, struct err *err)
{
    if (json_kind(value) == JSON_OBJECT)
        return 0;
    return err_set(err, ERR_PARSE, "%s is not an object", what);
}

static int read_block(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                      struct err *err)
{
    const struct json *data = json_get(root, "data");
    if (demand_object(root, "the block", err) != 0 ||
        demand_object(data, "field data of the block", err) != 0)
        return -1;
    reply->json = prefect_source_text(arena, data, "{}");
    const struct json *secret = json_get(json_get(json_get(root, "block_schema"), "fields"), "secret_fields");
    if (json_kind(secret) == JSON_ARRAY)
        reply->secret_fields_json = prefect_source_text(arena, secret, NULL);
    return 0;
}

static int read_variable(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                         struct err *err)
{
    const struct json *value = json_get(root, "value");
    if (demand_object(root, "the variable", err) != 0)
        return -1;
    if (value == NULL)
        return err_set(err, ERR_PARSE, "field value of the variable is missing");
    reply->json = prefect_source_text(arena, value, "null");
    return 0;
}

static int read_object(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                       struct err *err)
{
    if (demand_object(root, "the answer", err) != 0)
        return -1;
    reply->json = prefect_source_text(arena, root, "{}");
    return 0;
}

/* Starts the call on before/NAME/after; before ends with a slash. */
static int get(struct prefect *p, const struct prefect_ask *ask, const char *before, const char *name,
               const char *after, prefect_read_fn read, struct err *err)
{
    if (name[strspn(name, ".")] == '\0')
        return err_set(err, ERR_INVALID, "\"%s\" can't be part of the path %sNAME%s", name, before, after);
    char *AUTO_FREE escaped = http_escape(name);
    char *AUTO_FREE path = check_printf("%s%s%s", before, escaped, after);
    struct prefect_request request = {.method = "GET", .path = path, .read = read};
    return prefect_call_start(p, ask, &request, err);
}

int prefect_get_block(struct prefect *p, const struct prefect_ask *ask, const char *block_id, struct err *err)
{
    return get(p, ask, "/block_documents/", block_id, "?include_secrets=true", read_block, err);
}

int prefect_get_block_by_name(struct prefect *p, const struct prefect_ask *ask, const char *type_slug,
                              const char *name, struct err *err)
{
    if (type_slug[strspn(type_slug, ".")] == '\0')
        return err_set(err, ERR_INVALID, "\"%s\" can't be the type of a block", type_slug);
    char *AUTO_FREE slug = http_escape(type_slug);
    char *AUTO_FREE before = check_printf("/block_types/slug/%s/block_documents/name/", slug);
    return get(p, ask, before, name, "?include_secrets=true", read_block, err);
}

int prefect_get_variable(struct prefect *p, const struct prefect_ask *ask, const char *name, struct err *err)
{
    return get(p, ask, "/variables/name/", name, "", read_variable, err);
}

int prefect_get_run_object(struct prefect *p, const struct prefect_ask *ask, const char *flow_run_id,
                           struct err *err)
{
    return get(p, ask, "/flow_runs/", flow_run_id, "", read_object, err);
}

int prefect_get_flow_object(struct prefect *p, const struct prefect_ask *ask, const char *flow_id,
                            struct err *err)
{
    return get(p, ask, "/flows/", flow_id, "", read_object, err);
}
