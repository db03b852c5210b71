#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err->kind = kind;
    err->sys = 0;
    vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    return -1;
}

int err_sys(struct err *err, int sys, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err->kind = ERR_IO;
    err->sys = sys;
    vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    size_t used = strlen(err->msg);
    snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", strerror(sys));
    return -1;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    char context[sizeof(err->msg)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(context, sizeof(context), fmt, ap);
    va_end(ap);
    char *joined = check_printf("%s: %s", context, err->msg);
    snprintf(err->msg, sizeof(err->msg), "%s", joined);
    free(joined);
    return -1;
}

const char *err_kind_name(enum err_kind kind)
{
    switch (kind) {
#define X(name, text)                                                                                        \
    case ERR_##name:                                                                                         \
        return text;
        ERR_KINDS(X)
#undef X
    }
    return "?";
}
