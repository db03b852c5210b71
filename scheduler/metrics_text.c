#include "metrics_text.h"

#include "base/check.h"
#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A byte becomes three at most: what is no character is replaced by one of three bytes. */
#define LABELS_SIZE (METRICS_LABELS_MAX * (3 * METRICS_LABEL_MAX_BYTES + 32))
#define HASH_TEXT_SIZE 10 /* "~", 8 hex digits, NUL */

const char *metrics_content_type(enum metrics_format format)
{
    return format == METRICS_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                         : "text/plain; version=0.0.4; charset=utf-8";
}

/* ---- writing ---- */

static void add(struct metrics_text *t, const char *data, size_t len)
{
    struct err err;
    if (!t->is_failed && buf_add(t->out, data, len, &err) != 0)
        t->is_failed = true;
}

static void add_text(struct metrics_text *t, const char *text)
{
    add(t, text, strlen(text));
}

/* What a family's samples are called: a counter's and an info's have an ending of their own. */
static const char *ending(const struct metrics_family *family)
{
    return family->type == METRICS_COUNTER ? "_total" : family->type == METRICS_INFO ? "_info" : "";
}

/* OpenMetrics names the family, the older format the samples; it also knows no info. */
static void describe(struct metrics_text *t)
{
    const struct metrics_family *f = t->family;
    bool is_open = t->format == METRICS_OPENMETRICS;
    const char *type = f->type == METRICS_INFO && !is_open ? "gauge" : metrics_type_name(f->type);
    char line[512];
    snprintf(line, sizeof(line), "# HELP %s%s %s\n# TYPE %s%s %s\n", f->name, is_open ? "" : ending(f),
             f->help, f->name, is_open ? "" : ending(f), type);
    add_text(t, line);
    if (is_open && f->unit[0] != '\0') {
        snprintf(line, sizeof(line), "# UNIT %s %s\n", f->name, f->unit);
        add_text(t, line);
    }
    t->is_begun = true;
}

void metrics_text_begin(struct metrics_text *t, enum metrics_id family)
{
    t->family = metrics_family(family);
    t->is_begun = false;
}

/* ---- labels ---- */

/* Length of the UTF-8 character at p, of which len bytes are there; 0: it is none (RFC 3629). */
static size_t character_length(const unsigned char *p, size_t len)
{
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xC2 && p[0] <= 0xDF   ? 2
               : (p[0] & 0xF0) == 0xE0        ? 3
               : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4
                                              : 0;
    if (n == 0 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    bool is_overlong = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xF0 && p[1] < 0x90);
    bool is_no_character = (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF4 && p[1] > 0x8F);
    return is_overlong || is_no_character ? 0 : n;
}

