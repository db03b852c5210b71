/* metrics_accept.c - the choice between the two text formats by an Accept header; see metrics_text.h. */
#include "metrics_text.h"

#include <string.h>
#include <strings.h>

#define Q_MAX 1000

/* A piece of the header: borrowed, not ended by NUL. */
struct piece {
    const char *text;
    size_t len;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct piece trimmed(struct piece p)
{
    while (p.len > 0 && is_blank(p.text[0])) {
        p.text++;
        p.len--;
    }
    while (p.len > 0 && is_blank(p.text[p.len - 1]))
        p.len--;
    return p;
}

/* What is before the next separator, which may be quoted; *rest goes on behind it. */
static struct piece next_piece(struct piece *rest, char separator)
{
    bool is_quoted = false;
    size_t i = 0;
    for (; i < rest->len && (is_quoted || rest->text[i] != separator); i++) {
        if (is_quoted && rest->text[i] == '\\' && i + 1 < rest->len)
            i++;
        else if (rest->text[i] == '"')
            is_quoted = !is_quoted;
    }
    if (i > rest->len)
        i = rest->len;
    struct piece piece = {rest->text, i};
    size_t used = i < rest->len ? i + 1 : i;
    rest->text += used;
    rest->len -= used;
    return trimmed(piece);
}

static bool is_word(struct piece p, const char *word)
{
    return p.len == strlen(word) && strncasecmp(p.text, word, p.len) == 0;
}

static struct piece unquoted(struct piece p)
{
    if (p.len >= 2 && p.text[0] == '"' && p.text[p.len - 1] == '"')
        return (struct piece){p.text + 1, p.len - 2};
    return p;
}

/* "0.75" as thousandths; -1: no weight (RFC 9110, 12.4.2). */
static int weight_of(struct piece p)
{
    if (p.len == 0 || p.len > 5 || (p.text[0] != '0' && p.text[0] != '1') || (p.len > 1 && p.text[1] != '.'))
        return -1;
    int weight = (p.text[0] - '0') * Q_MAX;
    int worth = Q_MAX / 10;
    for (size_t i = 2; i < p.len; i++, worth /= 10) {
        if (p.text[i] < '0' || p.text[i] > '9')
            return -1;
        weight += (p.text[i] - '0') * worth;
    }
    return weight <= Q_MAX ? weight : -1;
}

/* What an element of the header is about. */
struct range {
    struct piece type;
    struct piece version; /* empty: any */
    int weight;           /* -1: the element can't be read */
};

static struct range read_range(struct piece element)
{
    struct range range = {.type = next_piece(&element, ';'), .weight = Q_MAX};
    while (element.len > 0) {
        struct piece value = next_piece(&element, ';');
        struct piece name = next_piece(&value, '=');
        if (is_word(name, "q"))
            range.weight = weight_of(trimmed(value));
        else if (is_word(name, "version"))
            range.version = unquoted(trimmed(value));
    }
    return range;
}

/* How exactly the range names the format: 0: not at all, 1: any type, 2: any text, 3: the type, 4: with its
 * version. */
static int exactness(const struct range *range, const char *type, const char *any, const char *version)
{
    if (is_word(range->type, "*/*"))
        return 1;
    if (is_word(range->type, any))
        return 2;
    if (!is_word(range->type, type))
        return 0;
    return range->version.len == 0 ? 3 : is_word(range->version, version) ? 4 : 0;
}

struct wish {
    int exactness; /* of the range that counts: the most exact one */
    int weight;
};

static void hear(struct wish *wish, const struct range *range, int exactness_of_it)
{
    if (exactness_of_it > wish->exactness ||
        (exactness_of_it > 0 && exactness_of_it == wish->exactness && range->weight > wish->weight))
        *wish = (struct wish){exactness_of_it, range->weight};
}

enum metrics_format metrics_format_for(const char *accept)
{
    struct piece rest = {accept, strlen(accept)};
    struct wish open = {0};
    struct wish plain = {0};
    while (rest.len > 0) {
        struct range range = read_range(next_piece(&rest, ','));
        if (range.weight < 0)
            continue;
        hear(&open, &range, exactness(&range, "application/openmetrics-text", "application/*", "1.0.0"));
        hear(&plain, &range, exactness(&range, "text/plain", "text/*", "0.0.4"));
    }
    bool is_named = open.exactness >= 3;
    return is_named && open.weight > 0 && open.weight >= plain.weight ? METRICS_OPENMETRICS
                                                                      : METRICS_PROMETHEUS;
}
