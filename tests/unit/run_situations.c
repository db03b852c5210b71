/*
 * run_situations.c - the list of situations; paths are written as steps beyond the way that all went well.
 */
#include "run_table.h"

#include "base/check.h"

#define QUEUED "ENTER"
#define CLAIMING QUEUED " ADMITTED"
#define SUBMITTING CLAIMING " DONE"
#define RESOLVING SUBMITTING " DONE"
#define PULLING RESOLVING " DONE"
#define READY PULLING " DONE"
#define CREATING READY " ADMITTED"
#define CONNECTING CREATING " DONE"
#define ANNOUNCING CONNECTING " DONE"
#define STARTING ANNOUNCING " DONE"
#define START_OUT STARTING " ADMITTED"
#define RUNNING START_OUT " DONE +5000"
#define LOOKING RUNNING " DIED"
#define REPORT_ENDED LOOKING " FOUND_EXITED"
#define REPORT_EXITED LOOKING " exit_1"
#define LOST_START START_OUT " UNKNOWN_OUTCOME"
#define RETIRING LOST_START " FOUND_CREATED +60000 ENTER ADMITTED FOUND_CREATED"
#define FAILS " TRANSIENT ENTER"
#define STILL_RUNNING " RUN_RUNNING ENTER"
#define PARKED RESOLVING " PERMANENT"

