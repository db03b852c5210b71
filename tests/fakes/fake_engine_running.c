/*
 * fake_engine_running.c - start, stop, kill and remove, and the programs that run; as recorded from Docker
 * 20.10.24: an ended container may be started again (204, it runs again), a stop of one that does not run is
 * 304, a failed start leaves its container created with an error and a code.
 */
#include "tests/fakes/fake_engine_internal.h"

#include <search.h>
#include <stdio.h>
#include <string.h>

static int compare_launches(const void *a, const void *b)
{
    const struct start_count *x = a;
    const struct start_count *y = b;
    return strcmp(x->launch_id, y->launch_id);
}

int fake_engine_starts(const struct fake_engine *e, const char *launch_id)
{
    if (launch_id == NULL)
        return e->all_starts;
    char *AUTO_FREE copy = check_strdup(launch_id);
    const struct start_count key = {.launch_id = copy};
    void *node = tfind(&key, &e->starts_by_launch, compare_launches);
    return node == NULL ? 0 : (*(struct start_count **)node)->count;
}

static void count_start(struct container *c)
{
    struct fake_engine *e = c->engine;
    c->pub.starts++;
    e->all_starts++;
    fake_engine_count_effect(e, FAKE_ENGINE_START);
    if (c->pub.launch_id[0] == '\0')
        return;
    struct start_count *fresh = check_alloc(sizeof(*fresh));
    fresh->launch_id = check_strdup(c->pub.launch_id);
    void *node = tsearch(fresh, &e->starts_by_launch, compare_launches);
    CHECK(node != NULL);
    struct start_count *kept = *(struct start_count **)node;
    if (kept != fresh) {
        free(fresh->launch_id);
        free(fresh);
    }
    kept->count++;
    e->max_starts = kept->count > e->max_starts ? kept->count : e->max_starts;
}

void fake_engine_exit_container(struct container *c, int code, bool oom)
{
    timer_cancel(&c->end_timer);
    timer_cancel(&c->term_timer);
    c->pub.state = "exited";
    c->pub.exit_code = code;
    c->pub.oom_killed = oom;
    c->pub.finished_at_ms = fake_engine_wall_ms(c->engine);
    if (oom)
        fake_engine_emit(c->engine, "container", "oom", NULL, c, NULL);
    fake_engine_emit(c->engine, "container", "die", NULL, c, &code);
    fake_engine_tell_ended(c);
}

static void on_program_ends(void *arg)
{
    struct container *c = arg;
    fake_engine_exit_container(c, c->program.exit_code, c->program.oom_killed);
}

static void on_terminated(void *arg)
{
    struct container *c = arg;
    fake_engine_exit_container(c, c->term_code, false);
}

/* A start that fails leaves the container as it was, with an error and a code. */
static void refuse_start(struct fake_call *call, struct container *c, int status, int code,
                         const char *message)
{
    if (call->engine->podman_version == NULL) {
        fake_engine_free_text(c->pub.error);
        c->pub.error = check_strdup(message);
        c->pub.exit_code = code;
    }
    fake_engine_answer_message(call, status, "%s", message);
}

static const char *missing_network(const struct container *c)
{
    for (struct list *l = c->networks.next; l != &c->networks; l = l->next) {
        const char *name = LIST_ITEM(l, struct name_item, link)->name;
        bool is_built_in = strcmp(name, "host") == 0 || strcmp(name, "none") == 0;
        if (!is_built_in && fake_engine_find_name(&c->engine->networks, name) == NULL)
            return name;
    }
    return NULL;
}

static void begin_program(struct container *c)
{
    struct fake_engine *e = c->engine;
    c->pub.state = "running";
    c->pub.exit_code = 0;
    c->pub.oom_killed = false;
    c->pub.started_at_ms = fake_engine_wall_ms(e);
    c->pub.finished_at_ms = 0;
    fake_engine_free_text(c->pub.error);
    c->pub.error = check_strdup("");
    count_start(c);
    fake_engine_emit(e, "container", "start", NULL, c, NULL);
    if (c->program.output != NULL)
        CHECK(fake_engine_write(e, c->pub.id, 1, c->program.output));
    if (c->program.run_ms == 0)
        on_program_ends(c);
    else if (c->program.run_ms > 0)
        timer_start(e->timers, &c->end_timer, c->program.run_ms, on_program_ends, c);
}

static void choose_program(struct container *c)
{
    struct fake_engine *e = c->engine;
    c->program = e->choose_program != NULL ? e->choose_program(e->choose_program_arg, &c->pub) : e->program;
}

bool fake_engine_start(struct fake_engine *e, const char *what)
{
    struct container *c = fake_engine_find_container(e, what);
    if (c == NULL || fake_engine_is_running(c))
        return false;
    choose_program(c);
    begin_program(c);
    return true;
}

