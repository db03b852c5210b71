/*
 * classify.h - what a dependency did (`struct failure`), and what that means (one of eight error classes).
 *
 * api/ describes, this file judges: nothing else in the program maps a status or a message to a meaning.
 * Pure: a failure in, a class out. The built-in table is in classify_table.c, first match wins.
 */
#ifndef SLUICE_CORE_CLASSIFY_H
#define SLUICE_CORE_CLASSIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Who failed. A pull's failure is the registry's, whoever told us. */
#define DEPENDENCIES(X)                                                                                      \
    X(ENGINE, "engine")                                                                                      \
    X(REGISTRY, "registry")                                                                                  \
    X(PREFECT, "prefect")

enum dependency {
#define X(name, text) DEPENDENCY_##name,
    DEPENDENCIES(X)
#undef X
};

/* What was being done; the words of configuration keys, views, logs and `attempts`. */
#define STAGES(X)                                                                                            \
    X(API, "api") /* a Prefect call that belongs to no stage below: claim, submitting, announce, polls */    \
    X(RESOLVE, "resolve") /* deployment, flow, blocks, variables */                                          \
    X(IMAGE, "image")     /* image inspect */                                                                \
    X(PULL, "pull")                                                                                          \
    X(CREATE, "create")                                                                                      \
    X(NETWORK, "network") /* connect the second and further networks */                                      \
    X(START, "start")                                                                                        \
    X(RUN, "run")         /* from started to ended */                                                        \
    X(INSPECT, "inspect") /* looks: inspect, list */                                                         \
    X(STOP, "stop")                                                                                          \
    X(REPORT, "report") /* the verdict */                                                                    \
    X(REMOVE, "remove")

enum stage {
#define X(name, text) STAGE_##name,
    STAGES(X)
#undef X
};
#define STAGE_COUNT (STAGE_REMOVE + 1)

/*
 * Conditions below HTTP. TRANSPORT_NONE: an HTTP answer was read to its end. The texts are the words of
 * `sluice explain --transport` and of log lines.
 */
#define TRANSPORTS(X)                                                                                        \
    X(NONE, "none")                                                                                          \
    X(ENOENT_UNIX, "ENOENT socket")                                                                          \
    X(EACCES_UNIX, "EACCES socket")                                                                          \
    X(ECONNREFUSED_UNIX, "ECONNREFUSED on unix socket")                                                      \
    X(ECONNREFUSED_TCP, "ECONNREFUSED on tcp")                                                               \
    X(EHOSTUNREACH, "EHOSTUNREACH on tcp")                                                                   \
    X(ENETUNREACH, "ENETUNREACH on tcp")                                                                     \
    X(EAGAIN_UNIX, "EAGAIN on unix socket")                                                                  \
    X(EMFILE, "EMFILE on socket")                                                                            \
    X(CONNECT_FAILED, "connect failed") /* any other reason a connection could not be made */                \
    X(CONNECT_TIMEOUT, "connect timeout")                                                                    \
    X(DNS, "DNS failure")                                                                                    \
    X(TLS_VERIFY, "TLS certificate verify failed")                                                           \
    X(TLS_CLIENT_CERT, "TLS client certificate rejected")                                                    \
    X(TLS_CERT_FILE, "TLS client certificate file missing")                                                  \
    X(TLS_VERSION, "TLS wrong version number")                                                               \
    X(TLS_HANDSHAKE_TIMEOUT, "TLS handshake timeout")                                                        \
    X(SEND_FAILED, "EPIPE while sending")                                                                    \
    X(NOTHING_ACCEPTED, "no byte accepted")                                                                  \
    X(READ_TIMEOUT, "read timeout after send")                                                               \
    X(RESET_BEFORE_ANSWER, "connection reset before any response byte")                                      \
    X(CLOSED_BEFORE_ANSWER, "connection closed before any response byte")                                    \
    X(REUSED_CLOSED, "reused connection closed before any response byte")                                    \
    X(PARTIAL_HEADERS, "partial headers")                                                                    \
    X(PARTIAL_BODY, "partial body")                                                                          \
    X(IDLE_TIMEOUT, "idle timeout in body")                                                                  \
    X(TOTAL_TIMEOUT, "total timeout")                                                                        \
    X(GOAWAY, "HTTP/2 GOAWAY before the stream was processed")                                               \
    X(BODY_TOO_LARGE, "body too large")                                                                      \
    X(BAD_ANSWER, "answer not understood")  /* HTML, cut-off JSON, wrong types */                            \
    X(BREAKER_OPEN, "circuit breaker open") /* ours: not sent, since nobody there answers */                 \
    X(BUDGET_EMPTY, "retry budget empty")   /* ours: a retry that has to wait; not sent */                   \
    X(CANCELLED, "cancelled by us")

