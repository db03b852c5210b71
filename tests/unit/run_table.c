/*
 * run_table.c - walks to each situation, feeds it every event it can meet, and prints the results compactly.
 *
 * Not printed: answers that the request which is out can't get, ADMITTED where nothing is waited for, times
 * and epochs. Events with the same result share a line.
 */
#include "run_table.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NOW_MS 1000000000
#define LINE_WIDTH 112
#define RESULT_SIZE 256

/* Events whose details change the result, beside the plain ones. */
struct variant {
    const char *name;
    struct run_event event;
    bool is_restart;
};

static const struct variant variants[] = {
    {"restart", {.kind = RUN_EVENT_ENTER, .retry_after_ms = -1, .after_restart = true}, true},
    {"out_of_reach", {.kind = RUN_EVENT_TRANSIENT, .retry_after_ms = -1, .out_of_reach = true}, false},
    {"held", {.kind = RUN_EVENT_TRANSIENT, .retry_after_ms = 7000, .is_held = true}, false},
    {"held_out_of_reach",
     {.kind = RUN_EVENT_TRANSIENT, .retry_after_ms = 1500, .is_held = true, .out_of_reach = true},
     false},
    {"not_sent", {.kind = RUN_EVENT_TRANSIENT, .retry_after_ms = -1}, false},
    {"exit_1",
     {.kind = RUN_EVENT_FOUND_EXITED, .retry_after_ms = -1, .was_sent = true, .exit_code = 1},
     false},
};

bool run_event_is_answer(enum run_event_kind kind)
{
    return kind >= RUN_EVENT_DONE && kind <= RUN_EVENT_FOUND_EXITED;
}

static bool is_error_class(enum run_event_kind kind)
{
    return kind >= RUN_EVENT_TRANSIENT && kind <= RUN_EVENT_UNKNOWN_OUTCOME;
}

static bool is_found(enum run_event_kind kind)
{
    return kind >= RUN_EVENT_FOUND_ABSENT && kind <= RUN_EVENT_FOUND_EXITED;
}

/* A lost answer is an unknown outcome only for these (design: "Error classes"). */
static bool may_be_unknown(enum run_action request)
{
    switch ((int)request) {
    case RUN_ACTION_CLAIM:
    case RUN_ACTION_SUBMIT:
    case RUN_ACTION_CREATE:
    case RUN_ACTION_CONNECT:
    case RUN_ACTION_START:
    case RUN_ACTION_REPORT:
    case RUN_ACTION_HAND_BACK:
    case RUN_ACTION_RESTORE:
        return true;
    default:
        return false;
    }
}

bool run_can_answer(enum run_action request, enum run_event_kind kind)
{
    if (is_error_class(kind))
        return kind != RUN_EVENT_UNKNOWN_OUTCOME || may_be_unknown(request);
    switch ((int)request) {
    case RUN_ACTION_CLAIM:
        return kind == RUN_EVENT_DONE || kind == RUN_EVENT_REFUSED || kind == RUN_EVENT_OVERTOOK;
    case RUN_ACTION_LOOK_RUN:
        return kind >= RUN_EVENT_OVERTOOK && kind <= RUN_EVENT_RUN_ENDED;
    case RUN_ACTION_SUBMIT:
        return kind == RUN_EVENT_DONE || (kind >= RUN_EVENT_RUN_SCHEDULED && kind <= RUN_EVENT_RUN_ENDED &&
                                          kind != RUN_EVENT_RUN_PENDING);
    case RUN_ACTION_REPORT:
    case RUN_ACTION_HAND_BACK:
        return kind == RUN_EVENT_DONE || kind == RUN_EVENT_REFUSED || kind == RUN_EVENT_RUN_CANCELLING;
    case RUN_ACTION_LOOK_NAME:
        return is_found(kind);
    case RUN_ACTION_LOOK_CONTAINER:
        return is_found(kind) && kind != RUN_EVENT_FOUND_FOREIGN;
    default:
        return kind == RUN_EVENT_DONE;
    }
}

/* ---- on the way ---- */

struct run_event trip_event(enum run_event_kind kind)
{
    return (struct run_event){.kind = kind, .retry_after_ms = -1, .was_sent = true};
}

struct trip trip_new(void)
{
    struct trip trip = {.run = run_new(NOW_MS), .policy = retry_policy_default(), .now_ms = NOW_MS};
    trip.policy.jitter = JITTER_NONE;
    return trip;
}

