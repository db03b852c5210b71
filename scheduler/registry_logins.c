/*
 * registry_logins.c - files and helpers: see registry_logins.h.
 *
 * A `question` is one helper asked for one registry; those who wait for it are its asks. Questions wait in
 * their order for one of HELPERS_AT_ONCE places.
 */
#include "registry_logins.h"

#include "api/credential_helper.h"
#include "api/docker_config.h"
#include "base/list.h"
#include "base/log.h"
#include "base/secret.h"
#include "core/registry.h"
#include "docker_config_file.h"

#include <string.h>

#define HELPERS_AT_ONCE 8

struct question {
    struct list link;
    struct registry_logins *logins;
    char *helper;
    char *server;
    struct credential_question *call; /* NULL: waits for a place */
    struct list asks;                 /* login_ask.link */
    bool is_answered;                 /* its asks are being told */
};

struct login_ask {
    struct list link;
    struct question *question;
    struct login_answer without; /* what the file says, if the helper has nothing */
    login_done_fn done;
    void *arg;
};

/* Which version of a file was complained about. */
struct complaint {
    char *path;
    struct timespec modified;
    off_t size;
};

struct registry_logins {
    struct timers *timers;
    const struct config *config;
    struct credential_helpers *helpers;
    struct list questions; /* question.link */
    size_t asked;          /* questions with a call */
    struct complaint last_complaint;
};

struct registry_logins *registry_logins_new(struct event_base *base, struct timers *timers,
                                            const struct config *config)
{
    struct registry_logins *logins = check_alloc(sizeof(*logins));
    logins->timers = timers;
    logins->config = config;
    logins->helpers = credential_helpers_new(base, timers);
    list_init(&logins->questions);
    return logins;
}

void registry_logins_set_config(struct registry_logins *logins, const struct config *config)
{
    logins->config = config;
}

size_t registry_logins_helpers(const struct registry_logins *logins)
{
    return credential_helpers_count(logins->helpers);
}

void login_answer_done(struct login_answer *answer)
{
    registry_login_free(answer->login);
    free(answer->problem);
    *answer = (struct login_answer){0};
}

/* ---- files ---- */

/* Once for each version of the file. */
static void complain(struct registry_logins *logins, const struct docker_config_file *file,
                     const char *problem)
{
    struct complaint *last = &logins->last_complaint;
    const struct timespec *modified = &file->status.st_mtim;
    bool is_known = last->path != NULL && strcmp(last->path, file->path) == 0 &&
                    last->size == file->status.st_size && last->modified.tv_sec == modified->tv_sec &&
                    last->modified.tv_nsec == modified->tv_nsec;
    if (is_known)
        return;
    free(last->path);
    *last = (struct complaint){check_strdup(file->path), *modified, file->status.st_size};
    log_warn("Docker's client configuration can't be used for logins", kv_s("file", file->path),
             kv_s("problem", problem));
}

/* What the files say of a registry. */
static struct docker_config_answer ask_files(struct registry_logins *logins, const char *registry)
{
    struct docker_config_answer answer = {0};
    struct docker_config_file file;
    struct err err;
    if (!docker_config_file_find(logins->config->docker_config, logins->config->home, true, &file, &err))
        return answer;
    if (file.text != NULL && docker_config_find(file.text, file.len, registry, &answer, &err) != 0)
        answer.problem = check_strdup(err.msg);
    else if (file.text == NULL)
        answer.problem = check_strdup(err.msg);
    if (answer.problem != NULL) {
        complain(logins, &file, answer.problem);
        char *problem = check_printf("%s: %s", file.path, answer.problem);
        free(answer.problem);
        answer.problem = problem;
    }
    docker_config_file_done(&file);
    return answer;
}

/* ---- helpers ---- */

static void free_question(struct question *q)
{
    if (q->call != NULL) {
        credential_cancel(q->call);
        q->logins->asked--;
    }
    list_remove(&q->link);
    free(q->helper);
    free(q->server);
    free(q);
}

static void free_ask(struct login_ask *ask)
{
    list_remove(&ask->link);
    login_answer_done(&ask->without);
    free(ask);
}

/* The helper's word, or the file's where the helper has nothing. */
static void answer_ask(struct login_ask *ask, const struct credential_reply *reply)
{
    struct login_answer answer = {.login = registry_login_copy(reply->login),
                                  .problem = check_strdup_or_null(reply->problem),
                                  .may_pass = reply->may_pass};
    if (answer.login == NULL)
        answer.login = STEAL(ask->without.login);
    if (answer.login == NULL && answer.problem == NULL)
        answer.problem = STEAL(ask->without.problem);
    login_done_fn done = ask->done;
    void *arg = ask->arg;
    free_ask(ask);
    done(arg, answer);
}

static void start_questions(struct registry_logins *logins);