/* FNV-1a. */
static uint32_t hash_of(const char *value)
{
    uint32_t hash = UINT32_C(2166136261);
    for (const char *p = value; *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * UINT32_C(16777619);
    return hash;
}

struct label_text {
    char text[LABELS_SIZE];
    size_t len;
};

static void put(struct label_text *l, const char *data, size_t len)
{
    CHECK(len < sizeof(l->text) - l->len);
    memcpy(l->text + l->len, data, len);
    l->len += len;
    l->text[l->len] = '\0';
}

static void put_text(struct label_text *l, const char *text)
{
    put(l, text, strlen(text));
}

/* One character, replaced where it must not stand; false: it was. */
static bool put_character(struct label_text *l, const char *p, size_t n)
{
    if (n == 0 || (unsigned char)*p == 0x7F || ((unsigned char)*p < 0x20 && *p != '\n')) {
        put_text(l, "\xEF\xBF\xBD");
        return false;
    }
    if (*p == '\n')
        put_text(l, "\\n");
    else if (*p == '"' || *p == '\\')
        put_text(l, *p == '"' ? "\\\"" : "\\\\");
    else
        put(l, p, n);
    return true;
}

static void put_value(struct label_text *l, const char *value)
{
    size_t len = strlen(value);
    bool is_whole = len <= METRICS_LABEL_MAX_BYTES;
    size_t used = is_whole ? len : text_fitting(value, len, METRICS_LABEL_MAX_BYTES);
    for (size_t i = 0; i < used;) {
        size_t n = character_length((const unsigned char *)value + i, used - i);
        is_whole = put_character(l, value + i, n) && is_whole;
        i += n == 0 ? 1 : n;
    }
    if (is_whole)
        return;
    char hash[HASH_TEXT_SIZE];
    snprintf(hash, sizeof(hash), "~%08" PRIx32, hash_of(value));
    put_text(l, hash);
}

/* stage="pull",outcome="ok" without the braces. */
static void put_labels(struct label_text *l, const struct metrics_label *labels)
{
    l->len = 0;
    l->text[0] = '\0';
    for (size_t i = 0; labels != NULL && i < METRICS_LABELS_MAX && labels[i].name != NULL; i++) {
        put_text(l, i == 0 ? "" : ",");
        put_text(l, labels[i].name);
        put_text(l, "=\"");
        put_value(l, labels[i].value);
        put_text(l, "\"");
    }
}

/* ---- samples ---- */

/* le: the bound of a bucket; NULL: none. */
static void add_sample(struct metrics_text *t, const char *end, const struct label_text *labels,
                       const char *le, const char *value)
{
    if (!t->is_begun)
        describe(t);
    t->series++;
    add_text(t, t->family->name);
    add_text(t, end);
    if (labels->len > 0 || le != NULL) {
        add(t, "{", 1);
        add(t, labels->text, labels->len);
        if (le != NULL) {
            add_text(t, labels->len > 0 ? ",le=\"" : "le=\"");
            add_text(t, le);
            add(t, "\"", 1);
        }
        add(t, "}", 1);
    }
    add(t, " ", 1);
    add_text(t, value);
    add(t, "\n", 1);
}

#define NUMBER_SIZE 40

static const char *count_text(uint64_t count, char text[static NUMBER_SIZE])
{
    snprintf(text, NUMBER_SIZE, "%" PRIu64, count);
    return text;
}

static const char *number_text(double number, char text[static NUMBER_SIZE])
{
    if (isnan(number))
        return "NaN";
    if (isinf(number))
        return number > 0 ? "+Inf" : "-Inf";
    if (fabs(number) < 1e15 && number == floor(number))
        snprintf(text, NUMBER_SIZE, "%.1f", number);
    else
        snprintf(text, NUMBER_SIZE, "%.15g", number);
    return text;
}

void metrics_text_count(struct metrics_text *t, const struct metrics_label *labels, uint64_t value)
{
    struct label_text l;
    char text[NUMBER_SIZE];
    put_labels(&l, labels);
    add_sample(t, ending(t->family), &l, NULL, count_text(value, text));
}

void metrics_text_value(struct metrics_text *t, const struct metrics_label *labels, double value)
{
    struct label_text l;
    char text[NUMBER_SIZE];
    put_labels(&l, labels);
    add_sample(t, ending(t->family), &l, NULL, number_text(value, text));
}

void metrics_text_histogram(struct metrics_text *t, const struct metrics_label *labels,
                            const struct histogram *h, const struct histogram_bounds *bounds, uint32_t shown)
{
    struct label_text l;
    char text[NUMBER_SIZE];
    char le[NUMBER_SIZE];
    uint64_t below = 0;
    put_labels(&l, labels);
    for (size_t i = 0; i < bounds->count; i++) {
        below += h->buckets[i];
        if ((shown & (UINT32_C(1) << i)) != 0)
            add_sample(t, "_bucket", &l, number_text(bounds->upper[i], le), count_text(below, text));
    }
    add_sample(t, "_bucket", &l, "+Inf", count_text(h->count, text));
    add_sample(t, "_sum", &l, NULL, number_text(h->sum, text));
    add_sample(t, "_count", &l, NULL, count_text(h->count, text));
}

void metrics_text_end(struct metrics_text *t)
{
    if (t->format == METRICS_OPENMETRICS)
        add_text(t, "# EOF\n");
}
