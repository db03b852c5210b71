#include "alerts_watch.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#define SHARE_HALVES_MS (30.0 * 60 * 1000)
/* A damaged file is set aside at a start, and moved by a person. */
#define DAMAGE_LOOK_MS (60 * 1000)
#define DAMAGED ".corrupt-"

/* ---- what was done ---- */

static uint64_t commits_slower(const struct histogram *commits, double than_s)
{
    uint64_t slower = commits->buckets[histogram_short.count];
    for (size_t i = 0; i < histogram_short.count; i++)
        if (histogram_short.upper[i] > than_s)
            slower += commits->buckets[i];
    return slower;
}

static void count_done(const struct alerts_watch *w, struct alerts_counters *out)
{
    struct meters_totals totals = meters_totals(w->meters);
    const struct histogram *commits = meters_commits(w->meters);
    *out = (struct alerts_counters){.launches_ended = totals.launches_ended,
                                    .launches_failed = totals.launches_failed,
                                    .starts = totals.starts,
                                    .commits = commits->count,
                                    .slow_commits = commits_slower(commits, ALERTS_SLOW_COMMIT_MS / 1000.0)};
    for (int stage = 0; stage < STAGE_COUNT; stage++) {
        bool is_pull = stage == STAGE_PULL;
        if (stage == STAGE_RUN) /* max_run_time says something of the flow */
            continue;
        *(is_pull ? &out->pulls : &out->attempts) += totals.attempts[stage];
        *(is_pull ? &out->pull_timeouts : &out->timeouts) += totals.timeouts[stage];
    }
}

/* ---- of which class the trouble is ---- */

static struct alerts_share *find_share(struct alerts_watch *w, const char *name)
{
    for (size_t i = 0; i < w->share_count; i++)
        if (strncmp(w->shares[i].name, name, sizeof(w->shares[i].name) - 1) == 0)
            return &w->shares[i];
    if (w->share_count == ARRAY_LEN(w->shares))
        return &w->shares[0];
    struct alerts_share *share = &w->shares[w->share_count++];
    snprintf(share->name, sizeof(share->name), "%s", name);
    return share;
}

static uint64_t timeouts_of(const struct meters_class *c)
{
    uint64_t sum = 0;
    for (int stage = 0; stage < STAGE_COUNT; stage++)
        for (int clock = 0; clock < CLOCK_KIND_COUNT; clock++)
            sum += stage == STAGE_RUN ? 0 : c->timeouts[stage][clock];
    return sum;
}

static void add_news(double *news, uint64_t *before, uint64_t now, double fading)
{
    *news = *news * fading + (double)burn_delta(*before, now);
    *before = now;
}

/* The class that has more than half of it; "": none. */
static void name_most(const struct alerts_watch *w, bool is_timeouts, char out[static ALERT_CLASS_SIZE])
{
    double sum = 0;
    const struct alerts_share *most = NULL;
    double most_news = 0;
    for (size_t i = 0; i < w->share_count; i++) {
        double news = is_timeouts ? w->shares[i].new_timeouts : w->shares[i].new_failures;
        sum += news;
        if (news > most_news) {
            most = &w->shares[i];
            most_news = news;
        }
    }
    snprintf(out, ALERT_CLASS_SIZE, "%s", most != NULL && most_news > sum / 2 ? most->name : "");
}

static void look_at_shares(struct alerts_watch *w, int64_t now_ms)
{
    double fading = exp2(-(double)(now_ms - w->looked_ms) / SHARE_HALVES_MS);
    w->looked_ms = now_ms;
    for (size_t i = 0; i < meters_class_count(w->meters); i++) {
        const struct meters_class *c = meters_class(w->meters, i);
        struct alerts_share *share = find_share(w, c->name);
        add_news(&share->new_timeouts, &share->timeouts, timeouts_of(c), fading);
        add_news(&share->new_failures, &share->failures, c->ends[RUN_VERDICT_LAUNCH_FAILED], fading);
    }
    name_most(w, true, w->timeout_class);
    name_most(w, false, w->failure_class);
}

/* ---- what is now ---- */

static bool is_full(const struct snapshot_class *c)
{
    return c->running_limit > 0 && c->running >= c->running_limit;
}

static bool has_token(const struct snapshot_class *c)
{
    return c->tokens < 0 || c->tokens >= 1;
}

static const struct snapshot_class *class_of(const struct snapshot *now, const char *name)
{
    for (size_t i = 0; i < now->class_count; i++)
        if (strcmp(now->classes[i].name, name) == 0)
            return &now->classes[i];
    return &now->classes[now->class_count - 1];
}

/* Limits per value, at the server, of images: they tell who waits for them. */
static bool is_held_by_its_own(const struct alerts_watch *w, const struct live *live, int64_t wall_ms)
{
    const struct config_class *c = config_class_by_name(w->config, live->launch->class_name);
    if (live->said_wait != NULL)
        return true;
    for (size_t i = 0; i < live->value_count; i++)
        if (value_is_full(live->values[i]))
            return true;
    return strcmp(c->when_late, "leave") == 0 && run_is_late(&live->launch->run, wall_ms, c->late_after.ms);
}

