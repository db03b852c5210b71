#include "api/json.h"
#include "base/text.h"
#include "status_parts.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void add(struct buf *out, const char *text)
{
    struct err err;
    CHECK(buf_add_str(out, text, &err) == 0);
}

void status_key(struct buf *out, const char *key)
{
    struct err err;
    char last = out->len == 0 ? '{' : out->data[out->len - 1];
    if (last != '{' && last != '[' && last != ':')
        add(out, ",");
    if (key != NULL)
        CHECK(buf_printf(out, &err, "\"%s\":", key) == 0);
}

void status_text(struct buf *out, const char *key, const char *text, size_t max_bytes)
{
    const char *from = text == NULL ? "" : text;
    size_t len = strlen(from);
    size_t fits = text_fitting(from, len, max_bytes);
    char *AUTO_FREE cut = check_printf("%.*s%s", (int)fits, from, fits < len ? "…" : "");
    char *AUTO_FREE quoted = json_quote(cut);
    status_key(out, key);
    add(out, quoted);
}

void status_int(struct buf *out, const char *key, int64_t number)
{
    struct err err;
    status_key(out, key);
    CHECK(buf_printf(out, &err, "%" PRId64, number) == 0);
}

void status_number(struct buf *out, const char *key, double number)
{
    struct err err;
    status_key(out, key);
    CHECK(buf_printf(out, &err, "%.6g", isfinite(number) ? number : 0) == 0);
}

void status_bool(struct buf *out, const char *key, bool value)
{
    status_key(out, key);
    add(out, value ? "true" : "false");
}

void status_open(struct buf *out, const char *key, char bracket)
{
    status_key(out, key);
    add(out, bracket == '{' ? "{" : "[");
}

void status_close(struct buf *out, char bracket)
{
    add(out, bracket == '}' ? "}" : "]");
}
