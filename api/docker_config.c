#include "api/docker_config.h"

#include "api/json.h"
#include "base/base64.h"
#include "base/secret.h"
#include "core/registry.h"

#include <string.h>

#define HUB "docker.io"
#define HUB_URL "https://index.docker.io/v1/" /* Hub's key in every file, and to every helper */
#define HELPER_NAME_MAX 100
/* As in api/jobspec: objects are searched one member after the other. */
#define ENTRIES_MAX 4000

static const char *const hub_names[] = {HUB_URL, HUB, "index.docker.io", "registry-1.docker.io"};

static bool is_hub(const char *registry)
{
    return strcmp(registry, HUB) == 0;
}

/* --- auths --- */

/* "user:password"; a password may hold colons. Docker pads it with NULs, other NULs are malformed. */
static struct registry_login *read_pair(const char *server, const char *encoded)
{
    size_t len = 0;
    char *pair = base64_decode(encoded, &len);
    if (pair == NULL)
        return NULL;
    struct registry_login *login = NULL;
    size_t text_len = strlen(pair);
    bool is_padded = true;
    for (size_t i = text_len; i < len; i++)
        is_padded = is_padded && pair[i] == '\0';
    char *colon = strchr(pair, ':');
    if (is_padded && colon != NULL) {
        *colon = '\0';
        login = registry_login_new(server, pair, colon + 1);
        *colon = ':';
    }
    secret_free_bytes(pair, len);
    return login;
}

static const char *text_of(const struct json *entry, const char *key)
{
    const char *text = json_get_text(entry, key, "");
    return text[0] == '\0' ? NULL : text;
}

/* What an entry holds; false: something that can't be read. An empty entry is fine, and no login: the helper
 * has it. */
static bool read_entry(const struct json *entry, struct registry_login **out)
{
    const char *identity_token = text_of(entry, "identitytoken");
    const char *registry_token = text_of(entry, "registrytoken");
    const char *pair = text_of(entry, "auth");
    *out = NULL;
    if (json_kind(entry) != JSON_OBJECT)
        return false;
    if (identity_token != NULL || registry_token != NULL) {
        struct registry_login *login = check_alloc(sizeof(*login));
        login->server = check_strdup(json_key(entry));
        login->identity_token = check_strdup_or_null(identity_token);
        login->registry_token = check_strdup_or_null(registry_token);
        *out = login;
        return true;
    }
    if (pair == NULL) {
        const struct json *auth = json_get(entry, "auth");
        return auth == NULL || json_kind(auth) == JSON_NULL || json_kind(auth) == JSON_STRING;
    }
    *out = read_pair(json_key(entry), pair);
    if (*out != NULL)
        (*out)->email = check_strdup_or_null(text_of(entry, "email"));
    return *out != NULL;
}

/* The entry of this registry: by its own name or Hub's URL first, else by the host of its key. */
static const struct json *find_entry(const struct json *auths, const char *registry)
{
    const struct json *entry = json_get(auths, registry);
    if (entry == NULL && is_hub(registry))
        entry = json_get(auths, HUB_URL);
    if (entry != NULL)
        return entry;
    for (const struct json *item = json_first(auths); item != NULL; item = json_next(item)) {
        char host[REGISTRY_SIZE];
        registry_of_login(json_key(item), host);
        if (strcmp(host, registry) == 0)
            return item;
    }
    return NULL;
}

static void find_login(const struct json *auths, const char *registry, struct docker_config_answer *out)
{
    const struct json *entry = find_entry(auths, registry);
    if (entry != NULL && !read_entry(entry, &out->login))
        out->problem = check_printf("its entry for %s can't be read", registry);
}

/* --- helpers --- */

static const struct json *find_helper(const struct json *helpers, const char *registry)
{
    if (!is_hub(registry))
        return json_get(helpers, registry);
    for (size_t i = 0; i < ARRAY_LEN(hub_names); i++) {
        const struct json *helper = json_get(helpers, hub_names[i]);
        if (helper != NULL)
            return helper;
    }
    return NULL;
}

/* It becomes part of a program's name. */
static bool is_helper_name(const char *name)
{
    return strlen(name) <= HELPER_NAME_MAX && strchr(name, '/') == NULL;
}

