/*
 * alerts_watch.h - gathers what alerts go by (core/alerts.h) from what is counted, what is now, and the disk.
 */
#ifndef SLUICE_ALERTS_WATCH_H
#define SLUICE_ALERTS_WATCH_H

#include "core/alerts.h"
#include "meters.h"
#include "runner.h"
#include "snapshot.h"

/* How much of the newer trouble is of one class. */
struct alerts_share {
    char name[ALERT_CLASS_SIZE];
    uint64_t timeouts; /* of the class, at the last look */
    uint64_t failures;
    double new_timeouts; /* halved every half hour */
    double new_failures;
};

struct alerts_watch {
    struct service *service; /* all borrowed */
    struct runner *runner;
    const struct meters *meters;
    const struct config *config;
    struct alerts_share shares[METERS_CLASSES_MAX + 1];
    size_t share_count;
    int64_t looked_ms; /* mono; at the shares */
    bool has_looked_for_damage;
    int64_t damage_looked_ms; /* mono */
    char away[64];            /* what the signals point at */
    char registries_away[160];
    char damaged_file[128];
    char oldest_class[ALERT_CLASS_SIZE];
    char timeout_class[ALERT_CLASS_SIZE];
    char failure_class[ALERT_CLASS_SIZE];
};

/* alerts_watch_look - texts of *out are the watch's, until the next look. */
void alerts_watch_look(struct alerts_watch *watch, struct alerts_signals *out);

#endif