struct run_step trip_feed(struct trip *trip, struct run_event event)
{
    event.now_ms = trip->now_ms;
    struct run_step step = run_step(&trip->run, &event, &trip->policy);
    bool has_moved = step.next.state != trip->run.state;
    trip->run = step.next;
    if (has_moved || step.action != RUN_ACTION_NONE) {
        trip->action = step.action;
        trip->delay_ms = step.delay_ms;
    }
    return step;
}

/* What a restart does to a launch before it feeds ENTER. */
static void forget_what_is_not_stored(struct trip *trip)
{
    trip->run.pending = RUN_ACTION_NONE;
    trip->run.died_early = false;
    trip->run.create_lost = false;
    trip->run.waits_for_create = false;
    trip->run.name_was_taken = false;
    trip->run.is_over = false;
    trip->run.is_left_alone = false;
}

static bool feed_variant(struct trip *trip, const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(variants); i++) {
        if (strcmp(variants[i].name, word) != 0)
            continue;
        if (variants[i].is_restart)
            forget_what_is_not_stored(trip);
        trip_feed(trip, variants[i].event);
        return true;
    }
    return false;
}

static void feed_word(struct trip *trip, const char *word)
{
    if (word[0] == '+') {
        trip->now_ms += strtoll(word + 1, NULL, 10);
        return;
    }
    if (feed_variant(trip, word))
        return;
    for (int e = 0; e < RUN_EVENT_COUNT; e++) {
        if (strcmp(run_event_name((enum run_event_kind)e), word) == 0) {
            trip_feed(trip, trip_event((enum run_event_kind)e));
            return;
        }
    }
    fprintf(stderr, "no such word in a path: %s\n", word);
    UNREACHABLE();
}

void trip_go(struct trip *trip, const char *path)
{
    char word[64];
    while (*path != '\0') {
        size_t length = strcspn(path, " ");
        CHECK(length < sizeof(word));
        memcpy(word, path, length);
        word[length] = '\0';
        if (length > 0)
            feed_word(trip, word);
        path += length;
        path += *path == ' ' ? 1 : 0;
    }
}

struct trip trip_to(const struct situation *situation)
{
    struct trip trip = trip_new();
    trip.policy.park = situation->park;
    trip.policy.remove_ended_container = situation->removes;
    trip.policy.stop_when_over = situation->stops;
    trip_go(&trip, situation->path);
    return trip;
}

/* ---- printing ---- */

PRINTF_LIKE(2, 3) static void add(char *text, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, RESULT_SIZE - used, format, args);
    va_end(args);
}

static void add_number(char *changes, const char *name, int32_t before, int32_t after)
{
    if (after > before)
        add(changes, ", %s %d", name, (int)after);
}

static void add_flag(char *changes, const char *name, bool before, bool after)
{
    if (before != after)
        add(changes, ", %s%s", after ? "" : "not ", name);
}

static void add_changes(char *changes, const struct run *before, const struct run *after)
{
    if (after->verdict != before->verdict)
        add(changes, ", verdict %s", run_verdict_name(after->verdict));
    add_number(changes, "attempt", before->attempt, after->attempt);
    add_number(changes, "reach_tries", before->reach_tries, after->reach_tries);
    add_number(changes, "launch_tries", before->launch_tries, after->launch_tries);
    add_number(changes, "name_index", before->name_index, after->name_index);
    add_flag(changes, "has_claim", before->has_claim, after->has_claim);
    add_flag(changes, "create_sent", before->create_sent, after->create_sent);
    add_flag(changes, "has_container", before->has_container, after->has_container);
    add_flag(changes, "start_sent", before->start_sent, after->start_sent);
    add_flag(changes, "is_retiring", before->is_retiring, after->is_retiring);
    add_flag(changes, "is_announced", before->is_announced, after->is_announced);
    add_flag(changes, "has_repulled", before->has_repulled, after->has_repulled);
    add_flag(changes, "cancel_wanted", before->cancel_wanted, after->cancel_wanted);
    add_flag(changes, "died_early", before->died_early, after->died_early);
    add_flag(changes, "create_lost", before->create_lost, after->create_lost);
    add_flag(changes, "waits_for_create", before->waits_for_create, after->waits_for_create);
    add_flag(changes, "name_was_taken", before->name_was_taken, after->name_was_taken);
    add_flag(changes, "is_over", before->is_over, after->is_over);
    add_flag(changes, "is_left_alone", before->is_left_alone, after->is_left_alone);
    add_flag(changes, "unsettled", before->unsettled_until_ms != 0, after->unsettled_until_ms != 0);
}