static void find_program(const struct json *root, const char *registry, struct docker_config_answer *out)
{
    const struct json *named = find_helper(json_get(root, "credHelpers"), registry);
    if (named == NULL || (json_kind(named) == JSON_STRING && json_text(named, "")[0] == '\0'))
        named = json_get(root, "credsStore");
    const char *name = json_text(named, NULL);
    if (name == NULL && (named == NULL || json_kind(named) == JSON_NULL))
        return;
    if (name == NULL || !is_helper_name(name)) {
        out->problem = check_printf("the credential helper that it names for %s can't be one", registry);
        return;
    }
    if (name[0] == '\0')
        return;
    out->helper = check_strdup(name);
    out->server = check_strdup(is_hub(registry) ? HUB_URL : registry);
}

/* --- files --- */

/* Absent, null and empty are the same. */
static bool is_given(const struct json *value)
{
    return json_kind(value) == JSON_STRING ? json_text(value, "")[0] != '\0' : json_first(value) != NULL;
}

static bool are_all_objects(const struct json *root)
{
    for (const struct json *item = json_first(root); item != NULL; item = json_next(item))
        if (json_kind(item) != JSON_OBJECT)
            return false;
    return true;
}

static int check_section(const struct json *root, const char *name, struct err *err)
{
    const struct json *section = json_get(root, name);
    if (section != NULL && json_kind(section) != JSON_NULL && json_kind(section) != JSON_OBJECT)
        return err_set(err, ERR_INVALID, "\"%s\" is no object", name);
    if (json_count(section) > ENTRIES_MAX)
        return err_set(err, ERR_LIMIT, "\"%s\" has more than %d entries", name, ENTRIES_MAX);
    return 0;
}

static int find_in_json(const struct json *root, const char *registry, struct docker_config_answer *out,
                        struct err *err)
{
    if (json_kind(root) != JSON_OBJECT)
        return err_set(err, ERR_INVALID, "it holds no JSON object");
    if (json_count(root) > ENTRIES_MAX)
        return err_set(err, ERR_LIMIT, "it has more than %d entries", ENTRIES_MAX);
    if (check_section(root, "auths", err) != 0 || check_section(root, "credHelpers", err) != 0)
        return -1;
    const struct json *auths = json_get(root, "auths");
    bool has_sections =
        is_given(auths) || is_given(json_get(root, "credsStore")) || is_given(json_get(root, "credHelpers"));
    find_program(root, registry, out);
    if (out->problem == NULL && has_sections)
        find_login(auths, registry, out);
    else if (out->problem == NULL && are_all_objects(root))
        find_login(root, registry, out);
    return 0;
}

/* "auth = BASE64", and a line with an email that nobody needs. */
static bool find_in_old_form(const char *text, const char *registry, struct docker_config_answer *out)
{
    static const char key[] = "auth = ";
    if (strncmp(text, key, strlen(key)) != 0)
        return false;
    if (!is_hub(registry))
        return true;
    const char *value = text + strlen(key);
    char *encoded = check_strndup(value, strcspn(value, " \t\r\n"));
    out->login = read_pair(HUB_URL, encoded);
    if (out->login == NULL)
        out->problem = check_printf("its entry for %s can't be read", registry);
    secret_free(encoded);
    return true;
}

int docker_config_find(const char *text, size_t len, const char *registry, struct docker_config_answer *out,
                       struct err *err)
{
    struct docker_config_answer answer = {0};
    struct json *root = NULL;
    if (find_in_old_form(text, registry, &answer)) {
        *out = answer;
        return 0;
    }
    if (json_parse(text, len, &root, err) != 0)
        return -1;
    int rc = find_in_json(root, registry, &answer, err);
    json_wipe_free(root);
    if (rc == 0)
        *out = answer;
    else
        docker_config_answer_done(&answer);
    return rc;
}

void docker_config_answer_done(struct docker_config_answer *answer)
{
    free(answer->helper);
    free(answer->server);
    registry_login_free(answer->login);
    free(answer->problem);
    *answer = (struct docker_config_answer){0};
}
