#include "api/registry_login.h"

#include "api/json.h"
#include "base/base64.h"
#include "base/secret.h"

#include <string.h>

struct registry_login *registry_login_new(const char *server, const char *username, const char *password)
{
    struct registry_login *login = check_alloc(sizeof(*login));
    login->server = check_strdup(server);
    login->username = check_strdup(username);
    login->password = check_strdup(password);
    return login;
}

struct registry_login *registry_login_copy(const struct registry_login *login)
{
    if (login == NULL)
        return NULL;
    struct registry_login *copy = check_alloc(sizeof(*copy));
    copy->server = check_strdup_or_null(login->server);
    copy->username = check_strdup_or_null(login->username);
    copy->password = check_strdup_or_null(login->password);
    copy->email = check_strdup_or_null(login->email);
    copy->identity_token = check_strdup_or_null(login->identity_token);
    copy->registry_token = check_strdup_or_null(login->registry_token);
    return copy;
}

void registry_login_free(struct registry_login *login)
{
    if (login == NULL)
        return;
    free(login->server);
    secret_free(login->username);
    secret_free(login->password);
    secret_free(login->email);
    secret_free(login->identity_token);
    secret_free(login->registry_token);
    free(login);
}

char *registry_login_header(const struct registry_login *login)
{
    struct json *fields = json_new_object();
    if (login->identity_token != NULL) {
        json_set_text(fields, "identitytoken", login->identity_token);
    } else if (login->registry_token != NULL) {
        json_set_text(fields, "registrytoken", login->registry_token);
    } else {
        json_set_text(fields, "username", login->username);
        json_set_text(fields, "password", login->password);
        json_set_text(fields, "email", login->email);
        json_set_text(fields, "serveraddress", login->server);
    }
    char *text = json_write(fields);
    json_wipe_free(fields);
    char *header = base64_encode(text, BASE64_URL);
    secret_free(text);
    return header;
}

/* As it goes to a registry with basic authentication. */
static void hide_basic(const char *username, const char *password, char *message)
{
    if (username == NULL || password == NULL)
        return;
    char *pair = check_printf("%s:%s", username, password);
    char *basic = base64_encode(pair, BASE64_STANDARD);
    secret_hide(message, basic);
    secret_free(basic);
    secret_free(pair);
}

void registry_login_hide(const struct registry_login *login, char *message)
{
    if (login == NULL)
        return;
    char *header = registry_login_header(login);
    secret_hide(message, header);
    secret_free(header);
    hide_basic(login->username, login->password, message);
    secret_hide(message, login->password);
    secret_hide(message, login->identity_token);
    secret_hide(message, login->registry_token);
}
