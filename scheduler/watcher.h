/*
 * watcher.h - how ends of containers are learnt: one events stream, and a reconcile when it opens and every
 * minute.
 *
 * The stream only makes it faster; the reconcile lists everything that carries our instance's label and is
 * the truth. Both lead to DIED, a hint upon which the launch inspects its container. The open stream is also
 * the sign that the engine can be reached: without it nothing is claimed. Opening it is the probe of the
 * engine's breaker (guards.h), which opens when the stream can't be opened twice in a row, or when all calls
 * fail.
 */
#ifndef SLUICE_WATCHER_H
#define SLUICE_WATCHER_H

#include "api/engine.h"
#include "api/prefect.h"
#include "guards.h"
#include "pulls.h"
#include "runner.h"

struct watcher;

struct watcher_settings {
    struct runner *runner;
    struct store *store;
    struct engine *engine;
    struct prefect *prefect;
    struct pulls *pulls;
    struct guard *guard; /* the engine's */
    struct timers *timers;
    const struct clock *clock;
    const struct config *config;
    const char *instance;
    void (*look)(void *arg, struct live *live); /* inspect its container after all: see watcher_answers() */
    void (*on_reach)(void *arg, bool is_reachable); /* the engine came within or went out of reach */
    void *arg;
};

struct watcher *watcher_new(const struct watcher_settings *settings);
void watcher_free(struct watcher *watcher);
void watcher_set_config(struct watcher *watcher, const struct config *config);
void watcher_start(struct watcher *watcher);
/* watcher_look - take the lists now: what could not be taken over for want of Prefect can be now. */
void watcher_look(struct watcher *watcher);
/* watcher_suspect - a call to the engine has failed like this. If nobody has answered, the engine is asked at
 * once whether it is there. */
void watcher_suspect(struct watcher *watcher, const struct failure *failure);
/* watcher_trip - the engine's breaker has opened by calls that failed. May be called while one is being told.
 */
void watcher_trip(struct watcher *watcher);
bool watcher_is_reachable(const struct watcher *watcher);
bool watcher_has_listed(const struct watcher *watcher); /* since the start */
/*
 * watcher_answers - whether the watcher answers the look of a RUNNING launch. After a start there is one look
 * for each of perhaps thousands of rows, and one list that tells of all: until that has come, the answer is
 * true, and FOUND_RUNNING is fed for those it shows running; for the others `look` is called. The events are
 * listened to before the list is taken, so an end in between is heard.
 */
bool watcher_answers(struct watcher *watcher, struct live *live);
/* watcher_stop_answering - we are stopping: looks that wait for the list fail as out of reach. */
void watcher_stop_answering(struct watcher *watcher);
/* watcher_listening_since_ms - mono; every end of a container since then has been or will be fed as DIED. -1:
 * the events can't be heard now. */
int64_t watcher_listening_since_ms(const struct watcher *watcher);

#endif
