#include "api/alert_body.h"

#include "api/json.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

/* What Alertmanager says of the end of an alert that fires: Go's zero time. */
#define NO_END "0001-01-01T00:00:00Z"

void alert_fingerprint(const struct alert_sender *sender, const struct alert_note *note,
                       char text[static ALERT_FINGERPRINT_SIZE])
{
    const char *parts[] = {sender->pool, sender->worker_name, note->name, note->severity};
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        for (const char *p = parts[i]; *p != '\0'; p++)
            hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
        hash = (hash ^ 0xff) * 0x100000001b3u;
    }
    snprintf(text, ALERT_FINGERPRINT_SIZE, "%016llx", (unsigned long long)hash);
}

static void set_time(struct json *object, const char *key, int64_t wall_ms)
{
    char text[CLOCK_TEXT_SIZE];
    if (wall_ms == 0) {
        json_set_text(object, key, NO_END);
        return;
    }
    clock_format(wall_ms, text);
    json_set_text(object, key, text);
}

static struct json *labels_of(const struct alert_sender *sender, const struct alert_note *note)
{
    struct json *labels = json_new_object();
    json_set_text(labels, "alertname", note->rule_name);
    json_set_text(labels, "alert", note->name);
    json_set_text(labels, "severity", note->severity);
    json_set_text(labels, "pool", sender->pool);
    json_set_text(labels, "worker", sender->worker_name);
    return labels;
}

static struct json *alert_of(const struct alert_sender *sender, const struct alert_note *note)
{
    char fingerprint[ALERT_FINGERPRINT_SIZE];
    struct json *alert = json_new_object();
    struct json *annotations = json_new_object();
    json_set_text(annotations, "summary", note->summary);
    json_set_text(annotations, "description", note->reason);
    json_set_text(annotations, "what_to_do", note->what_to_do);
    if (note->class_name[0] != '\0')
        json_set_text(annotations, "class", note->class_name);
    alert_fingerprint(sender, note, fingerprint);
    json_set_text(alert, "status", note->is_firing ? "firing" : "resolved");
    json_take_set(alert, "labels", labels_of(sender, note));
    json_take_set(alert, "annotations", annotations);
    set_time(alert, "startsAt", note->since_ms);
    set_time(alert, "endsAt", note->is_firing ? 0 : note->ended_ms);
    json_set_text(alert, "generatorURL", "");
    json_set_text(alert, "fingerprint", fingerprint);
    return alert;
}

/* The labels that all of them have with this very value. */
static struct json *common_labels(const struct alert_sender *sender, const struct alert_note *notes,
                                  size_t count)
{
    struct json *common = labels_of(sender, &notes[0]);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(notes[i].name, notes[0].name) != 0) {
            json_remove(common, "alertname");
            json_remove(common, "alert");
        }
        if (strcmp(notes[i].severity, notes[0].severity) != 0)
            json_remove(common, "severity");
    }
    return common;
}

char *alert_body(const struct alert_sender *sender, const struct alert_note *notes, size_t count)
{
    struct json *body = json_new_object();
    struct json *alerts = json_new_array();
    struct json *group = json_new_object();
    bool is_firing = false;
    for (size_t i = 0; i < count; i++) {
        is_firing = is_firing || notes[i].is_firing;
        json_take_add(alerts, alert_of(sender, &notes[i]));
    }
    json_set_text(group, "pool", sender->pool);
    json_set_text(group, "worker", sender->worker_name);
    char *key = check_printf("{}:{pool=\"%s\", worker=\"%s\"}", sender->pool, sender->worker_name);
    json_set_text(body, "version", "4");
    json_set_text(body, "groupKey", key);
    json_set_int(body, "truncatedAlerts", 0);
    json_set_text(body, "status", is_firing ? "firing" : "resolved");
    json_set_text(body, "receiver", "sluice");
    json_take_set(body, "groupLabels", group);
    json_take_set(body, "commonLabels", common_labels(sender, notes, count));
    json_take_set(body, "commonAnnotations", json_new_object());
    json_set_text(body, "externalURL", "");
    json_take_set(body, "alerts", alerts);
    char *text = json_write(body);
    json_free(body);
    free(key);
    return text;
}
