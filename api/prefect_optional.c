/*
 * prefect_optional.c - what a server lacks (older ones lack some routes), and what only Cloud has.
 *
 * An optional call that is answered by 404 for the route itself, by 405 or by 422 is remembered for
 * PREFECT_LACK_MS. Until then it ends at once, unsent, as that answer would end it. Whoever learns that the
 * server may be another one now calls prefect_forget_lacking().
 */
#include "api/prefect_internal.h"

#include <string.h>

bool prefect_lacks(const struct prefect *p, enum prefect_optional call)
{
    return call != PREFECT_OPTIONAL_NONE && prefect_mono_ms(p) < p->lacks_until_ms[call];
}

char *prefect_lacking(const struct prefect *p)
{
    static const char *const names[] = {[PREFECT_OPTIONAL_NONE] = "",
                                        [PREFECT_OPTIONAL_LABELS] = "labels of flow runs",
                                        [PREFECT_OPTIONAL_WORKERS] = "list of workers",
                                        [PREFECT_OPTIONAL_LEASES] = "renewal of leases",
                                        [PREFECT_OPTIONAL_EVENTS] = "events",
                                        [PREFECT_OPTIONAL_LOGS] = "logs of flow runs"};
    char *text = check_strdup("");
    for (int call = PREFECT_OPTIONAL_NONE + 1; call < PREFECT_OPTIONAL_COUNT; call++) {
        if (!prefect_lacks(p, (enum prefect_optional)call))
            continue;
        char *more = check_printf("%s%s%s", text, text[0] != '\0' ? ", " : "", names[call]);
        free(text);
        text = more;
    }
    return text;
}

void prefect_forget_lacking(struct prefect *p)
{
    memset(p->lacks_until_ms, 0, sizeof(p->lacks_until_ms));
    p->gives_no_worker_ids = false;
}

void prefect_note_lack(struct prefect *p, enum prefect_optional call)
{
    p->lacks_until_ms[call] = prefect_mono_ms(p) + PREFECT_LACK_MS;
}

/* Of a route with a name in it, a 404 with another sentence is about the flow run, the pool or the lease. A
 * 422 for a batch is about one of its items: whoever sends it finds out. */
static bool is_about_the_route(enum prefect_optional call, const struct failure *failure)
{
    bool is_batch = call == PREFECT_OPTIONAL_EVENTS || call == PREFECT_OPTIONAL_LOGS;
    return failure->transport == TRANSPORT_NONE &&
           (failure->status == 405 || (failure->status == 422 && !is_batch) ||
            (failure->status == 404 && (is_batch || strcmp(failure->message, "Not Found") == 0)));
}

void prefect_optional_note(const struct prefect_call *call, const struct failure *failure)
{
    struct prefect *p = call->prefect;
    if (call->asks_worker_id && failure->status == 422)
        p->gives_no_worker_ids = true;
    if (call->optional != PREFECT_OPTIONAL_NONE && is_about_the_route(call->optional, failure))
        prefect_note_lack(p, call->optional);
}

void prefect_optional_on_lacking(void *arg)
{
    struct prefect_call *call = arg;
    struct failure failure = prefect_call_local_failure(
        call, TRANSPORT_NONE, "this server doesn't have it (it said so less than ten minutes ago)");
    failure.status = 404;
    prefect_call_fail(call, &failure);
}

/* ---- the worker's id at Cloud ---- */

const char *prefect_worker_id(const struct prefect *p)
{
    return p->worker_id;
}

/* Cloud writes it without quotes; a JSON text is taken, too. */
void prefect_take_worker_id(struct prefect *p, const struct http_reply *reply)
{
    const char *from = reply->body + (reply->body[0] == '"' ? 1 : 0);
    size_t len = strspn(from, "0123456789abcdefABCDEF-");
    bool has_dashes =
        len == UUID_TEXT_SIZE - 1 && from[8] == '-' && from[13] == '-' && from[18] == '-' && from[23] == '-';
    if (reply->status != 200 || !has_dashes)
        return;
    memcpy(p->worker_id, from, len);
    p->worker_id[len] = '\0';
    prefect_set_header(p, "X-Prefect-Worker-Id", p->worker_id);
}
