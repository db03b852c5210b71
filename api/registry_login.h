/*
 * registry_login.h - who a pull says it is: the X-Registry-Auth header of the Engine API.
 *
 * Everything in it is secret but `server`. Source: Docker Engine API, "Authentication"; docker-py's auth.py
 * for the fields that are sent.
 */
#ifndef SLUICE_API_REGISTRY_LOGIN_H
#define SLUICE_API_REGISTRY_LOGIN_H

/* Texts are owned; NULL: none. A token is sent alone. */
struct registry_login {
    char *server; /* the address as it was written; sent along with username and password */
    char *username;
    char *password;
    char *email;
    char *identity_token;
    char *registry_token;
};

/* registry_login_new - copies, the three not NULL. */
struct registry_login *registry_login_new(const char *server, const char *username, const char *password);
/* NULL gives NULL. */
struct registry_login *registry_login_copy(const struct registry_login *login);
/* Wipes; NULL is fine. */
void registry_login_free(struct registry_login *login);
/* registry_login_header - the header's value: URL-safe base64 with padding of its JSON; free it with
 * secret_free(). */
char *registry_login_header(const struct registry_login *login);
/* registry_login_hide - take what is secret of it out of a sentence that somebody else wrote: a registry may
 * repeat what it was sent. In place. NULL is fine. */
void registry_login_hide(const struct registry_login *login, char *message);

#endif