static void describe(const struct trip *before, const struct run_step *step, char result[static RESULT_SIZE])
{
    char changes[RESULT_SIZE] = "";
    add_changes(changes, &before->run, &step->next);
    result[0] = '\0';
    if (step->action == RUN_ACTION_NONE && step->next.state == before->run.state) {
        add(result, changes[0] == '\0' ? "ignored" : "stays");
    } else {
        add(result, "%s", run_state_name(step->next.state));
        if (step->action != RUN_ACTION_NONE)
            add(result, " %s", run_action_name(step->action));
    }
    if (step->delay_ms % 1000 != 0)
        add(result, " %d ms", (int)step->delay_ms);
    else if (step->delay_ms != 0)
        add(result, " %d s", (int)(step->delay_ms / 1000));
    if (changes[0] != '\0')
        add(result, " (%s)", changes + 2);
}

struct row {
    char result[RESULT_SIZE];
    char events[1024];
};

static void add_row(struct row *rows, size_t *count, const char *result, const char *event)
{
    size_t i = 0;
    while (i < *count && strcmp(rows[i].result, result) != 0)
        i++;
    if (i == *count) {
        (*count)++;
        snprintf(rows[i].result, sizeof(rows[i].result), "%s", result);
        snprintf(rows[i].events, sizeof(rows[i].events), "%s", event);
        return;
    }
    size_t used = strlen(rows[i].events);
    snprintf(rows[i].events + used, sizeof(rows[i].events) - used, ", %s", event);
}

static void print_wrapped(FILE *out, const char *text)
{
    size_t column = 4;
    fputs("   ", out);
    while (*text != '\0') {
        size_t length = strcspn(text, " ");
        if (column + length + 1 > LINE_WIDTH) {
            fputs("\n       ", out);
            column = 8;
        }
        fprintf(out, " %.*s", (int)length, text);
        column += length + 1;
        text += length;
        text += *text == ' ' ? 1 : 0;
    }
    fputc('\n', out);
}

static void print_rows(FILE *out, const struct row *rows, size_t count)
{
    char *line;
    size_t ignored = count;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].result, "ignored") == 0) {
            ignored = i;
            continue;
        }
        line = check_printf("%s -> %s", rows[i].events, rows[i].result);
        print_wrapped(out, line);
        free(line);
    }
    if (ignored == count)
        return;
    line = check_printf("ignored: %s", rows[ignored].events);
    print_wrapped(out, line);
    free(line);
}

static bool can_meet(const struct trip *trip, enum run_event_kind kind)
{
    if (kind == RUN_EVENT_ADMITTED)
        return trip->action == RUN_ACTION_ADMIT || trip->action == RUN_ACTION_ASK_START ||
               trip->action == RUN_ACTION_ASK_SLOT || trip->action == RUN_ACTION_ASK_STOP;
    if (!run_event_is_answer(kind))
        return true;
    return trip->run.pending != RUN_ACTION_NONE && run_can_answer(trip->run.pending, kind);
}

static void try_event(const struct trip *trip, const char *name, struct run_event event, struct row *rows,
                      size_t *count)
{
    struct trip copy = *trip;
    char result[RESULT_SIZE];
    if (event.after_restart)
        forget_what_is_not_stored(&copy);
    struct run_step step = trip_feed(&copy, event);
    describe(trip, &step, result);
    add_row(rows, count, result, name);
}

static void print_situation(FILE *out, const struct situation *situation)
{
    struct trip trip = trip_to(situation);
    static struct row rows[RUN_EVENT_COUNT + ARRAY_LEN(variants)];
    size_t count = 0;
    for (int e = 0; e < RUN_EVENT_COUNT; e++) {
        enum run_event_kind kind = (enum run_event_kind)e;
        if (!can_meet(&trip, kind))
            continue;
        try_event(&trip, run_event_name(kind), trip_event(kind), rows, &count);
        for (size_t v = 0; v < ARRAY_LEN(variants); v++)
            if (variants[v].event.kind == kind)
                try_event(&trip, variants[v].name, variants[v].event, rows, &count);
    }
    bool is_out = trip.run.pending != RUN_ACTION_NONE;
    fprintf(out, "\n%s, %s%s: %s\n", run_state_name(trip.run.state), run_action_name(trip.action),
            is_out ? " out" : "", situation->title);
    print_rows(out, rows, count);
}

char *run_table_print(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    CHECK(out != NULL);
    for (size_t i = 0; i < situation_count; i++)
        print_situation(out, &situations[i]);
    CHECK(fclose(out) == 0);
    return text;
}