static bool is_startable(const struct alerts_watch *w, const struct snapshot *now, const struct live *live)
{
    const struct run *run = &live->launch->run;
    const struct snapshot_class *c = class_of(now, live->launch->class_name);
    bool is_queued = run->state == RUN_STATE_QUEUED && !run->has_claim;
    if ((!is_queued && run->state != RUN_STATE_READY) || run->due_at_ms > now->now_ms ||
        run_is_backing_off(run) || !has_token(c) || !has_token(&now->pool))
        return false;
    return !is_queued || (!is_full(c) && !is_full(&now->pool) && !is_held_by_its_own(w, live, now->now_ms));
}

static size_t count_startable(const struct alerts_watch *w, const struct snapshot *now)
{
    size_t count = 0;
    size_t ready = now->pool.states[RUN_STATE_READY];
    /* Tokens of a rate that hosts share may all go to others. */
    if (now->pool.due + ready == 0 || (w->config->shared_limit != NULL && ready > 0))
        return 0;
    struct list *all = runner_all(w->runner);
    for (struct list *link = all->next; link != all; link = link->next)
        count += is_startable(w, now, LIST_ITEM(link, struct live, all_link));
    return count;
}

static void add_name(char *names, size_t size, const char *name)
{
    size_t len = strlen(names);
    snprintf(names + len, size - len, "%s%s", len > 0 ? ", " : "", name);
}

static void look_at_guards(struct alerts_watch *w, const struct snapshot *now)
{
    bool is_engine_named = false;
    w->away[0] = w->registries_away[0] = '\0';
    for (size_t i = 0; i < now->guard_count; i++) {
        const struct snapshot_guard *g = &now->guards[i];
        if (!g->is_open)
            continue;
        if (g->dependency == DEPENDENCY_REGISTRY)
            add_name(w->registries_away, sizeof(w->registries_away), g->name);
        else
            add_name(w->away, sizeof(w->away), g->name);
        is_engine_named = is_engine_named || g->dependency == DEPENDENCY_ENGINE;
    }
    if (now->is_engine_away && !is_engine_named)
        add_name(w->away, sizeof(w->away), dependency_name(DEPENDENCY_ENGINE));
}

static void look_at_queue(struct alerts_watch *w, const struct snapshot *now)
{
    snprintf(w->oldest_class, sizeof(w->oldest_class), "%s", "");
    for (size_t i = 0; i < now->class_count; i++)
        if (now->pool.oldest_due_ms > 0 && now->classes[i].oldest_due_ms == now->pool.oldest_due_ms)
            snprintf(w->oldest_class, sizeof(w->oldest_class), "%s", now->classes[i].name);
}

/* ---- the disk ---- */

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? check_strdup(".")
                         : check_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static void look_for_room(const char *folder, struct alerts_signals *out)
{
    struct statvfs room;
    out->disk_free_bytes = out->disk_bytes = -1;
    if (statvfs(folder, &room) != 0 || room.f_blocks == 0)
        return;
    out->disk_free_bytes = (int64_t)(room.f_bavail * room.f_frsize);
    out->disk_bytes = (int64_t)(room.f_blocks * room.f_frsize);
}

/* The newest file that was set aside beside ours, without its log. */
static void look_for_damage(struct alerts_watch *w, const char *folder)
{
    const char *path = w->config->state_path;
    const char *name = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
    size_t len = strlen(name);
    DIR *dir = opendir(folder);
    w->damaged_file[0] = '\0';
    for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        bool is_ours = strncmp(entry->d_name, name, len) == 0 &&
                       strncmp(entry->d_name + len, DAMAGED, strlen(DAMAGED)) == 0 &&
                       strchr(entry->d_name + len + strlen(DAMAGED), '-') == NULL;
        if (is_ours && strcmp(entry->d_name, w->damaged_file) > 0)
            snprintf(w->damaged_file, sizeof(w->damaged_file), "%.*s", (int)sizeof(w->damaged_file) - 1,
                     entry->d_name);
    }
    if (dir != NULL)
        closedir(dir);
}

static void look_at_disk(struct alerts_watch *w, int64_t now_ms, struct alerts_signals *out)
{
    char *AUTO_FREE folder = folder_of(w->config->state_path);
    look_for_room(folder, out);
    if (w->has_looked_for_damage && now_ms - w->damage_looked_ms < DAMAGE_LOOK_MS)
        return;
    w->has_looked_for_damage = true;
    w->damage_looked_ms = now_ms;
    look_for_damage(w, folder);
}

void alerts_watch_look(struct alerts_watch *w, struct alerts_signals *out)
{
    struct snapshot now;
    snapshot_take(w->service, &now);
    *out = (struct alerts_signals){.now_ms = now.now_mono_ms,
                                   .wall_ms = now.now_ms,
                                   .timeout_class = w->timeout_class,
                                   .failure_class = w->failure_class,
                                   .away = w->away,
                                   .registries_away = w->registries_away,
                                   .is_paused = now.paused_at_ms != 0,
                                   .is_leaving = now.is_draining || now.is_stopping,
                                   .oldest_due_ms = now.pool.oldest_due_ms,
                                   .oldest_class = w->oldest_class,
                                   .startable = count_startable(w, &now),
                                   .last_poll_ms = now.last_poll_mono_ms,
                                   .poll_interval_ms = now.poll_interval_ms,
                                   .damaged_file = w->damaged_file};
    count_done(w, &out->done);
    look_at_shares(w, now.now_mono_ms);
    look_at_guards(w, &now);
    look_at_queue(w, &now);
    look_at_disk(w, now.now_mono_ms, out);
    snapshot_done(&now);
}
