/*
 * check.h - assertions that stay on in release builds, magic-checked casts, cleanup attributes.
 *
 * An assert means "our own code is used wrongly": the process aborts, and the next start recovers from the
 * state file, which is the tested path. Whatever comes from outside is an error value, never an assert. Lack
 * of memory is neither: the process says so and ends with code 1 where it stands, since to go on with half an
 * answer would be worse than to start again. What is saved is safe, as with any other end.
 */
#ifndef SLUICE_BASE_CHECK_H
#define SLUICE_BASE_CHECK_H

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

/* Print file, line and the condition, then abort. */
__attribute__((noreturn, cold)) void check_failed(const char *file, int line, const char *condition);

#define CHECK(cond) ((cond) ? (void)0 : check_failed(__FILE__, __LINE__, #cond))
/* Say that memory is out, and end the process with code 1, without any clean-up. */
__attribute__((noreturn, cold)) void check_no_memory(void);
/* For what fails for lack of memory only: ours, or a library's. */
#define CHECK_MEMORY(cond) ((cond) ? (void)0 : check_no_memory())

#define UNREACHABLE() check_failed(__FILE__, __LINE__, "unreachable")

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* char *AUTO_FREE p = ...;  freed when p leaves its scope, unless handed out with STEAL(p). */
#define AUTO_FREE __attribute__((cleanup(check_free_pointer)))
static inline void check_free_pointer(void *p)
{
    void **pp = p;
    free(*pp);
    *pp = NULL;
}

/* Take the pointer out of a variable, which is left NULL. */
#define STEAL(p)                                                                                             \
    ({                                                                                                       \
        __typeof__(p) stolen_ = (p);                                                                         \
        (p) = NULL;                                                                                          \
        stolen_;                                                                                             \
    })

/* Structs that travel through a `void *` begin with `uint32_t magic`; MAGIC_CAST is the first line of a
 * callback. */
#define MAGIC_CAST(type, arg, MAGIC)                                                                         \
    ({                                                                                                       \
        type *obj_ = (arg);                                                                                  \
        CHECK(obj_ != NULL && obj_->magic == (MAGIC));                                                       \
        obj_;                                                                                                \
    })

/* calloc, realloc, strdup, strndup and asprintf that don't come back without memory (check_no_memory). */
void *check_alloc(size_t size_bytes) __attribute__((returns_nonnull, malloc));
void *check_realloc(void *p, size_t size_bytes) __attribute__((returns_nonnull));
char *check_strdup(const char *s) __attribute__((returns_nonnull, malloc));
char *check_strndup(const char *s, size_t max_len) __attribute__((returns_nonnull, malloc));
/* Copy s, or return NULL if s is NULL. */
char *check_strdup_or_null(const char *s);
char *check_printf(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((returns_nonnull));
char *check_vprintf(const char *fmt, va_list ap) PRINTF_LIKE(1, 0) __attribute__((returns_nonnull));

#endif
