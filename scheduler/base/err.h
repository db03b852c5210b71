/*
 * err.h - the error value: a kind for the program, a sentence for a person.
 *
 * Functions that can fail return 0 or -1, take `struct err *err` last (never NULL) and are marked MUST_CHECK.
 * They touch outputs only on success and err only on failure. These are failures of our own doing or of this
 * machine; what an outside service did is a `struct failure` (core/classify.h).
 */
#ifndef SLUICE_BASE_ERR_H
#define SLUICE_BASE_ERR_H

#include "base/check.h"

#define ERR_KINDS(X)                                                                                         \
    X(NONE, "none")                                                                                          \
    X(INVALID, "invalid")   /* a value that is not allowed */                                                \
    X(PARSE, "parse")       /* text that does not follow its grammar */                                      \
    X(IO, "io")             /* the operating system or the disk said no */                                   \
    X(LIMIT, "limit")       /* larger than we accept */                                                      \
    X(CONFLICT, "conflict") /* somebody else holds it */                                                     \
    X(NOT_FOUND, "not found")                                                                                \
    X(VERSION, "version") /* made by a newer program */

enum err_kind {
#define X(name, text) ERR_##name,
    ERR_KINDS(X)
#undef X
};

struct err {
    enum err_kind kind;
    int sys;       /* errno, or 0 */
    char msg[480]; /* one sentence: what failed, on what, while doing what, what to do */
};

/* err_set - make an error. Always returns -1, so that callers can write `return err_set(...)`. */
int err_set(struct err *err, enum err_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* err_sys - as err_set with kind IO, and ": " and the text of errno value `sys` at the end. */
int err_sys(struct err *err, int sys, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* err_wrap - put context in front of an error: "create container x: ...". Always returns -1. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

const char *err_kind_name(enum err_kind kind);

#endif
