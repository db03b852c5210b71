#include "core/trace.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define VERSION_DIGITS 2
#define TRACE_DIGITS 32
#define SPAN_DIGITS 16
#define FLAG_SAMPLED 1u
#define TWO_TO_64 18446744073709551616.0

/* ---- text ---- */

static const char hex_digits[] = "0123456789abcdef";

/* Small letters only, as the standard wants it. */
static bool read_hex(const char *text, size_t digits, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < digits; i++) {
        const char *at = text[i] == '\0' ? NULL : strchr(hex_digits, text[i]);
        if (at == NULL)
            return false;
        value = value << 4 | (uint64_t)(at - hex_digits);
    }
    *out = value;
    return true;
}

bool trace_parent_read(const char *text, struct trace_parent *out)
{
    uint64_t version, flags;
    struct trace_parent read;
    if (text == NULL || strnlen(text, TRACE_PARENT_SIZE) < TRACE_PARENT_SIZE - 1)
        return false;
    const char *trace = text + VERSION_DIGITS + 1, *span = trace + TRACE_DIGITS + 1,
               *end = span + SPAN_DIGITS + 1 + 2;
    bool is_whole = trace[-1] == '-' && span[-1] == '-' && end[-3] == '-' &&
                    read_hex(text, VERSION_DIGITS, &version) && read_hex(trace, 16, &read.trace.high) &&
                    read_hex(trace + 16, 16, &read.trace.low) && read_hex(span, SPAN_DIGITS, &read.span) &&
                    read_hex(end - 2, 2, &flags);
    if (!is_whole || version == 0xff || (*end != '\0' && (version == 0 || *end != '-')))
        return false;
    if ((read.trace.high | read.trace.low) == 0 || read.span == 0)
        return false;
    read.is_sampled = (flags & FLAG_SAMPLED) != 0;
    *out = read;
    return true;
}

void trace_parent_write(const struct trace_parent *parent, char text[static TRACE_PARENT_SIZE])
{
    snprintf(text, TRACE_PARENT_SIZE, "00-%016" PRIx64 "%016" PRIx64 "-%016" PRIx64 "-%02x",
             parent->trace.high, parent->trace.low, parent->span, parent->is_sampled ? FLAG_SAMPLED : 0);
}

/* ---- ids ---- */

/* The finalizer of splitmix64: a bijection of 64 bits. */
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* FNV-1a. */
static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

/* The 32 digits of a UUID; another text is hashed. */
static struct trace_id bits_of(const char *launch_id)
{
    char digits[TRACE_DIGITS + 1] = "";
    size_t count = 0;
    struct trace_id bits;
    for (const char *c = launch_id; *c != '\0' && count < TRACE_DIGITS; c++)
        if (*c != '-')
            digits[count++] = *c;
    if (!read_hex(digits, 16, &bits.high) || !read_hex(digits + 16, 16, &bits.low))
        bits = (struct trace_id){hash_text(launch_id), 0};
    return bits;
}

/* Three rounds in which each half moves the other: no two launch ids give the same, and all bits depend on
 * all, although those of a launch id are not all random. */
struct trace_id trace_id_of(const char *launch_id)
{
    struct trace_id id = bits_of(launch_id);
    id.low += mix(id.high);
    id.high += mix(id.low);
    id.low += mix(id.high);
    if ((id.high | id.low) == 0)
        id.low = 1;
    return id;
}

uint64_t trace_span_of(const char *launch_id, const char *what, int64_t began_ms, uint64_t n)
{
    uint64_t hash = trace_id_of(launch_id).high;
    hash = mix(hash ^ hash_text(what));
    hash = mix(hash ^ (uint64_t)began_ms);
    hash = mix(hash + n);
    return hash == 0 ? 1 : hash;
}

/* ---- sampling ---- */

bool trace_sampler_named(const char *name, double arg, struct trace_sampler *out)
{
    static const char prefix[] = "parentbased_";
    if (name == NULL)
        return false;
    bool follows_parent = strncmp(name, prefix, sizeof(prefix) - 1) == 0;
    const char *rest = follows_parent ? name + sizeof(prefix) - 1 : name;
    double ratio;
    if (strcmp(rest, "always_on") == 0)
        ratio = 1;
    else if (strcmp(rest, "always_off") == 0)
        ratio = 0;
    else if (strcmp(rest, "traceidratio") == 0)
        ratio = arg;
    else
        return false;
    *out = (struct trace_sampler){follows_parent, ratio};
    return true;
}

bool trace_is_sampled(const struct trace_sampler *sampler, struct trace_id trace,
                      const struct trace_parent *parent)
{
    if (sampler->follows_parent && parent != NULL)
        return parent->is_sampled;
    return sampler->ratio >= 1 || (double)trace.low < sampler->ratio * TWO_TO_64;
}