static void on_reply(void *arg, const struct credential_reply *reply)
{
    struct question *q = arg;
    struct registry_logins *logins = q->logins;
    q->call = NULL;
    logins->asked--;
    if (reply->problem != NULL)
        log_warn("no login from a credential helper", kv_s("registry", q->server),
                 kv_s("problem", reply->problem));
    /* Off the list first: whoever asks while we tell the others gets a question of its own. */
    list_remove(&q->link);
    q->is_answered = true;
    while (!list_is_empty(&q->asks))
        answer_ask(LIST_ITEM(q->asks.next, struct login_ask, link), reply);
    free_question(q);
    start_questions(logins);
}

static void start_questions(struct registry_logins *logins)
{
    for (struct list *link = logins->questions.next;
         link != &logins->questions && logins->asked < HELPERS_AT_ONCE; link = link->next) {
        struct question *q = LIST_ITEM(link, struct question, link);
        if (q->call != NULL)
            continue;
        logins->asked++;
        q->call = credential_helpers_ask(logins->helpers, q->helper, q->server,
                                         logins->config->credential_helper_ms, on_reply, q);
    }
}

static struct question *question_for(struct registry_logins *logins, const char *helper, const char *server)
{
    for (struct list *link = logins->questions.next; link != &logins->questions; link = link->next) {
        struct question *q = LIST_ITEM(link, struct question, link);
        if (strcmp(q->helper, helper) == 0 && strcmp(q->server, server) == 0)
            return q;
    }
    struct question *q = check_alloc(sizeof(*q));
    q->logins = logins;
    q->helper = check_strdup(helper);
    q->server = check_strdup(server);
    list_init(&q->asks);
    list_add_last(&logins->questions, &q->link);
    return q;
}

/* ---- what is asked ---- */

bool registry_logins_fit(const struct jobspec_credentials *credentials, const char *image)
{
    char of_image[REGISTRY_SIZE];
    char registry[REGISTRY_SIZE];
    char of_login[REGISTRY_SIZE];
    registry_of(image, of_image);
    registry_of_login(of_image, registry);
    registry_of_login(credentials->registry_url, of_login);
    return strcmp(registry, of_login) == 0;
}

/* `reauth: false`: the login that the file holds for the same user counts, as with docker-py. */
static struct registry_login *login_of_job(struct registry_logins *logins, const char *registry,
                                           const struct jobspec_credentials *credentials)
{
    if (!credentials->reauth) {
        struct docker_config_answer files = ask_files(logins, registry);
        struct registry_login *known = STEAL(files.login);
        docker_config_answer_done(&files);
        if (known != NULL && secret_equals(known->username, credentials->username))
            return known;
        registry_login_free(known);
    }
    return registry_login_new(credentials->registry_url, credentials->username, credentials->password);
}

struct login_ask *registry_logins_want(struct registry_logins *logins, const char *image,
                                       const struct jobspec_credentials *credentials, login_done_fn done,
                                       void *arg, struct login_answer *at_once)
{
    char of_image[REGISTRY_SIZE];
    char registry[REGISTRY_SIZE];
    registry_of(image, of_image);
    registry_of_login(of_image, registry);
    *at_once = (struct login_answer){0};
    if (credentials != NULL && registry_logins_fit(credentials, image)) {
        at_once->login = login_of_job(logins, registry, credentials);
        return NULL;
    }
    struct docker_config_answer files = ask_files(logins, registry);
    struct login_answer answer = {.login = files.login, .problem = files.problem};
    files.login = NULL;
    files.problem = NULL;
    struct login_ask *ask = NULL;
    if (files.helper == NULL) {
        *at_once = answer;
    } else {
        ask = check_alloc(sizeof(*ask));
        *ask = (struct login_ask){.without = answer, .done = done, .arg = arg};
        ask->question = question_for(logins, files.helper, files.server);
        list_add_last(&ask->question->asks, &ask->link);
        start_questions(logins);
    }
    docker_config_answer_done(&files);
    return ask;
}

void registry_logins_leave(struct login_ask *ask)
{
    struct question *q = ask->question;
    struct registry_logins *logins = q->logins;
    free_ask(ask);
    if (q->is_answered || !list_is_empty(&q->asks))
        return;
    free_question(q);
    start_questions(logins);
}

void registry_logins_free(struct registry_logins *logins)
{
    if (logins == NULL)
        return;
    struct list *link;
    while ((link = list_take_first(&logins->questions)) != NULL) {
        struct question *q = LIST_ITEM(link, struct question, link);
        while (!list_is_empty(&q->asks))
            free_ask(LIST_ITEM(q->asks.next, struct login_ask, link));
        free_question(q);
    }
    credential_helpers_free(logins->helpers);
    free(logins->last_complaint.path);
    free(logins);
}