enum transport {
#define X(name, text) TRANSPORT_##name,
    TRANSPORTS(X)
#undef X
};

/* Which of a call's clocks ran out. */
#define CLOCK_KINDS(X)                                                                                       \
    X(NONE, "none")                                                                                          \
    X(CONNECT, "connect")                                                                                    \
    X(INACTIVITY, "inactivity")                                                                              \
    X(TOTAL, "total")

enum clock_kind {
#define X(name, text) CLOCK_KIND_##name,
    CLOCK_KINDS(X)
#undef X
};
#define CLOCK_KIND_COUNT (CLOCK_KIND_TOTAL + 1)

#define FAILURE_MESSAGE_SIZE 4096
/* Our own words in the message of a pull that was refused, where the login may be there the next time. */
#define CLASSIFY_NO_LOGIN_YET "there was no login to send this time"

struct failure {
    enum dependency dependency;
    enum stage stage;
    int status; /* HTTP status; 0 if no status line arrived; 200 with a message: an error inside a pull stream
                 */
    enum transport transport;
    bool sent;    /* the request, or part of it, may have reached the other side */
    bool changes; /* the call changes something (create, start, network connect, set_state): a lost answer is
                     an unknown outcome */
    enum clock_kind clock;              /* the clock that ran out, if one did */
    int64_t retry_after_ms;             /* what the other side asked for, capped at an hour; -1 if nothing */
    char message[FAILURE_MESSAGE_SIZE]; /* the other side's own sentence, or ours; "" if none */
};

/* design: meaning, and whether the same request may go again unchanged without a look first */
#define ERROR_CLASSES(X)                                                                                     \
    X(TRANSIENT, "transient") /* may succeed later with nobody's help; yes */                                \
    X(THROTTLED, "throttled") /* asked to slow down; yes, later */                                           \
    X(CAPACITY, "capacity")   /* the host is out of something other runs may free; yes, much later */        \
    X(CONFLICT, "conflict")   /* name taken, in progress, wrong state; no: look, adopt, wait or rename */    \
    X(GONE, "gone")           /* the object isn't there; no */                                               \
    X(AUTH, "auth")           /* refused for who we are; no */                                               \
    X(PERMANENT, "permanent") /* fails again until a person changes something; no */                         \
    X(UNKNOWN_OUTCOME, "unknown_outcome") /* sent, answer lost, it changes something; no: look first */

enum error_class {
#define X(name, text) ERROR_CLASS_##name,
    ERROR_CLASSES(X)
#undef X
};
#define ERROR_CLASS_COUNT (ERROR_CLASS_UNKNOWN_OUTCOME + 1)

struct verdict_on_failure {
    enum error_class error_class;
    bool out_of_reach; /* the dependency could not be reached at all: costs no attempt of any run */
    const char *rule;  /* name of the table row that matched; static text */
};

/* classify - judge one failure. Never fails: what no row names is transient if it may pass, else permanent.
 */
struct verdict_on_failure classify(const struct failure *failure);

/* transport_may_have_sent - whether the other side may have got the request when this happened: the value of
 * `sent` for who has only the word (`sluice explain`). */
bool transport_may_have_sent(enum transport t);

const char *dependency_name(enum dependency d);
const char *stage_name(enum stage s);
const char *transport_name(enum transport t);
const char *error_class_name(enum error_class c);
const char *clock_kind_name(enum clock_kind k);
/* Find a value by its text; -1 if there is none. */
int dependency_from_name(const char *text);
int stage_from_name(const char *text);
int transport_from_name(const char *text);
int error_class_from_name(const char *text);

#endif