void fake_engine_do_start(struct fake_call *call)
{
    struct container *c = fake_engine_subject(call);
    if (c == NULL)
        return;
    if (fake_engine_is_running(c)) {
        fake_engine_answer(call, 304, "");
        return;
    }
    choose_program(c);
    const char *network = missing_network(c);
    if (network != NULL) {
        char *AUTO_FREE message = check_printf("network %s not found", network);
        refuse_start(call, c, 404, 128, message);
        return;
    }
    if (c->program.start_status != 0) {
        const char *message = c->program.start_message;
        refuse_start(call, c, c->program.start_status, 127,
                     message != NULL ? message : "scripted start failure");
        return;
    }
    begin_program(c);
    fake_engine_answer(call, 204, "");
}

/* SIGTERM and its like; it may have ended when this returns. */
static void terminate(struct container *c)
{
    if (c->program.ignores_sigterm || timer_is_running(&c->term_timer))
        return;
    c->term_code = c->program.sigterm_code != 0 ? c->program.sigterm_code : 143;
    if (c->program.sigterm_ms > 0)
        timer_start(c->engine->timers, &c->term_timer, c->program.sigterm_ms, on_terminated, c);
    else
        on_terminated(c);
}

static void on_grace_over(void *arg)
{
    struct fake_call *call = arg;
    if (call->container != NULL && fake_engine_is_running(call->container))
        fake_engine_exit_container(call->container, 137, false); /* ends this call, too */
}

void fake_engine_do_stop(struct fake_call *call)
{
    struct container *c = fake_engine_subject(call);
    if (c == NULL)
        return;
    if (!fake_engine_is_running(c)) {
        fake_engine_answer(call, 304, "");
        return;
    }
    char *AUTO_FREE grace = fake_engine_query(call, "t");
    int64_t grace_ms = 1000 * (grace == NULL ? 10 : strtoll(grace, NULL, 10));
    fake_engine_count_effect(call->engine, FAKE_ENGINE_STOP);
    call->state = CALL_STOPPING;
    call->container = c;
    timer_start(call->engine->timers, &call->timer, grace_ms, on_grace_over, call);
    terminate(c);
}

void fake_engine_do_kill(struct fake_call *call)
{
    struct container *c = fake_engine_find_container(call->engine, call->subject);
    if (c == NULL || !fake_engine_is_running(c)) {
        if (c == NULL)
            fake_engine_answer_message(call, 404, "Cannot kill container: %s: No such container: %s",
                                       call->subject, call->subject);
        else if (call->engine->podman_version != NULL)
            fake_engine_answer_message(
                call, 500, "can only kill running containers. %s is in state %s: container state improper",
                c->pub.id, c->pub.state);
        else
            fake_engine_answer_message(call, 409, "Cannot kill container: %s: Container %s is not running",
                                       call->subject, c->pub.id);
        return;
    }
    char *AUTO_FREE signal = fake_engine_query(call, "signal");
    bool is_sigkill = signal == NULL || strcmp(signal, "SIGKILL") == 0 || strcmp(signal, "KILL") == 0 ||
                      strcmp(signal, "9") == 0;
    fake_engine_count_effect(call->engine, FAKE_ENGINE_KILL);
    if (is_sigkill)
        fake_engine_exit_container(c, 137, false);
    else
        terminate(c);
    fake_engine_answer(call, 204, "");
}

void fake_engine_remove_container(struct container *c)
{
    struct fake_engine *e = c->engine;
    if (fake_engine_is_running(c))
        fake_engine_exit_container(c, 137, false);
    fake_engine_emit(e, "container", "destroy", NULL, c, NULL);
    fake_engine_tell_removed(c);
    fake_engine_forget_container(c);
}

void fake_engine_do_remove(struct fake_call *call)
{
    struct container *c = fake_engine_subject(call);
    if (c == NULL)
        return;
    char *AUTO_FREE force = fake_engine_query(call, "force");
    bool is_forced = force != NULL && (strcmp(force, "1") == 0 || strcmp(force, "true") == 0);
    if (fake_engine_is_running(c) && !is_forced && call->engine->podman_version != NULL) {
        fake_engine_answer_message(
            call, 500,
            "cannot remove container %s as it is running - running or paused containers cannot be removed "
            "without force: container state improper",
            c->pub.id);
        return;
    }
    if (fake_engine_is_running(c) && !is_forced) {
        fake_engine_answer_message(
            call, 409,
            "You cannot remove a running container %s. Stop the container before attempting removal "
            "or force remove",
            c->pub.id);
        return;
    }
    fake_engine_count_effect(call->engine, FAKE_ENGINE_REMOVE);
    fake_engine_remove_container(c);
    fake_engine_answer(call, 204, "");
}