const struct situation situations[] = {
    {.title = "a run that is due", .path = QUEUED},
    {.title = "released after it was parked, so that it is claimed already",
     .path = PARKED " RELEASE",
     .park = true},

    {.title = "the claim", .path = CLAIMING},
    {.title = "backoff", .path = CLAIMING " TRANSIENT"},
    {.title = "backoff after a claim whose answer was lost", .path = CLAIMING " UNKNOWN_OUTCOME"},
    {.title = "look while that claim may still land", .path = CLAIMING " UNKNOWN_OUTCOME +1000 ENTER"},
    {.title = "look when it can't any more", .path = CLAIMING " UNKNOWN_OUTCOME +60000 ENTER"},

    {.title = "Submitting", .path = SUBMITTING},
    {.title = "Submitting, and a person cancels", .path = SUBMITTING " CANCEL"},
    {.title = "Submitting again after a restart: the first may still land", .path = SUBMITTING " restart"},

    {.title = "first try", .path = RESOLVING},
    {.title = "last try", .path = RESOLVING FAILS FAILS FAILS FAILS FAILS},
    {.title = "first try, parking is asked for", .path = RESOLVING, .park = true},
    {.title = "Prefect has been out of reach for 30 s", .path = RESOLVING " out_of_reach +30000 ENTER"},
    {.title = "backoff", .path = RESOLVING " TRANSIENT"},

    {.title = "the image is looked for or pulled", .path = PULLING},
    {.title = "pulled again, since create found no image", .path = CREATING " GONE"},
    {.title = "the same, and the engine was out of reach for 30 s",
     .path = CREATING " GONE out_of_reach +30000 ENTER"},
    {.title = "backoff", .path = PULLING " TRANSIENT"},

    {.title = "waits for a token and a launch slot", .path = READY},

    {.title = "the first create", .path = CREATING},
    {.title = "the first create, and a person cancels", .path = CREATING " CANCEL"},
    {.title = "create after the second pull", .path = CREATING " GONE DONE ADMITTED FOUND_ABSENT"},
    {.title = "the name is taken, or the answer was lost", .path = CREATING " UNKNOWN_OUTCOME"},
    {.title = "waits until a lost create can't land under the name, which is another's",
     .path = CREATING " UNKNOWN_OUTCOME FOUND_FOREIGN"},
    {.title = "backoff", .path = CREATING " TRANSIENT"},
    {.title = "waits for a launch slot to look", .path = CREATING " TRANSIENT +500 ENTER"},

    {.title = "the further networks", .path = CONNECTING},
    {.title = "the further networks, and a person cancels", .path = CONNECTING " CANCEL"},
    {.title = "waits for a launch slot after a backoff", .path = CONNECTING " TRANSIENT +500 ENTER"},

    {.title = "first try", .path = ANNOUNCING},
    {.title = "last try", .path = ANNOUNCING " TRANSIENT +500 ENTER TRANSIENT +1000 ENTER"},
    {.title = "first try, and a person cancels", .path = ANNOUNCING " CANCEL"},

    {.title = "waits for a launch slot, nothing sent yet", .path = STARTING},
    {.title = "the one start", .path = START_OUT},
    {.title = "the one start, and a person cancels", .path = START_OUT " CANCEL"},
    {.title = "the one start, and the end was seen before its answer", .path = START_OUT " DIED"},
    {.title = "look after a lost answer, within the start's clock", .path = LOST_START},
    {.title = "waits for the rest of the start's clock", .path = LOST_START " FOUND_CREATED"},
    {.title = "look when that clock has run out", .path = LOST_START " FOUND_CREATED +60000 ENTER ADMITTED"},
    {.title = "look after a start that was answered with an error",
     .path = START_OUT " TRANSIENT +500 ENTER ADMITTED"},
    {.title = "the container that never started is removed", .path = RETIRING},
    {.title = "the same, and a person cancels", .path = RETIRING " CANCEL"},
    {.title = "look after a removal that the engine refused or that got lost", .path = RETIRING " CONFLICT"},

    {.title = "the container runs", .path = RUNNING},
    {.title = "is it over?", .path = LOOKING},
    {.title = "is it over? It was seen to die meanwhile", .path = LOOKING " DIED"},
    {.title = "backoff after a look that failed", .path = LOOKING " TRANSIENT"},
    {.title = "a person has cancelled; the flow has its time to end by itself", .path = RUNNING " CANCEL"},
    {.title = "that time is over", .path = RUNNING " CANCEL +60000 ENTER"},
    {.title = "the run is over at the server; the container has its time to end by itself",
     .path = RUNNING " SEEN_OVER"},
    {.title = "that time is over", .path = RUNNING " SEEN_OVER +60000 ENTER"},
    {.title = "that time is over, when_run_is_over = stop",
     .path = RUNNING " SEEN_OVER +60000 ENTER",
     .stops = true},
    {.title = "left alone", .path = RUNNING " SEEN_OVER +60000 ENTER FOUND_RUNNING"},

    {.title = "waits for a stop slot", .path = RUNNING " MAX_RUN_TIME"},
    {.title = "cancelled", .path = RUNNING " CANCEL +60000 ENTER FOUND_RUNNING ADMITTED"},
    {.title = "max_run_time", .path = RUNNING " MAX_RUN_TIME ADMITTED"},
    {.title = "the run is over",
     .path = RUNNING " SEEN_OVER +60000 ENTER FOUND_RUNNING ADMITTED",
     .stops = true},
    {.title = "stop was refused for good: does it run?", .path = RUNNING " MAX_RUN_TIME ADMITTED PERMANENT"},
    {.title = "it does", .path = RUNNING " MAX_RUN_TIME ADMITTED PERMANENT FOUND_RUNNING"},
    {.title = "was killed, or is in backoff",
     .path = RUNNING " MAX_RUN_TIME ADMITTED PERMANENT FOUND_RUNNING DONE"},

    {.title = "before Crashed: the launch failed", .path = CREATING " PERMANENT"},
    {.title = "before parking", .path = CREATING " PERMANENT", .park = true},
    {.title = "before the hand back", .path = STARTING " LAUNCH_DEADLINE"},
    {.title = "before Cancelled", .path = STARTING " CANCEL"},
    {.title = "others have ended the run", .path = STARTING " SEEN_OVER"},

    {.title = "launch_failed, first proposal", .path = RESOLVING " PERMANENT"},
    {.title = "launch_failed, look before it is proposed again",
     .path = RESOLVING " PERMANENT UNKNOWN_OUTCOME +500 ENTER"},
    {.title = "exited, first proposal", .path = REPORT_EXITED},
    {.title = "exited, first proposal, the job says auto_remove", .path = REPORT_EXITED, .removes = true},
    {.title = "exited, look before it is proposed again",
     .path = REPORT_EXITED " UNKNOWN_OUTCOME +500 ENTER"},
    {.title = "ended with 0: did the flow report its own end?", .path = REPORT_ENDED},
    {.title = "the same, the job says auto_remove", .path = REPORT_ENDED, .removes = true},
    {.title = "ended with 0, the sixth look at a run left RUNNING",
     .path = REPORT_ENDED STILL_RUNNING STILL_RUNNING STILL_RUNNING STILL_RUNNING STILL_RUNNING},
    {.title = "never_ran", .path = REPORT_ENDED " RUN_PENDING"},
    {.title = "left_running",
     .path =
         REPORT_ENDED STILL_RUNNING STILL_RUNNING STILL_RUNNING STILL_RUNNING STILL_RUNNING " RUN_RUNNING"},
    {.title = "disappeared", .path = LOOKING " FOUND_ABSENT"},
    {.title = "ran_too_long", .path = RUNNING " MAX_RUN_TIME ADMITTED DONE"},
    {.title = "cancelled, first proposal", .path = PULLING " CANCEL"},
    {.title = "cancelled while a claim may still land",
     .path = CLAIMING " UNKNOWN_OUTCOME +500 ENTER RUN_CANCELLING"},
    {.title = "over: does that still hold?", .path = PULLING " SEEN_OVER"},

    {.title = "first proposal", .path = READY " DRAIN"},
    {.title = "waits until a lost proposal can't land any more", .path = READY " DRAIN UNKNOWN_OUTCOME"},
    {.title = "look while it may still land", .path = READY " DRAIN restart"},
    {.title = "look when it can't any more", .path = READY " DRAIN UNKNOWN_OUTCOME +60000 ENTER"},

    {.title = "our claim overwrote the end of the run", .path = CLAIMING " OVERTOOK"},
    {.title = "the same, while a lost claim may still land",
     .path = CLAIMING " UNKNOWN_OUTCOME +1000 ENTER OVERTOOK"},

    {.title = "launch_failed", .path = PARKED, .park = true},

    {.title = "the ended container goes", .path = REPORT_EXITED " DONE", .removes = true},

    {.title = "leaves the memory", .path = REPORT_EXITED " DONE"},
};
const size_t situation_count = ARRAY_LEN(situations);
